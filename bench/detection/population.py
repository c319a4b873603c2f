"""Who gets the mail: domains with their scanner, their readers, and when each mail is sent.

Every machine has domains of its own, one with enough recipients to be known by its behaviour and
several with one or two; every person sits in some of them. All draws come from one seed, reader by
reader, so that a part of the population behaves as it does in the whole.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING

from bench.detection import addresses, browsers, schedule
from bench.detection.actors_machines import MACHINES, PREVIEWERS, needs_a_click
from bench.detection.actors_people import PEOPLE
from bench.detection.traffic import Domain, MailKind, Stream
from linkproxy.model import Delivery, DeliverySource

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

START = datetime(2026, 11, 16, 9, 0, tzinfo=UTC).timestamp()
DAY = 86400.0
KNOWN_READERS = 22
"""Recipients of a domain that has a history; 20 are the least that a profile is kept of."""

STREAMS = (
    Stream(DeliverySource.SMARTHOST, secure=True),
    Stream(DeliverySource.SMARTHOST, secure=True),
    Stream(DeliverySource.SMARTHOST, secure=False),
    Stream(DeliverySource.PROVIDER, secure=True),
    Stream(DeliverySource.PROVIDER, secure=True),
    Stream(DeliverySource.MX, secure=True),
    Stream(DeliverySource.CAMPAIGN, secure=True),
    Stream(DeliverySource.NONE, secure=True),
)
"""Senders: most hand mail to a smarthost or a provider, some know only when a mailing began."""

SENT = {MailKind.MANY: START, MailKind.SINGLE: START + 3 * DAY, MailKind.TRANSACTIONAL: START + 5 * DAY}
SENDING_SECONDS = {MailKind.MANY: 900.0, MailKind.SINGLE: 900.0, MailKind.TRANSACTIONAL: 8 * 3600.0}
CLICKING = {MailKind.MANY: 0.5, MailKind.SINGLE: 0.5, MailKind.TRANSACTIONAL: 0.9}
"""Far more readers click than in life, so that there are clicks to judge; the figures are rates of
messages and of clicks, which the share of readers does not move."""

DELAYED = 0.06  # greylisting and queues: the share of mail that takes minutes
TRANSIT = (2.5, 0.8)  # seconds from a smarthost to the mailbox: median and sigma of its logarithm


@dataclass(frozen=True, slots=True)
class Reader:
    """A recipient."""

    address: str
    person: str
    domain: Domain


@dataclass(frozen=True, slots=True)
class Mailing:
    """One campaign of one sender."""

    name: str
    mail: MailKind
    stream: Stream
    begins: float  # epoch seconds
    clicking: float | None = None  # with what probability each reader clicks, if it is the same for all


@dataclass(frozen=True, slots=True)
class Letter:
    """One mail to one reader, before it has links."""

    reader: Reader
    mailing: Mailing
    sent: float
    arrived: float
    clicks: bool
    seed: str


@dataclass(frozen=True, slots=True)
class Size:
    """How many recipients each machine's domains have, and how many nobody scans."""

    known: int  # domains of KNOWN_READERS for each machine
    small: int  # recipients in domains of one or two for each machine
    quiet: int  # recipients in domains without any scanner, for each kind of person


def build(seed: int, size: Size) -> list[Reader]:
    """Return all readers."""
    chance = Random(f"population {seed}")
    names = (
        f"{word}-{number}.example" for number in itertools.count(1) for word in ("alder", "birch", "cedar")
    )
    decks = _deck(chance)
    readers: list[Reader] = []
    for machine in (*MACHINES, *PREVIEWERS):
        counts = [KNOWN_READERS] * size.known + list(_small(chance, size.small))
        for count in counts:
            found = domain(next(names), machine.name, count, chance)
            readers += [reader_of(found, place, next(decks)) for place in range(count)]
    for person in PEOPLE:
        company = person.family == "company"
        counts = [KNOWN_READERS, *_small(chance, size.quiet)] if company else list(_small(chance, size.quiet))
        for count in counts:
            found = domain(next(names), "", count, chance)
            readers += [reader_of(found, place, person.name) for place in range(count)]
    return readers


def letters(readers: Sequence[Reader], seed: int) -> list[Letter]:
    """Return every mail to these readers: one of each kind, days apart."""
    mailings = {
        (mail, number): Mailing(f"{mail.name.lower()}-{number}", mail, stream, SENT[mail])
        for mail in MailKind
        for number, stream in enumerate(STREAMS)
    }
    return [
        letter(reader, mailings[mail, reader.domain.stream], seed) for reader in readers for mail in MailKind
    ]


def told(sent: Letter) -> Delivery | None:
    """Return the delivery as the sender tells it; campaigns tell only when they began."""
    source = sent.mailing.stream.source
    match source:
        case DeliverySource.NONE:
            return None
        case DeliverySource.SMARTHOST:
            at = sent.sent
        case DeliverySource.PROVIDER:
            at = sent.arrived + Random(f"told {sent.seed}").uniform(0.0, 4.0)
        case DeliverySource.MX:
            at = sent.arrived
        case _:
            at = sent.mailing.begins
    return Delivery(at, source)


def letter(reader: Reader, mailing: Mailing, seed: int, clicking: float | None = None) -> Letter:
    """Return one mail to one reader, who clicks with a probability: the mail's own if None."""
    mail = mailing.mail
    key = f"{seed} {reader.address} {mail}"
    chance = Random(f"letter {key}")
    sent = mailing.begins + chance.uniform(0.0, SENDING_SECONDS[mail])
    delay = schedule.log_normal(chance, *TRANSIT)
    if chance.random() < DELAYED:
        delay += chance.uniform(60.0, 900.0)
    likely = (
        clicking if clicking is not None else 1.0 if needs_a_click(reader.domain.scanner) else CLICKING[mail]
    )
    return Letter(reader, mailing, sent, sent + delay, chance.random() < likely, key)


def domain(name: str, scanner: str, readers: int, chance: Random) -> Domain:
    """Return a domain with its scanner, its company's browser and its habits."""
    return Domain(
        name,
        scanner,
        readers,
        stream=chance.randrange(len(STREAMS)),
        office=addresses.one(chance, addresses.OFFICE),
        headers=browsers.edge(chance, secure=True),
        rush=chance.uniform(1800.0, 14400.0),
    )


def reader_of(home: Domain, place: int, person: str) -> Reader:
    """Return one recipient of a domain."""
    return Reader(f"reader{place}@{home.name}", person, home)


def _deck(chance: Random) -> Iterator[str]:
    """Yield persons so that each comes as often as any other."""
    names = [person.name for person in PEOPLE]
    while True:
        chance.shuffle(names)
        yield from names


def _small(chance: Random, readers: int) -> Iterator[int]:
    while readers > 0:
        count = min(readers, chance.choice((1, 1, 2)))
        readers -= count
        yield count
