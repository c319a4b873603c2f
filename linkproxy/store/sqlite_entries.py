"""Journal rows and the entries they hold."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from linkproxy.model import (
    AnswerKind,
    BaitStyle,
    Campaign,
    CampaignId,
    Evidence,
    Facts,
    JournalEntry,
    Learned,
    Link,
    LinkKey,
    LinkKind,
    LinkRole,
    MessageLink,
    Profile,
    ProfileScope,
    Recipient,
    RecipientId,
    StrayCounts,
    Verdict,
    VerdictKind,
    Visit,
)
from linkproxy.store import sqlite_rows as rows
from linkproxy.store.evidence_rows import evidence_from, sources_from
from linkproxy.store.sqlite_engagement import afterlife_from

if TYPE_CHECKING:
    from collections.abc import Mapping

ENTRY = (
    "v.id, v.at, v.campaign_id, v.recipient_id, v.key, v.kind, v.role, v.method, v.client, v.network, "
    "v.profile_id, v.http_version, v.secure, v.by_reference, v.verified, v.one_click, "
    "v.answer, v.verdict, v.score, v.prior, v.evidence, p.hash, v.facts, "
    "v.settled_verdict, v.settled_score, v.settled_prior, v.settled_evidence, sp.hash, v.settled_at, "
    "h.content, "
    "coalesce(l.target, m.target), coalesce(l.position, m.position), l.style, "
    "coalesce(l.shape, m.shape), "
    "m.created_at, "
    f"{rows.RECIPIENT}, "
    "v.hop_at, v.hop_cookie, json_extract(v.settled_facts, '$.step'), "
    "json_extract(v.settled_facts, '$.afterlife'), json_extract(v.settled_facts, '$.strays'), "
    "p.sources, CASE WHEN v.settled_policy_id <> v.policy_id THEN sp.sources END"
)
ENTRY_TABLES = """visit v
    LEFT JOIN policy p ON p.id = v.policy_id
    LEFT JOIN policy sp ON sp.id = v.settled_policy_id
    LEFT JOIN profile h ON h.id = v.profile_id
    LEFT JOIN link l ON l.campaign_id = v.campaign_id AND l.key = v.key
    LEFT JOIN message_link m
        ON m.campaign_id = v.campaign_id AND m.recipient_id = v.recipient_id AND m.key = v.key
    LEFT JOIN recipient r ON r.id = v.recipient_id"""


def visits_of(recipient_id: str, *, named: bool = False) -> str:
    """Return a query for the ids of a recipient's visits: one seek a campaign, and no index more.

    With ``named`` the campaign's id comes before each.
    """
    columns = "campaign_id, visit_id" if named else "visit_id"
    return f"""SELECT {columns} FROM campaign CROSS JOIN open_visit
        ON open_visit.campaign_id = campaign.id AND open_visit.recipient_id = {recipient_id}
    UNION SELECT {columns} FROM campaign CROSS JOIN message_visit
        ON message_visit.campaign_id = campaign.id AND message_visit.recipient_id = {recipient_id}"""


def entry_from(row: rows.Row, campaigns: Mapping[int, Campaign]) -> JournalEntry:
    """Return a journal entry of the columns ENTRY."""
    recipient = rows.recipient_from(row[35:41]) if row[35] else Recipient(RecipientId(row[3]))
    visit = Visit(
        at=row[1],
        method=row[7],
        campaign_id=CampaignId(row[2]),
        recipient_id=RecipientId(row[3]),
        key=LinkKey(row[4]),
        client=row[8],
        network=row[9],
        profile=rows.profile_from(row[29]) if row[29] else Profile(complete=False),
        http_version=row[11],
        secure=bool(row[12]),
        reference=recipient.reference if row[13] else "",
        verified=bool(row[14]),
        one_click=bool(row[15]),
        hop_at=row[41],
        hop_cookie=bool(row[42]),
    )
    return JournalEntry(
        visit_id=row[0],
        visit=visit,
        facts=_facts(row, campaigns[row[2]]),
        verdict=Verdict(VerdictKind(row[17]), row[18], row[19], _evidence(row), row[21] or ""),
        answer=AnswerKind(row[16]),
        recipient=replace(recipient, verified=visit.verified),
        settled=(
            Verdict(VerdictKind(row[23]), row[24], row[25], _settled_evidence(row), row[27] or "")
            if row[23]
            else None
        ),
        settled_at=row[28],
        settled_step=rows.step_from(json.loads(row[43])) if row[43] else None,
        settled_afterlife=afterlife_from(row[0], json.loads(row[44])) if row[44] else None,
        settled_strays=StrayCounts(*json.loads(row[45])) if row[45] else None,
    )


def _evidence(row: rows.Row) -> tuple[Evidence, ...]:
    return evidence_from(row[20], sources_from(row[21], row[46]))


def _settled_evidence(row: rows.Row) -> tuple[Evidence, ...]:
    """Return the evidence of the settled verdict; ``sources`` of the same rule set are there once."""
    text = row[46] if row[47] is None else row[47]
    return evidence_from(row[26], sources_from(row[27], text))


def _facts(row: rows.Row, campaign: Campaign) -> Facts:
    known = json.loads(row[22])
    return Facts(
        campaign=campaign,
        link=_link(row),
        link_count=known.get("link_count", 0),
        bait_count=known.get("bait_count", 0),
        framed=known.get("framed", False),
        profile_id=row[10],
        client=row[8],
        network=row[9],
        zone=rows.zone_from(known.get("zone")),
        asn=known.get("asn", 0),
        listed=tuple(known.get("listed", ())),
        gateway=known.get("gateway", ""),
        delivery=rows.delivery_from(known.get("delivery")),
        strays=StrayCounts(*known.get("strays", ())),
        learned=tuple(Learned(ProfileScope(scope), *rest) for scope, *rest in known.get("learned", ())),
        step=rows.step_from(known.get("step")),
    )


def _link(row: rows.Row) -> Link | MessageLink:
    """Return the link as it was when it was followed, with its target as it is now."""
    kind, role = LinkKind(row[5]), LinkRole(row[6])
    target, position, style, shape, created_at = row[30:35]
    if created_at is None:
        return Link(
            CampaignId(row[2]),
            LinkKey(row[4]),
            target or "",
            kind,
            role,
            position or 0,
            BaitStyle(style or BaitStyle.NONE),
            shape or "",
        )
    return MessageLink(
        CampaignId(row[2]),
        RecipientId(row[3]),
        LinkKey(row[4]),
        target,
        kind,
        role,
        position,
        shape,
        created_at,
    )
