"""When visits to a domain's messages come: scanners that pass for people still come at once, nearly all.

No single visit tells such a scanner from a quick reader. A domain does: of people's visits a known share
comes within minutes of delivery, so the later ones tell how many of the early ones are people's. What
is beyond that is a scanner's. Counted are visits that nothing else gives away, so that this says
something that is not known already.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from linkproxy.model import OF_MESSAGE, CampaignKind, DeliverySource, ProfileScope, VerdictKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from linkproxy.model import Delivery, Facts, JournalEntry, Learned, Verdict
    from linkproxy.visit.learn import Learning

Seen = tuple["JournalEntry", "Facts", "Verdict"]

# To read a member off its class costs 0.08 us before Python 3.12.
_OF_MAILING, _MARKETING = DeliverySource.CAMPAIGN, CampaignKind.MARKETING


def tells_when(source: DeliverySource, kind: CampaignKind) -> bool:
    """Tell whether a delivery time is a message's at all.

    A mailing's begin is near that of a newsletter; password resets are sent for months after it.
    """
    return source in OF_MESSAGE or (source is _OF_MAILING and kind is _MARKETING)


def is_early(at: float, facts: Facts, rules: Learning) -> bool | None:
    """Tell whether a visit came early for its message's delivery, or its mailing's; None when unknown.

    A time that is as far behind the visit is wrong: told late, or off by a time zone.
    """
    delivery = facts.delivery
    if not tells_when(delivery.source, facts.campaign.kind):
        return None
    waited, most = at - delivery.delivered_at, early_seconds(delivery, rules)
    return None if waited < -most else waited <= most


def early_seconds(delivery: Delivery, rules: Learning) -> float:
    """Return until when a visit is early, in seconds from the time that is known."""
    return rules.early_seconds if delivery.source in OF_MESSAGE else rules.early_mailing_seconds


def count(fresh: Sequence[Seen], known: Sequence[Seen], rules: Learning) -> tuple[int, int]:
    """Return how many visitors came early and how many later: each header profile of a message once.

    Of marketing mail: people wait for the other kind, and come as early as any scanner.
    """
    counted = {facts.profile_id for _, facts, _ in known}
    early = later = 0
    for entry, facts, verdict in fresh:
        came = is_early(entry.visit.at, facts, rules)
        if came is None or facts.campaign.kind is not _MARKETING:
            continue
        if facts.profile_id in counted or verdict.kind is VerdictKind.MACHINE:
            continue
        counted.add(facts.profile_id)
        early += came
        later += not came
    return early, later


def beyond_people(learned: Sequence[Learned], doubt: float) -> float:
    """Return how many early visits of a domain are more than its people can have made.

    ``doubt``: people may come so many times as early as their curve says; beyond that, two standard
    deviations of what chance does.
    """
    found = next((item for item in learned if item.scope is ProfileScope.EARLY), None)
    if found is None:
        return 0.0
    people = people_early(found, doubt)
    return max(0.0, found.machines - people - 2 * math.sqrt(people))


def people_early(found: Learned, doubt: float) -> float:
    """Return how many early visits people can have made at most, one for good measure."""
    return doubt * found.people + 1.0
