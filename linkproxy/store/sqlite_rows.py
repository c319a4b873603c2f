"""Rows and the frozen values they hold."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from linkproxy.model import (
    NO_DELIVERY,
    NO_STRAYS,
    OF_MESSAGE,
    AnswerKind,
    BaitPlaces,
    BaitStyle,
    Campaign,
    CampaignId,
    CampaignKind,
    Delivery,
    DeliverySource,
    Facts,
    Link,
    LinkKey,
    LinkKind,
    LinkRole,
    MachineAnswer,
    MessageLink,
    Profile,
    Recipient,
    RecipientId,
    Sibling,
    Step,
    StrayCounts,
    Utm,
    VerdictKind,
    Zone,
    ZoneRole,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

Row = tuple[Any, ...]

compact = json.JSONEncoder(separators=(",", ":")).encode
"""JSON without blanks, in ASCII: lone surrogates of odd headers survive as escapes."""

PERSON = "CASE WHEN r.address <> '' THEN r.address ELSE coalesce(r.reference, '') END"
"""Whom a reader knows the recipient ``r`` as, in any engine's SQL."""

NEVER_STORED = frozenset({"cookie", "cookie2", "referer", "authorization", "proxy-authorization"})
"""Headers that say more of a person than a judge may know, by lower-case name."""


def plain(text: str) -> str:
    """Return text that SQLite can hold: bytes that were no UTF-8 become question marks."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


# --- what goes out -----------------------------------------------------------------------------

CAMPAIGN = (
    "id, name, kind, base_url, machine_answer, bait_style, utm_source, utm_medium, utm_campaign, utm_term, "
    "utm_content, rewrite_unsubscribe, created_at, click_id, leave_shown_urls, bait_places, opens, "
    "list_unsubscribe, archived_at"
)
LINK = "campaign_id, key, target, kind, role, position, style, shape"
MESSAGE_LINK = "campaign_id, recipient_id, key, target, kind, role, position, shape, created_at"
TRACKED = (
    "r.track AND NOT EXISTS (SELECT 1 FROM untracked_domain u WHERE u.domain = r.domain AND r.domain <> '')"
)
RECIPIENT = f"r.id, r.address, r.reference, r.domain, {TRACKED}, r.verified"


def campaign_from(row: Row) -> Campaign:
    """Return a campaign of the columns CAMPAIGN."""
    return Campaign(
        id=CampaignId(row[0]),
        name=row[1],
        kind=CampaignKind(row[2]),
        base_url=row[3],
        machine_answer=MachineAnswer(row[4]),
        bait_style=BaitStyle(row[5]),
        utm=Utm(*row[6:11]),
        rewrite_unsubscribe=bool(row[11]),
        created_at=row[12],
        click_id=row[13],
        leave_shown_urls=bool(row[14]),
        bait_places=BaitPlaces(row[15]),
        opens=bool(row[16]),
        list_unsubscribe=bool(row[17]),
        archived_at=row[18],
    )


def campaign_row(campaign: Campaign) -> Row:
    """Return the columns CAMPAIGN without the id."""
    utm = campaign.utm
    return (
        campaign.name,
        campaign.kind,
        campaign.base_url,
        campaign.machine_answer,
        campaign.bait_style,
        *(utm.source, utm.medium, utm.campaign, utm.term, utm.content),
        campaign.rewrite_unsubscribe,
        campaign.created_at,
        campaign.click_id,
        campaign.leave_shown_urls,
        campaign.bait_places,
        campaign.opens,
        campaign.list_unsubscribe,
        campaign.archived_at,
    )


def link_from(row: Row) -> Link:
    """Return a link of the columns LINK."""
    return Link(
        campaign_id=CampaignId(row[0]),
        key=LinkKey(row[1]),
        target=row[2],
        kind=LINK_KINDS[row[3]],
        role=LINK_ROLES[row[4]],
        position=row[5],
        style=BAIT_STYLES[row[6]],
        shape=row[7],
    )


def link_row(link: Link) -> Row:
    """Return the columns LINK."""
    return (
        *(link.campaign_id, link.key, link.target, link.kind),
        *(link.role, link.position, link.style, link.shape),
    )


def message_link_from(row: Row) -> MessageLink:
    """Return a message link of the columns MESSAGE_LINK."""
    return MessageLink(
        campaign_id=CampaignId(row[0]),
        recipient_id=RecipientId(row[1]),
        key=LinkKey(row[2]),
        target=row[3],
        kind=LINK_KINDS[row[4]],
        role=LINK_ROLES[row[5]],
        position=row[6],
        shape=row[7],
        created_at=row[8],
    )


def recipient_from(row: Sequence[Any]) -> Recipient:
    """Return a recipient of the columns RECIPIENT."""
    return Recipient(RecipientId(row[0]), row[1], row[2], row[3], track=bool(row[4]), verified=bool(row[5]))


# --- what comes in -----------------------------------------------------------------------------


def profile_content(profile: Profile) -> str:
    """Return a header profile as it is stored, without what is never stored."""
    headers = [pair for pair in profile.headers if pair[0] not in NEVER_STORED]
    return compact({"agent": profile.agent, "complete": profile.complete, "headers": headers})


def profile_hash(content: str) -> bytes:
    """Return what the same headers are found by."""
    return hashlib.blake2b(content.encode("ascii"), digest_size=16).digest()


@lru_cache(maxsize=4096)
def profile_from(content: str) -> Profile:
    """Return a stored header profile."""
    stored = json.loads(content)
    headers = tuple((name, value) for name, value in stored["headers"])
    return Profile(headers, stored["agent"], stored["complete"])


_quoted = json.encoder.encode_basestring_ascii


def facts_text(facts: Facts) -> str:
    """Return what was known at the moment of a visit and is in no other column, as JSON."""
    delivery, zone = facts.delivery, facts.zone
    # What is known of a whole mailing is the same for all of its visits.
    begun = _begun if delivery.source in OF_MESSAGE else _same_begun
    text = begun(facts.link_count, facts.bait_count, delivery.delivered_at, delivery.source)
    text += compact((zone.name, zone.role, zone.certain)) if zone else "null"
    if facts.framed:
        text += ',"framed":true'
    if facts.asn:
        text += f',"asn":{facts.asn}'
    if facts.gateway:
        text += f',"gateway":{_quoted(facts.gateway)}'
    if facts.listed or facts.learned or facts.strays is not NO_STRAYS:
        text += _rare_text(facts)
    if (step := facts.step) is not None:
        counts = f"{step.together},{step.around},{step.same_delay},{step.delays},{step.unsubscribes}"
        text += f',"step":[{counts}]'
    return text + "}"


def _begun(link_count: int, bait_count: int, delivered_at: float, source: DeliverySource) -> str:
    """Return the text up to the zone; written out, since this is five times as fast as the encoder."""
    return (
        f'{{"link_count":{link_count},"bait_count":{bait_count},'
        f'"delivery":[{delivered_at!r},"{source}"],"zone":'
    )


_same_begun = lru_cache(maxsize=1024, typed=True)(_begun)


def _rare_text(facts: Facts) -> str:
    """Return what few visits have, each as ``,"name":value``; what is empty takes no room."""
    rare = {
        "listed": facts.listed,
        "strays": strays_value(facts.strays),
        "learned": [
            (item.scope, item.name, item.machines, item.people, item.browsers) for item in facts.learned
        ],
    }
    kept = {name: value for name, value in rare.items() if value}
    return f",{compact(kept)[1:-1]}" if kept else ""


def strays_value(strays: StrayCounts | None) -> tuple[int, int, int] | None:
    """Return changed links for JSON; none takes no room."""
    return (strays.message, strays.alike, strays.other) if strays is not None and strays.all else None


def delivery_value(delivery: Delivery) -> tuple[float, str]:
    """Return a delivery for JSON."""
    return (delivery.delivered_at, delivery.source)


def zone_from(value: Sequence[Any] | None) -> Zone | None:
    """Return a network zone of its JSON."""
    return Zone(value[0], ZoneRole(value[1]), bool(value[2])) if value else None


def step_value(step: Step | None) -> tuple[int, ...] | None:
    """Return who was in step for JSON."""
    if step is None:
        return None
    return (step.together, step.around, step.same_delay, step.delays, step.unsubscribes)


def step_from(value: Sequence[int] | None) -> Step | None:
    """Return who was in step of its JSON."""
    return None if value is None else Step(*value)


def settled_facts_text(delivery: Delivery, seen_id: int, **rare: Sequence[Any] | bool | None) -> str:
    """Return what was known only when a visit was settled, as JSON; None takes no room.

    ``seen_id`` is the newest visit of the message by then: replay looks at none after it.
    """
    known = {"delivery": delivery_value(delivery), "seen": seen_id}
    return compact(known | {name: value for name, value in rare.items() if value is not None})


def delivery_from(value: Sequence[Any] | None) -> Delivery:
    """Return a delivery of its JSON."""
    return Delivery(value[0], DeliverySource(value[1])) if value else NO_DELIVERY


STORED: dict[str, str] = {
    word: word.value for words in (LinkKind, LinkRole, AnswerKind, VerdictKind) for word in words
}
"""Words as plain text: the driver takes ten times as long to bind a value of a type of its own."""

DELIVERY_SOURCES = {source.value: source for source in DeliverySource}
LINK_KINDS = {kind.value: kind for kind in LinkKind}
LINK_ROLES = {role.value: role for role in LinkRole}
VERDICT_KINDS = {kind.value: kind for kind in VerdictKind}
ANSWER_KINDS = {kind.value: kind for kind in AnswerKind}
BAIT_STYLES = {style.value: style for style in BaitStyle}
"""Words of stored text: asking the enumeration takes several times as long, and link tables are long."""

SIBLING = (
    "id, at, method, key, kind, role, client, network, profile_id, coalesce(settled_verdict, verdict), "
    "answer, hop_at, hop_cookie"
)


def sibling_from(row: Row) -> Sibling:
    """Return a sibling of the columns SIBLING."""
    return Sibling(
        visit_id=row[0],
        at=row[1],
        method=row[2],
        key=LinkKey(row[3]),
        kind=LINK_KINDS[row[4]],
        role=LINK_ROLES[row[5]],
        client=row[6],
        network=row[7],
        profile_id=row[8],
        verdict=VERDICT_KINDS[row[9]],
        answer=ANSWER_KINDS[row[10]],
        hop_at=row[11],
        hop_cookie=bool(row[12]),
    )
