"""How many of a mailing's messages are visited at all: of a domain that is scanned, nearly all.

Where nobody told when a message was delivered, no visit is early. But people never follow all of a
mailing, and what scans a domain does, so that a share beyond people's tells such a domain. How many
messages there were nobody has to say: no more went to a domain than it has recipients.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from linkproxy.model import CampaignKind, ProfileScope, VerdictKind
from linkproxy.visit import arrivals, opens

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from linkproxy.model import Learned, MessageHistory, Neighbour, Visit
    from linkproxy.visit.arrivals import Seen
    from linkproxy.visit.learn import Learning

MOST_BEFORE = 255
"""As many neighbours are remembered: how many more of a mailing's messages were visited nobody knows."""

MOST_RECIPIENTS = 2_048
"""Recipients of a domain that are counted: of more, so few visits as are looked at are never nearly all."""


def asked(history: MessageHistory) -> tuple[int, int] | None:
    """Return up to which ids a domain's recipients are to be counted; None where nothing is to be learned.

    Up to the highest that the mailing's visits so far were for, and up to the highest with this message:
    ids grow as recipients become known, so that these have all had the mailing's chance to be visited.
    """
    visits = [entry for entry in (*history.beyond, *history.entries) if not opens.is_open(entry.facts)]
    if not visits or any(entry.settled is not None for entry in visits) or history.neighbours is None:
        return None
    first = visits[0]
    kind = first.facts.campaign.kind
    if first.facts.step is None or kind is not CampaignKind.MARKETING:
        return None
    if arrivals.tells_when(history.delivery.source, kind) or len(history.neighbours) >= MOST_BEFORE:
        return None
    before = max((other.recipient_id for other in _before(history, first.visit.at)), default=0)
    return before, max(before, first.visit.recipient_id)


def _before(history: MessageHistory, at: float) -> list[Neighbour]:
    """Return whose mail of no known time was visited before a moment."""
    others = history.neighbours or ()
    return [other for other in others if other.first_at < at and other.delivered_at is None]


def charge(history: MessageHistory, rules: Learning) -> int:
    """Return how many recipients a message adds to those whom the domain's mailings may have gone to.

    While a mailing is young, most visits are still to come: until then no more are counted than would
    have been visited so often by people who follow all that people ever do, and the rest thereafter.
    """
    if history.recipients is None:
        return 0
    earlier, known = history.recipients
    own = next(entry.visit.at for entry in history.entries if not opens.is_open(entry.facts))
    times = sorted(other.first_at for other in _before(history, own))
    begun = times[0] if times else own

    def counted(visits: int, recipients: int, until: float) -> int:
        is_young = until - begun < rules.early_wait_seconds
        return min(recipients, math.ceil(visits / rules.mailed_share)) if is_young else recipients

    paid = counted(len(times), earlier, times[-1]) if times else 0
    return max(0, counted(len(times) + 1, known, own) - paid)


def is_visited(fresh: Sequence[Seen], driven: Callable[[Visit], bool]) -> bool:
    """Tell whether what scanners drive visited a message, and nothing else gave it away."""
    return any(driven(entry.visit) and verdict.kind is not VerdictKind.MACHINE for entry, _, verdict in fresh)


def estimate(learned: Sequence[Learned], share: float) -> tuple[float, float]:
    """Return how many of a domain's messages machines came to first, and to how many of the rest people.

    No machines unless more is visited than people and chance can explain (two standard deviations).
    ``share``: of their mail people follow so much at most. Where machines have been, people come
    second, and make no message more.
    """
    found = next((item for item in learned if item.scope is ProfileScope.MAILED), None)
    if found is None:
        return 0.0, 1.0
    visited, everything = min(found.machines, found.people), found.people
    beyond = visited - share * everything
    if beyond <= 2 * math.sqrt(share * (1 - share) * everything):
        return 0.0, 1.0
    machines = min(visited, beyond / (1 - share))
    return machines, share * (everything - machines) + 1.0


def passing(learned: Sequence[Learned], rules: Learning) -> float:
    """Return how many machines of a domain pass for people by all but when they come, or to how much."""
    early = arrivals.beyond_people(learned, rules.early_doubt)
    return early + estimate(learned, rules.mailed_share)[0]
