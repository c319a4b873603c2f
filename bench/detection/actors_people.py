"""People: the browsers they have, the networks they come through, and their habits.

A person's name in the reports is either the client's (with one ordinary click) or the habit's (with
a client drawn from the ordinary ones).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from bench.detection import addresses, browsers, habits, schedule
from bench.detection.habits import Client, Visiting, once
from bench.detection.traffic import MailKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.detection.traffic import Headers, Request, Scene


@dataclass(frozen=True, slots=True)
class Person:
    """One kind of reader."""

    name: str
    family: str
    client: Callable[[Scene], Client]
    habit: Callable[[Visiting], list[Request]]
    cookies: bool = True

    def act(self, scene: Scene) -> list[Request]:
        """Return what this person does with one message, if they click at all."""
        return self.habit(Visiting(scene, self.name, self.cookies, self.client(scene), when(scene)))


def when(scene: Scene) -> float:
    """Return when the person clicks, in seconds from arrival."""
    if scene.mail is MailKind.TRANSACTIONAL:
        return schedule.reset(scene.chance)
    return schedule.click(scene.chance)


def _at_home(headers: Callable[..., Headers], **fixed: object) -> Callable[[Scene], Client]:
    def draw(scene: Scene) -> Client:
        return Client(headers(scene.chance, secure=scene.secure, **fixed), addresses.home(scene.chance))

    return draw


def _through(
    ranges: tuple[str, ...], headers: Callable[..., Headers], **fixed: object
) -> Callable[[Scene], Client]:
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
    return Client(headers if scene.secure else browsers.over_plain(headers), scene.domain.office)


def _textual(scene: Scene) -> Client:
    return Client(browsers.text_browser(scene.chance), addresses.home(scene.chance))


def _private(scene: Scene) -> Client:
    """Return Firefox hardened: opted out by GPC and DNT, no referrer, generic language."""
    found = browsers.firefox(scene.chance, secure=scene.secure)
    return Client(
        browsers.also(found, ("dnt", "1"), ("sec-gpc", "1")), addresses.one(scene.chance, addresses.VPN)
    )


def _brave(scene: Scene) -> Client:
    found = browsers.chromium(scene.chance, secure=scene.secure, brand="Brave")
    return Client(browsers.also(found, ("sec-gpc", "1")), addresses.home(scene.chance))


def _opera_mini(scene: Scene) -> Client:
    return Client(browsers.opera_mini(scene.chance), addresses.one(scene.chance, addresses.OPERA))


def _inspected(scene: Scene) -> Client:
    """Return a browser behind a proxy that opens TLS: it re-encodes and adds its own headers."""
    found = browsers.edge(scene.chance, secure=scene.secure)
    found = browsers.without(found, "accept-encoding", "priority")
    more = (
        ("accept-encoding", "gzip, deflate"),
        ("via", "1.1 proxy (Zscaler)"),
        ("cache-control", "max-age=0"),
    )
    return Client(browsers.also(found, *more), addresses.one(scene.chance, addresses.PROXY))


PEOPLE: tuple[Person, ...] = (
    Person("Chrome on Windows", "engines", _at_home(browsers.chromium), once),
    Person("Chrome on a Mac", "engines", _at_home(browsers.chromium, system=browsers.MAC), once),
    Person("Chrome on Android", "engines", _at_home(browsers.chromium, system=browsers.ANDROID), once),
    Person("Chrome a year old", "engines", _at_home(browsers.chromium, version=142), once),
    Person(
        "Chrome 109 on Windows 7",
        "last versions",
        _at_home(browsers.chromium, version=109, system=browsers.WINDOWS_7),
        once,
    ),
    Person("Edge", "engines", _at_home(browsers.edge), once),
    Person("Firefox", "engines", _at_home(browsers.firefox), once),
    Person(
        "Firefox 115 on Windows 7",
        "last versions",
        _at_home(browsers.firefox, version=115, system=browsers.WINDOWS_7),
        once,
    ),
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
    Person("Private Relay", "egress", _through(addresses.RELAY, browsers.safari, phone=True), once),
    Person(
        "isolation browser",
        "egress",
        _through(addresses.ISOLATION, browsers.chromium, system=browsers.LINUX),
        once,
    ),
    Person("desktop in Azure", "egress", _through(addresses.AZURE, browsers.edge), once),
    Person("proxy that opens TLS", "egress", _inspected, once),
    Person("corporate address", "company", _managed, once),
    Person("nine o'clock", "company", _managed, habits.with_the_rush),
    Person("double click", "doubles", ordinary, habits.twice),
    Person("Gmail's double hit", "doubles", ordinary, habits.doubled),
    Person("two links quickly", "several", ordinary, habits.two_links),
    Person("tabs", "several", ordinary, habits.tabs),
    Person("quick", "quick", ordinary, habits.quick),
    Person("comes back next day", "returns", ordinary, habits.returning),
    Person("phone, then desk", "returns", ordinary, habits.two_devices),
    Person("HEAD before GET", "own programs", ordinary, habits.head_first),
    Person("from a document", "own programs", _at_home(browsers.edge), habits.from_a_document),
    Person("browser fetches ahead", "own programs", _at_home(browsers.chromium), habits.prefetched),
    Person("screen reader on the bait", "bait readers", ordinary, habits.through_the_bait),
)

BY_NAME = {person.name: person for person in PEOPLE}
