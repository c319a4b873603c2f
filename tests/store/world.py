"""What the claims about stores are made with: mail, visits, and judges that are easy to foretell."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from linkproxy.model import (
    Answer,
    AnswerKind,
    Campaign,
    CampaignId,
    Click,
    Delivery,
    DeliverySource,
    Evidence,
    Facts,
    Family,
    Judged,
    Link,
    LinkKey,
    LinkKind,
    LinkRole,
    MessageHistory,
    MessageLink,
    Profile,
    Recipient,
    Settlement,
    Stray,
    StrayCounts,
    StrayReason,
    Unlogged,
    Unsubscribe,
    Verdict,
    VerdictKind,
    Visit,
)
from linkproxy.store.api import DeliveryDraft, Filter, RecipientDraft, Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from linkproxy.store.api import ClickRow, Outcome, Pending, Take, VisitRow
    from linkproxy.visit.facts import CampaignTable, FactSource, KnownMessage

NOW = 1_790_000_000.0
REACH = 1_800.0

BROWSER = Profile((("user-agent", "Example/1.0"), ("accept", "text/html")), "Example/1.0")
PROGRAM = Profile((("user-agent", "program"),), "program")

EVIDENCE = (
    Evidence("ordinary", Family.REQUEST, -6.0, "a source", detail="a browser"),
    Evidence("minutes", Family.TIMING, -3.0, "another", counted=False),
    Evidence("silent", Family.BAIT, 0.0, decisive=True),
)


def key(number: int) -> LinkKey:
    return LinkKey(f"k{number:03}")


@dataclass
class Mail:
    """A campaign with four content links, a bait and an unsubscribe link, and its recipients."""

    store: Store
    campaign: Campaign
    links: list[Link]
    recipients: list[Recipient]

    @property
    def ann(self) -> Recipient:
        return self.recipients[0]

    @property
    def bob(self) -> Recipient:
        return self.recipients[1]

    def visit(self, at: float = 0.0, *, link: int = 0, who: Recipient | None = None, **more: object) -> Visit:
        made = Visit(
            at=NOW + at,
            method="GET",
            campaign_id=self.campaign.id,
            recipient_id=(who or self.ann).id,
            key=key(link),
            client="192.0.2.7",
            network="192.0.2.0/24",
            profile=BROWSER,
            secure=True,
        )
        return replace(made, **more)  # type: ignore[arg-type]

    def stray(self, at: float = 0.0, **more: object) -> Stray:
        made = Stray(NOW + at, StrayReason.BAD_MAC, "GET", "/x/y", "192.0.2.7", "192.0.2.0/24", PROGRAM)
        return replace(made, **more)  # type: ignore[arg-type]

    async def append(self, *pending: Pending, take: Take | None = None) -> list[Outcome]:
        return await self.store.append(pending, take or judge())

    async def visited(self, *visits: Visit, take: Take | None = None) -> list[Judged]:
        outcomes = await self.append(*visits, take=take)
        assert all(isinstance(outcome, Judged) for outcome in outcomes), outcomes
        return outcomes  # type: ignore[return-value]

    async def opt_out(
        self, at: float = 0.0, *, who: Recipient | None = None, one_click: bool = False
    ) -> None:
        """Let somebody unsubscribe who is not tracked, which leaves nothing else."""
        sent = Unsubscribe(NOW + at, self.campaign.id, (who or self.ann).id, one_click=one_click)
        await self.append(
            self.visit(at, who=who, link=5),
            take=lambda _visit, _source: Unlogged(Answer(AnswerKind.UNSUBSCRIBED), sent),
        )

    async def deliver(self, at: float, *, who: Recipient | None = None) -> None:
        """Tell by a receiving server's word when a message was delivered, which opens it again."""
        told = Delivery(at, DeliverySource.MX)
        await self.store.add_deliveries([DeliveryDraft(self.campaign.id, (who or self.ann).id, told)])

    async def settle(
        self,
        revise: Callable[[MessageHistory], Settlement] | None = None,
        *,
        who: Recipient | None = None,
        reach_seconds: float = REACH,
    ) -> Settlement | None:
        return await self.store.settle(
            self.campaign.id, (who or self.ann).id, revise or settled(), reach_seconds=reach_seconds
        )


async def send(
    store: Store, name: str = "news", *, who: tuple[str, ...] = ("ann@a.example", "bob@b.example")
) -> Mail:
    """Make a campaign and register its recipients."""
    campaign = await store.add_campaign(Campaign(CampaignId(0), name, base_url="https://click.example"))
    kinds = [LinkKind.CONTENT] * 4 + [LinkKind.BAIT, LinkKind.UNSUBSCRIBE]
    links = [
        Link(campaign.id, key(place), f"https://shop.example/{name}/{place}", kind, LinkRole.BODY, place)
        for place, kind in enumerate(kinds)
    ]
    await store.add_links(links)
    return Mail(
        store, campaign, links, await store.register_recipients([RecipientDraft(address) for address in who])
    )


def judge(
    kind: VerdictKind = VerdictKind.HUMAN,
    *,
    answer: AnswerKind = AnswerKind.REDIRECT,
    seen: list[Facts] | None = None,
    score: float = -9.0,
) -> Take:
    """Return a judge that asks everything and always says the same; ``seen`` collects what it was told."""

    def take(visit: Visit, source: FactSource) -> Judged | Unlogged | Stray:
        table, message = source.table(visit.campaign_id), source.message(visit)
        if table is None or (link := _link(visit, table, source)) is None:
            return Stray(
                visit.at,
                StrayReason.UNKNOWN_KEY,
                visit.method,
                f"/{visit.key}",
                visit.client,
                visit.network,
                visit.profile,
            )
        if message is None or not message.recipient.track:
            return Unlogged(Answer(AnswerKind.REDIRECT, link.target))
        facts = facts_of(visit, source, table, message, link)
        if seen is not None:
            seen.append(facts)
        return Judged(
            visit,
            facts,
            Verdict(kind, score, -12.0, EVIDENCE, "policy-1"),
            Answer(answer, link.target),
            message.recipient,
        )

    return take


def _link(visit: Visit, table: CampaignTable, source: FactSource) -> Link | MessageLink | None:
    return table.links.get(visit.key) or source.message_link(visit.campaign_id, visit.recipient_id, visit.key)


def facts_of(
    visit: Visit, source: FactSource, table: CampaignTable, message: KnownMessage, link: Link | MessageLink
) -> Facts:
    client, network = source.pseudonym(visit.client, visit.network)
    return Facts(
        campaign=table.campaign,
        link=link,
        link_count=table.counts.content,
        bait_count=table.counts.bait,
        framed=table.counts.framed,
        profile_id=source.profile_id(visit.profile),
        client=client,
        network=network,
        delivery=message.delivery,
        siblings=source.siblings(visit.campaign_id, message.recipient.id, since=visit.at - REACH),
        strays=StrayCounts(other=len(source.strays(visit.client, since=visit.at - 300.0))),
    )


def settled(
    kind: VerdictKind = VerdictKind.HUMAN,
    *,
    score: float = -11.0,
    at: float = NOW + 9_999,
    seen: list[MessageHistory] | None = None,
) -> Callable[[MessageHistory], Settlement]:
    """Return a reviser that gives every open visit one verdict, and one click each if human."""

    def revise(history: MessageHistory) -> Settlement:
        if seen is not None:
            seen.append(history)
        mine = [entry for entry in history.entries if entry.visit_id in history.open_ids]
        verdict = Verdict(kind, score, -12.0, EVIDENCE, "policy-2")
        fresh = [
            entry for entry in mine if kind is VerdictKind.HUMAN and entry.visit_id not in history.clicked
        ]
        return Settlement(
            tuple((entry.visit_id, verdict) for entry in mine),
            tuple(
                Click(
                    entry.visit_id,
                    entry.visit.at,
                    entry.visit.campaign_id,
                    entry.visit.recipient_id,
                    entry.visit.key,
                    score,
                    verdict.reasons,
                    verified=entry.visit.verified,
                )
                for entry in fresh
            ),
            at,
        )

    return revise


async def clicks(store: Store, where: Filter | None = None, *, provisional: bool = False) -> list[ClickRow]:
    return [row async for row in store.clicks(where or Filter(), provisional=provisional)]


async def visits(store: Store, where: Filter | None = None) -> list[VisitRow]:
    return [row async for row in store.visits(where or Filter())]


async def ids(store: Store, where: Filter | None = None) -> list[int]:
    return [row.entry.visit_id for row in await visits(store, where)]
