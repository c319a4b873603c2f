"""A second policy that judges silently beside the live one, when messages settle.

It is off the click path, changes nothing that anybody is answered or counted by, and whatever
fails in it is logged and forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from linkproxy.logs import Event, get_logger
from linkproxy.store.review import ShadowVerdict
from linkproxy.visit.settle import judge_again

if TYPE_CHECKING:
    from linkproxy.model import MessageHistory, Settlement
    from linkproxy.store.api import Store
    from linkproxy.telemetry import Metrics
    from linkproxy.visit.policy import Policy


@dataclass(frozen=True, slots=True)
class Shadow:
    """The shadow policy, and where its differences go."""

    policy: Policy
    metrics: Metrics | None = None

    async def watch(self, store: Store, history: MessageHistory, settlement: Settlement) -> None:
        """Judge a settled message's visits again under the shadow policy and keep what differs."""
        try:
            verdicts = self.judge(history, settlement)
            await store.add_shadow_verdicts(verdicts)
        except Exception as error:  # noqa: BLE001  (a shadow must never hold up what is live)
            get_logger().error(Event.SHADOW_FAILED, error=repr(error))
            return
        if self.metrics is not None:
            for item in verdicts:
                self.metrics.shadow_verdicts.labels(live=item.live, shadow=item.shadow).inc()

    def judge(self, history: MessageHistory, settlement: Settlement) -> list[ShadowVerdict]:
        """Return the shadow's verdict on each visit that the settle pass has revised."""
        entries = {entry.visit_id: entry for entry in history.entries}
        found = []
        for visit_id, live in settlement.revised:
            entry = entries[visit_id]
            shadow = judge_again(entry, history, self.policy)
            found.append(
                ShadowVerdict(
                    visit_id=visit_id,
                    at=entry.visit.at,
                    campaign_id=entry.visit.campaign_id,
                    recipient_id=entry.visit.recipient_id,
                    live=live.kind,
                    live_score=live.score,
                    shadow=shadow.kind,
                    shadow_score=shadow.score,
                    evidence=shadow.evidence,
                    policy=self.policy.digest,
                )
            )
        return found
