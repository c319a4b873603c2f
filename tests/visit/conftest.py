"""A small installation with a real store, and the clients that visit it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from ipaddress import ip_network
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from claims.browsers import CHROME

from linkproxy.campaign.tokens import Keyring, SigningKey
from linkproxy.model import (
    BaitStyle,
    Campaign,
    CampaignId,
    CampaignKind,
    Delivery,
    DeliverySource,
    Judged,
    Link,
    LinkKey,
    LinkKind,
    LinkRole,
    RawRequest,
    Recipient,
    Stray,
    Unlogged,
)
from linkproxy.store.api import DeliveryDraft, RecipientDraft
from linkproxy.store.privacy import Privacy
from linkproxy.store.sqlite import SqliteStore
from linkproxy.visit import intake, pipeline, policy, settle
from linkproxy.visit.facts import NO_SYSTEMS, Systems

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from linkproxy.model import MessageHistory, Settlement

NOW = 1_795_000_000.0  # 2026-11-18

ROLES = {
    "home": LinkRole.HEADER,
    "one": LinkRole.BODY,
    "two": LinkRole.BODY,
    "tre": LinkRole.BODY,
    "four": LinkRole.BODY,
    "five": LinkRole.BODY,
    "face": LinkRole.SOCIAL,
    "term": LinkRole.LEGAL,
}


def _key(name: str) -> LinkKey:
    return LinkKey(name.ljust(4, "0"))


@dataclass
class World:
    """One campaign with eight content links, two baits and an unsubscribe link."""

    store: SqliteStore
    keyring: Keyring
    campaign: Campaign
    recipient: Recipient
    policy: policy.Policy = field(default_factory=policy.load)
    secure: bool = True
    systems: Systems = NO_SYSTEMS
    fronts: tuple[str, ...] = ()  # networks of trusted fronts
    fingerprint_header: str = ""
    seen: list[MessageHistory] = field(default_factory=list)  # what was settled

    @property
    def gate(self) -> intake.Gate:
        fronts = tuple(ip_network(text) for text in self.fronts)
        return intake.Gate(
            self.keyring, fronts, secure=self.secure, fingerprint_header=self.fingerprint_header
        )

    def hop_url(self, name: str = "one", *, at: float, recipient: Recipient | None = None) -> str:
        """Return where an extra hop that began ``at`` seconds after NOW leads."""
        path = self.url(name, recipient)
        return f"{path}/~{self.keyring.sign_hop(path, NOW + at)}"

    def url(self, name: str, recipient: Recipient | None = None) -> str:
        who = (recipient or self.recipient).id
        return f"/{self.keyring.sign(self.campaign.id, who)}/{_key(name)}"

    async def send(
        self,
        name: str = "one",
        *,
        at: float = 0.0,
        headers: tuple[tuple[str, str], ...] = CHROME,
        method: str = "GET",
        client: str = "203.0.113.9",
        recipient: Recipient | None = None,
        target: str = "",
        http_version: str = "1.1",
    ) -> Judged | Unlogged | Stray:
        """Send one request, ``at`` seconds after NOW, through intake, store and judge."""
        raw = RawRequest(
            method=method,
            target=target or self.url(name, recipient),
            headers=headers,
            peer=client,
            time=NOW + at,
            http_version=http_version,
        )
        found = intake.read(raw, self.gate)
        assert found is not None
        (outcome,) = await self.store.append(
            [found], partial(pipeline.take, policy=self.policy, systems=self.systems)
        )
        assert isinstance(outcome, Judged | Unlogged | Stray), outcome
        return outcome

    async def judged(self, *args: object, **more: object) -> Judged:
        outcome = await self.send(*args, **more)  # type: ignore[arg-type]
        assert isinstance(outcome, Judged)
        return outcome

    async def deliver(self, at: float = 0.0, source: DeliverySource = DeliverySource.MX) -> None:
        await self.store.add_deliveries(
            [DeliveryDraft(self.campaign.id, self.recipient.id, Delivery(NOW + at, source))]
        )

    async def settle(self, at: float = 3600.0) -> Settlement | None:
        now = NOW + at
        due = await self.store.list_due(
            last_before=now - self.policy.hold_seconds,
            first_before=now - self.policy.max_hold_seconds,
            limit=100,
        )
        found = None
        for message in due:
            found = await self.store.settle(
                message.campaign_id,
                message.recipient_id,
                partial(self.revise, now=now),
                reach_seconds=self.policy.reach_seconds,
            )
        return found

    def revise(self, history: MessageHistory, now: float) -> Settlement:
        self.seen.append(history)
        visit = history.entries[0].visit
        tokens = self.keyring.tokens_of(visit.campaign_id, visit.recipient_id)
        return settle.revise(replace(history, tokens=tokens), policy=self.policy, now=now)


async def build(
    folder: Path,
    kind: CampaignKind = CampaignKind.MARKETING,
    *,
    click_id: str = "",
    roles: Mapping[str, LinkRole] = ROLES,
) -> World:
    """Make a world in a folder; its store is open."""
    store = SqliteStore(
        folder / f"{uuid4().hex}.db", privacy=Privacy("full", "full", b"k" * 32), clock=lambda: NOW
    )
    await store.open()
    campaign = await store.add_campaign(
        Campaign(CampaignId(0), kind.value, kind, "https://click.example", created_at=NOW, click_id=click_id)
    )
    links = [
        Link(campaign.id, _key(name), f"https://shop.example/{name}", LinkKind.CONTENT, role, place)
        for place, (name, role) in enumerate(roles.items())
    ]
    links += [
        Link(campaign.id, _key(name), "", LinkKind.BAIT, LinkRole.BODY, place, BaitStyle.HIDDEN)
        for place, name in ((20, "bai1"), (21, "bai2"))
    ]
    links.append(Link(campaign.id, _key("bye"), "", LinkKind.UNSUBSCRIBE, LinkRole.FOOTER, 22))
    await store.add_links(links)
    (recipient,) = await store.register_recipients([RecipientDraft("ann@customer.example")])
    return World(store, Keyring([SigningKey(1, bytes(32))]), campaign, recipient)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A marketing campaign, delivered at NOW by the word of the receiving server."""
    made = await build(tmp_path)
    await made.deliver()
    yield made
    await made.store.close()


@pytest.fixture
async def reset_mail(tmp_path: Path) -> AsyncIterator[World]:
    """A transactional campaign, delivered likewise."""
    made = await build(tmp_path, CampaignKind.TRANSACTIONAL)
    await made.deliver()
    yield made
    await made.store.close()


@pytest.fixture
async def terms_mail(tmp_path: Path) -> AsyncIterator[World]:
    """A mail on new terms, delivered likewise: all its links are legal and social."""
    roles = {"term": LinkRole.LEGAL, "priv": LinkRole.LEGAL, "face": LinkRole.SOCIAL}
    made = await build(tmp_path, roles=roles)
    await made.deliver()
    yield made
    await made.store.close()


@pytest.fixture
async def unheard(tmp_path: Path) -> AsyncIterator[World]:
    """A marketing campaign that nobody has told a delivery time of."""
    made = await build(tmp_path)
    yield made
    await made.store.close()
