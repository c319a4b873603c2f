"""Every signal on the whole path: a request in, a reason out."""

from __future__ import annotations

from pathlib import Path

import pytest
from claims.browsers import CHROME, FIREFOX, OLD_CHROME

from linkproxy.campaign.tokens import Keyring, SigningKey
from linkproxy.model import AnswerKind, DeliverySource, Evidence, Judged, Stray, VerdictKind
from linkproxy.visit.signals import SIGNALS

MINUTES = 60.0


def spoke(judged: Judged, name: str) -> Evidence:
    found = {item.name: item for item in judged.verdict.evidence}
    assert name in found, f"only {sorted(found)} spoke"
    return found[name]


def silent(judged: Judged, name: str) -> bool:
    return name not in {item.name for item in judged.verdict.evidence}


def agent(text: str) -> tuple[tuple[str, str], ...]:
    return (("User-Agent", text), ("Accept", "*/*"))


def replaced(headers: tuple[tuple[str, str], ...], **changes: str | None) -> tuple[tuple[str, str], ...]:
    named = {name.replace("_", "-").lower(): value for name, value in changes.items()}
    kept = [(name, named.get(name.lower(), value)) for name, value in headers]
    return tuple((name, value) for name, value in kept if value is not None)


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


# --- request ---------------------------------------------------------------------------------


async def test_head_request_is_never_a_click(world):
    judged = await world.judged(at=30 * MINUTES, method="HEAD")
    assert spoke(judged, "request.head").decisive
    await world.settle()
    assert [row async for row in world.store.clicks(filters())] == []


async def test_a_method_that_no_browser_clicks_with_is_a_machines(world):
    for method in ("OPTIONS", "PUT", "PROPFIND", "DELETE"):
        judged = await world.judged(at=30 * MINUTES, method=method)
        assert spoke(judged, "request.method").detail == method
        assert judged.verdict.kind is VerdictKind.MACHINE


@pytest.mark.parametrize(
    ("method", "text"),
    [
        ("HEAD", "Microsoft Office Existence Discovery"),
        ("OPTIONS", "Microsoft Office Protocol Discovery"),
        ("GET", "Mozilla/4.0 (compatible; ms-office; MSOffice rmj)"),
        ("GET", "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Word 16.0.17328; Pro)"),
    ],
)
async def test_an_office_precheck_gets_no_redirect_and_the_browser_after_it_is_human(world, method, text):
    first = await world.judged(at=10 * MINUTES, method=method, headers=agent(text))
    person = await world.judged(at=10 * MINUTES + 1)
    assert spoke(first, "request.office-precheck").decisive
    assert first.answer.kind is AnswerKind.PRECHECK
    assert (person.verdict.kind, person.answer.kind) == (VerdictKind.HUMAN, AnswerKind.REDIRECT)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Sec-Purpose", "prefetch"),
        ("Sec-Purpose", "prefetch;prerender"),
        ("Sec-Purpose", "prefetch;anonymous-client-ip"),
        ("Purpose", "prefetch"),
        ("X-Purpose", "preview"),
        ("X-Moz", "prefetch"),
    ],
)
async def test_a_browser_that_fetches_ahead_is_asked_to_come_again(world, name, value):
    ahead = await world.judged(at=10 * MINUTES, headers=(*CHROME, (name, value)))
    real = await world.judged(at=10 * MINUTES + 2)
    assert spoke(ahead, "request.speculation").decisive
    assert ahead.answer.kind is AnswerKind.RETRY
    assert real.verdict.kind is VerdictKind.HUMAN


@pytest.mark.parametrize(
    "text",
    [
        "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
        "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
        "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
        "Twitterbot/1.0",
        "curl/8.5.0",
        "python-requests/2.32.0",
    ],
)
async def test_an_agent_on_the_list_of_crawlers_is_a_machines(world, text):
    judged = await world.judged(at=30 * MINUTES, headers=agent(text))
    assert spoke(judged, "request.previewer").weight > 0
    assert judged.verdict.kind is not VerdictKind.HUMAN


async def test_a_person_in_an_app_that_the_list_errs_about_is_no_crawler(world):
    text = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/22F76 MetaIAB Facebook"
    judged = await world.judged(at=30 * MINUTES, headers=replaced(FIREFOX, user_agent=text))
    assert silent(judged, "request.previewer")


@pytest.mark.parametrize(
    "text", ["Java/17.0.2", "okhttp/4.12.0", "SomeLinkVerifier/2.1", "Mozilla/5.0", "facebookexternalua"]
)
async def test_an_agent_that_is_no_browsers_is_a_programs(world, text):
    assert spoke(await world.judged(at=30 * MINUTES, headers=agent(text)), "request.program").weight > 20


@pytest.mark.parametrize(
    "text", ["Lynx/2.9.0 libwww-FM/2.14", "w3m/0.5.3", "ELinks/0.16 (textmode; Linux)", "Links (2.29; Linux)"]
)
async def test_a_text_browser_is_a_person(world, text):
    judged = await world.judged(
        at=30 * MINUTES, headers=(("User-Agent", text), ("Accept", "text/html"), ("Accept-Language", "en"))
    )
    assert judged.verdict.kind is VerdictKind.HUMAN


async def test_a_text_browser_speaks_for_a_person_and_a_resolver_in_its_name_does_not(world):
    text = ("User-Agent", "Lynx/2.9.0 libwww-FM/2.14")
    person = await world.judged(
        at=30 * MINUTES, headers=(text, ("Accept", "text/html"), ("Accept-Language", "en"))
    )
    resolver = await world.judged("two", at=90 * MINUTES, headers=(text,))
    assert spoke(person, "request.text-browser").weight < 0
    assert silent(resolver, "request.text-browser")


async def test_the_new_outlook_that_looks_ahead_is_no_click_and_the_browser_after_it_is(world):
    looking = (*CHROME, ("x-native-host", "OneOutlook/1.2025.1015.100"))
    ahead = await world.judged(at=10 * MINUTES, headers=looking)
    person = await world.judged(at=12 * MINUTES)
    assert spoke(ahead, "request.native-host").weight > 20
    assert ahead.verdict.kind is not VerdictKind.HUMAN
    assert person.verdict.kind is VerdictKind.HUMAN


async def test_no_hand_follows_two_links_within_a_third_of_a_second(world):
    await world.judged("one", at=600)
    assert spoke(await world.judged("two", at=600.1), "message.links-in-seconds").weight > 15


async def test_no_agent_at_all_is_evidence(world):
    judged = await world.judged(at=30 * MINUTES, headers=(("Accept", "*/*"),))
    assert spoke(judged, "request.agent-empty").weight > 20


async def test_a_dead_platform_is_evidence(world):
    text = "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1; WOW64; Trident/4.0)"
    asks = (
        ("User-Agent", text),
        ("Accept", "text/html, */*"),
        ("Accept-Language", "en-us"),
        ("Accept-Encoding", "gzip"),
    )
    assert spoke(await world.judged(at=30 * MINUTES, headers=asks), "request.platform-dead").counted


async def test_an_engine_weighs_more_the_older_it_is(world):
    old = await world.judged(at=30 * MINUTES, headers=OLD_CHROME)
    newer = await world.judged(
        "two", at=90 * MINUTES, headers=replaced(OLD_CHROME, user_agent=OLD_CHROME[0][1].replace("79", "125"))
    )
    current = await world.judged("tre", at=150 * MINUTES)
    assert spoke(old, "request.engine-dead").weight > spoke(newer, "request.engine-dead").weight > 0
    assert silent(current, "request.engine-dead")


async def test_the_last_version_for_an_old_system_counts_as_half_as_old(world):
    def chrome(major: int) -> tuple[tuple[str, str], ...]:
        return replaced(OLD_CHROME, user_agent=OLD_CHROME[0][1].replace("79.0.3945.136", f"{major}.0.0.0"))

    windows_7 = await world.judged(at=30 * MINUTES, headers=chrome(109))
    same_age = await world.judged("two", at=90 * MINUTES, headers=chrome(108))
    assert (
        sum(item.weight for item in windows_7.verdict.evidence if item.name == "request.engine-dead")
        < spoke(same_age, "request.engine-dead").weight
    )


async def test_http_1_0_is_evidence(world):
    assert spoke(await world.judged(at=30 * MINUTES, http_version="1.0"), "request.http-1.0").weight > 0


@pytest.mark.parametrize(
    ("headers", "detail"),
    [
        (replaced(CHROME, accept_language=None), "no Accept-Language"),
        (replaced(CHROME, accept=None), "no Accept"),
        (replaced(CHROME, sec_ch_ua='"Chromium";v="131"'), "different versions"),
        (replaced(CHROME, sec_ch_ua_platform='"Linux"'), "different systems"),
        (replaced(CHROME, sec_ch_ua=None), "no client hints"),
        (replaced(CHROME, sec_fetch_mode=None), "no Sec-Fetch-Mode"),
        ((*FIREFOX, ("Sec-CH-UA", '"Chromium";v="131"')), "client hints from firefox"),
        (replaced(CHROME, sec_ch_ua='"HeadlessChrome";v="150", "Chromium";v="150"'), "HeadlessChrome"),
    ],
)
async def test_headers_that_contradict_the_claimed_browser_are_evidence(world, headers, detail):
    judged = await world.judged(at=30 * MINUTES, headers=headers)
    assert detail in spoke(judged, "request.contradiction").detail
    assert silent(judged, "request.coherent")


SAFARI_15 = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/15.6 Safari/605.1.15"


async def test_old_safari_without_fetch_metadata_is_not_blamed(world):
    headers = (
        ("User-Agent", SAFARI_15),
        ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
        ("Accept-Language", "en-GB,en;q=0.9"),
        ("Accept-Encoding", "gzip, deflate, br"),
    )
    judged = await world.judged(at=30 * MINUTES, headers=headers)
    assert silent(judged, "request.contradiction")
    assert judged.verdict.kind is VerdictKind.HUMAN


@pytest.mark.parametrize("header", [("DNT", "1"), ("Sec-GPC", "1")])
async def test_a_wish_for_privacy_is_no_evidence(world, header):
    plain = await world.judged(at=30 * MINUTES, headers=CHROME)
    wished = await world.judged("two", at=90 * MINUTES, headers=(*CHROME, header))
    assert wished.verdict.kind is plain.verdict.kind is VerdictKind.HUMAN


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


async def test_a_clock_that_is_a_little_off_is_no_evidence(world):
    await world.deliver(at=30)
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


async def test_only_links_that_nobody_reads_are_evidence(world):
    await world.judged("face", at=600)
    assert spoke(await world.judged("term", at=640), "message.low-interest-only").weight >= 10
    assert silent(await world.judged("one", at=700), "message.low-interest-only")


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


async def test_who_says_that_they_are_a_person_on_the_baits_page_is_heard(world):
    await world.judged("bai1", at=600)
    pressed = await world.judged("bai1", at=620, method="POST")
    assert spoke(pressed, "afterlife.person").weight < -15
    assert silent(pressed, "bait.followed")


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


def filters():
    from linkproxy.store.api import Filter

    return Filter()
