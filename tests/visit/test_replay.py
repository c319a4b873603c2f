"""A live run and its replay under the same policy give identical verdicts and clicks."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from claims.browsers import FIREFOX

from linkproxy.model import DeliverySource, StrayCounts, VerdictKind
from linkproxy.query.replay import Clicks, Comparison, settlement_of
from linkproxy.store.api import Cutoffs, Filter
from linkproxy.store.review import AppliedReplay
from linkproxy.visit import policy
from linkproxy.visit.replay import clicks_under, replay

if TYPE_CHECKING:
    from visit.conftest import World

NOW = 1_795_000_000.0  # the world's
LIBRARY = (("User-Agent", "python-requests/2.32.3"), ("Accept", "*/*"))


async def frozen(world: World):
    return [item async for item in world.store.messages(Filter(), reach_seconds=world.policy.reach_seconds)]


async def assert_same(world: World) -> None:
    logged = {row.visit_id async for row in world.store.clicks(Filter())}
    again = set()
    for message in await frozen(world):
        replayed = replay(message.visits, world.policy)
        for item in replayed:
            assert item.first == item.entry.verdict
            assert item.settled == item.entry.settled
        again |= {click.visit_id for click in clicks_under(replayed, world.policy, frozenset(logged))}
    assert again == logged


async def test_a_sweep_and_a_person_are_replayed_as_they_were_judged(world: World) -> None:
    for place, name in enumerate(("home", "one", "two", "tre", "four", "five", "face", "term", "bai1")):
        await world.send(name, at=40 + place * 0.2, client="198.51.100.7", headers=LIBRARY)
    await world.send("one", at=600)
    await world.send("one", at=602)
    await world.settle()
    assert [row.key async for row in world.store.clicks(Filter())] == ["one0"]
    await assert_same(world)


async def test_visits_that_came_after_a_settle_pass_are_not_seen_by_its_replay(world: World) -> None:
    await world.send("one", at=600)
    await world.settle(at=800)
    for place, name in enumerate(("home", "one", "two", "tre", "four", "five", "bai1")):
        await world.send(name, at=810 + place * 0.1)
    await world.settle(at=2000)
    await assert_same(world)


async def test_a_delivery_time_that_came_late_is_replayed_as_it_was_known_at_each_moment(
    unheard: World,
) -> None:
    await unheard.send("one", at=20)
    await unheard.settle(at=500)
    await unheard.deliver(at=0.0, source=DeliverySource.PROVIDER)
    await unheard.settle(at=1000)
    await assert_same(unheard)


async def test_forged_links_are_replayed_with_their_visit(world: World) -> None:
    token = world.url("one").split("/")[1]
    changed = token[:-2] + ("A" if token[-2] != "A" else "B") + token[-1]
    await world.send(at=100, target=f"/{changed}/one0")
    await world.send("one", at=101)
    await world.settle()
    await assert_same(world)


async def test_forged_links_that_came_after_their_visit_are_replayed_with_it(world: World) -> None:
    token = world.url("one").split("/")[1]
    await world.send("one", at=100)
    await world.send(at=105, target=f"/{token}%27/one0")
    await world.settle()
    (row,) = [row async for row in world.store.visits(Filter())]
    assert row.entry.settled_strays == StrayCounts(message=1)
    await world.store.purge(Cutoffs(strays=NOW + 1e6))
    await assert_same(world)


async def test_a_double_request_that_looks_better_than_a_click_is_replayed_as_its_double(
    world: World,
) -> None:
    await world.send("one", at=900)
    await world.settle(at=1000)
    await world.send("one", at=930, client="192.0.2.9", headers=FIREFOX)
    await world.settle(at=2000)
    await assert_same(world)


async def test_visits_that_are_not_settled_yet_have_a_first_verdict_only(world: World) -> None:
    await world.send("one", at=600)
    ((message,), rules) = (await frozen(world), world.policy)
    (item,) = replay(message.visits, rules)
    assert item.settled is None
    assert item.first == item.entry.verdict


async def test_another_policy_judges_the_same_facts_differently(world: World) -> None:
    await world.send("one", at=600)
    await world.settle()
    strict = policy.load(
        '[policy]\nhuman = -60.0\n[signals."request.coherent"]\nweight = -3.0\nplain_weight = -3.0'
    )
    ((message,),) = (await frozen(world),)
    (item,) = replay(message.visits, strict)
    assert item.entry.settled.kind is VerdictKind.HUMAN
    assert item.settled.kind is VerdictKind.UNCERTAIN
    assert item.settled.policy == strict.digest
    assert clicks_under((item,), strict) == ()


async def test_a_journal_without_notes_of_what_was_seen_goes_by_time(world: World) -> None:
    await world.send("one", at=600)
    await world.settle(at=800)
    await world.send("two", at=801)
    await world.settle(at=2000)
    ((message,),) = (await frozen(world),)
    unnoted = [replace(item, seen_id=0) for item in message.visits]
    assert [item.settled for item in replay(unnoted, world.policy)] == [
        item.entry.settled for item in message.visits
    ]


async def test_an_applied_replay_brings_up_to_date_how_many_requests_a_click_stands_for(world: World) -> None:
    """The second request is by a browser as scanners drive it, which the strict policy is not sure of."""
    await world.send("one", at=600, headers=FIREFOX)
    await world.send("one", at=604)
    await world.settle()
    strict = policy.load("[prior]\nmarketing = 20.0\n")
    stands_for = []
    for rules in (world.policy, strict, world.policy):
        audit = await world.store.begin_replay(AppliedReplay(NOW, "op", rules.digest))
        for message in await frozen(world):
            await world.store.rejudge(
                audit, message, partial(settlement_of, policy=rules, where=Filter(), now=NOW + 9_000)
            )
        kept = await world.store.export_recipient(world.recipient.id)
        stands_for += [row["merged"] for row in kept["click"]]
    assert stands_for == [1, 0, 1]


async def compared(world: World, text: str, where: Filter) -> tuple[Comparison, bool]:
    """Return what another policy makes of a time, and whether applying it would write anything."""
    found, other = Comparison(), policy.load(text)
    told = [found.add(message, other, where) for message in await frozen(world)]
    return found, any(told)


async def test_a_comparison_tells_of_the_asked_time_alone(world: World) -> None:
    await world.send("one", at=600)
    await world.send("two", at=5000)
    await world.settle(at=6000)
    await world.send("tre", at=7000)  # not settled yet
    human, uncertain = VerdictKind.HUMAN, VerdictKind.UNCERTAIN
    late = Filter(since=NOW + 4000)
    found, writes = await compared(world, "[policy]\nhuman = -60.0\n", late)
    assert (writes, found.messages, found.visits) == (True, 1, 2)
    assert found.first == {(human, uncertain): 2}
    assert (found.settled, found.changed, found.rescored) == ({(human, uncertain): 1}, 1, 0)
    assert found.clicks == {"marketing": Clicks(now=1, lost=1)}
    assert [item.at for shown in found.examples.values() for item in shown] == [NOW + 5000]
    found, writes = await compared(world, "[policy]\nhuman = -60.0\n", Filter(until=NOW + 600))
    assert (writes, found) == (False, Comparison())


async def test_other_scores_of_the_same_verdict_are_told_apart_and_written(world: World) -> None:
    await world.send("one", at=600)
    await world.settle()
    same = {(VerdictKind.HUMAN, VerdictKind.HUMAN): 1}
    for text, rescored in (("", 0), ("[prior]\nmarketing = -9.0\n", 1)):
        found, writes = await compared(world, text, Filter())
        assert (writes, found.rescored) == (bool(rescored), rescored)
        assert (found.settled, found.changed, found.examples) == (same, 0, {})
        assert found.clicks == {"marketing": Clicks(now=1)}


STRICT = "[policy]\nhuman = -60.0\n"  # which takes nobody for a person
PART = Filter(since=NOW + 3600, until=NOW + 12_600)


async def five_visits(world: World) -> list[int]:
    """Send visits of which PART holds the second to the fourth, and settle them; return their ids."""
    for place, name in enumerate(("one", "two", "tre", "four", "five")):
        await world.send(name, at=600 + 3000 * place)
    await world.settle(at=20_000)
    return [item.entry.visit_id for message in await frozen(world) for item in message.visits]


async def test_a_replay_of_part_of_a_time_takes_away_no_more_than_it_shows(world: World) -> None:
    ids = await five_visits(world)
    (message,) = await frozen(world)
    found = settlement_of(message, policy.load(STRICT), PART, NOW)
    assert [visit_id for visit_id, _ in found.revised] == list(found.withdrawn) == ids[1:4]
    assert (found.clicks, found.merged) == ((), ())
    assert (await compared(world, STRICT, PART))[0].clicks == {"marketing": Clicks(now=3, lost=3)}


async def test_a_replay_of_part_of_a_time_adds_no_more_than_it_shows(world: World) -> None:
    world.policy = policy.load(STRICT)
    ids = await five_visits(world)
    (message,) = await frozen(world)
    found = settlement_of(message, policy.load(), PART, NOW)
    assert [visit_id for visit_id, _ in found.revised] == ids[1:4]
    assert ([click.visit_id for click in found.clicks], found.withdrawn) == (ids[1:4], ())
    shown, _ = await compared(world, "", Filter())
    assert shown.clicks == {"marketing": Clicks(gained=5)}
    ((example, *more),) = shown.examples.values()
    assert (len(more), example.visit_id, example.recipient) == (2, ids[0], "ann@customer.example")
