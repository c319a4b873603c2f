"""Browsers of every kind over TLS and plain HTTP, and the programs that ask before or beside them."""

from __future__ import annotations

import pytest
from claims.browsers import CHROME, FIREFOX
from claims.evidence import reasons

from linkproxy.model import AnswerKind, VerdictKind
from linkproxy.store.api import Filter
from linkproxy.visit import policy

MINUTES = 60.0
HOME = "203.0.113.9"
WEBKIT = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
IPHONE = f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) {WEBKIT}"
MAC = f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {WEBKIT}"
PIXEL = "Mozilla/5.0 (Linux; Android 15; Pixel 8 Build/AP4A; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0"
BLINK = "AppleWebKit/537.36 (KHTML, like Gecko)"
PAGES = ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
PICTURES = (
    "Accept",
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8",
)
ENGLISH = ("Accept-Language", "en-GB,en;q=0.9")
PACKED = ("Accept-Encoding", "gzip, deflate, br")
UPGRADE = ("Upgrade-Insecure-Requests", "1")
FETCH = (("Sec-Fetch-Site", "none"), ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document"))
USER = ("Sec-Fetch-User", "?1")

Headers = tuple[tuple[str, str], ...]


def headers(agent: str, *more: tuple[str, str]) -> Headers:
    chromium = "Chrome/" in agent and "Edge/" not in agent
    return (("User-Agent", agent), PICTURES if chromium else PAGES, ENGLISH, PACKED, *more)


def hints(major: int, system: str, mobile: str = "?0") -> Headers:
    return (
        ("Sec-CH-UA", f'"Chromium";v="{major}", "Not.A/Brand";v="8"'),
        ("Sec-CH-UA-Mobile", mobile),
        ("Sec-CH-UA-Platform", f'"{system}"'),
    )


OVER_TLS: dict[str, Headers] = {
    "chrome": CHROME,
    "firefox": FIREFOX,
    "firefox esr": headers(
        "Mozilla/5.0 (Windows NT 10.0; rv:128.0) Gecko/20100101 Firefox/128.0", UPGRADE, *FETCH, USER
    ),
    "firefox 115 on windows 7": headers(
        "Mozilla/5.0 (Windows NT 6.1; rv:115.0) Gecko/20100101 Firefox/115.0", UPGRADE, *FETCH, USER
    ),
    "tor browser": (
        ("User-Agent", "Mozilla/5.0 (Windows NT 10.0; rv:140.0) Gecko/20100101 Firefox/140.0"),
        *(PAGES, ("Accept-Language", "en-US,en;q=0.5"), PACKED, ("Sec-GPC", "1"), UPGRADE, *FETCH, USER),
    ),
    "brave": headers(
        f"Mozilla/5.0 (X11; Linux x86_64) {BLINK} Chrome/150.0.0.0 Safari/537.36",
        *(UPGRADE, *FETCH, USER, ("Sec-GPC", "1"), *hints(150, "Linux")),
    ),
    "samsung internet": headers(
        f"Mozilla/5.0 (Linux; Android 10; K) {BLINK} SamsungBrowser/28.0 Chrome/136.0.0.0 Mobile Safari/537.36",
        *(UPGRADE, *FETCH, USER, *hints(136, "Android", "?1")),
    ),
    "yandex": headers(
        f"Mozilla/5.0 (X11; Linux x86_64) {BLINK} Chrome/146.0.7339.63 YaBrowser/26.4.6.63.00 SA/3 Safari/537.36",
        *(UPGRADE, *FETCH, USER, *hints(146, "Linux")),
    ),
    "an electron program": headers(
        f"Mozilla/5.0 (X11; Linux x86_64) {BLINK} Slack/4.44.65 Chrome/146.0.7103.115 Electron/36.3.2 Safari/537.36",
        *(UPGRADE, *FETCH, USER, *hints(146, "Linux")),
    ),
    "chrome 100 with its build": headers(
        f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {BLINK} Chrome/100.0.4896.75 Safari/537.36",
        *(UPGRADE, *FETCH, USER, *hints(100, "Windows")),
    ),
    "safari 26": headers(f"{MAC} Version/26.0 Safari/605.1.15", *FETCH, ("Priority", "u=0, i")),
    "safari 18": headers(f"{IPHONE} Version/18.5 Mobile/15E148 Safari/604.1", *FETCH, ("Priority", "u=0, i")),
    "safari 16.3": headers(f"{MAC} Version/16.3 Safari/605.1.15"),
    "safari 15": headers(f"{IPHONE} Version/15.6 Mobile/15E148 Safari/604.1"),
    "chrome on ios": headers(f"{IPHONE} CriOS/150.0.7100.50 Mobile/15E148 Safari/604.1", *FETCH),
    "firefox on ios": headers(f"{IPHONE} FxiOS/146.0 Mobile/15E148 Safari/605.1.15", *FETCH),
    # What an iPad sends by default, and a telephone for "Request Desktop Site": Safari's version is one of 2018.
    "chrome on an ipad": headers(
        f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_13_5) {WEBKIT} CriOS/150 Version/11.1.1 Safari/605.1.15", *FETCH
    ),
    "firefox on an ipad": headers(
        f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15) {WEBKIT} FxiOS/146.0 Safari/605.1.15", *FETCH
    ),
    "wkwebview": headers(f"{IPHONE} Mobile/15E148"),
    "facebook on ios": headers(f"{IPHONE} Mobile/22F76 [FBAN/FBIOS;FBAV/500.0.0.1;FBDV/iPhone15,2]"),
    "android webview": headers(
        f"{PIXEL} Chrome/149.0.7100.50 Mobile Safari/537.36", ("X-Requested-With", "com.example.mail"), UPGRADE
    ),
    "a browser on the webview": headers(
        f"{PIXEL.replace('; wv', '')} Chrome/149.0.7100.50 Mobile Safari/537.36 XiaoMi/MiuiBrowser/14.30", UPGRADE, *FETCH
    ),
    "an app that names itself": headers(
        f"{PIXEL} Chrome/149.0.7100.50 Mobile Safari/537.36 SomeShop/4.2", UPGRADE, *FETCH
    ),
    "an app that names itself on ios": headers(f"{IPHONE} Mobile/15E148 SomeShop/4.2", *FETCH),
    "a program on electron": headers(
        f"Mozilla/5.0 (X11; Linux x86_64) {BLINK} SomeMail/4.4 Chrome/146.0.7103.115 Electron/36.3.2 Safari/537.36",
        *(UPGRADE, *FETCH, USER, *hints(146, "Linux")),
    ),
    "instagram": headers(f"{PIXEL} Chrome/149.0.7100.50 Mobile Safari/537.36 Instagram 380.0", *FETCH),
    "duckduckgo": headers(f"{IPHONE} Version/18.5 Mobile/15E148 DuckDuckGo/7 Safari/605.1.15", ("Sec-GPC", "1")),
    "puffin": headers(f"Mozilla/5.0 (X11; U; Linux x86_64; en-gb) {BLINK} Chrome/146.0 Safari/537.36 Puffin/9.7"),
    "legacy edge": headers(
        f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {BLINK} Chrome/70.0.3538.102 Safari/537.36 Edge/18.19042",
        UPGRADE,
    ),
    "lynx": (("User-Agent", "Lynx/2.9.0 libwww-FM/2.14"), ("Accept", "text/html"), ("Accept-Language", "en")),
    "elinks": (("User-Agent", "ELinks/0.16 (textmode; Linux; 80x24)"), ("Accept", "*/*")),
    "opera mini": (("User-Agent", "Opera/9.80 (Android; Opera Mini/80.0/191; U; en) Presto/2.12 Version/12.16"), PAGES),
}  # fmt: skip


def plain(sent: Headers) -> Headers:
    """Return what the same browser sends without TLS: no metadata, no hints, older encodings."""
    kept = [(name, value) for name, value in sent if not name.lower().startswith("sec-") or name == "Sec-GPC"]
    return tuple(
        (name, "gzip, deflate") if name == "Accept-Encoding" else (name, value) for name, value in kept
    )


async def clicks(world, *until: float):
    await world.settle(*until)
    return [row async for row in world.store.clicks(Filter())]


@pytest.mark.parametrize("sent", OVER_TLS.values(), ids=OVER_TLS.keys())
async def test_a_person_with_any_browser_is_not_blamed_over_tls(world, sent):
    judged = await world.judged(at=20 * MINUTES, headers=sent)
    assert "request.contradiction" not in reasons(judged)
    assert judged.verdict.kind is VerdictKind.HUMAN


@pytest.mark.parametrize("sent", [plain(sent) for sent in OVER_TLS.values()], ids=OVER_TLS.keys())
async def test_a_person_with_any_browser_is_not_blamed_over_plain_http(world, sent):
    world.secure = False
    judged = await world.judged(at=20 * MINUTES, headers=sent)
    assert "request.contradiction" not in reasons(judged)
    assert judged.verdict.kind is VerdictKind.HUMAN


@pytest.mark.parametrize("name", ["chrome on an ipad", "firefox on an ipad"])
async def test_a_browser_of_an_ipad_that_gives_itself_out_for_a_macs_is_apples_engine(world, name):
    judged = await world.judged(at=20 * MINUTES, headers=OVER_TLS[name])
    assert reasons(judged)["request.coherent"] == "safari"
    assert "request.engine-dead" not in reasons(judged)


async def test_the_last_safari_of_a_telephone_is_not_an_old_one_yet(world):
    """iOS 26 is for the iPhone 11 and later; those of 2018 stay with Safari 18."""
    judged = await world.judged(at=20 * MINUTES, headers=OVER_TLS["safari 18"])
    assert "request.engine-dead" not in reasons(judged)


OLD = "Mozilla/5.0 (Windows NT 6.1; WOW64"
DEAD = {
    "firefox 40": headers(f"{OLD}; rv:40.0) Gecko/20100101 Firefox/40.1"),
    "firefox 68": headers(f"{OLD}; rv:68.0) Gecko/20100101 Firefox/68.0", UPGRADE),
    "chrome 41": headers(f"{OLD}) {BLINK} Chrome/41.0.2228.0 Safari/537.36"),
    "chrome 41 on a telephone": headers(
        f"Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X) {BLINK} Chrome/41.0.2272.96 Mobile Safari/537.36"
    ),
    "safari 7": headers("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_9_3) AppleWebKit/537.75.14 "
    "(KHTML, like Gecko) Version/7.0.3 Safari/7046A194A"),
}  # fmt: skip


@pytest.mark.parametrize("name", DEAD)
async def test_an_agent_of_ten_years_ago_needs_no_more_headers_than_a_program_sends(world, name):
    judged = await world.judged(at=20 * MINUTES, headers=DEAD[name])
    assert "request.coherent" not in reasons(judged)
    assert judged.verdict.kind is VerdictKind.UNCERTAIN


KEPT = {
    "safari 10": f"{IPHONE.replace('18_5', '10_3_4')} Version/10.0 Mobile/14G61 Safari/602.1",
    "firefox 48": "Mozilla/5.0 (Mobile; Nokia_2720_Flip; rv:48.0) Gecko/48.0 Firefox/48.0 KAIOS/2.5.2.2",
    "safari 5": f"Mozilla/5.0 (X11; U; Linux armv7l like Android; en-us) {WEBKIT} Version/5.0 Safari/533.2+ Kindle/3.0+",
}


@pytest.mark.parametrize("engine", KEPT)
async def test_the_only_browser_that_a_device_can_have_is_coherent_however_old_it_is(world, engine):
    judged = await world.judged(at=20 * MINUTES, headers=headers(KEPT[engine], UPGRADE))
    assert reasons(judged)["request.coherent"] == engine
    assert judged.verdict.kind is VerdictKind.HUMAN


CHROME_100 = f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {BLINK} Chrome/100.0.0.0 Safari/537.36"
MODERN = (UPGRADE, *FETCH, USER, *hints(100, "Windows"))


def asking_for(sent: Headers, accept: tuple[str, str]) -> Headers:
    return tuple(accept if name == "Accept" else (name, value) for name, value in sent)


@pytest.mark.parametrize(
    ("sent", "detail"),
    [
        (headers(CHROME_100, *MODERN, ("Priority", "u=0, i")), "Priority from chromium 100"),
        (
            tuple(
                (name, "gzip, deflate, br, zstd") if name == "Accept-Encoding" else (name, value)
                for name, value in headers(CHROME_100, *MODERN)
            ),
            "zstd accepted by chromium 100",
        ),
        (headers(CHROME_100, *MODERN[1:]), "no Upgrade-Insecure-Requests"),
        (headers(f"{MAC} Version/18.5 Safari/605.1.15", *FETCH, USER), "Sec-Fetch-User from Safari"),
        (headers(CHROME_100, UPGRADE, *FETCH, *hints(100, "Windows", "?1")), "client hints say mobile"),
        (headers(f"{MAC} Version/17.5 Safari/605.1.15"), "no Sec-Fetch-Mode"),
        (
            headers(CHROME_100, UPGRADE, ("Sec-Fetch-Mode", "no-cors"), *hints(100, "Windows")),
            "Sec-Fetch-Mode no-cors, which is no navigation",
        ),
        (
            headers(
                f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {BLINK} Chrome/142.0.7444.163 Safari/537.36",
                *(UPGRADE, *FETCH, USER, *hints(142, "Windows")),
            ),
            "a build of Chrome 142, which names none",
        ),
        (
            headers("Mozilla/5.0 (Macintosh; Intel Mac OS X 11.6; rv:92.0) Gecko/20100101 Firefox/92.0"),
            "a newer system than firefox 92 ever names",
        ),
        (
            headers(f"{MAC.replace('10_15_7', '14_5')} Version/17.5 Safari/605.1.15", *FETCH),
            "a newer system than safari 17 ever names",
        ),
        (asking_for(headers(CHROME_100, *MODERN), PAGES), "no image/webp in Accept"),
        (asking_for(OVER_TLS["safari 18"], PICTURES), "Chromium's Accept from safari"),
        (asking_for(FIREFOX, PICTURES), "Chromium's Accept from firefox"),
        (headers(f"{MAC} Version/17.5 Safari/605.1.15", *FETCH[1:]), "no Sec-Fetch-Site over TLS"),
    ],
)
async def test_what_an_engine_cannot_have_sent_is_a_contradiction(world, sent, detail):
    judged = await world.judged(at=20 * MINUTES, headers=sent)
    assert detail in reasons(judged)["request.contradiction"]
    assert "request.coherent" not in reasons(judged)


@pytest.mark.parametrize("name", ["chrome", "firefox", "safari 18"])
async def test_brotli_without_tls_is_asked_for_by_programs_alone(world, name):
    world.secure = False
    sent = tuple(PACKED if pair[0] == "Accept-Encoding" else pair for pair in plain(OVER_TLS[name]))
    judged = await world.judged(at=20 * MINUTES, headers=sent)
    assert "br accepted over plain HTTP" in reasons(judged)["request.contradiction"]


@pytest.mark.parametrize("name", OVER_TLS)
async def test_a_front_that_does_not_tell_of_tls_costs_no_browser_its_coherence(world, name):
    """What only goes over TLS came over TLS, whatever the installation is told."""
    world.secure = False
    judged = await world.judged(at=20 * MINUTES, headers=OVER_TLS[name])
    assert "request.contradiction" not in reasons(judged)


SCRIPTS = {
    "chrome": f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {BLINK} Chrome/150.0.0.0 Safari/537.36",
    "a pixel": f"Mozilla/5.0 (Linux; Android 10; K) {BLINK} Chrome/150.0.0.0 Mobile Safari/537.36",
}


@pytest.mark.parametrize("name", SCRIPTS)
async def test_a_script_that_borrows_an_agent_is_no_click_hours_later_though_it_keeps_cookies(world, name):
    """A crawler that comes when people come, with the headers that tutorials set beside an agent."""
    sent = (("User-Agent", SCRIPTS[name]), PAGES, ENGLISH, PACKED, UPGRADE)
    first = await world.judged(at=600 * MINUTES, headers=sent)
    assert first.answer.kind is AnswerKind.HOP
    back = world.hop_url(at=600 * MINUTES)
    await world.judged(at=600 * MINUTES + 0.2, headers=(*sent, ("Cookie", "hop=1")), target=back)
    assert await clicks(world, 610 * MINUTES) == []


@pytest.mark.parametrize("name", ["chrome", "firefox", "safari 18"])
async def test_who_comes_through_a_proxy_that_takes_such_headers_away_is_kept_by_the_hop(world, name):
    """With all else that the browser sends; a program lacks more."""
    sent = tuple(pair for pair in OVER_TLS[name] if not pair[0].lower().startswith("sec-"))
    first = await world.judged(at=600 * MINUTES, headers=sent)
    assert (first.verdict.kind, first.answer.kind) == (VerdictKind.UNCERTAIN, AnswerKind.HOP)
    back = world.hop_url(at=600 * MINUTES)
    await world.judged(at=600 * MINUTES + 0.2, headers=(*sent, ("Cookie", "hop=1")), target=back)
    assert len(await clicks(world, 610 * MINUTES)) == 1


PAST_CACHES = (("Pragma", "no-cache"), ("Cache-Control", "no-cache"))


async def test_a_browser_whose_cache_is_off_is_driven_by_a_program_whenever_it_comes(world):
    """Puppeteer and Playwright switch it off when requests are looked at on their way."""
    first = await world.judged(at=600 * MINUTES, headers=(*PAST_CACHES, *CHROME))
    assert "request.cache-off" in reasons(first)
    assert "request.coherent" not in reasons(first)
    back = world.hop_url(at=600 * MINUTES)
    again = (*PAST_CACHES, *CHROME, ("Cookie", "hop=1"))
    await world.judged(at=600 * MINUTES + 0.2, headers=again, target=back)
    assert await clicks(world, 610 * MINUTES) == []


@pytest.mark.parametrize(
    "sent",
    [
        (*CHROME, ("Cache-Control", "max-age=0")),
        (*CHROME, ("Cache-Control", "max-age=259200"), ("Pragma", "no-cache")),
        (*PAST_CACHES, *OVER_TLS["android webview"]),
        (*PAST_CACHES, *OVER_TLS["wkwebview"]),
        (*PAST_CACHES, *OVER_TLS["an electron program"]),
    ],
    ids=["reloaded", "by a caching proxy", "an app on android", "an app on ios", "electron"],
)
async def test_who_reloads_or_has_an_app_without_a_cache_is_a_person(world, sent):
    judged = await world.judged(at=20 * MINUTES, headers=sent)
    assert "request.cache-off" not in reasons(judged)
    assert judged.verdict.kind is VerdictKind.HUMAN


async def test_a_remote_browser_of_a_web_gateway_is_not_blamed_for_its_cache(world):
    world.policy = policy.load(
        '[networks.gateway]\nrole = "people"\ncertainty = "certain"\ncidrs = ["203.0.113.0/24"]'
    )
    judged = await world.judged(at=20 * MINUTES, headers=(*PAST_CACHES, *CHROME), client=HOME)
    assert "request.cache-off" not in reasons(judged)
    assert judged.verdict.kind is VerdictKind.HUMAN


async def test_the_whole_office_sequence_is_one_click_of_the_browser(world):
    for place, (method, agent) in enumerate(
        [
            ("OPTIONS", "Microsoft Office Protocol Discovery"),
            ("HEAD", "Microsoft Office Existence Discovery"),
            ("GET", "Mozilla/4.0 (compatible; ms-office; MSOffice 16)"),
        ]
    ):
        look = await world.judged(at=900 + place * 0.2, method=method, headers=(("User-Agent", agent),))
        assert look.answer.kind is AnswerKind.PRECHECK
    person = await world.judged(at=901.5)
    assert (person.verdict.kind, person.answer.kind) == (VerdictKind.HUMAN, AnswerKind.REDIRECT)
    assert [row.visit_id for row in await clicks(world)] == [person.visit_id]


async def test_legacy_edge_that_asks_by_head_first_is_one_click(world):
    edge = OVER_TLS["legacy edge"]
    head = await world.judged(at=900, method="HEAD", headers=edge)
    person = await world.judged(at=900.2, headers=edge)
    assert (head.verdict.kind, head.answer.kind) == (VerdictKind.MACHINE, AnswerKind.REDIRECT)
    assert [row.visit_id for row in await clicks(world)] == [person.visit_id]


IMESSAGE = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_11_1) AppleWebKit/601.2.4 (KHTML, like Gecko) Version/9.0.1 Safari/601.2.4 facebookexternalhit/1.1 Facebot Twitterbot/1.0"


async def test_an_imessage_preview_from_the_readers_own_address_takes_nothing_from_the_click(world):
    preview = await world.judged(at=900, headers=(("User-Agent", IMESSAGE), PAGES, ENGLISH, PACKED))
    person = await world.judged(at=903, headers=OVER_TLS["safari 18"])
    assert preview.verdict.kind is VerdictKind.MACHINE
    assert [row.visit_id for row in await clicks(world)] == [person.visit_id]


@pytest.mark.parametrize("purpose", ["prefetch", "prefetch;prerender", "prefetch;anonymous-client-ip"])
async def test_a_browser_that_fetches_ahead_and_then_goes_is_one_click(world, purpose):
    ahead = await world.judged(at=900, headers=(*CHROME, ("Sec-Purpose", purpose)))
    person = await world.judged(at=904)
    assert ahead.answer.kind is AnswerKind.RETRY
    assert [row.visit_id for row in await clicks(world)] == [person.visit_id]


async def test_a_browser_that_fetches_ahead_and_never_goes_is_no_click(world):
    await world.judged(at=900, headers=(*CHROME, ("Sec-Purpose", "prefetch;prerender")))
    assert await clicks(world) == []


async def test_fetching_ahead_through_the_makers_proxy_is_no_second_network(world):
    ahead = (*CHROME, ("Sec-Purpose", "prefetch;anonymous-client-ip"))
    for client in ("198.51.100.1", "192.0.2.7"):
        await world.judged(at=900, headers=ahead, client=client)
    person = await world.judged(at=904)
    assert "message.several-networks" not in reasons(person)
    assert [row.visit_id for row in await clicks(world)] == [person.visit_id]


@pytest.mark.parametrize("gap", [0.0, 0.4, 2.0])
async def test_gmails_double_hit_is_one_click(world, gap):
    referred = (*CHROME, ("Referer", "https://mail.google.com/"))
    first = await world.judged(at=900, headers=referred)
    await world.judged(at=900 + gap, headers=referred)
    assert [row.visit_id for row in await clicks(world)] == [first.visit_id]
