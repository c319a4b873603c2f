"""The extra hop: who gets it, that it ends, and what it teaches."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from urllib.parse import urljoin

import pytest
from claims.browsers import CHROME, FIREFOX, OLD_CHROME

from linkproxy.model import (
    NOBODY,
    AnswerKind,
    Delivery,
    DeliverySource,
    Evidence,
    Judged,
    RawRequest,
    TokenForm,
    VerdictKind,
)
from linkproxy.store.api import DeliveryDraft, Filter
from linkproxy.visit import intake, pipeline, policy

NOW = 1_795_000_000.0  # the world's
UNSURE = 40.0  # seconds after delivery: the time of sweeps, so that a good browser is uncertain
COOKIE = ("Cookie", "theme=dark; hop=1")
HOME, OFFICE = "203.0.113.9", "198.51.100.7"


def evidence(judged: Judged) -> dict[str, Evidence]:
    return {item.name: item for item in judged.verdict.evidence if item.family == "redirect-following"}


async def settled(world, judged: Judged):
    await world.settle()
    row = await world.store.get_visit(judged.visit_id)
    assert row.entry.settled is not None
    return row.entry.settled


async def clicks(world):
    return [row async for row in world.store.clicks(Filter())]


async def back(world, at: float = UNSURE + 0.2, began: float = UNSURE, headers=(*CHROME, COOKIE), **more):
    """Follow the extra hop that began at a moment."""
    return await world.judged(at=at, target=world.hop_url(at=began), headers=headers, **more)


# --- who gets it -------------------------------------------------------------------------------


async def test_an_uncertain_visit_is_sent_round_once_and_then_straight_on(world):
    first = await world.judged(at=UNSURE)
    second = await back(world)
    assert (first.verdict.kind, first.answer.kind) == (VerdictKind.UNCERTAIN, AnswerKind.HOP)
    assert second.answer.kind is AnswerKind.REDIRECT


async def test_an_ordinary_click_minutes_after_delivery_goes_straight_on(world):
    for place, headers in enumerate((CHROME, FIREFOX)):
        judged = await world.judged(at=(5 + 31 * place) * 60, headers=headers)
        assert (judged.verdict.kind, judged.answer.kind) == (VerdictKind.HUMAN, AnswerKind.REDIRECT)


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("one", {"method": "HEAD"}),
        ("one", {"method": "POST"}),
        ("one", {"headers": (*CHROME, ("Sec-Purpose", "prefetch"))}),
        ("one", {"headers": (("User-Agent", "Microsoft Office Existence Discovery"),)}),
        ("bai1", {}),
        ("bye", {}),
    ],
)
async def test_only_an_uncertain_get_of_a_content_link_is_sent_round(world, name, more):
    judged = await world.judged(name, at=UNSURE, **more)
    assert judged.answer.kind is not AnswerKind.HOP


async def test_the_hop_can_be_switched_off(world):
    at = (await world.judged("two", at=UNSURE)).visit.at + 2.0
    raw = RawRequest("GET", world.url("one"), CHROME, HOME, at)
    take = partial(pipeline.take, policy=world.policy, extra_hop=False)
    (judged,) = await world.store.append([intake.read(raw, world.gate)], take)
    assert (judged.verdict.kind, judged.answer.kind) == (VerdictKind.UNCERTAIN, AnswerKind.REDIRECT)


async def test_an_expired_a_wrong_and_a_used_nonce_lead_straight_on(world):
    await world.judged(at=UNSURE)
    late = await back(world, at=UNSURE + 61)
    wrong = await world.judged(at=UNSURE + 62, target=world.url("one") + "/~" + "A" * 19)
    empty = await world.judged(at=UNSURE + 62.5, target=world.url("one") + "/~")
    await back(world, at=UNSURE + 3)
    used = await back(world, at=UNSURE + 4)
    assert {item.answer.kind for item in (late, wrong, empty, used)} == {AnswerKind.REDIRECT}
    assert evidence(late) == evidence(used) == {}
    assert list(evidence(wrong)) == list(evidence(empty)) == ["redirect.wrong-nonce"]


async def test_a_nonce_is_good_for_its_own_link_alone(world):
    await world.judged("one", at=UNSURE)
    nonce = world.hop_url("one", at=UNSURE).rsplit("/", 1)[1]
    other = await world.judged("two", at=UNSURE + 1, target=f"{world.url('two')}/{nonce}")
    assert "redirect.wrong-nonce" in evidence(other)


async def test_a_look_that_was_answered_otherwise_keeps_nobody_from_the_hop(world):
    look = await world.judged(at=UNSURE - 1, method="HEAD", client=HOME)
    assert look.answer.kind is not AnswerKind.HOP
    assert (await world.judged(at=UNSURE, client=HOME)).answer.kind is AnswerKind.HOP


async def test_another_link_and_a_later_moment_have_a_hop_of_their_own(world):
    world.policy = policy.load("[policy]\nhop_seconds = 5\n")
    assert (await world.judged("one", at=UNSURE)).answer.kind is AnswerKind.HOP
    for name, at in (("two", UNSURE + 3), ("one", UNSURE + 6)):
        assert (await world.judged(name, at=at)).answer.kind is AnswerKind.HOP


async def test_a_client_that_loses_nonce_and_cookie_is_not_sent_in_circles(world):
    answers = [(await world.judged(at=UNSURE + place * 0.3)).answer.kind for place in range(6)]
    assert answers == [AnswerKind.HOP, *[AnswerKind.REDIRECT] * 5]


async def test_a_client_whose_address_changes_each_time_is_not_sent_in_circles(world):
    answers = [
        (await world.judged(at=UNSURE + place, client=f"100.64.{place}.1")).answer.kind for place in range(4)
    ]
    assert answers.count(AnswerKind.HOP) == 1


async def test_a_client_whose_headers_change_each_time_is_not_sent_in_circles(world):
    first = await world.judged(at=UNSURE)
    second = await world.judged(at=UNSURE + 1, headers=FIREFOX)
    assert (first.answer.kind, second.answer.kind) == (AnswerKind.HOP, AnswerKind.REDIRECT)
    assert second.verdict.kind is VerdictKind.UNCERTAIN


async def test_the_cookie_alone_shows_that_the_hop_was_taken(world):
    judged = await world.judged(at=UNSURE, headers=(*CHROME, COOKIE))
    assert judged.answer.kind is AnswerKind.REDIRECT
    assert evidence(judged)["redirect.cookie"].detail == "the cookie of an earlier hop"


@pytest.mark.parametrize("sign", ["~", "%7E", "%7e"])
async def test_an_encoded_tilde_is_the_same_hop(world, sign):
    await world.judged(at=UNSURE)
    target = world.hop_url(at=UNSURE).replace("~", sign)
    judged = await world.judged(at=UNSURE + 0.2, target=target, headers=(*CHROME, COOKIE))
    assert "redirect.cookie" in evidence(judged)


async def test_the_merge_tag_form_has_its_hop_too(world):
    token = world.keyring.sign(world.campaign.id, NOBODY, TokenForm.REFERENCE)
    path = f"/{token}/one0/{world.keyring.sign_reference('u-8347')}"
    delivery = Delivery(NOW, DeliverySource.MX)
    await world.store.add_deliveries([DeliveryDraft(world.campaign.id, NOBODY, delivery)])
    first = await world.judged(target=path, at=UNSURE)
    location = intake.hop_from(path, first.visit.at, world.gate)
    second = await world.judged(
        at=UNSURE + 0.2, target=path.rsplit("/", 1)[0] + "/" + location, headers=(*CHROME, COOKIE)
    )
    assert (first.answer.kind, second.answer.kind) == (AnswerKind.HOP, AnswerKind.REDIRECT)
    assert second.recipient.id == first.recipient.id
    assert "redirect.cookie" in evidence(second)


@pytest.mark.parametrize("end", ["", ".", "%20", "&utm_source=x", "/"])
async def test_a_link_with_what_was_taken_along_has_its_hop_too(world, end):
    """Browsers resolve the hop against the path that they asked for."""
    path = world.url("one") + end
    first = await world.judged(target=path, at=UNSURE)
    assert first.answer.kind is AnswerKind.HOP
    location = intake.hop_from(intake.path_of(path), first.visit.at, world.gate)
    back = urljoin("https://click.example" + path, location).removeprefix("https://click.example")
    second = await world.judged(at=UNSURE + 0.2, target=back, headers=(*CHROME, COOKIE))
    assert second.answer.kind is AnswerKind.REDIRECT
    assert "redirect.cookie" in evidence(second)


async def test_a_link_whose_merge_tag_stood_for_nothing_has_its_hop_too(world):
    token = world.keyring.sign(world.campaign.id, NOBODY, TokenForm.REFERENCE)
    path = f"/{token}/one0/"
    location = intake.hop_from(path, NOW, world.gate)
    hop = urljoin("https://click.example" + path, location).removeprefix("https://click.example")
    found = intake.read(RawRequest("GET", hop, CHROME, HOME, NOW + 0.2), world.gate)
    assert (found.key, found.hop_at) == ("one0", NOW)


# --- what it teaches ---------------------------------------------------------------------------


async def test_who_comes_back_at_once_with_the_cookie_speaks_for_a_person(world):
    first = await world.judged(at=UNSURE)
    second = await back(world)
    assert evidence(second)["redirect.cookie"].weight < 0
    assert second.verdict.score < first.verdict.score


async def test_both_visits_of_the_hop_are_settled_by_it_and_are_one_click(world):
    first = await world.judged(at=70)
    second = await back(world, at=70.4, began=70)
    assert first.answer.kind is AnswerKind.HOP
    assert (await settled(world, first)).kind is (await settled(world, second)).kind is VerdictKind.HUMAN
    assert [row.visit_id for row in await clicks(world)] == [first.visit_id]


async def test_a_hop_that_took_longer_than_a_double_click_is_still_one_click(world):
    await world.judged(at=70)
    slow = await back(world, at=70 + 25, began=70)
    assert evidence(slow)["redirect.slow"].detail == "back after 25 s"
    await world.settle()
    assert len(await clicks(world)) <= 1


async def test_a_person_who_refuses_cookies_is_hardly_blamed(world):
    await world.judged(at=90)
    second = await back(world, at=90.3, began=90, headers=CHROME)
    assert 0 < evidence(second)["redirect.no-cookie"].weight <= 3
    assert (await settled(world, second)).kind is VerdictKind.HUMAN


async def test_a_text_browser_that_keeps_no_cookie_unasked_is_not_blamed(world):
    lynx = (
        ("User-Agent", "Lynx/2.9.2 libwww-FM/2.14"),
        ("Accept", "text/html, */*"),
        ("Accept-Language", "en"),
    )
    await world.judged(at=UNSURE, headers=lynx)
    assert evidence(await back(world, headers=lynx)) == {}


async def test_who_comes_back_from_elsewhere_without_the_cookie_is_blamed(world):
    await world.judged(at=UNSURE)
    other = await back(world, headers=OLD_CHROME, client=OFFICE)
    assert evidence(other)["redirect.elsewhere"].weight >= 10


async def test_the_same_headers_from_another_network_are_blamed_less(world):
    await world.judged(at=UNSURE)
    moved = await back(world, headers=CHROME, client=OFFICE)
    assert evidence(moved)["redirect.elsewhere"].weight <= 5


async def test_who_has_the_cookie_is_the_same_browser_wherever_it_is_by_now(world):
    await world.judged(at=UNSURE)
    moved = await back(world, client=OFFICE)
    assert list(evidence(moved)) == ["redirect.cookie"]


async def test_never_coming_back_is_evidence_once_the_message_is_settled(world):
    first = await world.judged(at=UNSURE)
    assert evidence(first) == {}
    names = [item.name for item in (await settled(world, first)).evidence]
    assert "redirect.never" in names
    assert await clicks(world) == []


async def test_who_comes_back_is_not_said_never_to_have_come(world):
    first = await world.judged(at=UNSURE)
    await back(world)
    names = [item.name for item in (await settled(world, first)).evidence]
    assert "redirect.cookie" in names
    assert "redirect.never" not in names


async def test_a_look_by_head_is_no_coming_back(world):
    first = await world.judged(at=UNSURE)
    await back(world, method="HEAD")
    assert "redirect.never" in [item.name for item in (await settled(world, first)).evidence]


async def test_what_the_hop_taught_is_in_the_journal(world):
    await world.judged(at=UNSURE)
    second = await back(world)
    row = await world.store.get_visit(second.visit_id)
    assert row.entry.visit.hop_at == pytest.approx(second.visit.hop_at)
    assert row.entry.visit.hop_cookie
    assert row.entry.visit == replace(second.visit, token="")
