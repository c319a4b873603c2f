"""The whole incoming path on one screen.

    raw request -> visit      intake.read: token, client, headers
    visit -> facts            facts.gather: link, delivery, earlier visits
    facts -> verdict          verdict.judge: signals, weights, prior
    verdict -> answer         respond.choose
    judged -> journal         the store, before the answer is sent
    later: visits -> clicks   settle.revise

The store calls ``take`` for each visit inside its write transaction, in order of arrival.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from linkproxy.model import (
    NOBODY,
    Answer,
    AnswerKind,
    Judged,
    LinkKind,
    Stray,
    StrayReason,
    Unlogged,
    Unsubscribe,
    Visit,
)
from linkproxy.visit import facts, opens, respond, verdict

if TYPE_CHECKING:
    from linkproxy.model import Link, MessageLink, Recipient
    from linkproxy.visit.facts import FactSource, Systems
    from linkproxy.visit.policy import Policy

_OPEN = LinkKind.OPEN  # asked of every visit, and looking a member up takes longer


def take(
    visit: Visit,
    source: FactSource,
    *,
    policy: Policy,
    systems: Systems = facts.NO_SYSTEMS,
    extra_hop: bool = True,
) -> Judged | Unlogged | Stray:
    """Judge one visit with what the store and the network databases know, and choose its answer.

    ``extra_hop`` False sends uncertain visits straight on.
    """
    table = source.table(visit.campaign_id)
    if table is None:
        return _stray(visit, StrayReason.UNKNOWN_CAMPAIGN)
    message = source.message(visit)
    recipient = message.recipient if message else None
    if recipient is not None and recipient.id != visit.recipient_id:
        visit = replace(visit, recipient_id=recipient.id)
    link = table.links.get(visit.key) or source.message_link(visit.campaign_id, visit.recipient_id, visit.key)
    if link is None:
        is_for_somebody = visit.recipient_id != NOBODY or visit.reference
        if is_for_somebody and not (recipient and recipient.track):
            return Unlogged(Answer(AnswerKind.NOT_FOUND))  # a stray would name them again
        return _stray(visit, StrayReason.UNKNOWN_KEY)
    if message is None or recipient is None or not recipient.track:
        return _unlogged(visit, link, recipient)
    known = facts.gather(
        visit, source, table=table, message=message, link=link, policy=policy, systems=systems
    )
    if link.kind is _OPEN and len(known.opens) >= opens.MOST_OPENS:
        return _unlogged(visit, link, recipient)
    found = verdict.judge(visit, known, policy)
    answer = respond.choose(visit, known, found, policy, extra_hop=extra_hop)
    return Judged(visit, known, found, answer, recipient)


def _unlogged(visit: Visit, link: Link | MessageLink, recipient: Recipient | None) -> Unlogged:
    """Answer somebody who is not tracked; only a wish to unsubscribe is kept."""
    answer = respond.by_kind(visit, link)
    unfilled = None if visit.recipient_id != NOBODY or visit.reference else visit.campaign_id
    if answer.kind is not AnswerKind.UNSUBSCRIBED:
        return Unlogged(answer, unfilled=unfilled)
    if recipient is None:
        # Erased: there is nobody left to opt out, and saying that it was done would be untrue.
        return Unlogged(Answer(AnswerKind.NOT_FOUND), unfilled=unfilled)
    return Unlogged(answer, Unsubscribe(visit.at, visit.campaign_id, recipient.id, one_click=visit.one_click))


def _stray(visit: Visit, reason: StrayReason) -> Stray:
    return Stray(
        at=visit.at,
        reason=reason,
        method=visit.method,
        target=f"/{visit.token}/{visit.key}",
        client=visit.client,
        network=visit.network,
        profile=visit.profile,
        campaign_id=visit.campaign_id,
        recipient_id=visit.recipient_id,
    )
