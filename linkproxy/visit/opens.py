"""Opens: requests for the picture that a mail may hold. Evidence about clicks, and nothing more.

Mail services fetch pictures for their users, at once or in advance, and scanners show a mail to a
browser. So an open is judged by who asks for it alone: when it came, and what else was visited, says
nothing of it; and a picture's request lacks what a page's has.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from linkproxy.model import NO_DELIVERY, NO_STRAYS, LinkKind
from linkproxy.visit.intake import profile_of

if TYPE_CHECKING:
    from linkproxy.model import Facts, Sibling, Visit

MOST_OPENS = 8
"""Opens of one message in a day that are kept; more of them say no more."""

DAY_SECONDS = 86_400.0

_OPEN = LinkKind.OPEN  # asked of every visit, and looking a member up takes longer


def is_open(facts: Facts) -> bool:
    """Tell whether a visit is an open."""
    return facts.link is not None and facts.link.kind is _OPEN


def beside(facts: Facts, siblings: tuple[Sibling, ...]) -> Facts:
    """Return facts with the other visits of the message, opens apart from the rest."""
    opens = tuple([item for item in siblings if item.kind is _OPEN]) if _has_opens(siblings) else ()
    if is_open(facts):
        return replace(
            facts,
            opens=opens,
            siblings=(),
            delivery=NO_DELIVERY,
            strays=NO_STRAYS,
            learned=(),
            step=None,
            settled=False,
            afterlife=None,
        )
    if opens:
        others = tuple([item for item in siblings if item.kind is not _OPEN])
        return replace(facts, siblings=others, opens=opens)
    return facts if facts.siblings is siblings else replace(facts, siblings=siblings)


def _has_opens(siblings: tuple[Sibling, ...]) -> bool:
    for item in siblings:  # noqa: SIM110  (quicker than any(), and asked of every second visit)
        if item.kind is _OPEN:
            return True
    return False


def as_picture(visit: Visit) -> Visit:
    """Return a visit that is an open as it is judged: by its agent, with no other header missing."""
    agent = tuple(pair for pair in visit.profile.headers if pair[0] == "user-agent")
    return replace(visit, profile=profile_of(agent, complete=False))
