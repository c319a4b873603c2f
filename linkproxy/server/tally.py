"""Counting what became of visits, a batch at a time: a counter's lock costs more than its addition."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from linkproxy.logs import Event, get_logger
from linkproxy.model import AnswerKind, Judged, Stray, StrayReason, Unlogged

if TYPE_CHECKING:
    from collections.abc import Iterable

    from linkproxy.model import CampaignId, VerdictKind
    from linkproxy.store.api import Outcome
    from linkproxy.telemetry import Metrics

SURGE = "in-step.unsubscribes"

_UNSUBSCRIBED = AnswerKind.UNSUBSCRIBED  # asked of every visit, and looking a member up takes longer


class Tally:
    """Counts outcomes of the journal; what leaves no trace is not counted either."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._unfilled: Counter[CampaignId] = Counter()
        self._unknown: Counter[CampaignId] = Counter()

    def count(self, outcomes: Iterable[Outcome]) -> None:
        """Count what one commit has brought."""
        visits: list[tuple[VerdictKind, AnswerKind]] = []
        signals: list[str] = []
        for outcome in outcomes:
            if not isinstance(outcome, Judged):
                self._count_other(outcome)
                continue
            verdict, answer = outcome.verdict, outcome.answer.kind
            visits.append((verdict.kind, answer))
            for evidence in verdict.evidence:
                signals.append(evidence.name)
                if evidence.name == SURGE:
                    self._surge(outcome)
            if verdict.broken:
                self._broken(verdict.broken)
            if answer is _UNSUBSCRIBED:
                self._unsubscribed(one_click=outcome.visit.one_click)
        for (kind, answer), count in Counter(visits).items():
            self._metrics.visits.labels(verdict=kind, answer=answer).inc(count)
        for name, count in Counter(signals).items():
            self._metrics.signals.labels(signal=name).inc(count)

    def _count_other(self, outcome: Outcome) -> None:
        if isinstance(outcome, Stray):
            self._metrics.strays.labels(reason=outcome.reason).inc()
            if outcome.reason is StrayReason.UNKNOWN_CAMPAIGN:
                _tell_growing(Event.CAMPAIGN_UNKNOWN, self._unknown, outcome.campaign_id)
        elif isinstance(outcome, Unlogged):
            if outcome.opt_out is not None:
                self._unsubscribed(one_click=outcome.opt_out.one_click)
            if outcome.unfilled is not None:
                self._unfilled_tag(outcome.unfilled)

    def _unfilled_tag(self, campaign_id: CampaignId) -> None:
        """Count a link whose reference is none, and log it."""
        self._metrics.strays.labels(reason=StrayReason.BAD_REFERENCE).inc()
        _tell_growing(Event.REFERENCE_UNFILLED, self._unfilled, campaign_id)

    def _broken(self, signals: Iterable[str]) -> None:
        for signal, count in Counter(signals).items():
            self._metrics.broken_signals.labels(signal=signal).inc(count)
            get_logger().warning(Event.SIGNAL_BROKEN, signal=signal)

    def _surge(self, judged: Judged) -> None:
        """Count a surge of unsubscribes, and log it as it grows: at 2, 4, 8 recipients and so on."""
        self._metrics.unsubscribe_surges.inc()
        count = judged.facts.step.unsubscribes if judged.facts.step else 0
        if count & (count - 1) == 0:
            get_logger().warning(
                Event.UNSUBSCRIBE_SURGE, campaign_id=judged.visit.campaign_id, recipients=count
            )

    def _unsubscribed(self, *, one_click: bool) -> None:
        self._metrics.unsubscribes.labels(way="one_click" if one_click else "page").inc()


def _tell_growing(event: Event, counts: Counter[CampaignId], campaign_id: CampaignId) -> None:
    """Count one more visit of a campaign, and log them as they grow: at 1, 2, 4, 8 and so on."""
    counts[campaign_id] += 1
    count = counts[campaign_id]
    if count & (count - 1) == 0:
        get_logger().warning(event, campaign_id=campaign_id, visits=count)
