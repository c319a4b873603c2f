"""Settling: what came first is judged with what came after, both ways."""

from __future__ import annotations

import pytest
from claims.browsers import CHROME, FIREFOX, OLD_CHROME

from linkproxy.model import NOBODY, AnswerKind, DeliverySource, Judged, TokenForm, VerdictKind
from linkproxy.store.api import Filter
from linkproxy.visit import policy

SWEEP = ("home", "one", "two", "tre", "four", "five", "face", "term")
MINUTES = 60.0


async def clicks(world, **where):
    return [row async for row in world.store.clicks(Filter(**where))]


async def merged(world) -> list[int]:
    """Return for how many further requests each click stands."""
    return [row["merged"] for row in (await world.store.export_recipient(world.recipient.id))["click"]]


async def settled(world, judged: Judged) -> VerdictKind:
    row = await world.store.get_visit(judged.visit_id)
    assert row.entry.settled is not None
    return row.entry.settled.kind


async def sweep(world, at: float, headers=CHROME, client: str = "198.51.100.1") -> list[Judged]:
    return [
        await world.judged(name, at=at + place * 0.1, headers=headers, client=client)
        for place, name in enumerate(SWEEP)
    ]


async def test_the_first_hit_of_a_burst_becomes_a_machines(world):
    first, *_ = await sweep(world, at=10 * MINUTES)
    assert first.verdict.kind is VerdictKind.HUMAN
    await world.settle()
    assert await settled(world, first) is VerdictKind.MACHINE
    assert await clicks(world) == []


async def test_a_person_caught_in_a_sweep_becomes_a_click(world):
    await sweep(world, at=300, headers=OLD_CHROME)
    person = await world.judged("two", at=300.5, headers=FIREFOX, client="203.0.113.9")
    await world.settle()
    assert await settled(world, person) is VerdictKind.HUMAN
    assert [(row.key, row.visit_id) for row in await clicks(world)] == [("two0", person.visit_id)]


async def test_a_click_after_a_scan_is_not_lost(world):
    await sweep(world, at=43, headers=OLD_CHROME)
    await world.settle(at=200)
    person = await world.judged("one", at=15 * MINUTES)
    await world.settle()
    assert [row.visit_id for row in await clicks(world)] == [person.visit_id]


async def test_a_double_request_is_one_click(world):
    first = await world.judged("one", at=600)
    await world.judged("one", at=600.7)
    await world.settle()
    assert [row.visit_id for row in await clicks(world)] == [first.visit_id]


async def test_a_double_request_across_two_passes_is_one_click(world):
    await world.judged("one", at=600)
    await world.settle(at=605 + 90)
    await world.judged("one", at=606)
    await world.settle()
    assert await merged(world) == [1]


async def test_a_double_request_that_becomes_a_persons_in_a_later_pass_is_merged_into_its_click(unheard):
    click = await unheard.judged("one", at=45, headers=FIREFOX)
    double = await unheard.judged("one", at=50, headers=CHROME, client="198.51.100.1")
    await unheard.deliver(source=DeliverySource.PROVIDER)
    await unheard.settle()
    assert await settled(unheard, double) is VerdictKind.UNCERTAIN
    assert await merged(unheard) == [0]
    await unheard.deliver(at=-3000, source=DeliverySource.MX)
    settlement = await unheard.settle()
    assert await settled(unheard, double) is VerdictKind.HUMAN
    assert (settlement.clicks, await merged(unheard)) == ((), [1])
    assert [row.visit_id for row in await clicks(unheard)] == [click.visit_id]


async def test_a_double_request_that_is_no_persons_any_more_leaves_its_click(unheard):
    await unheard.judged("one", at=45, headers=FIREFOX)
    await unheard.judged("one", at=50, headers=CHROME, client="198.51.100.1")
    await unheard.settle()
    assert await merged(unheard) == [1]
    await unheard.deliver(source=DeliverySource.PROVIDER)
    await unheard.settle()
    assert await merged(unheard) == [0]


async def test_coming_back_later_is_a_second_click(world):
    await world.judged("one", at=600)
    await world.judged("one", at=1400)
    await world.settle()
    assert len(await clicks(world)) == 2


async def test_nothing_is_settled_while_the_hold_window_is_open(world):
    await world.judged("one", at=600)
    assert await world.settle(at=660) is None
    assert await clicks(world) == []


async def test_provisional_clicks_are_shown_when_asked_for(world):
    await world.judged("one", at=600)
    rows = [row async for row in world.store.clicks(Filter(), provisional=True)]
    assert [row.settled for row in rows] == [False]


async def test_a_message_that_is_hit_again_and_again_is_settled_all_the_same(world):
    await world.judged("one", at=600)
    for minute in range(31):
        await world.judged("two", at=660 + 60 * minute)
    assert await world.settle(at=601 + 30 * MINUTES) is not None


async def test_settling_twice_changes_nothing(world):
    await world.judged("one", at=600)
    await world.settle()
    before = await clicks(world)
    assert await world.settle() is None
    assert await clicks(world) == before


async def test_the_same_history_settles_the_same_way(world):
    from functools import partial

    from linkproxy.visit import settle

    await sweep(world, at=300, headers=OLD_CHROME)
    await world.judged("two", at=301, headers=FIREFOX, client="203.0.113.9")
    await world.settle()
    (history,) = world.seen
    revise = partial(settle.revise, policy=world.policy, now=1.0)
    assert revise(history) == revise(history)


async def test_a_delivery_that_is_told_late_settles_again(unheard):
    early = await unheard.judged("one", at=45, headers=CHROME)
    await unheard.settle()
    assert await settled(unheard, early) is VerdictKind.HUMAN
    assert len(await clicks(unheard)) == 1
    await unheard.deliver(source=DeliverySource.MX)
    await unheard.settle()
    assert await settled(unheard, early) is not VerdictKind.HUMAN
    assert await clicks(unheard) == []


DAY = 86_400.0


@pytest.mark.parametrize("source", [DeliverySource.PROVIDER, DeliverySource.MX])
@pytest.mark.parametrize("later", [20 * MINUTES, DAY / 4])
async def test_another_copy_of_a_message_withdraws_no_click_of_the_first(unheard, source, later):
    """Reminders, and every receipt after the first: one message as far as links know."""
    await unheard.deliver(source=source)
    first = await unheard.judged("one", at=300)
    await unheard.settle(at=600)
    await unheard.deliver(at=later, source=source)
    await unheard.settle(at=later + 10)
    second = await unheard.judged("two", at=later + 300)
    await unheard.settle(at=later + 900)
    assert [row.visit_id for row in await clicks(unheard)] == [first.visit_id, second.visit_id]


async def test_a_better_word_on_a_delivery_is_no_other_copy(unheard):
    await unheard.deliver(source=DeliverySource.PROVIDER)
    early = await unheard.judged("one", at=300)
    await unheard.deliver(at=600, source=DeliverySource.MX)
    await unheard.settle(at=2000)
    assert await settled(unheard, early) is not VerdictKind.HUMAN


@pytest.mark.parametrize(("after", "kept"), [(DAY, []), (DAY + 1, ["one0"])], ids=["a day", "a second more"])
async def test_evidence_withdraws_a_click_until_a_day_after_it_was_settled(unheard, after, kept):
    early = await unheard.judged("one", at=45, headers=CHROME)
    await unheard.settle(at=4000)
    before = (await unheard.store.get_visit(early.visit_id)).entry
    await unheard.deliver(source=DeliverySource.MX)
    await unheard.settle(at=4000 + after)
    assert [row.key for row in await clicks(unheard)] == kept
    withdrawn = [row.key async for row in unheard.store.retractions(Filter())]
    assert withdrawn == ([] if kept else ["one0"])
    if kept:
        assert (await unheard.store.get_visit(early.visit_id)).entry == before
        assert await unheard.settle(at=4000 + 2 * after) is None


async def test_settling_a_click_again_does_not_make_it_younger(unheard):
    early = await unheard.judged("one", at=45, headers=CHROME)
    await unheard.settle(at=4000)
    await unheard.deliver(at=-3000, source=DeliverySource.CAMPAIGN)
    await unheard.settle(at=4000 + DAY / 2)
    assert (await unheard.store.get_visit(early.visit_id)).entry.settled_at > 1_795_004_000.0
    await unheard.deliver(source=DeliverySource.MX)
    await unheard.settle(at=4000 + DAY + 1)
    assert [row.visit_id for row in await clicks(unheard)] == [early.visit_id]


async def test_a_visit_that_is_no_click_is_judged_anew_however_late(unheard):
    early = await unheard.judged("one", at=45, headers=CHROME)
    await unheard.deliver(source=DeliverySource.PROVIDER)
    await unheard.settle()
    assert await clicks(unheard) == []
    await unheard.deliver(at=-3000, source=DeliverySource.MX)
    await unheard.settle(at=10 * DAY)
    assert [row.visit_id for row in await clicks(unheard)] == [early.visit_id]


async def test_a_person_who_presses_continue_is_a_click(world):
    page = await world.judged("one", at=40, headers=OLD_CHROME, client="40.107.218.12")
    assert page.answer.kind is AnswerKind.NEUTRAL
    await world.judged("one", at=300, headers=FIREFOX, client="203.0.113.9", method="POST")
    await world.settle()
    assert [row.key for row in await clicks(world)] == ["one0"]


@pytest.mark.parametrize(
    ("method", "headers"),
    [("HEAD", CHROME), ("OPTIONS", CHROME), ("GET", (*CHROME, ("Purpose", "prefetch")))],
)
async def test_no_policy_makes_a_click_of_a_look(world, method, headers):
    looks = ("request.head", "request.method", "request.speculation")
    world.policy = policy.load(
        "".join(f'[signals."{name}"]\nweight = -50\ndecisive = false\n' for name in looks)
    )
    look = await world.judged("one", at=600, method=method, headers=headers)
    await world.settle()
    assert await settled(world, look) is VerdictKind.HUMAN
    assert await clicks(world) == []


async def test_unsubscribing_is_no_click(world):
    await world.judged("bye", at=600)
    await world.judged("bye", at=604, method="POST")
    await world.settle()
    assert await clicks(world) == []
    assert [row.recipient async for row in world.store.unsubscribes(Filter())] == ["ann@customer.example"]


async def test_a_scanner_that_fetches_the_unsubscribe_link_unsubscribes_nobody(world):
    await sweep(world, at=43, headers=OLD_CHROME)
    await world.judged("bye", at=44, headers=OLD_CHROME)
    assert [row async for row in world.store.unsubscribes(Filter())] == []


async def test_a_one_click_post_unsubscribes_whoever_sends_it(world):
    from linkproxy.model import RawRequest
    from linkproxy.visit import intake

    raw = RawRequest(
        "POST", world.url("bye"), (), "40.107.218.12", 1_795_000_050.0, body=b"List-Unsubscribe=One-Click"
    )
    visit = intake.read(raw, intake.Gate(world.keyring))
    from functools import partial

    from linkproxy.visit import pipeline

    (judged,) = await world.store.append([visit], partial(pipeline.take, policy=world.policy))
    assert judged.answer.kind is AnswerKind.UNSUBSCRIBED
    (row,) = [row async for row in world.store.unsubscribes(Filter())]
    assert row.one_click


@pytest.mark.parametrize(
    "headers", [(*CHROME, ("Sec-Purpose", "prefetch")), (("User-Agent", "Microsoft Office/16.0"),)]
)
async def test_whoever_presses_is_answered_whatever_looks_ahead_by_such_headers(world, headers):
    for name, kind in (("bye", AnswerKind.UNSUBSCRIBED), ("one", AnswerKind.CONTINUED)):
        assert (await world.judged(name, at=600, method="POST", headers=headers)).answer.kind is kind


async def test_an_erased_recipient_is_redirected_and_leaves_no_trace(world):
    from linkproxy.model import Unlogged

    await world.store.erase_recipient(world.recipient.id)
    outcome = await world.send("one", at=600)
    assert isinstance(outcome, Unlogged)
    assert (outcome.answer.kind, outcome.answer.target) == (AnswerKind.REDIRECT, "https://shop.example/one")
    assert [row async for row in world.store.visits(Filter())] == []


async def test_who_was_erased_is_not_told_that_an_opt_out_was_kept(world):
    token = world.keyring.sign(world.campaign.id, NOBODY, TokenForm.REFERENCE)
    reference = f"/{token}/bye0/{world.keyring.sign_reference('r-7')}"
    await world.send(target=reference, at=600)
    for who, target in (("ann@customer.example", ""), ("r-7", reference)):
        await world.store.erase_recipient((await world.store.find_recipient(who)).id)
        outcome = await world.send("bye", target=target, at=700, method="POST")
        assert (outcome.answer.kind, outcome.opt_out) == (AnswerKind.NOT_FOUND, None)


async def test_a_recipient_who_is_not_tracked_can_still_unsubscribe(world):
    from linkproxy.model import Unlogged

    await world.store.set_track("ann@customer.example", track=False)
    outcome = await world.send("bye", at=600, method="POST")
    assert isinstance(outcome, Unlogged)
    assert outcome.answer.kind is AnswerKind.UNSUBSCRIBED
    assert [row.recipient async for row in world.store.unsubscribes(Filter())] == ["ann@customer.example"]
    assert [row async for row in world.store.visits(Filter())] == []


async def test_a_visit_that_was_read_back_late_merges_with_no_click_of_another_time(world):
    await world.judged("one", at=1400)
    await world.judged("one", at=600, client="198.51.100.77", headers=FIREFOX)
    await world.settle()
    assert sorted(round(row.at - 1_795_000_000.0) for row in await clicks(world)) == [600, 1400]


async def test_continue_is_the_click_of_the_page_that_it_was_pressed_on_however_long_that_was_read(world):
    client = {"headers": OLD_CHROME, "client": "40.107.218.12"}
    shown = await world.judged("one", at=40, **client)
    pressed = await world.judged("one", at=400, method="POST", **client)
    assert (shown.answer.kind, pressed.answer.kind) == (AnswerKind.NEUTRAL, AnswerKind.CONTINUED)
    await world.judged("one", at=1000, **client)
    world.policy = policy.load("[policy]\nhuman = 400\nmachine = 500\nneutral = 500\n")  # all are people's
    await world.settle()
    assert await merged(world) == [1, 0]


async def test_a_click_that_two_networks_asked_for_is_known_by_the_likelier_persons(world):
    world.policy = policy.load(
        '[networks.rented]\nrole = "cloud"\ncertainty = "certain"\ncidrs = ["192.0.2.0/24"]'
    )
    looked = await world.judged("one", at=3600, client="192.0.2.7", headers=FIREFOX)
    person = await world.judged("one", at=3620)
    await world.settle(at=7200)
    assert [await settled(world, judged) for judged in (looked, person)] == [VerdictKind.HUMAN] * 2
    assert [row.visit_id for row in await clicks(world)] == [person.visit_id]


async def test_of_a_flood_a_pass_takes_a_bounded_part_and_later_passes_the_rest(world):
    for number in range(450):
        await world.judged("one", at=600 + number * 0.4)
    first, second = await world.settle(), await world.settle()
    assert len(first.revised) + len(second.revised) == 450
    assert await world.settle() is None
