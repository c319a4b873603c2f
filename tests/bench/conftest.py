"""Played messages made by hand: what was asked, and what the judge made of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

import pytest
from store.postgres_fixtures import own_postgres  # noqa: F401  (a fixture)

from bench.detection.played import Asked, Played
from bench.detection.traffic import Domain, Links, MailKind, Request, Scene, Truth
from linkproxy.model import (
    AnswerKind,
    Campaign,
    CampaignId,
    Delivery,
    DeliverySource,
    Evidence,
    Facts,
    Family,
    JournalEntry,
    Link,
    LinkKey,
    LinkKind,
    LinkRole,
    Profile,
    Recipient,
    RecipientId,
    Verdict,
    VerdictKind,
    Visit,
)

ARRIVED = 1_000_000.0
BROWSER = (("user-agent", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/150.0.0.0"),)
LINKS = Links(
    ("aaaa", "bbbb", "cccc"),
    ("ffff",),
    ("tttt",),
    ("uuuu",),
    ("aaaa", "tttt", "bbbb", "cccc", "ffff", "uuuu"),
)
KINDS = {"tttt": LinkKind.BAIT, "uuuu": LinkKind.UNSUBSCRIBE}


@dataclass
class Story:
    """One message; ``ask`` adds a request and the verdict on it."""

    scanner: str = "stealth, first link"
    reader: str = "Edge"
    mail: MailKind = MailKind.MANY
    known: bool = False
    asked: list[Asked] = field(default_factory=list)

    def ask(
        self,
        actor: str,
        truth: Truth,
        *,
        after: float = 600.0,
        key: str = "aaaa",
        score: float = -12.0,
        clicked: bool = False,
        click: int = 0,
        method: str = "GET",
        headers: tuple[tuple[str, str], ...] = BROWSER,
        client: str = "203.0.113.7",
        status: int = 302,
        location: str = "https://shop.example/",
        spoil: str = "",
        decisive: bool = False,
        settled_after: float = 93.0,
    ) -> Asked:
        """Add one request; ``score`` decides the verdict by the shipped thresholds."""
        request = Request(
            after, key, headers, client, actor, truth, method, click if truth is Truth.CLICK else -1, spoil
        )
        one = Asked(0, request, ARRIVED + after, f"/token/{key}", key, status=status, location=location)
        one.clicked = clicked
        if not spoil:
            one.entry = _entry(one, score, decisive=decisive, settled_after=settled_after)
        self.asked.append(one)
        return one

    def played(self, told: Delivery | None = None) -> Played:
        """Return the message as a run of its own, delivered on time by the provider's word."""
        domain = Domain(
            "birch.example", self.scanner, 22 if self.known else 1, 0, "192.0.2.1", BROWSER, 3600.0
        )
        scene = Scene(
            "c", self.mail, domain, self.reader, "ana@birch.example", LINKS, True, ARRIVED, ARRIVED, self.known,
            Random(1),  # noqa: S311  (seeded, as in the benchmark)
        )  # fmt: skip
        delivery = told or Delivery(ARRIVED, DeliverySource.PROVIDER)
        return Played([scene], [delivery], sorted(self.asked, key=lambda one: one.at))


def _entry(asked: Asked, score: float, *, decisive: bool, settled_after: float) -> JournalEntry:
    kind = VerdictKind.HUMAN if score <= -5 else VerdictKind.MACHINE if score >= 20 else VerdictKind.UNCERTAIN
    evidence = (Evidence("request.head", Family.REQUEST, 30.0, decisive=True),) if decisive else ()
    verdict = Verdict(kind, score, -3.0, evidence)
    visit = Visit(
        asked.at, asked.request.method, CampaignId(1), RecipientId(1), LinkKey(asked.link), asked.request.client,
        "203.0.113.0/24", Profile(asked.request.headers),
    )  # fmt: skip
    link = Link(
        CampaignId(1), LinkKey(asked.link), "https://shop.example/", KINDS.get(asked.link, LinkKind.CONTENT),
        LinkRole.BODY, 0,
    )  # fmt: skip
    return JournalEntry(
        1, visit, Facts(Campaign(CampaignId(1), "c"), link), verdict, AnswerKind.REDIRECT,
        Recipient(RecipientId(1)), verdict, asked.at + settled_after,
    )  # fmt: skip


@pytest.fixture
def story():
    return Story()
