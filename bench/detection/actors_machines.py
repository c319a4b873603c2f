"""Scanners and previewers as a table: which links, when, how fast, with which headers, from where.

A row's ``family`` is what is left out together (leave_out.py). Everything here is from the field
reports that docs/detection.md lists; no weight or window of the judge was looked at for it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from bench.detection import addresses, programs, schedule
from bench.detection.traffic import Request, Truth, at_pace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

    from bench.detection.traffic import Address, Headers, Scene


def everything(scene: Scene) -> Sequence[str]:
    """Return every link of the mail, bait and unsubscribe included."""
    return scene.links.ordered


def visible(scene: Scene) -> Sequence[str]:
    """Return what a rendering scanner sees: no bait."""
    return scene.links.visible


def content(scene: Scene) -> Sequence[str]:
    """Return what is visible and no unsubscribe link (Symantec's and Barracuda's care)."""
    return [key for key in scene.links.visible if key not in scene.links.unsubscribe]


def first(scene: Scene) -> Sequence[str]:
    """Return the first link alone (Act-On on Barracuda)."""
    return scene.links.body[:1]


def one_or_two(scene: Scene) -> Sequence[str]:
    """Return a sample of the links that readers care for."""
    keys = list(scene.links.body)
    return scene.chance.sample(keys, min(len(keys), scene.chance.choice((1, 1, 2))))


def some_and_bait(scene: Scene) -> Sequence[str]:
    """Return two links and a bait, in the order of the mail."""
    chosen = {*one_or_two(scene), scene.chance.choice(scene.links.bait or scene.links.body)}
    return [key for key in scene.links.ordered if key in chosen]


def five(scene: Scene) -> Sequence[str]:
    """Return the first five links (rspamd's limit)."""
    return content(scene)[:5]


def most(scene: Scene) -> Sequence[str]:
    """Return most visible links, in any order (Paminga: random delays)."""
    keys = list(content(scene))
    return scene.chance.sample(keys, max(1, round(len(keys) * scene.chance.uniform(0.6, 1.0))))


def at_once(chance: Random) -> float:
    """All links in under a second (craft-campaign issue 546)."""
    return chance.uniform(0.02, 0.1)


def one_a_second(chance: Random) -> float:
    """In the order of the mail at about one a second (mautic issue 9798)."""
    return chance.uniform(0.8, 1.3)


def dawdling(chance: Random) -> float:
    """With random delays, "mimicking human behaviour"."""
    return chance.uniform(3.0, 45.0)


@dataclass(frozen=True, slots=True)
class Machine:
    """One kind of machine and its habits."""

    name: str
    family: str
    headers: Callable[..., Headers]
    client: Callable[[Random], Callable[[], Address]]
    choose: Callable[[Scene], Sequence[str]] = first
    begin: Callable[[Random], float] = schedule.sweep
    gap: Callable[[Random], float] = at_once
    method: str = "GET"
    stealth: bool = False  # nothing about a single request of it gives it away
    spoils: bool = False  # tries changed copies of a link first
    presses: Callable[[Random], float] | None = None
    cookies: bool = False
    again: Callable[[Random], float] | None = None  # a second sweep, seconds after the first
    beside: Callable[[Random], float] | None = None  # instead: seconds from each of the person's clicks

    def act(self, scene: Scene, clicks: Sequence[Request]) -> list[Request]:
        """Return what the machine does to one message."""
        if self.beside is not None:
            return [self._beside(scene, click) for click in clicks]
        begin = self.begin(scene.chance)
        swept = self._sweep(scene, begin)
        if self.again is not None:
            swept += self._sweep(scene, begin + self.again(scene.chance))
        return swept

    def _sweep(self, scene: Scene, begin: float) -> list[Request]:
        chance = scene.chance
        headers = self.headers(chance, secure=scene.secure)
        client = self.client(chance)
        presses = self.presses(chance) if self.presses else None
        requests = [
            Request(
                begin,
                key,
                headers,
                client(),
                self.name,
                Truth.MACHINE,
                self.method,
                presses=presses,
                cookies=self.cookies,
            )
            for key in self.choose(scene)
        ]
        if self.spoils:
            how = chance.choice(("%27", "swap", "rot13", "cut"))
            requests = [each for one in requests for each in (replace(one, spoil=how), one)]
        return at_pace(requests, partial(self.gap, chance))

    def _beside(self, scene: Scene, click: Request) -> Request:
        assert self.beside is not None
        return Request(
            max(0.5, click.after + self.beside(scene.chance)),
            click.key,
            self.headers(scene.chance, secure=scene.secure),
            self.client(scene.chance)(),
            self.name,
            Truth.MACHINE,
            cookies=False,
        )


def _from(
    ranges: tuple[str, ...],
    how: Callable[[Random, tuple[str, ...]], Callable[[], Address]] = addresses.fixed,
) -> Callable[[Random], Callable[[], Address]]:
    return lambda chance: how(chance, ranges)


_CLOUD = _from(addresses.UNLISTED_CLOUDS)
_ROTATING = _from(addresses.UNLISTED_CLOUDS, addresses.rotating)
_PROTECTION = _from(addresses.PROTECTION, addresses.neighbours)
_AZURE = _from(addresses.AZURE, addresses.rotating)
_AWS = _from(addresses.AWS)


def _uniform(low: float, high: float) -> Callable[[Random], float]:
    return lambda chance: chance.uniform(low, high)


MACHINES: tuple[Machine, ...] = (
    Machine("library, all links", "library", programs.library, _CLOUD, content),
    Machine("library, one link", "library", programs.library, _AWS),
    Machine(
        "HEAD without agent", "nameless", programs.nameless, _from(addresses.PROTECTION_MAIL), first,
        schedule.prompt, method="HEAD",
    ),
    Machine("GET without agent", "nameless", programs.nameless, _AZURE, first, schedule.prompt),
    Machine(
        "HEAD with a browser's name", "resolver", programs.resolver, _CLOUD, five, schedule.prompt,
        method="HEAD",
    ),
    Machine(
        "detonation, all links", "detonation", programs.detonation, _PROTECTION, everything, schedule.prompt
    ),
    Machine("detonation, one link", "detonation", programs.detonation, _PROTECTION, first, schedule.prompt),
    Machine("detonation from Azure", "detonation", programs.detonation, _AZURE, one_or_two, schedule.prompt),
    Machine("headless Chrome", "headless", programs.headless, _CLOUD, content, gap=dawdling),
    Machine("Internet Explorer 8", "explorer", programs.explorer, _AWS, first),
    Machine("stealth, all at once", "burst", programs.stealth, _ROTATING, everything, stealth=True),
    Machine("stealth, skips bait", "burst", programs.stealth, _ROTATING, content, stealth=True),
    Machine(
        "stealth, one a second", "in order", programs.stealth, _CLOUD, everything, gap=one_a_second,
        stealth=True, cookies=True,
    ),
    Machine(
        "stealth, random delays", "dawdling", programs.stealth, _ROTATING, most, gap=dawdling, stealth=True,
        cookies=True,
    ),
    Machine("stealth, first link", "sampling", programs.stealth, _CLOUD, first, stealth=True, cookies=True),
    Machine(
        "stealth, one or two links", "sampling", programs.stealth, _ROTATING, one_or_two,
        gap=_uniform(1.0, 20.0), stealth=True,
    ),
    Machine(
        "stealth, follows bait", "bait", programs.stealth, _CLOUD, some_and_bait, gap=_uniform(0.5, 6.0),
        stealth=True,
    ),
    Machine(
        "stealth, mutates tokens", "mutation", programs.stealth, _CLOUD, one_or_two, gap=_uniform(0.1, 2.0),
        stealth=True, spoils=True,
    ),
    Machine(
        "time of click, before", "time of click", programs.stealth, _ROTATING, beside=_uniform(-3.0, -0.2),
        stealth=True,
    ),
    Machine(
        "time of click, after", "time of click", programs.stealth, _ROTATING, beside=_uniform(12.0, 30.0),
        stealth=True,
    ),
    Machine(
        "replay of a visit", "time of click", programs.replayer, _from(addresses.TREND),
        beside=lambda chance: schedule.log_uniform(chance, 5.0, 3600.0),
    ),
    Machine(
        "scanned again hours later", "again", programs.stealth, _ROTATING, content,
        again=lambda chance: schedule.log_uniform(chance, 7200.0, 86400.0), stealth=True,
    ),
    Machine(
        "forwarded, scanned again", "again", programs.stealth, _CLOUD, everything,
        again=lambda chance: schedule.log_uniform(chance, 1800.0, 172800.0), stealth=True,
    ),
    Machine(
        "presses Continue at once", "presses", programs.stealth, _CLOUD, content, presses=_uniform(0.2, 1.2),
        stealth=True, cookies=True,
    ),
    Machine(
        "presses Continue later", "presses", programs.stealth, _CLOUD, content, presses=_uniform(2.0, 6.0),
        stealth=True, cookies=True,
    ),
    Machine(
        "before delivery", "early", programs.stealth, _AZURE, content,
        lambda chance: -schedule.log_uniform(chance, 2.0, 240.0), stealth=True,
    ),
)  # fmt: skip

PREVIEWERS: tuple[Machine, ...] = (
    Machine(
        "chat preview", "previewer", programs.chat, _CLOUD, one_or_two,
        lambda chance: schedule.log_uniform(chance, 600.0, 259200.0),
    ),
    Machine(
        "iMessage preview", "previewer", programs.imessage, _from(addresses.MOBILE), first,
        lambda chance: schedule.log_uniform(chance, 600.0, 259200.0),
    ),
    Machine("Bing preview", "previewer", programs.bing, _AZURE, one_or_two, schedule.sweep),
    Machine(
        "Outlook looks ahead", "looks ahead", programs.outlook, _from(addresses.HOME), first,
        lambda chance: schedule.log_uniform(chance, 60.0, 86400.0),
    ),
)  # fmt: skip

BY_NAME = {machine.name: machine for machine in (*MACHINES, *PREVIEWERS)}


def needs_a_click(name: str) -> bool:
    """Return whether a machine acts only where a person clicks."""
    return name in BY_NAME and BY_NAME[name].beside is not None


def passes_for_a_person(name: str) -> bool:
    """Return whether nothing about one request of a machine, by itself, tells it from a person's."""
    return name in BY_NAME and BY_NAME[name].stealth and not needs_a_click(name)
