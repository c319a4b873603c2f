"""How often judging asks the file: of what is not remembered once for a batch, of the rest never."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from store import world
from store.world import Mail, send

from linkproxy.store.api import RecipientDraft
from linkproxy.visit import pipeline, policy

PEOPLE = tuple(f"reader{number}@a.example" for number in range(43))
TAKE = partial(pipeline.take, policy=policy.load())


async def asked(store, mail, people, at):
    """Return the questions that the file was asked for one batch, a visit of each recipient."""
    said: list[str] = []
    await store._writer.run(lambda session: session.db.set_trace_callback(said.append), indexed=False)
    await mail.visited(*(mail.visit(at, who=who) for who in people), take=TAKE)
    await store._writer.run(lambda session: session.db.set_trace_callback(None), indexed=False)
    return [text for text in said if text.startswith("SELECT")]


async def test_many_messages_that_are_not_remembered_are_read_by_as_many_statements_as_one(store):
    mail = await send(store, who=PEOPLE)
    await mail.visited(mail.visit(), take=TAKE)  # campaign, headers, domain and network are known from here
    one = await asked(store, mail, mail.recipients[1:2], 10)
    many = await asked(store, mail, mail.recipients[2:], 20)
    assert (len(one), len(many)) == (1, 1)


async def test_of_a_campaign_each_link_is_read_when_it_is_first_visited(store):
    mail = await send(store)
    await mail.visited(mail.visit(), take=TAKE)
    said: list[str] = []
    await store._writer.run(lambda session: session.db.set_trace_callback(said.append), indexed=False)
    visited = await mail.visited(mail.visit(10, link=1), mail.visit(20), mail.visit(30, link=1), take=TAKE)
    assert [judged.facts.link for judged in visited] == [mail.links[1], mail.links[0], mail.links[1]]
    assert {(judged.facts.link_count, judged.facts.bait_count) for judged in visited} == {(4, 1)}
    assert len([text for text in said if text.startswith("SELECT")]) == 1


async def test_the_greatest_campaign_id_that_a_token_holds_is_read_right(store):
    greatest = (1 << 32) - 1
    await store._writer.run(
        lambda session: session.db.execute(
            "INSERT INTO sqlite_sequence VALUES ('campaign', ?)", (greatest - 1,)
        )
    )
    mail = await send(store)
    assert mail.campaign.id == greatest
    await mail.deliver(mail.visit().at - 60)
    (judged,) = await mail.visited(mail.visit(), take=TAKE)
    assert (judged.recipient.id, judged.recipient.domain) == (mail.ann.id, mail.ann.domain)
    assert judged.facts.delivery.delivered_at == mail.visit().at - 60


async def test_no_address_is_read_or_remembered_for_judging(store):
    """Two hundred thousand messages are remembered, and no signal asks who their people are."""
    mail = await send(store, who=PEOPLE)
    judged = await mail.visited(*(mail.visit(who=who) for who in mail.recipients), take=TAKE)
    assert {(each.recipient.address, each.recipient.reference) for each in judged} == {("", "")}
    assert [each.recipient.id for each in judged] == [who.id for who in mail.recipients]


async def test_many_visits_are_written_by_few_statements_in_order_of_arrival(store):
    mail = await send(store, who=PEOPLE)
    said: list[str] = []
    await store._writer.run(lambda session: session.db.set_trace_callback(said.append), indexed=False)
    visits = [mail.visit(number, who=who) for number, who in enumerate(mail.recipients)]
    visits[20] = replace(visits[20], method="HEAD")
    await mail.visited(*visits)
    await store._writer.run(lambda session: session.db.set_trace_callback(None), indexed=False)
    assert len(visits) == 43
    # 16 and 4, the one whose last columns differ, and 16, 4 and 2
    assert len([text for text in said if text.startswith("INSERT INTO visit")]) == 6
    kept = [row.entry for row in await world.visits(store)]
    assert [(each.visit.at, each.visit.method) for each in kept] == [
        (each.at, each.method) for each in visits
    ]
    assert [each.visit_id for each in kept] == list(range(1, 44))


async def test_nothing_is_asked_of_messages_that_are_remembered(store):
    mail = await send(store, who=PEOPLE)
    await mail.visited(*(mail.visit(who=who) for who in mail.recipients), take=TAKE)
    assert await asked(store, mail, mail.recipients, 10) == []


async def test_settled_visits_are_looked_for_where_a_judge_may_be_shown_some(store, open_store):
    """Most of a large file is older, and each look is a page of it."""
    mail = await send(store, who=PEOPLE)
    await mail.visited(mail.visit(), take=TAKE)
    await mail.settle()
    await store.close()
    late = await open_store()
    soon = await asked(
        late, Mail(late, mail.campaign, mail.links, mail.recipients), mail.recipients[1:2], 80_000
    )
    later = await open_store()
    days = await asked(
        later, Mail(later, mail.campaign, mail.links, mail.recipients), mail.recipients[2:3], 260_000
    )
    assert [any("message_visit" in question for question in each) for each in (soon, days)] == [True, False]


async def test_a_visit_that_was_settled_and_forgotten_is_found_again(open_store):
    store = await open_store(messages=1)
    mail = await send(store, who=PEOPLE)
    await mail.visited(mail.visit(who=mail.bob), mail.visit(10))
    await mail.settle()
    await mail.visited(mail.visit(100, who=mail.bob), mail.visit(100, who=mail.recipients[2]))
    (judged,) = await mail.visited(mail.visit(200))
    assert [sibling.at for sibling in judged.facts.siblings] == [mail.visit(10).at]


async def test_a_delivery_that_becomes_known_is_asked_for_again(store):
    mail = await send(store, who=PEOPLE)
    await mail.visited(mail.visit(), take=TAKE)
    await mail.deliver(mail.visit().at - 60)
    (judged,) = await mail.visited(mail.visit(10), take=TAKE)
    assert judged.facts.delivery.delivered_at == mail.visit().at - 60


async def test_a_mailing_that_goes_out_makes_nothing_forgotten_of_who_was_visited(store):
    """Each of its mails registers a recipient and tells a delivery, while others click already."""
    mail = await send(store, who=PEOPLE)
    await mail.visited(*(mail.visit(who=who) for who in mail.recipients[:20]), take=TAKE)
    await store.register_recipients([RecipientDraft("new@b.example"), RecipientDraft(PEOPLE[0])])
    for who in mail.recipients[20:]:
        await mail.deliver(mail.visit().at - 60, who=who)
    assert await asked(store, mail, mail.recipients[:20], 10) == []
