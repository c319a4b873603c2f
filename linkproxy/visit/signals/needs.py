"""What must be there before a signal has anything to say; a signal that lacks it is not asked.

Most visits are the first of their message, from nowhere in particular: of some forty signals two have
something to look at. A signal that is not in the table is always asked, and a test proves that asking
all of them gives the same verdict.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from linkproxy.model import NO_STRAYS, AnswerKind, DeliverySource, LinkKind, LinkRole
from linkproxy.visit.intake import TLS_FINGERPRINT
from linkproxy.visit.signals.headers import is_past_caches

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from linkproxy.model import Facts, Link, MessageLink, Sibling, Step, Visit
    from linkproxy.visit.policy import Policy

# One bit each: the signals for what a visit has are then found by one look-up.
BURST = 1 << 0  # another visit of the message by what may be the same client
OTHER = 1 << 1  # one of those to another link
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
ELSEWHERE = 1 << 16  # another visit of the message, from another network
TRAPPED = 1 << 17  # the bait among the burst
LEAVING = 1 << 18  # an unsubscribe link: its own or among the burst
OPEN = 1 << 19  # it is an open itself
OPENED = 1 << 20  # an open of the message
SOON = 1 << 21  # another link of the burst, so soon that links-in-seconds may count it
MANY = 1 << 22  # so many visits in the burst that they can be to most links
UNCACHED = 1 << 23  # a request past all caches

NEEDS: Mapping[str, int] = {
    "request.tls-fingerprint": FINGERPRINT,
    "request.cache-off": UNCACHED,
    "network.scanner": ZONE,
    "network.cloud": ZONE,
    "network.learned": LEARNED,
    "operator.machine": LISTED,
    "operator.person": LISTED,
    "operator.not-scanner": LISTED,
    "timing.delay": DELIVERY,
    "timing.before-delivery": EARLY,
    "message.links-in-seconds": SOON,
    "message.rotates": OTHER | ELSEWHERE,
    "message.most-links": MANY,
    "message.low-interest-only": UNREAD,
    "message.alone": SETTLED,
    "message.several-networks": ELSEWHERE,
    "message.scattered": ELSEWHERE,
    "message.unsubscribe-swept": BURST | LEAVING,
    "bait.followed": BAIT,
    "bait.beside": TRAPPED,
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
    "in-step.nearly-all": LEARNED,
    "request.as-machines": LEARNED,
    "in-step.unsubscribes": STEP,
    "afterlife.continue": POST,
    "afterlife.person": POST,
    "afterlife.engaged": AFTERLIFE,
    "afterlife.silent": AFTERLIFE,
    "request.picture-proxy": OPEN,
    "afterlife.opened": OPENED,
    "afterlife.unopened": OPENED | OTHER,
}

# To read a member off its class costs 0.08 us before Python 3.12.
_CONTENT, _HOP = LinkKind.CONTENT, AnswerKind.HOP
_NO_SOURCE = DeliverySource.NONE
_OF_KIND = {LinkKind.BAIT: BAIT, LinkKind.UNSUBSCRIBE: LEAVING, LinkKind.OPEN: OPEN}
_BESIDE = {LinkKind.BAIT: TRAPPED, LinkKind.UNSUBSCRIBE: LEAVING}
_READ = (LinkRole.BODY, LinkRole.HEADER)


@dataclass(frozen=True, slots=True)
class Limits:
    """From where on signals of a policy can speak of the burst at all."""

    soon_seconds: float = math.inf
    many_share: float = 0.0

    @classmethod
    def of(cls, policy: Policy) -> Limits:
        curve = policy.rules["message.links-in-seconds"].values["curve"]
        if any(len(row) != 3 or row[1] < 2 for row in curve):
            return cls()  # a row that is wrong breaks its signal alone, when it is asked
        widest = max((window for window, _, _ in curve), default=0.0)
        return cls(widest, policy.rules["message.most-links"].values["share"])


def of_request(visit: Visit) -> int:
    """Return what a request has, whatever is known of it."""
    found = FINGERPRINT if visit.profile.get(TLS_FINGERPRINT) else 0
    if is_past_caches(visit.profile):
        found |= UNCACHED
    return found | (POST if visit.method == "POST" else 0)


def of_facts(visit: Visit, facts: Facts, burst: Sequence[Sibling], limits: Limits) -> int:
    """Return what is known of a visit."""
    delivery, found = facts.delivery, 0
    if delivery.source is not _NO_SOURCE:
        found = DELIVERY | EARLY if visit.at < delivery.delivered_at else DELIVERY
    if facts.siblings:
        found |= _of_others(visit, facts, burst, limits)
    if facts.step is not None and _is_beside_others(facts.step):
        found |= STEP
    if visit.hop_at is not None or visit.hop_cookie or facts.answer is _HOP:
        found |= HOP
    if facts.learned:
        found |= LEARNED
    if facts.zone is not None or facts.listed or facts.opens or facts.strays is not NO_STRAYS:
        found |= _of_few(facts)
    if facts.settled or facts.afterlife:
        found |= _of_end(facts)
    link = facts.link
    if link is not None and (link.role not in _READ or link.kind is not _CONTENT):
        found |= _of_link(link)
    return found


def _of_few(facts: Facts) -> int:
    found = 0 if facts.zone is None else ZONE
    if facts.listed:
        found |= LISTED
    if facts.opens:
        found |= OPENED
    return found | STRAYS if facts.strays.all else found


def _of_link(link: Link | MessageLink) -> int:
    return (0 if link.role in _READ else UNREAD) | _OF_KIND.get(link.kind, 0)


def _of_others(visit: Visit, facts: Facts, burst: Sequence[Sibling], limits: Limits) -> int:
    found = BURST if burst else 0
    if burst is not facts.siblings:  # as those are that come from the visit's own network, all of them
        for item in facts.siblings:
            if item.network and item.network != facts.network:
                found |= ELSEWHERE
                break
    for item in burst:
        if item.key != visit.key:
            found |= OTHER
            # Who came over an extra hop may have asked before.
            if abs(item.at - visit.at) <= limits.soon_seconds or item.hop_at or visit.hop_at:
                found |= SOON
        if item.kind is not _CONTENT:
            found |= _BESIDE.get(item.kind, 0)
    if found & OTHER and facts.link_count and (len(burst) + 1) / facts.link_count >= limits.many_share:
        found |= MANY
    return found


def _of_end(facts: Facts) -> int:
    return (SETTLED if facts.settled else 0) | (AFTERLIFE if facts.afterlife is not None else 0)


def _is_beside_others(step: Step) -> int:
    return step.around or step.together or step.delays or step.same_delay or step.unsubscribes
