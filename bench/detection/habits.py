"""What people do with a mail that they have opened: mostly one click, and all the other things."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bench.detection import addresses, browsers, programs, schedule
from bench.detection.traffic import MailKind, Request, Truth

if TYPE_CHECKING:
    from bench.detection.traffic import Address, Headers, Scene

READS_A_PAGE = (4.0, 0.5)  # seconds until Continue: median and sigma of its logarithm
READS_AT_LEAST = 0.8


@dataclass(frozen=True, slots=True)
class Client:
    """A browser at an address, for one visit or several."""

    headers: Headers
    address: Address


@dataclass(frozen=True, slots=True)
class Visiting:
    """A person with a message open, about to click ``after`` seconds from its arrival."""

    scene: Scene
    name: str  # of the person
    cookies: bool  # whether the browser keeps those of ours
    client: Client
    after: float

    def click(self, key: str, later: float = 0.0, number: int = 0, client: Client | None = None) -> Request:
        """Return a click; ``number`` tells the clicks of a person apart, doubles share it."""
        source = client or self.client
        chance = self.scene.chance
        return Request(
            self.after + later,
            key,
            source.headers,
            source.address,
            self.name,
            Truth.CLICK,
            click=number,
            presses=schedule.log_normal(chance, *READS_A_PAGE, READS_AT_LEAST),
            cookies=self.cookies,
        )

    def machine(self, key: str, later: float, headers: Headers, actor: str, method: str = "GET") -> Request:
        """Return what the person's own program does without a click."""
        return Request(
            self.after + later, key, headers, self.client.address, actor, Truth.MACHINE, method, cookies=True
        )

    def wanted(self) -> str:
        """Return the link that the person wants: rarely one of those nobody reads."""
        links, chance = self.scene.links, self.scene.chance
        return chance.choice(links.low if links.low and chance.random() < 0.06 else links.body)

    def at(self, after: float) -> Visiting:
        """Return the same person who clicks at another time."""
        return replace(self, after=after)


def once(visit: Visiting) -> list[Request]:
    """Click once."""
    return [visit.click(visit.wanted())]


def twice(visit: Visiting) -> list[Request]:
    """Double-click: the same link again within a second."""
    key = visit.wanted()
    return [visit.click(key), visit.click(key, visit.scene.chance.uniform(0.15, 0.8))]


def doubled(visit: Visiting) -> list[Request]:
    """Hit twice for one click, as from Gmail sometimes (wp-calypso issue 82588)."""
    key = visit.wanted()
    return [visit.click(key), visit.click(key, visit.scene.chance.uniform(0.02, 0.4))]


def two_links(visit: Visiting) -> list[Request]:
    """Open two articles one right after the other."""
    keys = _several(visit, 2)
    gap = visit.scene.chance.uniform(1.0, 6.0)
    return [visit.click(key, place * gap, place) for place, key in enumerate(keys)]


def tabs(visit: Visiting) -> list[Request]:
    """Open several articles in tabs, to be read later."""
    chance, later = visit.scene.chance, 0.0
    found = []
    for place, key in enumerate(_several(visit, chance.choice((3, 4, 4, 5)))):
        found.append(visit.click(key, later, place))
        later += chance.uniform(2.0, 9.0)
    return found


def quick(visit: Visiting) -> list[Request]:
    """Have the mail open the moment it arrives: 5 s on a reset, 15 to 60 s on a newsletter."""
    chance = visit.scene.chance
    transactional = visit.scene.mail is MailKind.TRANSACTIONAL
    after = chance.uniform(5.0, 8.0) if transactional else chance.uniform(15.0, 60.0)
    return [visit.at(after).click(visit.wanted())]


def returning(visit: Visiting) -> list[Request]:
    """Follow the same link again the next day."""
    key = visit.wanted()
    later = visit.scene.chance.uniform(70000.0, 100000.0)
    return [visit.click(key), visit.click(key, later, 1)]


def two_devices(visit: Visiting) -> list[Request]:
    """Click on the phone first, on the desk later."""
    chance = visit.scene.chance
    desk = Client(browsers.edge(chance, secure=visit.scene.secure), addresses.one(chance, addresses.OFFICE))
    key = visit.wanted()
    return [visit.click(key), visit.click(key, chance.uniform(120.0, 9000.0), 1, desk)]


def head_first(visit: Visiting) -> list[Request]:
    """Send HEAD, then GET: legacy Edge and some companions (openEQUELLA issue 861)."""
    key = visit.wanted()
    look = visit.machine(
        key, -visit.scene.chance.uniform(0.05, 0.3), visit.client.headers, "HEAD before GET", "HEAD"
    )
    return [look, visit.click(key)]


def from_a_document(visit: Visiting) -> list[Request]:
    """Open a link from Word: Office looks first, from the same address (indico issue 4720)."""
    key = visit.wanted()
    looks = [
        visit.machine(key, place * 0.3 - 1.2, (("user-agent", agent),), "Office looks ahead", method)
        for place, (method, agent) in enumerate(programs.OFFICE)
    ]
    last = visit.machine(key, -0.5, (("user-agent", programs.OFFICE_LOOK),), "Office looks ahead")
    return [*looks, last, visit.click(key)]


def prefetched(visit: Visiting) -> list[Request]:
    """Let the browser fetch ahead; three times in four the person then goes there."""
    chance, key = visit.scene.chance, visit.wanted()
    purpose = chance.choice(("prefetch", "prefetch;prerender", "prefetch;anonymous-client-ip"))
    headers = browsers.also(visit.client.headers, ("sec-purpose", purpose))
    ahead = visit.machine(key, -chance.uniform(0.3, 20.0), headers, "browser fetches ahead")
    return [ahead, visit.click(key)] if chance.random() < 0.75 else [ahead]


def through_the_bait(visit: Visiting) -> list[Request]:
    """Come upon the bait first, by screen reader or source view; then follow the link itself."""
    chance, links = visit.scene.chance, visit.scene.links
    if not links.bait:
        return once(visit)
    look = _own(visit, chance.choice(links.bait), 0.0)
    pressed = _own(visit, look.key, chance.uniform(4.0, 15.0), "POST")
    return [look, pressed, visit.click(visit.wanted(), chance.uniform(20.0, 60.0))]


def with_the_rush(visit: Visiting) -> list[Request]:
    """Look at the newsletter when everyone in the company does."""
    scene = visit.scene
    if scene.mail is MailKind.TRANSACTIONAL:
        return once(visit)
    after = scene.domain.rush + scene.chance.expovariate(1 / 45.0)
    return [visit.at(after).click(visit.wanted())]


def _own(visit: Visiting, key: str, later: float, method: str = "GET") -> Request:
    return Request(
        visit.after + later, key, visit.client.headers, visit.client.address, visit.name, Truth.PERSON,
        method,
    )  # fmt: skip


def _several(visit: Visiting, wanted: int) -> list[str]:
    keys = list(visit.scene.links.body)
    chosen = visit.scene.chance.sample(keys, min(wanted, len(keys)))
    return sorted(chosen, key=keys.index)
