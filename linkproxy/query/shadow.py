"""What a shadow policy said beside the live one, as the command and the API show it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from linkproxy.model import Verdict
from linkproxy.query.filters import format_time

if TYPE_CHECKING:
    from linkproxy.store.api import Filter, Store
    from linkproxy.store.review import ShadowRow

Record = dict[str, Any]


async def shadow_record(store: Store, where: Filter) -> Record:
    """Return counts by both verdicts, and the visits that differ; JSON-able.

    Campaign, since, until and limit of ``where`` restrict the visits, the campaign also the counts.
    """
    counts = await store.count_shadow_verdicts()
    return {
        "counts": [
            {
                "policy": item.policy,
                "campaign": item.campaign,
                "live": item.live,
                "shadow": item.shadow,
                "visits": item.visits,
            }
            for item in counts
            if where.campaign in {"", item.campaign}
        ],
        "differences": [_difference(row) async for row in store.shadow_verdicts(where)],
    }


def _difference(row: ShadowRow) -> Record:
    item = row.verdict
    found = Verdict(item.shadow, item.shadow_score, 0.0, item.evidence)
    return {
        "visit_id": item.visit_id,
        "at": format_time(item.at),
        "campaign": row.campaign,
        "recipient": row.recipient,
        "policy": item.policy,
        "live": {"verdict": item.live, "score": item.live_score},
        "shadow": {"verdict": item.shadow, "score": item.shadow_score, "reasons": list(found.reasons)},
    }
