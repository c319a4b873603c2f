"""The words of the simulation: mails, domains, readers, and the requests that are planned.

Times are seconds: ``at`` in epoch seconds, everything else counted from when a mail arrived.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

    from linkproxy.model import DeliverySource

Headers = tuple[tuple[str, str], ...]
Address = str


class MailKind(StrEnum):
    """The three mails that every recipient gets."""

    MANY = "many links"
    SINGLE = "single link"
    TRANSACTIONAL = "transactional"


class Truth(StrEnum):
    """What a request really is."""

    CLICK = "click"  # a person wants the target
    PERSON = "person"  # a person's own, but no click: a look at the bait, a button on its page
    MACHINE = "machine"  # nobody has clicked


@dataclass(frozen=True, slots=True)
class Links:
    """The keys of a mail's links, in the order of the mail."""

    body: tuple[str, ...]
    low: tuple[str, ...]  # header, footer, social, legal: what hardly anyone reads
    bait: tuple[str, ...]
    unsubscribe: tuple[str, ...]
    ordered: tuple[str, ...]

    @property
    def visible(self) -> tuple[str, ...]:
        """Return what a reader can see, in order."""
        return tuple(key for key in self.ordered if key not in self.bait)


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request that somebody is going to make for a message's link."""

    after: float  # seconds after the mail arrived
    key: str
    headers: Headers
    client: Address
    actor: str
    truth: Truth
    method: str = "GET"
    click: int = -1  # which of the person's clicks it stands for; doubles share one
    spoil: str = ""  # how the token is changed: "" not at all
    presses: float | None = None  # seconds until Continue is pressed, where that page is shown
    cookies: bool = True  # whether cookies of ours come back along the extra hop


@dataclass(frozen=True, slots=True)
class Domain:
    """The recipients of one mail domain: who scans their mail, how they reach the web."""

    name: str
    scanner: str  # name of the machine that scans its mail, "" for none
    readers: int
    stream: int  # which of the mailings it is on
    office: Address  # the one address of the company's gateway
    headers: Headers  # the company's managed browser, over TLS
    rush: float  # seconds after sending at which everyone in this company looks at the mail


@dataclass(frozen=True, slots=True)
class Stream:
    """One sender's habits: how delivery is told, and whether links are https."""

    source: DeliverySource
    secure: bool


@dataclass(frozen=True, slots=True)
class Scene:
    """One message as its visitors find it."""

    campaign: str
    mail: MailKind
    domain: Domain
    reader: str  # name of the person
    address: str  # of the recipient
    links: Links
    secure: bool
    sent: float  # epoch seconds: when the sender's server handed it on
    arrived: float  # epoch seconds: when it was in the mailbox
    known: bool  # its domain has had earlier mail, for 20 recipients or more
    chance: Random = field(compare=False)


def at_pace(requests: Sequence[Request], gap: Callable[[], float]) -> list[Request]:
    """Return requests one after the other, the first at its own time."""
    moved: list[Request] = []
    for request in requests:
        after = moved[-1].after + gap() if moved else request.after
        moved.append(replace(request, after=after))
    return moved
