"""What must be there before a signal has anything to say; a signal that lacks it is not asked.

Most visits are the first of their message, from nowhere in particular: of some forty signals two have
something to look at. A signal that is not in the table is always asked, and a test proves that asking
all of them gives the same verdict.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from linkproxy.model import AnswerKind, DeliverySource, LinkKind, LinkRole
from linkproxy.visit.intake import TLS_FINGERPRINT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from linkproxy.model import Facts, Sibling, Step, Visit

# One bit each: the signals for what a visit has are then found by one look-up.
SIBLINGS = 1 << 0  # another visit of the message
BURST = 1 << 1  # one of them by what may be the same client
DELIVERY = 1 << 2  # a time of delivery, by whoever's word
EARLY = 1 << 3  # a visit before it
ZONE = 1 << 4  # a network that is known by name
LISTED = 1 << 5  # a row of the operator's
STRAYS = 1 << 6
STEP = 1 << 7  # another recipient of the domain in the minutes around
HOP = 1 << 8  # a nonce, the cookie, or an answer that was a hop
UNREAD = 1 << 9  # a link that is not in the body or header
BAIT = 1 << 10  # the bait itself
SETTLED = 1 << 11
AFTERLIFE = 1 << 12
POST = 1 << 13
FINGERPRINT = 1 << 14
LEARNED = 1 << 15  # anything that the gateway, the domain or the network has taught

NEEDS: Mapping[str, int] = {
    "request.tls-fingerprint": FINGERPRINT,
    "network.scanner": ZONE,
    "network.cloud": ZONE,
    "network.learned": LEARNED,
    "operator.machine": LISTED,
    "operator.person": LISTED,
    "operator.not-scanner": LISTED,
    "timing.delay": DELIVERY,
    "timing.before-delivery": EARLY,
    "message.links-in-seconds": BURST,
    "message.rotates": BURST,
    "message.most-links": BURST,
    "message.low-interest-only": UNREAD,
    "message.alone": SETTLED,
    "message.several-networks": SIBLINGS,
    "message.unsubscribe-swept": BURST,
    "bait.followed": BAIT,
    "bait.beside": BURST,
    "mutation.stray": STRAYS,
    "redirect.cookie": HOP,
    "redirect.no-cookie": HOP,
    "redirect.elsewhere": HOP,
    "redirect.slow": HOP,
    "redirect.never": SETTLED | HOP,
    "redirect.wrong-nonce": HOP,
    "in-step.together": STEP,
    "in-step.same-delay": STEP,
    "in-step.early": LEARNED,
    "in-step.unsubscribes": STEP,
    "afterlife.continue": POST,
    "afterlife.person": POST,
    "afterlife.engaged": AFTERLIFE,
    "afterlife.silent": AFTERLIFE,
}

_NO_SOURCE = DeliverySource.NONE
_READ = (LinkRole.BODY, LinkRole.HEADER)


def of_request(visit: Visit) -> int:
    """Return what a request has, whatever is known of it."""
    fingerprint = FINGERPRINT if visit.profile.get(TLS_FINGERPRINT) else 0
    return fingerprint | (POST if visit.method == "POST" else 0)


def of_facts(visit: Visit, facts: Facts, burst: Sequence[Sibling]) -> int:
    """Return what is known of a visit."""
    delivery, found = facts.delivery, 0
    if delivery.source is not _NO_SOURCE:
        found = DELIVERY | EARLY if visit.at < delivery.delivered_at else DELIVERY
    if facts.siblings:
        found |= SIBLINGS | BURST if burst else SIBLINGS
    if facts.zone is not None:
        found |= ZONE
    if facts.listed:
        found |= LISTED
    if facts.step is not None and _is_beside_others(facts.step):
        found |= STEP
    if visit.hop_at is not None or visit.hop_cookie or facts.answer is AnswerKind.HOP:
        found |= HOP
    if facts.strays.all:
        found |= STRAYS
    if facts.learned:
        found |= LEARNED
    return found | _of_link(facts) | (_of_end(facts) if facts.settled or facts.afterlife else 0)


def _of_end(facts: Facts) -> int:
    return (SETTLED if facts.settled else 0) | (AFTERLIFE if facts.afterlife is not None else 0)


def _of_link(facts: Facts) -> int:
    link = facts.link
    if link is None:
        return 0
    bait = BAIT if link.kind is LinkKind.BAIT else 0
    return bait if link.role in _READ else bait | UNREAD


def _is_beside_others(step: Step) -> int:
    return step.around or step.together or step.delays or step.same_delay or step.unsubscribes
