"""Every signal on the whole path: a request in, a reason out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from claims.browsers import CHROME, FIREFOX, OLD_CHROME, agent, replaced
from claims.evidence import silent, spoke

from linkproxy.campaign.tokens import Keyring, SigningKey
from linkproxy.model import NOBODY, AnswerKind, DeliverySource, Stray, StrayCounts, TokenForm, VerdictKind
from linkproxy.visit.signals import SIGNALS
from linkproxy.visit.verdict import judge

MINUTES = 60.0


async def test_a_first_click_minutes_after_delivery_from_a_coherent_browser_is_human(world):
    judged = await world.judged(at=4 * MINUTES)
    assert (judged.verdict.kind, judged.answer.kind) == (VerdictKind.HUMAN, AnswerKind.REDIRECT)
    assert spoke(judged, "request.coherent").weight < 0


async def test_plain_http_is_no_reason_for_suspicion(world):
    world.secure = False
    plain = replaced(
        CHROME, sec_ch_ua=None, sec_ch_ua_mobile=None, sec_ch_ua_platform=None, sec_fetch_site=None,
        sec_fetch_mode=None, sec_fetch_user=None, sec_fetch_dest=None, accept_encoding="gzip, deflate",
    )  # fmt: skip
    assert (await world.judged(at=10 * MINUTES, headers=plain)).verdict.kind is VerdictKind.HUMAN


# --- network ---------------------------------------------------------------------------------


async def test_a_scanners_own_network_is_evidence(world):
    judged = await world.judged(at=30 * MINUTES, client="40.107.218.12")
    assert spoke(judged, "network.scanner").detail == "microsoft-eop"


async def test_a_network_named_by_the_operator_is_known(world):
    from linkproxy.visit import policy

    world.policy = policy.load(
        '[networks.rented]\nrole = "cloud"\ncertainty = "certain"\ncidrs = ["203.0.113.0/24"]'
    )
    judged = await world.judged(at=30 * MINUTES)
    assert spoke(judged, "network.cloud").detail == "rented"
    assert judged.verdict.kind is VerdictKind.HUMAN


# --- timing ----------------------------------------------------------------------------------


async def test_a_visit_in_the_time_of_sweeps_weighs_against_a_person(world):
    assert spoke(await world.judged(at=40), "timing.delay").weight > 10
    assert spoke(await world.judged("two", at=30 * MINUTES), "timing.delay").weight < -5


async def test_a_quick_click_on_a_password_reset_is_human(reset_mail):
    assert (await reset_mail.judged(at=5)).verdict.kind is VerdictKind.HUMAN


async def test_a_vague_delivery_time_says_less(world, unheard):
    await unheard.deliver(source=DeliverySource.SMARTHOST)
    sharp = spoke(await world.judged(at=40), "timing.delay").weight
    vague = spoke(await unheard.judged(at=40), "timing.delay").weight
    assert abs(vague) < sharp


async def test_without_a_delivery_time_there_is_no_timing(unheard):
    judged = await unheard.judged(at=40)
    assert silent(judged, "timing.delay")
    assert judged.verdict.kind is VerdictKind.HUMAN


async def test_a_visit_from_before_delivery_is_a_machines_by_an_exact_clock(world):
    await world.deliver(at=600)
    assert spoke(await world.judged(at=10), "timing.before-delivery").weight > 0


@pytest.mark.parametrize("seconds", [30, 60 * MINUTES], ids=["a little", "by a time zone"])
async def test_a_clock_that_is_off_is_no_evidence(world, seconds):
    await world.deliver(at=seconds)
    assert silent(await world.judged(at=0), "timing.before-delivery")


# --- message ---------------------------------------------------------------------------------


async def test_several_links_within_seconds_are_a_sweep(world):
    names = ("one", "two", "tre", "four", "five")
    last = [await world.judged(name, at=600 + place * 0.2) for place, name in enumerate(names)][-1]
    assert spoke(last, "message.links-in-seconds").detail.startswith("5 links")
    assert last.verdict.kind is VerdictKind.MACHINE


async def test_rotating_addresses_with_the_same_headers_are_one_burst(world):
    names = ("one", "two", "tre", "four", "five")
    clients = ("198.51.100.1", "192.0.2.7", "203.0.113.80", "100.64.3.3", "100.99.1.1")
    last = [
        await world.judged(name, at=600 + place * 0.2, client=client)
        for place, (name, client) in enumerate(zip(names, clients, strict=True))
    ][-1]
    assert spoke(last, "message.links-in-seconds").weight > 20


async def test_two_links_opened_at_once_are_still_a_person(world):
    await world.judged("one", at=600)
    assert (await world.judged("two", at=603)).verdict.kind is VerdictKind.HUMAN


async def test_most_links_at_any_speed_are_evidence(world):
    names = ("home", "one", "two", "tre", "four", "five")
    last = [await world.judged(name, at=600 + place * 45) for place, name in enumerate(names)][-1]
    assert spoke(last, "message.most-links").weight > 0
    assert silent(last, "message.links-in-seconds")


async def test_who_reads_all_of_a_short_mail_is_a_person_and_all_of_a_long_one_is_a_sweep(world):
    names = ("home", "one", "two", "tre", "four", "five", "face", "term")
    followed = [await world.judged(name, at=60 * MINUTES + place * 45) for place, name in enumerate(names)]
    short = judge(followed[3].visit, replace(followed[3].facts, link_count=4), world.policy)
    assert [item.detail for item in short.evidence if item.name == "message.most-links"] == ["4 of 4 links"]
    assert short.kind is VerdictKind.HUMAN
    assert followed[-1].verdict.kind is not VerdictKind.HUMAN


async def test_only_links_that_nobody_reads_are_evidence(world):
    await world.judged("face", at=600)
    assert spoke(await world.judged("term", at=640), "message.low-interest-only").weight >= 10
    assert silent(await world.judged("one", at=700), "message.low-interest-only")


async def test_in_a_mail_of_footer_links_alone_they_are_what_there_is_to_read(terms_mail):
    await terms_mail.judged("term", at=600)
    second = await terms_mail.judged("priv", at=640)
    assert silent(second, "message.low-interest-only")
    assert second.verdict.kind is VerdictKind.HUMAN
    settled = await terms_mail.settle()
    assert all("low-interest" not in item.name for _, verdict in settled.revised for item in verdict.evidence)


async def test_one_link_of_many_and_nothing_else_speaks_for_a_person_once_settled(world):
    first = await world.judged(at=50)
    assert silent(first, "message.alone")
    await world.settle()
    row = await world.store.get_visit(first.visit_id)
    assert "message.alone" in row.entry.settled.reasons


# --- bait and mutation -----------------------------------------------------------------------


async def test_whoever_follows_the_bait_is_a_machine_and_gets_its_page(world):
    judged = await world.judged("bai1", at=30 * MINUTES)
    assert spoke(judged, "bait.followed").weight > 30
    assert (judged.verdict.kind, judged.answer.kind) == (VerdictKind.MACHINE, AnswerKind.BAIT)


async def test_a_visit_beside_a_bait_hit_of_the_same_client_is_a_machines(world):
    await world.judged("bai1", at=600)
    judged = await world.judged("one", at=612)
    assert spoke(judged, "bait.beside").counted
    assert judged.answer.kind is not AnswerKind.NEUTRAL


async def test_a_bait_hit_says_nothing_about_a_person_from_elsewhere(world):
    await world.judged("bai1", at=600, headers=OLD_CHROME, client="198.51.100.1")
    judged = await world.judged("one", at=605, headers=FIREFOX, client="203.0.113.9")
    assert silent(judged, "bait.beside")
    assert judged.verdict.kind is VerdictKind.HUMAN


async def test_a_changed_link_speaks_against_its_client(world):
    good = world.url("one")
    changed = await world.send(target=good[:10] + ("A" if good[10] != "A" else "B") + good[11:], at=600)
    assert isinstance(changed, Stray)
    assert spoke(await world.judged("one", at=601), "mutation.stray").weight > 0
    assert silent(await world.judged("two", at=602, client="198.51.100.1"), "mutation.stray")


async def test_a_link_that_we_did_not_know_ourselves_speaks_against_nobody(world):
    known = world.keyring
    world.keyring = Keyring([SigningKey(9, bytes(32))])
    target = f"/{known.sign(world.campaign.id, world.recipient.id)}/one0"
    assert isinstance(await world.send(target=target, at=600), Stray)
    world.keyring = known
    judged = await world.judged("one", at=605)
    assert silent(judged, "mutation.stray")
    assert judged.verdict.kind is VerdictKind.HUMAN


@pytest.mark.parametrize("tail", ["x", "%27", "/%27", "/admin", "/../x", "/admin/x"])
async def test_what_is_appended_to_a_link_makes_a_changed_copy_of_it(world, tail):
    assert isinstance(await world.send(target=world.url("one") + tail, at=600), Stray)
    judged = await world.judged("one", at=601)
    assert judged.facts.strays == StrayCounts(message=1)
    assert spoke(judged, "mutation.stray").counted


@pytest.mark.parametrize("tail", ["//", "//?utm_source=x"])
async def test_slashes_behind_a_link_change_nothing_of_it(world, tail):
    assert isinstance(await world.send(target=world.url("one") + tail, at=600), Stray)
    assert silent(await world.judged("one", at=601), "mutation.stray")


@pytest.mark.parametrize(("tail", "copies"), [("", 0), (f"/~{'A' * 19}", 0), ("/admin", 1)])
async def test_in_merge_tag_mode_the_reference_belongs_to_the_link(world, tail, copies):
    known = world.keyring
    token = known.sign(world.campaign.id, NOBODY, TokenForm.REFERENCE)
    path = f"/{token}/one0/{known.sign_reference('u-8347')}"
    world.keyring = Keyring([SigningKey(9, bytes(32))])
    assert isinstance(await world.send(target=path + tail, at=600), Stray)
    world.keyring = known
    assert (await world.judged(target=path, at=605)).facts.strays == StrayCounts(message=copies)


async def test_an_unknown_key_is_a_stray_too(world):
    assert isinstance(await world.send(target=world.url("zzzz"), at=600), Stray)
    assert spoke(await world.judged("one", at=601), "mutation.stray").counted


# --- afterlife -------------------------------------------------------------------------------


async def test_whoever_reads_and_then_continues_is_sent_on_and_believed(world):
    sweep = await world.judged("one", at=40, headers=OLD_CHROME, client="40.107.218.12")
    assert sweep.answer.kind is AnswerKind.NEUTRAL
    pressed = await world.judged("one", at=52, headers=OLD_CHROME, client="40.107.218.12", method="POST")
    assert pressed.answer.kind is AnswerKind.CONTINUED
    assert spoke(pressed, "afterlife.continue").weight < -15


async def test_a_script_that_submits_at_once_is_hardly_believed(world):
    await world.judged("one", at=40, headers=OLD_CHROME, client="40.107.218.12")
    pressed = await world.judged("one", at=40.3, headers=OLD_CHROME, client="40.107.218.12", method="POST")
    assert spoke(pressed, "afterlife.continue").weight > -5


async def test_continue_is_believed_on_the_page_that_was_shown_alone(world):
    sent_on = await world.judged("tre", at=30)
    assert sent_on.answer.kind is not AnswerKind.NEUTRAL
    scanner = {"headers": OLD_CHROME, "client": "40.107.218.12"}
    assert (await world.judged("one", at=40, **scanner)).answer.kind is AnswerKind.NEUTRAL
    for pressed in (
        await world.judged("two", at=52, method="POST", **scanner),
        await world.judged("tre", at=53, method="POST"),
    ):
        assert silent(pressed, "afterlife.continue")


async def test_who_says_that_they_are_a_person_on_the_baits_page_is_heard(world):
    await world.judged("bai1", at=600)
    pressed = await world.judged("bai1", at=620, method="POST")
    assert spoke(pressed, "afterlife.person").weight < -15
    assert silent(pressed, "bait.followed")


@pytest.mark.parametrize(("waited", "excused"), [(6.0, True), (0.3, False)])
async def test_who_reads_the_baits_page_before_saying_so_is_excused_and_a_script_is_not(
    world, waited, excused
):
    await world.judged("bai1", at=600)
    await world.judged("bai1", at=600 + waited, method="POST")
    weight = spoke(await world.judged("one", at=609), "bait.beside").weight
    assert (weight == world.policy.rules["bait.beside"].values["excused_weight"]) is excused


# --- all together ----------------------------------------------------------------------------


def test_every_signal_is_claimed_here():
    source = "".join(path.read_text("utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    assert [signal.name for signal in SIGNALS if f'"{signal.name}"' not in source] == []


async def test_inside_a_family_only_the_strongest_counts(world):
    judged = await world.judged(at=30 * MINUTES, headers=agent("curl/8.5.0"), method="HEAD")
    counted = [
        item.name
        for item in judged.verdict.evidence
        if item.family == "request" and item.counted and item.weight > 0
    ]
    assert counted == ["request.previewer"]
    assert not spoke(judged, "request.head").counted


async def test_a_broken_signal_is_no_evidence_and_is_named(world, monkeypatch):
    from dataclasses import replace

    from linkproxy.visit import verdict

    def broken(_look):
        raise ZeroDivisionError

    signals = [item for item in SIGNALS if not item.of_request]
    signals = tuple(replace(item, look=broken) if item.name == "timing.delay" else item for item in signals)
    monkeypatch.setattr(verdict, "_OF_VISIT", signals)
    judged = await world.judged(at=4 * MINUTES)
    assert judged.verdict.broken == ("timing.delay",)
    assert judged.answer.kind is AnswerKind.REDIRECT
