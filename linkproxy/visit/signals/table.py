"""What a signal is. The ordered table of all signals is ``linkproxy.visit.signals.SIGNALS``."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from linkproxy.model import ZoneRole
from linkproxy.model.lean import lean
from linkproxy.visit.policy import Rule
from linkproxy.visit.signals.headers import is_coherent
from linkproxy.visit.signals.pace import asked_at

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from linkproxy.model import Facts, Family, LinkKey, Sibling, Visit
    from linkproxy.visit.policy import Policy

_NO_RULE = Rule(0.0, "")


@lean(frozen=True, slots=True)
class Finding:
    """What a signal saw: its weight in decibans, and the thing itself for a person to read."""

    weight: float
    detail: str = ""


@dataclass(slots=True)
class Look:
    """Everything a signal may look at.

    ``burst`` are the siblings that may be the same client's, as ``burst_of`` finds them; ``rule`` is
    that of the signal which is asked.
    """

    visit: Visit
    facts: Facts
    burst: tuple[Sibling, ...]
    policy: Policy
    rule: Rule = _NO_RULE


@dataclass(frozen=True, slots=True)
class Signal:
    """One named piece of evidence; ``look`` returns None when it has nothing to say.

    ``of_request``: it looks at nothing but method, profile, HTTP version, TLS and the day, so that
    one answer serves all requests that are alike.
    """

    name: str
    family: Family
    look: Callable[[Look], Finding | None]
    of_request: bool = False


SWEPT_LINKS = 4
"""So many links by one header set are a sweep of its own, and so many by a person are looked at."""

SWEEP_PAUSE_SECONDS = 15.0
"""A program that goes on with a browser does so at once; so long after it a person may have come."""

_NO_OFFICE = frozenset({ZoneRole.SCANNER, ZoneRole.CLOUD})
"""Whose networks no company's people share with its filter; there a program goes on with a browser."""

KEYS_A_HAND = 4
"""In a rotating burst no network has this many times more links than another."""


def burst_of(visit: Visit, facts: Facts, pause_seconds: float) -> tuple[Sibling, ...]:
    """Return the siblings that may be the same client's, in order of arrival.

    Those of the same network are, with other headers only without a longer pause up to the visit: a
    company's own filter leaves by the same address as its people. So are those with the same headers
    from elsewhere, if they look like one burst that rotates its addresses: without such a pause, and
    spread over the networks. A scanner that sits still and has a person's very headers, as
    browser-driven ones do, is not that person. An unknown client or profile is like no other. Nor is a
    whole browser that follows a few links the program that sweeps the mail with headers of its own.
    """
    burst = _alike(visit, facts, pause_seconds)
    return burst if len(burst) < SWEPT_LINKS else _without_sweep_beside(visit, facts, burst)


def _alike(visit: Visit, facts: Facts, pause_seconds: float) -> tuple[Sibling, ...]:
    siblings, network, profile_id = facts.siblings, facts.network, facts.profile_id
    if network and _are_all_of(visit, facts, pause_seconds):
        return siblings
    near = _near(visit, facts, pause_seconds) if network else []
    far = [
        item
        for item in siblings
        if profile_id and item.profile_id == profile_id and not (network and item.network == network)
    ]
    if far:
        far = _without_pause(visit.at, far, pause_seconds)
    if not far or not _rotates(visit, near, far):
        return tuple(near)
    linked = {id(item) for item in (*near, *far)}
    return tuple(item for item in siblings if id(item) in linked)


def _without_sweep_beside(visit: Visit, facts: Facts, burst: tuple[Sibling, ...]) -> tuple[Sibling, ...]:
    """Leave out a sweep that a company's own filter made beside one of its people, some seconds away.

    Who changes headers from request to request leaves a few links by each, and follows on at once; then
    all of them stay.
    """
    if facts.zone is not None and facts.zone.role in _NO_OFFICE:
        return burst
    own, links = facts.profile_id, defaultdict[int, set["LinkKey"]](set)
    for item in burst:
        # Who comes back over an extra hop may have the same headers in another order (Chromium).
        if item.hop_at is None:
            links[item.profile_id].add(item.key)
    followed = {visit.key} | links.pop(own, set())
    swept = max(links, key=lambda profile_id: len(links[profile_id]), default=0)
    if not own or not swept or len(links.pop(swept)) < SWEPT_LINKS or len(followed) >= SWEPT_LINKS:
        return burst
    if not all(keys <= followed for keys in links.values()) or not is_coherent(visit):
        return burst
    at = asked_at(visit)
    if any(item.profile_id == swept and abs(asked_at(item) - at) < SWEEP_PAUSE_SECONDS for item in burst):
        return burst
    return tuple(item for item in burst if item.profile_id != swept)


def _are_all_of(visit: Visit, facts: Facts, pause_seconds: float) -> bool:
    at, network, profile_id = visit.at, facts.network, facts.profile_id
    for item in facts.siblings:  # quicker than all(), and asked of every second visit
        if item.network != network:
            return False
        if item.profile_id != profile_id and abs(item.at - at) > pause_seconds:
            return False
    return True


def _near(visit: Visit, facts: Facts, pause_seconds: float) -> list[Sibling]:
    """Return the siblings from the visit's own network that may be its client's."""
    near = [item for item in facts.siblings if item.network == facts.network]
    if not facts.profile_id or all(item.profile_id == facts.profile_id for item in near):
        return near
    soon = {id(item) for item in _without_pause(visit.at, near, pause_seconds)}
    return [item for item in near if item.profile_id == facts.profile_id or id(item) in soon]


def _without_pause(at: float, items: Sequence[Sibling], pause_seconds: float) -> list[Sibling]:
    """Return what reaches a moment, forwards and backwards, without a longer pause between."""
    found: list[Sibling] = []
    for direction in (1, -1):
        reached = at
        ahead = [item for item in items if (item.at - at) * direction >= 0]
        for item in sorted(ahead, key=lambda item: item.at * direction):
            if (item.at - reached) * direction > pause_seconds:
                break
            reached = item.at
            found.append(item)
    return found


def _rotates(visit: Visit, near: Sequence[Sibling], far: Sequence[Sibling]) -> bool:
    own = len({visit.key, *(item.key for item in near)})
    keys, networks = len({item.key for item in far}), len({item.network for item in far})
    if networks == 1:
        return keys <= 2 * own
    return keys <= KEYS_A_HAND * own * networks
