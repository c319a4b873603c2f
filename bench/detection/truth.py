"""What really was, beside what was counted: one unit a machine's message, one a person's click."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.detection.actors_machines import has_no_bar
from bench.detection.traffic import MailKind, Truth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from bench.detection.drive import Asked, Played
    from bench.detection.traffic import Scene

_WENT_ON = frozenset({302, 303})
MERGE_SECONDS = 10.0
"""Requests for one link this close together may be one click (docs/judging.md)."""



@dataclass(frozen=True, slots=True)
class MachineUnit:
    """What one machine did to one message."""

    actor: str
    mail: MailKind
    known: bool
    no_bar: bool
    counted: bool  # at least one of its requests stands in the click log
    requests: tuple[Asked, ...]


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
        machines += _machines(scene, asked, theirs)
        people += _people(scene, asked, persons)
    return Units(tuple(machines), tuple(people))


def by_message(asked: Iterable[Asked]) -> dict[int, list[Asked]]:
    """Return requests by message, in order of time."""
    found: dict[int, list[Asked]] = defaultdict(list)
    for one in asked:
        found[one.message].append(one)
    return found


def _attribute(clicks: Sequence[Asked], asked: Sequence[Asked]) -> tuple[set[str], set[int]]:
    """Return whose clicks these are: actors of machines, numbers of the person's clicks.

    A click that begins with a machine's request and took the person's in is the person's: one
    click happened and one is counted.
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
    for one in asked:
        near = 0 <= one.at - head.at <= MERGE_SECONDS and one.link == head.link
        alike = one.request.headers == head.request.headers or one.request.client == head.request.client
        if near and alike and one.request.truth is Truth.CLICK and not one.clicked:
            return one
    return None


def _machines(scene: Scene, asked: Sequence[Asked], counted: set[str]) -> list[MachineUnit]:
    by_actor: dict[str, list[Asked]] = defaultdict(list)
    for one in asked:
        if one.request.truth is Truth.MACHINE:
            by_actor[one.request.actor].append(one)
    return [
        MachineUnit(
            actor,
            scene.mail,
            scene.known,
            has_no_bar(actor, scene.mail, known=scene.known),
            actor in counted,
            tuple(requests),
        )
        for actor, requests in by_actor.items()
    ]


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
    token = asked.target.split("/")[1]
    sent_on = asked.status in _WENT_ON and f"/{token}/" not in asked.location
    return sent_on or asked.status == 200
