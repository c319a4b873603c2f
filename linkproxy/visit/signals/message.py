"""What else happened to the message: sweeps, and links that nobody reads."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING

from linkproxy.model import LOW_INTEREST_ROLES, AnswerKind, Family, LinkKind, ZoneRole
from linkproxy.visit.networks import wide_of
from linkproxy.visit.signals.headers import is_coherent, is_textual
from linkproxy.visit.signals.pace import asked_at, within
from linkproxy.visit.signals.redirect import given_out_for
from linkproxy.visit.signals.scattered import is_scattered
from linkproxy.visit.signals.table import Finding, Look, Signal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from linkproxy.model import LinkKey, Sibling

_CONTENT = LinkKind.CONTENT  # to read it off its class costs 0.08 us before Python 3.12


def _links_in_seconds(look: Look) -> Finding | None:
    if not look.burst:
        return None
    values, nearest = look.rule.values, sorted(_nearest(look).values())
    reached = [
        (weight, window, count)
        for window, least, weight in values["curve"]
        if least <= len(nearest) and least <= (count := within(nearest, window))
    ]
    if not reached:
        return None
    weight, window, count = max(reached, key=itemgetter(0))
    text = f"{count} links within {window:g} s"
    if _is_unhurried(look, values["hand_seconds"]):
        return Finding(round(weight * values["hand_share"], 1), f"{text}, none quickly after another")
    return Finding(weight, text)


def _nearest(look: Look) -> dict[LinkKey, float]:
    """Return by content link when it was followed next to the visit, in seconds from it (its own: 0)."""
    followed_at = asked_at(look.visit)
    nearest: dict[LinkKey, float] = {}
    for item in look.burst:
        if item.kind is _CONTENT:
            seconds = asked_at(item) - followed_at
            if abs(seconds) < abs(nearest.get(item.key, math.inf)):
                nearest[item.key] = seconds
    if look.facts.link is not None and look.facts.link.kind is _CONTENT:
        nearest[look.visit.key] = 0.0
    return nearest


def _is_unhurried(look: Look, seconds: float) -> bool:
    """Tell whether a hand could have done it: no two links of the burst closer together than that."""
    first: dict[LinkKey, float] = {look.visit.key: asked_at(look.visit)}
    for item in look.burst:
        first[item.key] = min(first.get(item.key, math.inf), asked_at(item))
    moments = sorted(first.values())
    return all(later - earlier >= seconds for earlier, later in itertools.pairwise(moments))


def _rotates(look: Look) -> Finding | None:
    """Count wide networks by IP version: a client with both versions may use either."""
    facts, visit, values = look.facts, look.visit, look.rule.values
    if not facts.profile_id or (facts.zone is not None and facts.zone.role is ZoneRole.PEOPLE):
        return None
    alike = [
        item
        for item in look.burst
        if item.profile_id == facts.profile_id and abs(item.at - visit.at) <= values["window_seconds"]
    ]
    others = [item for item in alike if item.key != visit.key]
    if not others:
        return None
    asked = asked_at(visit)
    soon = [item for item in others if abs(asked_at(item) - asked) <= values["quick_seconds"]]
    quick, count = _of_one_version(look, soon), _of_one_version(look, alike)
    rows = (("quick_curve", quick, " within seconds"), ("curve", count, ""))
    found = [
        Finding(weight, f"other links from {number} networks{pace} by the same headers")
        for curve, number, pace in rows
        for least, weight in values[curve]
        if number >= least
    ]
    return max(found, key=attrgetter("weight"), default=None)


def _of_one_version(look: Look, items: Sequence[Sibling]) -> int:
    """Count the wide networks of a visit and others, of the IP version that has more of them."""
    networks = {wide_of(look.facts.network), *(wide_of(item.network) for item in items)} - {None}
    counts = Counter(version for version, _ in filter(None, networks))
    return max(counts.values(), default=0)


def _most_links(look: Look) -> Finding | None:
    total, values = look.facts.link_count, look.rule.values
    if total < values["min_links"] or not total:
        return None
    count, least = len(_content_keys(look, look.burst)), values["share"]
    if count < 2 or count / total < least:
        return None
    share = min(1.0, count / total)
    reached = [weight for links, weight in values["curve"] if links <= count]
    if not reached:
        return None
    if_all = min(look.rule.weight, max(reached))
    return Finding(
        round(if_all * (0.5 + 0.5 * (share - least) / (1 - least)), 1), f"{count} of {total} links"
    )


def _low_interest_only(look: Look) -> Finding | None:
    link = look.facts.link
    if link is None or link.kind is not _CONTENT or link.role not in LOW_INTEREST_ROLES:
        return None
    if look.facts.framed:  # where there is nothing else to read, such a link is what the mail is about
        return None
    others = [item for item in look.burst if item.kind is _CONTENT]
    if any(item.role not in LOW_INTEREST_ROLES for item in others):
        return None
    count = len(_content_keys(look, others))
    # One such link may be what a person wanted; two and no other are not.
    weight = look.rule.weight if count > 1 else look.rule.weight * 0.3
    links = "one footer, social or legal link" if count == 1 else f"{count} footer, social or legal links"
    return Finding(round(weight, 1), f"{links}, no other")


def _alone(look: Look) -> Finding | None:
    facts = look.facts
    if not facts.settled or facts.link_count < look.rule.values["min_links"]:
        return None
    if (
        any(item.key != look.visit.key for item in look.burst)
        or is_scattered(look)
        or _is_beside_others(look)
    ):
        return None
    return Finding(look.rule.weight, f"one of {facts.link_count} links")


def _is_beside_others(look: Look) -> bool:
    """Tell whether other links were followed from the same network shortly before or after, by whomever."""
    facts, visit = look.facts, look.visit
    return any(
        item.key != visit.key
        and item.network == facts.network
        and abs(item.at - visit.at) <= look.policy.burst_seconds
        for item in facts.siblings
    )


def _several_networks(look: Look) -> Finding | None:
    facts, visit, values = look.facts, look.visit, look.rule.values
    if not facts.network:
        return None
    others = [item for item in facts.siblings if _is_elsewhere(look, item, values["window_seconds"])]
    alike = {item.network for item in others if facts.profile_id and item.profile_id == facts.profile_id}
    if len(alike) + 1 >= values["networks"]:
        return Finding(values["rotation_weight"], f"the same headers from {len(alike) + 1} networks")
    ordinary = facts.zone is None or facts.zone.role is ZoneRole.PEOPLE
    if not others or (ordinary and (is_coherent(visit) or is_textual(visit))):
        return None
    nearest = min(abs(item.at - visit.at) for item in others)
    return Finding(look.rule.weight, f"the same link from another network {nearest:.0f} s away")


def _is_elsewhere(look: Look, item: Sibling, window_seconds: float) -> bool:
    visit = look.visit
    return (
        item.key == visit.key
        and item.network not in ("", look.facts.network)
        and abs(item.at - visit.at) <= window_seconds
        # A browser may fetch ahead through its maker's proxy, and a hop is judged by its own signals.
        and item.answer is not AnswerKind.RETRY
        and not given_out_for(item.hop_at, visit.at)
        and not given_out_for(visit.hop_at, item.at)
    )


def _unsubscribe_swept(look: Look) -> Finding | None:
    link, window = look.facts.link, look.rule.values["window_seconds"]
    near = [item for item in look.burst if abs(item.at - look.visit.at) <= window]
    asked = any(item.kind is LinkKind.UNSUBSCRIBE and item.method != "POST" for item in near)
    own = link is not None and link.kind is LinkKind.UNSUBSCRIBE
    count = len(_content_keys(look, near))
    if not (asked or own) or look.visit.method == "POST" or not count:
        return None
    weight = look.rule.weight if count > 1 else look.rule.values["one_weight"]
    others = "one other" if count == 1 else f"{count} others"
    return Finding(weight, f"the unsubscribe link and {others} within {window:.0f} s")


def _content_keys(look: Look, siblings: Sequence[Sibling]) -> set[LinkKey]:
    """Return the different content links of a visit and its siblings.

    Visits that ask for nothing of the link (HEAD, pre-checks) count too: they are part of a sweep.
    """
    keys = {item.key for item in siblings if item.kind is _CONTENT}
    if look.facts.link is not None and look.facts.link.kind is _CONTENT:
        keys.add(look.visit.key)
    return keys


SIGNALS = (
    Signal("message.links-in-seconds", Family.MESSAGE, _links_in_seconds),
    Signal("message.rotates", Family.MESSAGE, _rotates),
    Signal("message.most-links", Family.MESSAGE, _most_links),
    Signal("message.low-interest-only", Family.MESSAGE, _low_interest_only),
    Signal("message.alone", Family.MESSAGE, _alone),
    Signal("message.several-networks", Family.MESSAGE, _several_networks),
    Signal("message.unsubscribe-swept", Family.MESSAGE, _unsubscribe_swept),
)
