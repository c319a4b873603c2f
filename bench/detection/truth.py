"""What really was, beside what was counted: one unit a machine's message, one a person's click."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.detection.actors_machines import passes_for_a_person
from bench.detection.traffic import MailKind, Truth
from linkproxy.model import VerdictKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from bench.detection.played import Asked, Played
    from bench.detection.traffic import Scene

MERGE_SECONDS = 60.0
"""Requests for one link this close together may be one click, also from two networks, since some
scanners come right before or after a person (docs/judging.md)."""

_WENT_ON = frozenset({302, 303})


@dataclass(frozen=True, slots=True)
class MachineUnit:
    """What one machine did to one message."""

    actor: str
    mail: MailKind
    known: bool
    single: bool  # stealth on a single link: nothing about the message tells it from a person
    counted: bool  # at least one of its requests stands in the click log
    requests: tuple[Asked, ...]
    told: bool = True  # the sender told a delivery time of the message, or of its mailing

    @property
    def hidden(self) -> bool:
        """Return whether nobody could tell: stealth on a single link of an unknown domain."""
        return self.single and not self.known


@dataclass(frozen=True, slots=True)
class PersonUnit:
    """One click of a person, with all requests that stand for it."""

    actor: str
    mail: MailKind
    scanned: bool
    counted: bool
    neutral: bool  # was shown the neutral page
    stranded: bool  # neither came to the target nor was shown a way on
    requests: tuple[Asked, ...]


@dataclass(frozen=True, slots=True)
class Units:
    """Everything that can be wrong."""

    machines: tuple[MachineUnit, ...]
    people: tuple[PersonUnit, ...]


def units(played: Played, counted: Callable[[Asked], bool]) -> Units:
    """Sort a run's requests into units; ``counted`` tells what some judge counts as a click."""
    machines: list[MachineUnit] = []
    people: list[PersonUnit] = []
    for number, asked in by_message(played.asked).items():
        scene = played.scenes[number]
        theirs, persons = _attribute([one for one in asked if counted(one)], asked)
        machines += _machines(scene, asked, theirs, told=played.told[number] is not None)
        people += _people(scene, asked, persons)
    return Units(tuple(machines), tuple(people))


def merge(parts: Iterable[Units]) -> Units:
    """Return the units of several runs together."""
    kept = list(parts)
    return Units(
        tuple(unit for part in kept for unit in part.machines),
        tuple(unit for part in kept for unit in part.people),
    )


def by_message(asked: Iterable[Asked]) -> dict[int, list[Asked]]:
    """Return requests by message, in order of time."""
    found: dict[int, list[Asked]] = defaultdict(list)
    for one in asked:
        found[one.message].append(one)
    return found


def _attribute(clicks: Sequence[Asked], asked: Sequence[Asked]) -> tuple[set[str], set[int]]:
    """Return whose clicks these are: actors of machines, numbers of the person's clicks.

    A click that names a machine's request and took the person's in is the person's: one click
    happened and one is counted.
    """
    machines: set[str] = set()
    persons: set[int] = set()
    for click in clicks:
        if click.request.truth is Truth.CLICK:
            persons.add(click.request.click)
            continue
        inside = _taken_in(click, asked) if click.request.truth is Truth.MACHINE else None
        if inside is not None:
            persons.add(inside.request.click)
        elif click.request.truth is Truth.MACHINE:
            machines.add(click.request.actor)
    return machines, persons


def _taken_in(head: Asked, asked: Sequence[Asked]) -> Asked | None:
    """Return the person's request that a click stands for although a machine's is named for it.

    Of two requests that are one click the log names the likelier person's, whichever came first.
    """
    for one in asked:
        near = abs(one.at - head.at) <= MERGE_SECONDS and one.link == head.link
        if near and one.request.truth is Truth.CLICK and not one.clicked and _is_taken_for_human(one):
            return one
    return None


def _is_taken_for_human(asked: Asked) -> bool:
    settled = asked.entry.settled if asked.entry else None
    return settled is not None and settled.kind is VerdictKind.HUMAN


def _machines(scene: Scene, asked: Sequence[Asked], counted: set[str], *, told: bool) -> list[MachineUnit]:
    by_actor: dict[str, list[Asked]] = defaultdict(list)
    for one in asked:
        if one.request.truth is Truth.MACHINE:
            by_actor[one.request.actor].append(one)
    return [
        MachineUnit(
            actor,
            scene.mail,
            scene.known,
            _is_single(scene, actor, requests),
            actor in counted,
            tuple(requests),
            told,
        )
        for actor, requests in by_actor.items()
    ]


def _is_single(scene: Scene, actor: str, requests: Sequence[Asked]) -> bool:
    telling = {*scene.links.bait, *scene.links.unsubscribe}
    keys = {one.link for one in requests}
    spoilt = any(one.request.spoil for one in requests)
    return passes_for_a_person(actor) and len(keys) == 1 and not keys & telling and not spoilt


def _people(scene: Scene, asked: Sequence[Asked], counted: set[int]) -> list[PersonUnit]:
    by_click: dict[int, list[Asked]] = defaultdict(list)
    for one in asked:
        if one.request.truth is Truth.CLICK:
            by_click[one.request.click].append(one)
    return [
        PersonUnit(
            scene.reader,
            scene.mail,
            bool(scene.domain.scanner),
            number in counted,
            any(one.status == 200 for one in requests),
            not any(arrived(one) for one in requests),
            tuple(requests),
        )
        for number, requests in by_click.items()
    ]


def arrived(asked: Asked) -> bool:
    """Return whether an answer leads on: to the target, or to a page with a way there."""
    sent_on = asked.status in _WENT_ON and not asked.location.startswith("/")
    return sent_on or asked.status == 200
