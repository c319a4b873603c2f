"""Entries of the journal made by hand, for what reads entries and asks no store."""

from __future__ import annotations

from linkproxy.model import (
    AnswerKind,
    Campaign,
    CampaignId,
    Evidence,
    Facts,
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

CAMPAIGN = Campaign(CampaignId(3), "news", base_url="https://click.example")
ANN = Recipient(RecipientId(8), "ann@a.example", "", "a.example")
HERE, THERE = "192.0.2.0/24", "198.51.100.0/24"


def entry(
    *evidence: Evidence,
    at: float = 0.0,
    key: str = "one0",
    kind: LinkKind = LinkKind.CONTENT,
    method: str = "GET",
    headers: int = 1,
    network: str = HERE,
    prior: float = 0.0,
    gateway: str = "",
    answer: AnswerKind = AnswerKind.REDIRECT,
    settled: Verdict | None = None,
    visit_id: int = 1,
) -> JournalEntry:
    """Return an uncertain visit of Ann's with this evidence; ``headers`` is the number of its header set."""
    link = Link(CAMPAIGN.id, LinkKey(key), "https://shop.example/", kind, LinkRole.BODY, 0)
    visit = Visit(at, method, CAMPAIGN.id, ANN.id, link.key, "192.0.2.7", network, Profile((), ""))
    facts = Facts(CAMPAIGN, link, profile_id=headers, gateway=gateway)
    first = Verdict(VerdictKind.UNCERTAIN, 0.0, prior, evidence)
    return JournalEntry(visit_id, visit, facts, first, answer, ANN, settled)
