"""Claims about the journal: what comes in, in which order, and what its judge is told."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from store.world import BROWSER, EVIDENCE, NOW, PROGRAM, Mail, ids, judge, key, send, visits

from linkproxy.model import (
    AnswerKind,
    Campaign,
    CampaignId,
    Judged,
    Link,
    LinkKind,
    LinkRole,
    Profile,
    Sibling,
    Stray,
    StrayReason,
    Unlogged,
    Verdict,
    VerdictKind,
    Zone,
    ZoneRole,
)
from linkproxy.store.api import Failed, RecipientDraft, StoreError

_BODY, _FOOTER, _SOCIAL, _LEGAL = ((LinkKind.CONTENT, role) for role in ("body", "footer", "social", "legal"))
_BAIT = (LinkKind.BAIT, "body")


class JournalContract:
    async def test_what_comes_until_a_batch_has_its_turn_is_judged_with_it_and_last(self, store, mail):
        first, late = await store.append([mail.visit(0)], judge(), lambda: [mail.visit(1)])
        assert first.facts.siblings == ()
        assert [sibling.at - NOW for sibling in late.facts.siblings] == [0]
        assert await ids(store) == [first.visit_id, late.visit_id]

    async def test_an_appended_visit_comes_back_whole(self, store, mail):
        zone = Zone("Example Cloud", ZoneRole.CLOUD, certain=False)

        def take(visit, source):
            judged = judge(VerdictKind.UNCERTAIN, answer=AnswerKind.NEUTRAL)(visit, source)
            return replace(judged, facts=replace(judged.facts, zone=zone))

        given = mail.visit(
            0.25, method="POST", http_version="2", one_click=True, verified=False, token="secret"
        )
        (judged,) = await mail.visited(given, take=take)
        row = await store.get_visit(judged.visit_id)
        entry = row.entry
        assert (row.campaign, row.target) == ("news", mail.links[0].target)
        assert entry.visit == replace(given, token="")
        assert entry.verdict == Verdict(VerdictKind.UNCERTAIN, -9.0, -12.0, EVIDENCE, "policy-1")
        assert entry.answer is AnswerKind.NEUTRAL
        assert entry.facts == replace(judged.facts, siblings=())
        assert entry.recipient == replace(mail.ann, verified=False)
        assert (entry.settled, entry.settled_at) == (None, None)

    async def test_a_visit_that_is_not_there_is_none(self, store):
        assert await store.get_visit(1) is None

    async def test_outcomes_keep_the_order_of_the_batch_and_ids_grow_with_it(self, mail):
        pending = [mail.visit(number, who=mail.recipients[number % 2]) for number in range(20)]
        judged = await mail.visited(*pending)
        assert [item.visit for item in judged] == pending
        assert [item.visit_id for item in judged] == sorted({item.visit_id for item in judged})

    async def test_each_visit_sees_those_before_it_in_its_batch_and_before(self, mail):
        seen = []
        await mail.visited(mail.visit(0, link=3))
        await mail.visited(
            mail.visit(1), mail.visit(2, who=mail.bob), mail.visit(3, link=1), take=judge(seen=seen)
        )
        assert [[sibling.at - NOW for sibling in facts.siblings] for facts in seen] == [[0], [], [0, 1]]

    @pytest.mark.parametrize(
        ("links", "framed"),
        [
            ((_FOOTER, _SOCIAL, _LEGAL), True),
            ((_LEGAL, _BAIT), True),
            ((_LEGAL, _BODY), False),
            (((LinkKind.CONTENT, "header"), _FOOTER), False),
            ((_BAIT,), False),
        ],
    )
    async def test_a_judge_is_told_whether_all_content_is_where_nobody_reads(self, store, links, framed):
        campaign = await store.add_campaign(
            Campaign(CampaignId(0), "terms", base_url="https://click.example")
        )
        made = [
            Link(campaign.id, key(place), "https://shop.example/", kind, LinkRole(role), place)
            for place, (kind, role) in enumerate(links)
        ]
        await store.add_links(made)
        mail = Mail(store, campaign, made, await store.register_recipients([RecipientDraft("ann@a.example")]))
        (judged,) = await mail.visited(mail.visit(link=0))
        assert judged.facts.framed is framed

    async def test_a_sibling_says_what_a_judge_needs(self, mail):
        first, second = await mail.visited(mail.visit(link=4, profile=PROGRAM), mail.visit(1))
        assert second.facts.siblings == (
            Sibling(
                visit_id=first.visit_id,
                at=NOW,
                method="GET",
                key=key(4),
                kind=LinkKind.BAIT,
                role=LinkRole.BODY,
                client="192.0.2.7",
                network="192.0.2.0/24",
                profile_id=first.facts.profile_id,
                verdict=VerdictKind.HUMAN,
                answer=AnswerKind.REDIRECT,
            ),
        )

    async def test_siblings_read_from_the_journal_are_those_that_were_remembered(self, open_store, mail):
        await mail.visited(*(mail.visit(number, link=number % 4) for number in range(10)))
        (remembered,) = await mail.visited(mail.visit(10))
        mail.store = await open_store()
        (read,) = await mail.visited(mail.visit(10))
        assert read.facts.siblings[:-1] == remembered.facts.siblings

    async def test_settled_siblings_are_seen_with_their_settled_verdict(self, mail):
        await mail.visited(mail.visit(), take=judge(VerdictKind.MACHINE))
        await mail.settle()
        (judged,) = await mail.visited(mail.visit(1))
        assert [sibling.verdict for sibling in judged.facts.siblings] == [VerdictKind.HUMAN]

    async def test_siblings_out_of_reach_are_not_seen(self, mail):
        await mail.visited(mail.visit(0), mail.visit(100))
        (judged,) = await mail.visited(mail.visit(1_850))
        assert [sibling.at - NOW for sibling in judged.facts.siblings] == [100]

    async def test_a_flood_of_one_message_is_judged_by_its_newest_visits(self, open_store):
        store = await open_store(messages=2)
        mail = await send(store)
        for start in range(0, 1_200, 300):
            await mail.visited(*(mail.visit(start + number) for number in range(300)))
        (judged,) = await mail.visited(mail.visit(1_300))
        assert 100 <= len(judged.facts.siblings) <= 1_000
        assert judged.facts.siblings[-1].at == NOW + 1_199

    async def test_more_messages_than_are_remembered_still_see_their_siblings(self, open_store):
        store = await open_store(messages=2)
        mail = await send(store, who=tuple(f"p{number}@a.example" for number in range(9)))
        await mail.visited(*(mail.visit(0, who=who) for who in mail.recipients))
        judged = await mail.visited(*(mail.visit(1, who=who) for who in mail.recipients))
        assert [len(item.facts.siblings) for item in judged] == [1] * 9

    async def test_a_visit_that_cannot_be_judged_fails_alone(self, store, mail):
        def take(visit, source):
            judged = judge()(visit, source)
            if visit.at == NOW + 1:
                raise ZeroDivisionError("a broken signal")
            return judged

        first, failed, third = await mail.append(mail.visit(0), mail.visit(1), mail.visit(2), take=take)
        assert isinstance(failed, Failed)
        assert str(failed.error) == "a broken signal"
        assert await ids(store) == [first.visit_id, third.visit_id]
        assert [sibling.visit_id for sibling in third.facts.siblings] == [first.visit_id]

    async def test_headers_first_seen_with_a_visit_that_failed_are_stored_with_the_next(self, store, mail):
        def take(visit, source):
            source.profile_id(visit.profile)
            raise ZeroDivisionError

        await mail.append(mail.visit(profile=PROGRAM), take=take)
        await mail.visited(mail.visit(1, profile=PROGRAM))
        (row,) = await visits(store)
        assert row.entry.visit.profile == PROGRAM

    async def test_a_batch_that_cannot_be_stored_leaves_nothing_behind_not_even_in_memory(self, store, mail):
        with pytest.raises(StoreError):
            await mail.append(mail.visit(0), mail.visit(1, http_version=object()))
        (judged,) = await mail.visited(mail.visit(2))
        assert judged.facts.siblings == ()
        assert await ids(store) == [judged.visit_id]

    async def test_unlogged_visits_leave_no_trace(self, store, mail):
        await store.set_track("ann@a.example", track=False)
        odd = Profile((("user-agent", "only once"),), "only once")
        (outcome,) = await mail.append(mail.visit(profile=odd))
        assert isinstance(outcome, Unlogged)
        assert not (await store.export_recipient(mail.ann.id))["visit"]
        assert await store.list_due(last_before=NOW + 9, first_before=0.0, limit=9) == []

    async def test_the_same_headers_are_the_same_profile_whoever_sends_them(self, open_store, mail):
        first, second, third = await mail.visited(
            mail.visit(), mail.visit(1, profile=PROGRAM), mail.visit(2, who=mail.bob)
        )
        assert first.facts.profile_id == third.facts.profile_id != second.facts.profile_id
        mail.store = await open_store()
        (later,) = await mail.visited(mail.visit(90_000, profile=PROGRAM))
        assert later.facts.profile_id == second.facts.profile_id

    async def test_agents_that_were_not_sent_and_not_known_are_different(self, store, mail):
        none, empty, unsure = await mail.visited(
            mail.visit(profile=Profile()),
            mail.visit(profile=Profile(agent="")),
            mail.visit(profile=Profile(complete=False)),
        )
        assert len({item.facts.profile_id for item in (none, empty, unsure)}) == 3
        assert [row.entry.visit.profile for row in await visits(store)] == [
            Profile(),
            Profile(agent=""),
            Profile(complete=False),
        ]

    async def test_headers_that_are_no_utf8_come_back_as_they_were(self, store, mail):
        odd = Profile((("user-agent", "caf\udce9 \x00"), ("x", "\U0001f916")), "caf\udce9 \x00")
        await mail.visited(mail.visit(profile=odd))
        (row,) = await visits(store)
        assert row.entry.visit.profile == odd

    async def test_cookies_and_referrers_are_never_stored(self, store, mail):
        profile = Profile(
            (("cookie", "id=1"), ("referer", "https://mail.example/7"), *BROWSER.headers), "Example/1.0"
        )
        await mail.visited(mail.visit(profile=profile))
        (row,) = await visits(store)
        assert row.entry.visit.profile == BROWSER

    # strays --------------------------------------------------------------------------------------

    async def test_strays_are_counted_by_reason_and_are_no_visits(self, store, mail):
        await mail.append(mail.stray(0), mail.stray(50), mail.stray(60, reason=StrayReason.MALFORMED))
        assert await store.count_strays(since=NOW + 50) == {"bad_mac": 1, "malformed": 1}
        assert await visits(store) == []

    async def test_a_visit_that_its_judge_calls_a_stray_is_kept_as_one(self, store, mail):
        (outcome,) = await mail.append(mail.visit(link=77))
        assert isinstance(outcome, Stray)
        assert await store.count_strays(since=0.0) == {"unknown_key": 1}

    async def test_strays_of_the_same_client_are_told_to_the_judge(self, open_store, mail):
        await mail.append(mail.stray(0), mail.stray(1, client="198.51.100.1"), mail.stray(2))
        seen = []
        await mail.append(mail.stray(3), mail.visit(4), mail.visit(302.5), take=judge(seen=seen))
        mail.store = await open_store()
        await mail.append(mail.visit(5), mail.visit(5, client=""), take=judge(seen=seen))
        assert [facts.strays.all for facts in seen] == [3, 1, 3, 0]

    async def test_only_so_many_strays_are_kept(self, open_store):
        store = await open_store(strays_kept=10)
        mail = await send(store)
        for start in range(0, 40, 8):
            await mail.append(*(mail.stray(start + number) for number in range(8)))
        assert await store.count_strays(since=0.0) == {"bad_mac": 10}
        assert await store.count_strays(since=NOW + 30) == {"bad_mac": 10}

    async def test_strays_that_are_no_text_are_kept_all_the_same(self, store, mail):
        await mail.append(mail.stray(target="/\udcff\x00", method="G\udceeT"))
        assert await store.count_strays(since=0.0) == {"bad_mac": 1}

    # all or nothing --------------------------------------------------------------------------------

    async def test_batches_that_come_at_once_are_all_kept_and_see_each_other(self, store, mail):
        await asyncio.gather(*(mail.visited(mail.visit(number)) for number in range(100)))
        assert len(await ids(store)) == 100
        (last,) = await mail.visited(mail.visit(100))
        assert len(last.facts.siblings) == 100

    async def test_an_empty_batch_is_no_fault(self, store):
        assert await store.append([], judge()) == []

    async def test_what_was_answered_is_there_for_whoever_opens_the_store_next(self, mail, open_store):
        judged = await mail.visited(mail.visit(), mail.visit(1))
        assert await ids(await open_store()) == [item.visit_id for item in judged]

    async def test_a_waiter_who_gives_up_harms_nobody(self, store, mail):
        waiting = asyncio.ensure_future(mail.visited(mail.visit()))
        await asyncio.sleep(0)
        waiting.cancel()
        (judged,) = await mail.visited(mail.visit(1))
        assert isinstance(judged, Judged)
        assert await ids(store) in ([judged.visit_id], [judged.visit_id - 1, judged.visit_id])
