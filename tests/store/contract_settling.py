"""Claims about settling, purging, and what a click is."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from store.contract_outgoing import message_link
from store.world import EVIDENCE, NOW, REACH, clicks, ids, judge, send, settled, visits

from linkproxy.model import Profile, Settlement, StrayCounts, Verdict, VerdictKind
from linkproxy.store.api import Cutoffs, Filter, OpenMessage


async def due(store, last=NOW + 1e6, first=0.0, limit=100):
    return await store.list_due(last_before=last, first_before=first, limit=limit)


class SettlingContract:
    async def test_messages_are_due_when_quiet_or_open_for_long(self, store, mail):
        await mail.visited(mail.visit(0), mail.visit(50), mail.visit(80, who=mail.bob))
        ann = OpenMessage(mail.campaign.id, mail.ann.id, NOW, NOW + 50)
        bob = OpenMessage(mail.campaign.id, mail.bob.id, NOW + 80, NOW + 80)
        assert await due(store, last=NOW + 50) == []
        assert await due(store, last=NOW + 51) == [ann]
        assert await due(store, last=NOW, first=NOW + 1) == [ann]
        assert await due(store) == [ann, bob]
        assert await due(store, limit=1) == [ann]

    async def test_settling_writes_verdicts_and_clicks(self, store, mail):
        (judged,) = await mail.visited(mail.visit(link=2), take=judge(VerdictKind.UNCERTAIN))
        settlement = await mail.settle()
        assert settlement.revised == (
            (judged.visit_id, Verdict(VerdictKind.HUMAN, -11.0, -12.0, EVIDENCE, "policy-2")),
        )
        entry = (await store.get_visit(judged.visit_id)).entry
        assert entry.settled == settlement.revised[0][1]
        assert entry.settled_at == NOW + 9_999
        assert entry.verdict.kind is VerdictKind.UNCERTAIN
        (click,) = await clicks(store)
        assert (click.visit_id, click.at, click.campaign, click.key, click.target, click.role) == (
            judged.visit_id, NOW, "news", "k002", mail.links[2].target, "body",
        )  # fmt: skip
        assert (click.recipient, click.domain, click.score, click.reasons, click.verified, click.settled) == (
            "ann@a.example", "a.example", -11.0, ("ordinary",), True, True,
        )  # fmt: skip

    async def test_a_message_is_settled_once(self, store, mail):
        await mail.visited(mail.visit())
        outcomes = await asyncio.gather(mail.settle(), mail.settle(), mail.settle())
        assert [outcome is None for outcome in outcomes] == [False, True, True]
        assert len(await clicks(store)) == 1
        assert await due(store) == []

    async def test_nothing_to_settle_is_none(self, mail):
        assert await mail.settle() is None

    async def test_a_reviser_that_raises_changes_nothing_and_is_heard(self, store, mail):
        await mail.visited(mail.visit())

        def revise(history):
            raise ZeroDivisionError("a broken rule")

        with pytest.raises(ZeroDivisionError, match="a broken rule"):
            await mail.settle(revise)
        assert len(await due(store)) == 1
        assert await clicks(store) == []

    async def test_a_message_that_cannot_be_settled_holds_up_none_that_are_settled_with_it(self, store, mail):
        await mail.visited(mail.visit(), mail.visit(1, who=mail.bob))

        def revise(history):
            raise ZeroDivisionError("a broken rule")

        broken, done = await asyncio.gather(
            mail.settle(revise), mail.settle(who=mail.bob), return_exceptions=True
        )
        assert isinstance(broken, ZeroDivisionError)
        assert len(done.clicks) == len(await clicks(store)) == 1
        assert [message.recipient_id for message in await due(store)] == [mail.ann.id]

    async def test_a_history_holds_open_visits_and_settled_ones_within_reach(self, mail):
        first, second, _ = await mail.visited(mail.visit(0), mail.visit(500), mail.visit(1, who=mail.bob))
        await mail.settle()
        (third,) = await mail.visited(mail.visit(1_000))
        seen = []
        await mail.settle(settled(seen=seen), reach_seconds=600.0)
        (history,) = seen
        assert [entry.visit_id for entry in history.entries] == [second.visit_id, third.visit_id]
        assert history.open_ids == {third.visit_id}
        assert history.clicked == {second.visit_id}
        assert history.entries[0].settled.kind is VerdictKind.HUMAN
        assert first.visit_id not in history.clicked

    async def test_what_a_reviser_leaves_open_stays_open(self, mail):
        first, second = await mail.visited(mail.visit(0), mail.visit(1))

        def revise(history):
            whole = settled()(history)
            return replace(whole, revised=whole.revised[:1], clicks=whole.clicks[:1])

        await mail.settle(revise)
        seen = []
        await mail.settle(settled(seen=seen))
        assert seen[0].open_ids == {second.visit_id}
        assert seen[0].clicked == {first.visit_id}

    async def test_a_visit_settled_as_a_machines_is_no_click(self, store, mail):
        await mail.visited(mail.visit())
        await mail.settle(settled(VerdictKind.MACHINE))
        assert await clicks(store) == []

    async def test_contrary_evidence_withdraws_a_click(self, store, mail):
        (judged,) = await mail.visited(mail.visit(0))
        await mail.settle()
        await mail.visited(mail.visit(5))
        machine = Verdict(VerdictKind.MACHINE, 30.0, -12.0, EVIDENCE, "policy-2")

        def revise(history):
            revised = tuple((entry.visit_id, machine) for entry in history.entries)
            return Settlement(revised, (), NOW + 100, withdrawn=(judged.visit_id,))

        await mail.settle(revise)
        assert await clicks(store) == []
        assert [row.entry.settled.kind for row in await visits(store)] == [VerdictKind.MACHINE] * 2

    async def test_merged_requests_are_one_click(self, store, mail):
        await mail.visited(mail.visit(0), mail.visit(1))

        def revise(history):
            whole = settled()(history)
            return replace(whole, clicks=(replace(whole.clicks[0], merged=1),))

        await mail.settle(revise)
        assert len(await clicks(store)) == 1
        assert (await store.export_recipient(mail.ann.id))["click"][0]["merged"] == 1

    async def test_a_later_pass_can_merge_more_requests_into_a_click(self, store, mail):
        (judged,) = await mail.visited(mail.visit(0))
        await mail.settle()
        await mail.visited(mail.visit(1))
        await mail.settle(
            lambda history: replace(settled()(history), clicks=(), merged=((judged.visit_id, 1),))
        )
        assert [row.visit_id for row in await clicks(store)] == [judged.visit_id]
        assert (await store.export_recipient(mail.ann.id))["click"][0]["merged"] == 1

    async def test_a_history_tells_when_each_click_was_first_settled(self, mail):
        (judged,) = await mail.visited(mail.visit(0))
        await mail.settle(settled(at=NOW + 500))
        for later in (900, 1_300):
            await mail.deliver(NOW - later)
            seen = []
            await mail.settle(settled(at=NOW + later, seen=seen))
            assert seen[0].clicked_at == ((judged.visit_id, NOW + 500),)

    async def test_a_visit_whose_click_stands_is_closed_and_stays_as_it_is(self, store, mail):
        (judged,) = await mail.visited(mail.visit(0))
        await mail.settle()
        before = (await store.get_visit(judged.visit_id)).entry, await clicks(store)
        await mail.deliver(NOW - 900)
        assert len(await due(store)) == 1
        await mail.settle(lambda _: Settlement((), (), NOW + 2e5, standing=(judged.visit_id,)))
        assert ((await store.get_visit(judged.visit_id)).entry, await clicks(store)) == before
        assert await due(store) == []

    async def test_a_history_holds_the_strays_of_its_clients_whenever_they_came(self, mail):
        await mail.append(mail.stray(-5, target="/a/b"))
        await mail.visited(mail.visit(0), mail.visit(1, client="198.51.100.4", network="198.51.100.0/24"))
        await mail.append(mail.stray(7, target="/c/d"), mail.stray(8, client="203.0.113.3"))
        seen = []
        await mail.settle(settled(seen=seen))
        known = {
            client: [(item.at, item.target) for item in found] for client, found in seen[0].strays.items()
        }
        assert known == {"192.0.2.7": [(NOW - 5, "/a/b"), (NOW + 7, "/c/d")]}

    async def test_what_strays_a_settled_verdict_went_by_is_frozen_with_it(self, store, mail):
        (judged,) = await mail.visited(mail.visit(0))
        counts = ((judged.visit_id, StrayCounts(3, 2, 1)),)
        await mail.settle(lambda history: replace(settled()(history), strays=counts))
        assert (await store.get_visit(judged.visit_id)).entry.settled_strays == StrayCounts(3, 2, 1)

    async def test_that_a_driven_browser_was_there_is_frozen_with_a_settled_verdict(self, store, mail):
        first, second = await mail.visited(mail.visit(0), mail.visit(9))
        await mail.settle(lambda history: replace(settled()(history), beside_driven=(second.visit_id,)))
        (message,) = [item async for item in store.messages(Filter(), reach_seconds=REACH)]
        assert {item.entry.visit_id: item.beside_driven for item in message.visits} == {
            first.visit_id: False, second.visit_id: True,
        }  # fmt: skip

    async def test_a_message_that_was_flooded_is_settled_in_several_passes(self, store, mail):
        for start in range(0, 2_500, 500):
            await mail.visited(*(mail.visit(start / 10 + number / 1_000) for number in range(500)))
        passes = 0
        while await mail.settle() is not None:
            passes += 1
        assert passes > 1
        assert len(await clicks(store)) == 2_500

    # purging -------------------------------------------------------------------------------------

    async def test_purging_removes_what_is_older_and_settled_and_says_how_much(self, store, mail):
        for start in range(0, 2_000, 400):
            await mail.visited(
                *(mail.visit(start + number, who=mail.recipients[number % 2]) for number in range(400))
            )
        while await mail.settle(settled(VerdictKind.MACHINE)) is not None:
            pass  # a pass takes a bounded number of visits
        counts = await store.purge(Cutoffs(journal=NOW + 1_500))
        assert counts["visit"] == 750
        left = [row.entry for row in await visits(store)]
        assert len(left) == 1_250
        assert all(entry.recipient.id == mail.bob.id for entry in left if entry.visit.at < NOW + 1_500)
        assert len((await store.export_recipient(mail.ann.id))["message_visit"]) == 250

    async def test_clicks_keep_score_and_reasons_when_the_journal_is_purged(self, store, mail):
        (judged,) = await mail.visited(mail.visit())
        await mail.settle()
        before = await clicks(store)
        await store.purge(Cutoffs(journal=NOW + 1e6))
        assert await store.get_visit(judged.visit_id) is None
        assert await clicks(store) == before
        assert before[0].reasons == ("ordinary",)

    async def test_visit_ids_are_never_used_again(self, store, mail):
        (judged,) = await mail.visited(mail.visit())
        await mail.settle(settled(VerdictKind.MACHINE))
        await store.purge(Cutoffs(journal=NOW + 1e6))
        (later,) = await mail.visited(mail.visit(5))
        assert later.visit_id > judged.visit_id

    async def test_each_cutoff_touches_its_own_tables_alone(self, store, mail):
        await mail.visited(mail.visit())
        await mail.settle()
        await mail.append(mail.stray())
        await store.add_message_links([message_link(mail, mail.ann.id)])
        await mail.opt_out()
        assert await store.purge(Cutoffs()) == {}
        assert await store.purge(Cutoffs(strays=NOW + 1)) == {"stray": 1}
        assert await store.purge(Cutoffs(message_links=NOW + 1)) == {"message_link": 1}
        assert len(await clicks(store)) == 1
        assert await store.purge(Cutoffs(clicks=NOW)) == {"click": 0, "retraction": 0}
        assert await store.purge(Cutoffs(clicks=NOW + 1)) == {"click": 1, "retraction": 0}
        assert len(await ids(store)) == 1
        assert len([row async for row in store.unsubscribes(Filter())]) == 1

    async def test_headers_in_use_outlive_a_purge(self, store, mail):
        day = 86_400.0
        await mail.visited(mail.visit(0))
        await mail.settle()
        await mail.visited(mail.visit(10 * day))
        await store.purge(Cutoffs(journal=NOW + 9 * day))
        (row,) = await visits(store)
        assert row.entry.visit.profile == mail.visit().profile
        (late,) = await mail.visited(mail.visit(10 * day + 1))
        assert late.facts.profile_id == row.entry.facts.profile_id

    async def test_headers_that_no_visit_has_any_more_are_purged_and_can_come_back(self, store, mail):
        day = 86_400.0
        await mail.visited(mail.visit(0))
        await mail.settle()
        counts = await store.purge(Cutoffs(journal=NOW + 9 * day))
        assert (counts["visit"], counts["profile"]) == (1, 1)
        await mail.visited(mail.visit(10 * day))
        (row,) = await visits(store)
        assert row.entry.visit.profile == mail.visit().profile

    async def test_headers_are_purged_some_at_a_time_so_that_visits_come_in_between(self, store, mail):
        """A flood, or a long list, leaves ten thousands of header sets that end on one day."""
        day = 86_400.0
        profiles = [Profile((("user-agent", f"program/{n}"),), f"program/{n}") for n in range(600)]
        await mail.visited(*(mail.visit(n, profile=profile) for n, profile in enumerate(profiles)))
        while await mail.settle() is not None:
            pass
        rests = []

        async def rest(took: float) -> None:
            rests.append(took)

        await store.purge(Cutoffs(journal=NOW + 1 * day), rest=rest)
        before = len(rests)
        counts = await store.purge(Cutoffs(journal=NOW + 9 * day), rest=rest)
        assert counts["profile"] == 600
        assert len(rests) - before > 600 // 250

    async def test_a_settled_click_outlives_its_message_link(self, store):
        mail = await send(store, "reset")
        await store.add_message_links([message_link(mail, mail.ann.id)])
        await mail.visited(mail.visit(link=50))
        await mail.settle()
        await store.purge(Cutoffs(message_links=NOW + 1))
        (click,) = await clicks(store)
        assert (click.target, click.key) == ("", "k050")
        (row,) = await visits(store)
        assert row.entry.facts.link.role == "footer"
