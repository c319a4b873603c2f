"""Opens: evidence and nothing more, judged by who asks, and never a click."""

from __future__ import annotations

import pytest
from claims.browsers import CHROME, FIREFOX

from linkproxy.model import AnswerKind, Judged, Link, LinkKey, LinkKind, LinkRole, Unlogged, VerdictKind
from linkproxy.store.api import Filter
from linkproxy.visit.opens import MOST_OPENS

PERSON, ELSEWHERE = "203.0.113.9", "198.51.100.1"
GMAIL = (
    (
        "User-Agent",
        "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
    ),
)
YAHOO = (("User-Agent", "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html"),)
APPLE = (("User-Agent", "Mozilla/5.0"),)
STRIPPED = (
    (
        "User-Agent",
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)",
    ),
)
PICTURE = (
    *[pair for pair in CHROME if pair[0] == "User-Agent"],
    ("Accept", "image/avif,image/webp,*/*;q=0.8"),
    ("Sec-Fetch-Dest", "image"),
)
SWEEP = ("one", "two", "tre", "four", "five")


@pytest.fixture
async def told(world):
    """A world whose mails hold a picture."""
    await world.store.add_links(
        [Link(world.campaign.id, LinkKey("pic0"), "", LinkKind.OPEN, LinkRole.BODY, 30)]
    )
    return world


def weights(judged: Judged) -> dict[str, float]:
    return {item.name: item.weight for item in judged.verdict.evidence}


async def settled(world, judged: Judged):
    return (await world.store.get_visit(judged.visit_id)).entry.settled


async def clicks(world):
    return [row async for row in world.store.clicks(Filter())]


@pytest.mark.parametrize(
    "agent", [GMAIL, YAHOO, APPLE, STRIPPED], ids=["gmail", "yahoo", "apple", "stripped"]
)
async def test_a_mail_services_proxy_is_no_person_who_opens(told, agent):
    judged = await told.judged("pic", at=5, headers=agent, client="192.0.2.50")
    assert weights(judged)["request.picture-proxy"] == 30.0
    assert (judged.verdict.kind, judged.answer.kind) == (VerdictKind.MACHINE, AnswerKind.PICTURE)


@pytest.mark.parametrize("at", [-300.0, 3.0, 4000.0])
async def test_a_pictures_headers_and_time_are_not_held_against_who_shows_the_mail(told, at):
    judged = await told.judged("pic", at=at, headers=PICTURE)
    assert (judged.verdict.evidence, judged.verdict.kind) == ((), VerdictKind.UNCERTAIN)


async def test_changed_links_of_a_client_say_nothing_of_its_opens(told):
    token = told.url("one").split("/")[1]
    await told.send(target=f"/{token[:-4]}AAAA/one0", at=599)
    assert "mutation.stray" not in weights(await told.judged("pic", at=600, headers=PICTURE))
    assert "mutation.stray" in weights(await told.judged("one", at=601))


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
async def test_whoever_asks_by_whatever_method_gets_the_picture(told, method):
    judged = await told.judged("pic", at=600, headers=(("User-Agent", "ms-office"),), method=method)
    assert judged.answer.kind is AnswerKind.PICTURE


async def test_an_open_is_never_a_click(told):
    await told.judged("pic", at=600, headers=FIREFOX)
    await told.settle()
    assert await clicks(told) == []


async def test_a_click_is_judged_as_ever_beside_opens_elsewhere(told):
    for at in (590, 595):
        await told.judged("pic", at=at, headers=GMAIL, client="192.0.2.50")
    beside = await told.judged("one", at=600)
    await told.settle()
    reasons = (await settled(told, beside)).reasons
    assert "message.alone" in reasons
    assert not [name for name in reasons if name.startswith(("afterlife.", "in-step."))]
    assert [row.visit_id for row in await clicks(told)] == [beside.visit_id]


async def test_who_clicks_where_the_mail_was_shown_is_a_little_likelier_a_person(told):
    await told.judged("pic", at=590, headers=PICTURE)
    assert weights(await told.judged("one", at=600))["afterlife.opened"] == -2.0


async def test_a_mail_that_was_shown_after_the_click_counts_when_it_settles(told):
    click = await told.judged("one", at=600)
    assert "afterlife.opened" not in weights(click)
    await told.judged("pic", at=602, headers=PICTURE)
    await told.settle()
    assert "afterlife.opened" in (await settled(told, click)).reasons


@pytest.mark.parametrize(
    ("headers", "client"), [(GMAIL, PERSON), (PICTURE, ELSEWHERE)], ids=["a proxy's", "elsewhere"]
)
async def test_an_open_of_somebody_else_says_nothing_of_a_click(told, headers, client):
    await told.judged("pic", at=590, headers=headers, client=client)
    assert not [name for name in weights(await told.judged("one", at=600)) if name.startswith("afterlife.")]


async def test_a_sweep_is_no_likelier_a_person_for_showing_the_mail_to_its_browser(told):
    await told.judged("pic", at=590, headers=PICTURE)
    visits = [await told.judged(name, at=600 + place) for place, name in enumerate(SWEEP)]
    assert "afterlife.opened" not in weights(visits[-1])


async def test_many_links_beside_one_open_elsewhere_are_a_little_likelier_a_machines(told):
    await told.judged("pic", at=590, headers=GMAIL, client="192.0.2.50")
    visits = [await told.judged(name, at=600 + place * 60) for place, name in enumerate(SWEEP)]
    found = [weights(judged).get("afterlife.unopened") for judged in visits]
    assert found == [None, None, None, 2.0, 2.0]


async def test_many_links_of_a_mail_whose_pictures_nobody_fetched_say_nothing(told):
    visits = [await told.judged(name, at=600 + place * 60) for place, name in enumerate(SWEEP)]
    assert "afterlife.unopened" not in weights(visits[-1])


async def test_a_reader_of_many_links_who_was_shown_the_mail_is_not_blamed(told):
    await told.judged("pic", at=590, headers=PICTURE)
    visits = [await told.judged(name, at=600 + place * 60) for place, name in enumerate(SWEEP)]
    assert "afterlife.unopened" not in weights(visits[-1])


async def test_opens_of_a_message_are_kept_up_to_a_bound_and_answered_beyond(told):
    kept = [await told.send("pic", at=600 + number, headers=GMAIL) for number in range(MOST_OPENS + 3)]
    beyond = kept[MOST_OPENS:]
    assert all(isinstance(outcome, Judged) for outcome in kept[:MOST_OPENS])
    assert [outcome for outcome in beyond if not isinstance(outcome, Unlogged)] == []
    assert {outcome.answer.kind for outcome in beyond} == {AnswerKind.PICTURE}
    assert len([row async for row in told.store.visits(Filter())]) == MOST_OPENS


async def test_opens_go_with_their_recipient(told):
    await told.judged("pic", at=600)
    await told.store.erase_recipient(told.recipient.id)
    assert [row async for row in told.store.visits(Filter())] == []
    outcome = await told.send("pic", at=700)
    assert (type(outcome), outcome.answer.kind) == (Unlogged, AnswerKind.PICTURE)


async def test_opens_teach_nothing_of_a_domain(told):
    await told.judged("pic", at=5, headers=GMAIL, client="192.0.2.50")
    settlement = await told.settle()
    assert [verdict.kind for _, verdict in settlement.revised] == [VerdictKind.MACHINE]
    assert settlement.lesson is None


async def test_opens_are_replayed_as_they_were_judged(told):
    from linkproxy.visit.replay import replay

    await told.judged("pic", at=590, headers=PICTURE)
    await told.judged("one", at=600)
    await told.judged("pic", at=610, headers=GMAIL)
    await told.settle()
    (message,) = [item async for item in told.store.messages(Filter(), reach_seconds=1800)]
    for item in replay(message.visits, told.policy):
        assert (item.first, item.settled) == (item.entry.verdict, item.entry.settled)
