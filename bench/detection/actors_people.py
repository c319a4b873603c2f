"""People: the browsers they have, the networks they come through, and what they do with a mail.

A person's name in the reports is either the client's (with one ordinary click) or the habit's (with
a client drawn from the ordinary ones).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from bench.detection import addresses, browsers, programs, schedule
from bench.detection.traffic import MailKind, Request, Truth

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from bench.detection.traffic import Address, Headers, Scene

READS_A_PAGE = (4.0, 0.5)  # seconds until Continue: median and sigma of its logarithm


@dataclass(frozen=True, slots=True)
class Client:
    """A browser at an address, for one visit or several."""

    headers: Headers
    address: Address


@dataclass(frozen=True, slots=True)
class Person:
    """One kind of reader."""

    name: str
    family: str
    client: Callable[[Scene], Client]
    habit: Callable[[Visiting], list[Request]]
    cookies: bool = True
    always_clicks: bool = False

    def act(self, scene: Scene) -> list[Request]:
        """Return what this person does with one message, if they click at all."""
        first = Visiting(scene, self, self.client(scene), when(scene))
        return self.habit(first)


@dataclass(frozen=True, slots=True)
class Visiting:
    """A person with a message open, about to click ``after`` seconds from its arrival."""

    scene: Scene
    person: Person
    client: Client
    after: float

    def click(
        self, key: str, later: float = 0.0, number: int = 0, client: Client | None = None
    ) -> Request:
        """Return a click; ``number`` tells the clicks of a person apart, doubles share it."""
        source = client or self.client
        chance = self.scene.chance
        return Request(
            self.after + later,
            key,
            source.headers,
            source.address,
            self.person.name,
            Truth.CLICK,
            click=number,
            presses=schedule.log_normal(chance, *READS_A_PAGE, 0.8),
            cookies=self.person.cookies,
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


def when(scene: Scene) -> float:
    """Return when the person clicks, in seconds from arrival."""
    if scene.mail is MailKind.TRANSACTIONAL:
        return schedule.reset(scene.chance)
    return schedule.click(scene.chance)


# --- what people do --------------------------------------------------------------------------------


def once(visit: Visiting) -> list[Request]:
    """One click."""
    return [visit.click(visit.wanted())]


def twice(visit: Visiting) -> list[Request]:
    """A double click: the same link again within a second."""
    key = visit.wanted()
    return [visit.click(key), visit.click(key, visit.scene.chance.uniform(0.15, 0.8))]


def doubled(visit: Visiting) -> list[Request]:
    """Two hits for one click, as Gmail's sometimes are (wp-calypso issue 82588)."""
    key = visit.wanted()
    return [visit.click(key), visit.click(key, visit.scene.chance.uniform(0.02, 0.4))]


def two_links(visit: Visiting) -> list[Request]:
    """Two articles opened one right after the other."""
    keys = _several(visit, 2)
    gap = visit.scene.chance.uniform(1.0, 6.0)
    return [visit.click(key, place * gap, place) for place, key in enumerate(keys)]


def tabs(visit: Visiting) -> list[Request]:
    """Several articles opened in tabs, to be read later."""
    chance, later = visit.scene.chance, 0.0
    found = []
    for place, key in enumerate(_several(visit, chance.choice((3, 4, 4, 5)))):
        found.append(visit.click(key, later, place))
        later += chance.uniform(2.0, 9.0)
    return found


def quick(visit: Visiting) -> list[Request]:
    """The mail is open the moment it arrives: 5 s on a reset, 15 to 60 s on a newsletter."""
    chance = visit.scene.chance
    transactional = visit.scene.mail is MailKind.TRANSACTIONAL
    after = chance.uniform(5.0, 8.0) if transactional else chance.uniform(15.0, 60.0)
    return [Visiting(visit.scene, visit.person, visit.client, after).click(visit.wanted())]


def returning(visit: Visiting) -> list[Request]:
    """The same link again the next day."""
    key = visit.wanted()
    later = visit.scene.chance.uniform(70000.0, 100000.0)
    return [visit.click(key), visit.click(key, later, 1)]


def two_devices(visit: Visiting) -> list[Request]:
    """On the phone first, on the desk later."""
    chance = visit.scene.chance
    desk = Client(browsers.edge(chance, secure=visit.scene.secure), addresses.one(chance, addresses.OFFICE))
    key = visit.wanted()
    return [visit.click(key), visit.click(key, chance.uniform(120.0, 9000.0), 1, desk)]


def head_first(visit: Visiting) -> list[Request]:
    """Legacy Edge and some companions: HEAD, then GET (openEQUELLA issue 861)."""
    key = visit.wanted()
    look = visit.machine(key, -visit.scene.chance.uniform(0.05, 0.3), visit.client.headers, "HEAD before GET", "HEAD")
    return [look, visit.click(key)]


def from_a_document(visit: Visiting) -> list[Request]:
    """A link opened from Word: Office looks first, from the same address (indico issue 4720)."""
    key = visit.wanted()
    looks = [
        visit.machine(key, place * 0.3 - 1.2, (("user-agent", agent),), "Office looks ahead", method)
        for place, (method, agent) in enumerate(programs.OFFICE)
    ]
    last = visit.machine(key, -0.5, (("user-agent", programs.OFFICE_LOOK),), "Office looks ahead")
    return [*looks, last, visit.click(key)]


def prefetched(visit: Visiting) -> list[Request]:
    """The browser fetches ahead; three times in four the person then goes there."""
    chance, key = visit.scene.chance, visit.wanted()
    purpose = chance.choice(("prefetch", "prefetch;prerender", "prefetch;anonymous-client-ip"))
    headers = browsers.also(visit.client.headers, ("sec-purpose", purpose))
    ahead = visit.machine(key, -chance.uniform(0.3, 20.0), headers, "browser fetches ahead")
    return [ahead, visit.click(key)] if chance.random() < 0.75 else [ahead]


def through_the_bait(visit: Visiting) -> list[Request]:
    """A screen reader or source view leads to the bait first; then the link itself."""
    chance, links = visit.scene.chance, visit.scene.links
    if not links.bait:
        return once(visit)
    look = _own(visit, chance.choice(links.bait), 0.0)
    pressed = _own(visit, look.key, chance.uniform(4.0, 15.0), "POST")
    return [look, pressed, visit.click(visit.wanted(), chance.uniform(20.0, 60.0))]


def with_the_rush(visit: Visiting) -> list[Request]:
    """Everyone in the company looks at the newsletter at nine."""
    scene = visit.scene
    if scene.mail is MailKind.TRANSACTIONAL:
        return once(visit)
    after = scene.domain.rush + scene.chance.expovariate(1 / 45.0)
    return [Visiting(scene, visit.person, visit.client, after).click(visit.wanted())]


def _own(visit: Visiting, key: str, later: float, method: str = "GET") -> Request:
    return Request(
        visit.after + later, key, visit.client.headers, visit.client.address, visit.person.name, Truth.PERSON,
        method,
    )  # fmt: skip


def _several(visit: Visiting, wanted: int) -> list[str]:
    keys = list(visit.scene.links.body)
    chosen = visit.scene.chance.sample(keys, min(wanted, len(keys)))
    return sorted(chosen, key=keys.index)


# --- what people have ------------------------------------------------------------------------------

def _at_home(headers: Callable[..., Headers], **fixed: object) -> Callable[[Scene], Client]:
    def draw(scene: Scene) -> Client:
        return Client(headers(scene.chance, secure=scene.secure, **fixed), addresses.home(scene.chance))

    return draw


def _through(ranges: tuple[str, ...], headers: Callable[..., Headers], **fixed: object) -> Callable[[Scene], Client]:
    def draw(scene: Scene) -> Client:
        found = headers(scene.chance, secure=scene.secure, **fixed)
        return Client(found, addresses.one(scene.chance, ranges))

    return draw


def ordinary(scene: Scene) -> Client:
    """Return one of the clients that most people have."""
    secure, chance = scene.secure, scene.chance
    draw = chance.choice(
        (
            browsers.chromium,
            partial(browsers.chromium, system=browsers.MAC),
            partial(browsers.chromium, system=browsers.ANDROID),
            browsers.edge,
            browsers.firefox,
            browsers.safari,
            partial(browsers.safari, phone=True),
            partial(browsers.safari, phone=True),
            browsers.ios_webview,
        )
    )
    return Client(draw(chance, secure=secure), addresses.home(chance))


def _managed(scene: Scene) -> Client:
    """Return the company's browser behind the company's one address."""
    headers = scene.domain.headers
    if not scene.secure:
        headers = tuple(pair for pair in headers if not pair[0].startswith("sec-"))
    return Client(headers, scene.domain.office)


def _textual(scene: Scene) -> Client:
    return Client(browsers.text_browser(scene.chance), addresses.home(scene.chance))


def _private(scene: Scene) -> Client:
    """Return Firefox hardened: opted out by GPC and DNT, no referrer, generic language."""
    found = browsers.firefox(scene.chance, secure=scene.secure)
    return Client(browsers.also(found, ("dnt", "1"), ("sec-gpc", "1")), addresses.one(scene.chance, addresses.VPN))


def _brave(scene: Scene) -> Client:
    found = browsers.chromium(scene.chance, secure=scene.secure, brand="Brave")
    return Client(browsers.also(found, ("sec-gpc", "1")), addresses.home(scene.chance))


def _opera_mini(scene: Scene) -> Client:
    return Client(browsers.opera_mini(scene.chance), addresses.one(scene.chance, addresses.OPERA))


def _inspected(scene: Scene) -> Client:
    """Return a browser behind a proxy that opens TLS: it re-encodes and adds its own headers."""
    found = browsers.edge(scene.chance, secure=scene.secure)
    found = browsers.without(found, "accept-encoding", "priority")
    more = (("accept-encoding", "gzip, deflate"), ("via", "1.1 proxy (Zscaler)"), ("cache-control", "max-age=0"))
    return Client(browsers.also(found, *more), addresses.one(scene.chance, addresses.PROXY))


_PHONE = {"phone": True}

PEOPLE: tuple[Person, ...] = (
    Person("Chrome on Windows", "engines", _at_home(browsers.chromium), once),
    Person("Chrome on a Mac", "engines", _at_home(browsers.chromium, system=browsers.MAC), once),
    Person("Chrome on Android", "engines", _at_home(browsers.chromium, system=browsers.ANDROID), once),
    Person("Chrome a year old", "engines", _at_home(browsers.chromium, version=142), once),
    Person("Chrome 109 on Windows 7", "last versions", _at_home(browsers.chromium, version=109, system="Windows NT 6.1; Win64; x64"), once),
    Person("Edge", "engines", _at_home(browsers.edge), once),
    Person("Firefox", "engines", _at_home(browsers.firefox), once),
    Person("Firefox 115 on Windows 7", "last versions", _at_home(browsers.firefox, version=115, system="Windows NT 6.1; Win64; x64"), once),
    Person("Safari on a Mac", "engines", _at_home(browsers.safari), once),
    Person("Safari on an iPhone", "engines", _at_home(browsers.safari, phone=True), once),
    Person("Safari 15 and 16.1", "old Safari", _at_home(browsers.safari, phone=True, version="15.6"), once),
    Person("mail app on iOS", "in-app", _at_home(browsers.ios_webview), once),
    Person("mail app on Android", "in-app", _at_home(browsers.android_webview), once),
    Person("Facebook's browser", "in-app", _at_home(browsers.facebook_app), once),
    Person("text browser", "text", _textual, once, cookies=False),
    Person("Opera Mini", "text", _opera_mini, once),
    Person("hardened Firefox, VPN", "private", _private, once, cookies=False),
    Person("Brave with GPC", "private", _brave, once),
    Person("VPN", "egress", _through(addresses.VPN, browsers.chromium), once),
    Person("Private Relay", "egress", _through(addresses.RELAY, browsers.safari, **_PHONE), once),
    Person("isolation browser", "egress", _through(addresses.ISOLATION, browsers.chromium, system=browsers.LINUX), once),
    Person("desktop in Azure", "egress", _through(addresses.AZURE, browsers.edge), once),
    Person("proxy that opens TLS", "egress", _inspected, once),
    Person("corporate address", "company", _managed, once),
    Person("nine o'clock", "company", _managed, with_the_rush),
    Person("double click", "doubles", ordinary, twice),
    Person("Gmail's double hit", "doubles", ordinary, doubled),
    Person("two links quickly", "several", ordinary, two_links),
    Person("tabs", "several", ordinary, tabs),
    Person("quick", "quick", ordinary, quick),
    Person("comes back next day", "returns", ordinary, returning),
    Person("phone, then desk", "returns", ordinary, two_devices),
    Person("HEAD before GET", "own programs", ordinary, head_first),
    Person("from a document", "own programs", _at_home(browsers.edge), from_a_document),
    Person("browser fetches ahead", "own programs", _at_home(browsers.chromium), prefetched),
    Person("screen reader on the bait", "bait readers", ordinary, through_the_bait),
)

BY_NAME = {person.name: person for person in PEOPLE}
