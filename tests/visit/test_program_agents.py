"""Programs and browsers that are on no list: known by what they say of themselves and what they ask for."""

from __future__ import annotations

import pytest
from claims.browsers import CHROME, FIREFOX

from linkproxy.model import AnswerKind, VerdictKind
from linkproxy.store.api import Filter
from linkproxy.visit import policy

HOUR = 3600.0
BLINK = "AppleWebKit/537.36 (KHTML, like Gecko)"
APPLE = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
WINDOWS = f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {BLINK} Chrome/150.0.0.0 Safari/537.36"
IPHONE = (
    f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) {APPLE} Version/18.5 Mobile/15E148 Safari/604.1"
)
WEBVIEW = f"Mozilla/5.0 (Linux; Android 14; wv) {BLINK} Version/4.0 Chrome/150.0.0.0 Mobile Safari/537.36"
PAGES = (("Accept", "text/html, */*;q=0.1"), ("Accept-Language", "en"), ("Accept-Encoding", "gzip"))


def sent_by(text, headers=CHROME):
    return tuple((name, text if name == "User-Agent" else value) for name, value in headers)


def without_lists():
    """Return the rules as they were if nobody kept a list of crawlers and programs."""
    return policy.load('[agents]\nprograms = []\n[signals."request.previewer"]\nweight = 0.0\n')


def weight(judged, name):
    return next((item.weight for item in judged.verdict.evidence if item.name == name), None)


@pytest.mark.parametrize(
    "text",
    [
        "Mozilla/5.0 (compatible; NewThingBot/1.0)",
        "Mozilla/5.0 (compatible; LinkInspector)",
        f"Mozilla/5.0 (X11; Linux x86_64) {BLINK} Chrome/150.0.0.0 Safari/537.36 (compatible; LinkInspector/2.0)",
        f"Mozilla/5.0 (X11; Linux x86_64) {BLINK} SomePreview/2.0",
        "Mozilla/5.0 (Windows NT 10.0) LinkInspector (+https://inspector.example/about)",
        "Mozilla/5.0 (compatible; operator@inspector.example)",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko; Link-Thumbnails) Chrome/150.0.0.0 Safari/537.36",
        "Mozilla/5.0 (compatible; LinkInspector/2.0; public research)",
        "Mozilla/5.0 LinkInspector/2.0",
        "Mozilla/5.0 LinkInspector",
        f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_11_1) {APPLE} Version/9.0.1 Safari/601.2.4 Twitterbot/1.0",
    ],
)
async def test_a_robot_that_names_itself_is_known_without_a_list(world, text):
    world.policy = without_lists()
    judged = await world.judged(at=HOUR, headers=sent_by(text))
    assert weight(judged, "request.robot-word") > 20
    assert judged.verdict.kind is not VerdictKind.HUMAN


@pytest.mark.parametrize(
    "text",
    [
        "Mozilla/5.0 (compatible; Konqueror/4.4; Linux) KHTML/4.4.5 (like Gecko) Kubuntu",
        "Mozilla/5.0 (compatible; IBrowse 3.0; AmigaOS4.0)",
        f"Mozilla/5.0 (Linux; Android 14; CUBOT NOTE 50) {BLINK} Chrome/150.0.0.0 Mobile Safari/537.36",
        WINDOWS,
        f"{WINDOWS} Edg/150.0.0.0",
        f"{WINDOWS} OPR/120.0.0.0",
        f"Mozilla/5.0 (Linux; Android 14; wv) {BLINK} Chrome/150.0.0.0 Mobile Safari/537.36 [FB_IAB/FB4A;FBAV/9;]",
        f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) {APPLE} CriOS/150.0.0.0 Mobile/15E148 Safari/604.1",
        f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) {APPLE} Mobile/15E148 Safari (Ecosia ios@11.2.0.1)",
        f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) {APPLE} Mobile/15E148 Twitter for iPhone/10.68",
        f"Mozilla/5.0 (Linux; U; Android 13) {BLINK} Chrome/150.0.0.0 Mobile Safari/537.36 XiaoMi/MiuiBrowser/14.10.1-gn",
        f"Mozilla/5.0 (Linux; arm_64; Android 14) {BLINK} Chrome/150.0.0.0 YaBrowser/26.2.1.1.00 SA/3 Mobile Safari/537.36",
        f"{WEBVIEW} Instagram 406.0.0.58.159 Android (35/15; 480dpi; 1080x2400; OPPO; CPH2557; en_GB; 1; IABMV/1) NV/1",
        f"{WEBVIEW} trill_380505 BytedanceWebview/d8a21c6 JsSdk/1.0 NetType/WIFI Channel/googleplay AppName/musical_ly",
        f"{WEBVIEW} T7/15.25 SP-engine/3.50.0 bd_dvt/0 baiduboxapp/15.25.0.11 (Baidu; P1 15) NABar/1.0",
        f"{WEBVIEW} BingSapphire/31.4.2110003555",
        f"Mozilla/5.0 (Linux; Android 14; wv) {BLINK} Chrome/150.0 Whale/1.0.0.0 Crosswalk/29.1 Mobile Safari/537.36 NAVER(inapp)",
        f"Mozilla/5.0 (Linux; arm; Android 10; K) {BLINK} Chrome/132.0 YaSearchBrowser/25.30 BroPP/1.0 YaSearchApp/25.30 SA/3",
        f"Mozilla/5.0 (Linux; Android 15; en-US; K) {BLINK} Chrome/123.0.6312.80 UCMobile/15.0.6.1382 Mobile Safari/537.36",
        f"Mozilla/5.0 (Linux; Android 10; A8110) {BLINK} Chrome/150.0.0.0 Safari/537.36 Mobile VR Wolvic/1.0",
        "Mozilla/5.0 (X11; Linux i686 on x86_64; rv:140.0) Gecko/20100101 Firefox/140.0 Ordissimo/3.8.20+svn37598",
        f"{WINDOWS} SLBrowser/9.0.8.7271 SLBChan/123 SLBVPV/64-bit",
        f"{WINDOWS} QuarkPC/6.8.7.860",
        f"{WINDOWS} dingtalk-win/1.0.0 nw(0.14.7) DingTalk(7.8.0) Mojo/1.0.0 Native AppType(release)",
        f"{WINDOWS} NetType/WIFI MicroMessenger/6.8.0(0x16080000) MacWechat/3.8.10(0x13080a10) XWEB/1227 Flue",
        "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Betterbird/140.5.0",
        f"Mozilla/5.0 (Phone; OpenHarmony 6.1) {BLINK} Chrome/132.0.0.0 Safari/537.36 ArkWeb/6.1.0.117 Mobile",
    ],
)
async def test_a_persons_agent_has_no_robots_word_and_no_unknown_product(world, text):
    judged = await world.judged(at=HOUR, headers=sent_by(text))
    assert weight(judged, "request.robot-word") is None
    assert weight(judged, "request.unknown-product") is None


@pytest.mark.parametrize(
    "text",
    [
        # The list has this build for 80legs'; all OPPO, OnePlus and Xiaomi telephones with Android 15 have it.
        WEBVIEW.replace("Android 14; wv", "Android 15; CPH2609 Build/AP3A.240617.008; wv"),
        f"{WEBVIEW} Viber/25.1.0.3",
        f"{WEBVIEW} AWP/2.0 SogouMSE,SogouMobileBrowser/5.21.8",
    ],
)
async def test_an_apps_browser_is_not_taken_for_a_crawler_of_a_like_name(world, text):
    judged = await world.judged(at=HOUR, headers=(("User-Agent", text), *PAGES))
    assert weight(judged, "request.previewer") is None


@pytest.mark.parametrize(
    "model", ["ViewSonic VPC12", "Fever_Plus", "M bot 60", "Spider 8", "Expanse", "Butterfly"]
)
@pytest.mark.parametrize(
    "system",
    [
        "Linux; Android 14; {}",
        "Linux; Android 8.1.0; {} Build/O11019; wv",
        "Linux; U; Android 13; en-us; {} Build/TP1A",
    ],
)
async def test_a_telephone_is_not_taken_for_a_robot_by_its_model(world, model, system):
    text = f"Mozilla/5.0 ({system.format(model)}) {BLINK} Version/4.0 Chrome/150.0.0.0 Mobile Safari/537.36"
    judged = await world.judged(at=HOUR, headers=(("User-Agent", text), *PAGES))
    assert weight(judged, "request.previewer") is None
    assert weight(judged, "request.robot-word") is None
    assert judged.verdict.kind is VerdictKind.HUMAN


@pytest.mark.parametrize(
    "system",
    [
        "Linux; Android 14; SomeBot/2.1",
        "Linux; Android 14; +http://somebot.example",
        "Linux; Android 14; Pixel 8; SomeBot",
        "compatible; SomeBot; Android 14",
    ],
)
async def test_a_robot_that_names_itself_beside_a_telephone_is_known(world, system):
    judged = await world.judged(
        at=HOUR, headers=sent_by(f"Mozilla/5.0 ({system}) {BLINK} Chrome/150.0.0.0 Mobile Safari/537.36")
    )
    assert weight(judged, "request.robot-word") > 20


@pytest.mark.parametrize(
    "text",
    [
        "Viber",
        "Sogou web spider/4.0",
        "Mozilla/5.0 (compatible; 008/0.85; http://www.80legs.com/webcrawler.html)",
    ],
)
async def test_the_crawler_of_that_name_is_still_one(world, text):
    judged = await world.judged(at=HOUR, headers=(("User-Agent", text), *PAGES))
    assert weight(judged, "request.previewer") > 40


@pytest.mark.parametrize(
    "text",
    [
        "node",
        "undici",
        "GuzzleHttp/7",
        "Java-http-client/17.0.2",
        "PostmanRuntime/7.36.0",
        "Dart/3.2 (dart:io)",
        "Microsoft BITS/7.8",
        "Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1.19041.3803",
        "Mozilla/4.0 (compatible; Win32; WinHttp.WinHttpRequest.5)",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64)",
        "Mozilla/5.0 (X11; Linux x86_64)",
    ],
)
async def test_a_library_is_a_program_also_where_it_asks_for_pages_in_a_language(world, text):
    judged = await world.judged(at=HOUR, headers=(("User-Agent", text), *PAGES))
    assert weight(judged, "request.program") > 30
    assert judged.verdict.kind is not VerdictKind.HUMAN


async def test_a_browser_under_another_agent_is_known_by_client_hints_that_say_headless(world):
    brands = '"Not;A=Brand";v="8", "Chromium";v="150", "HeadlessChrome";v="150"'
    driven = tuple((name, brands if name == "sec-ch-ua" else value) for name, value in CHROME)
    judged = await world.judged(at=HOUR, headers=driven)
    assert weight(judged, "request.robot-word") > 20
    assert judged.verdict.kind is not VerdictKind.HUMAN


@pytest.mark.parametrize(
    ("host", "agent"),
    [("OneOutlook/1.2026.1001", WINDOWS), ("", f"{WINDOWS} Edg/150.0.0.0 OneOutlook/1.2026.1001")],
    ids=["by header", "by agent"],
)
async def test_the_new_outlook_has_a_browsers_headers_and_is_none(world, host, agent):
    headers = (*sent_by(agent), *((("x-native-host", host),) if host else ()))
    judged = await world.judged(at=HOUR, headers=headers)
    assert weight(judged, "request.native-host") > 20
    assert weight(judged, "request.coherent") is None


async def test_a_program_that_borrows_a_browsers_agent_is_known_by_its_own_product(world):
    judged = await world.judged(at=HOUR, headers=sent_by(f"{WINDOWS} Edg/150.0.0.0 LooksAhead/1.2"))
    assert weight(judged, "request.unknown-product") > 10
    assert weight(judged, "request.coherent") is None


@pytest.mark.parametrize(
    "text",
    [
        f"{WEBVIEW} SomeShop/4.2",
        f"{WEBVIEW.replace('; wv', '')} SomeBrowser/4.2",
        f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) {APPLE} Mobile/15E148 SomeShop/4.2 (iPhone15,2)",
        f"Mozilla/5.0 (X11; Linux x86_64) {BLINK} SomeMail/4.2 Chrome/150.0.0.0 Electron/36.3.2 Safari/537.36",
    ],
)
async def test_an_app_that_shows_pages_to_people_may_have_any_name(world, text):
    """WebViews and Electron put the app's name there; a scanner that borrows an agent takes a browser's."""
    judged = await world.judged(at=HOUR, headers=(("User-Agent", text), *PAGES))
    assert weight(judged, "request.unknown-product") is None
    assert weight(judged, "request.coherent") < 0


async def test_an_app_that_calls_itself_a_robot_is_one_all_the_same(world):
    judged = await world.judged(at=HOUR, headers=(("User-Agent", f"{WEBVIEW} SomeBot/4.2"), *PAGES))
    assert weight(judged, "request.robot-word") > 20
    assert judged.verdict.kind is not VerdictKind.HUMAN


async def test_a_click_in_an_unheard_of_app_counts_without_a_delivery_time(unheard):
    text = f"{WEBVIEW} SomeShop/4.2"
    await unheard.judged(at=HOUR, headers=(("User-Agent", text), *PAGES))
    await unheard.settle(2 * HOUR)
    assert len([row async for row in unheard.store.clicks(Filter())]) == 1


async def test_a_browser_that_is_kept_up_but_names_an_old_firefox_is_not_an_old_one(world):
    gecko = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:102.0)"
    asked = (("Accept", "text/html,*/*;q=0.8"), ("Accept-Language", "en"), ("Accept-Encoding", "gzip, br"))
    old = await world.judged(
        at=HOUR, headers=(("User-Agent", f"{gecko} Gecko/20100101 Firefox/102.0"), *asked)
    )
    agent = f"{gecko} Goanna/6.7 Firefox/102.0 PaleMoon/33.1.0"
    kept_up = await world.judged(at=HOUR, headers=(("User-Agent", agent), *asked))
    assert weight(old, "request.engine-dead") > 0
    assert weight(kept_up, "request.engine-dead") is None
    assert kept_up.verdict.kind is VerdictKind.HUMAN


@pytest.mark.parametrize(
    ("headers", "least"),
    [
        ((), 24.0),
        ((("Accept", "*/*"),), 24.0),
        ((("Accept", "*/*"), ("Accept-Encoding", "gzip")), 20.0),
        ((("Accept", "text/html"), ("Accept-Encoding", "gzip")), 4.0),
    ],
)
async def test_who_asks_for_no_page_and_no_language_is_hardly_a_browser(world, headers, least):
    world.policy = without_lists()
    judged = await world.judged(at=HOUR, headers=(("User-Agent", "Mozilla/5.0 (odd)"), *headers))
    assert weight(judged, "request.sparse") == least


@pytest.mark.parametrize(
    ("headers", "least"),
    [((("Accept", "*/*"),), 24.0), ((("Accept", "*/*"), ("Accept-Encoding", "gzip, deflate")), 20.0)],
    ids=["curl", "requests"],
)
async def test_a_bare_request_says_no_less_under_a_browsers_name(world, headers, least):
    judged = await world.judged(at=HOUR, headers=(("User-Agent", WINDOWS), *headers))
    assert weight(judged, "request.sparse") == least


@pytest.mark.parametrize("accepts", [(), (("Accept-Encoding", "gzip, deflate"),)], ids=["curl", "requests"])
@pytest.mark.parametrize(
    "agent", [WINDOWS, IPHONE, "Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1; SV1)"]
)
async def test_a_bare_request_hours_later_is_no_click_though_it_keeps_cookies(world, agent, accepts):
    """A session of python-requests follows the extra hop with its cookie, as a browser does."""
    headers = (("User-Agent", agent), ("Accept", "*/*"), *accepts)
    first = await world.judged(at=HOUR, headers=headers)
    assert first.answer.kind is AnswerKind.HOP
    back = world.hop_url(at=HOUR)
    await world.judged(at=HOUR + 0.2, headers=(*headers, ("Cookie", "hop=1")), target=back)
    await world.settle(2 * HOUR)
    assert [row async for row in world.store.clicks(Filter())] == []


async def test_a_browser_with_all_its_headers_is_not_sparse(world):
    for headers in (CHROME, FIREFOX, (("User-Agent", "ELinks/0.16 (textmode; Linux)"), ("Accept", "*/*"))):
        assert weight(await world.judged(at=HOUR, headers=headers), "request.sparse") is None


async def test_a_reader_of_unknown_name_that_asks_for_pages_in_a_language_is_no_program(world):
    world.policy = policy.load("[agents]\nbrowsers = []\n")
    reader = await world.judged(at=HOUR, headers=(("User-Agent", "Lynx/2.9.2 libwww-FM/2.14"), *PAGES))
    assert weight(reader, "request.program") is None
    assert weight(reader, "request.text-browser") < 0
    assert reader.verdict.kind is VerdictKind.HUMAN


@pytest.mark.parametrize(
    "text", ["LinkPreview/2.1", "Notebot/1.0", "Guzzle-Fetcher", "python-requests/2.32.5"]
)
async def test_a_robot_that_names_itself_is_no_text_browser_whatever_it_asks_for(world, text):
    robot = await world.judged(at=HOUR, headers=(("User-Agent", text), *PAGES))
    assert weight(robot, "request.text-browser") is None
    assert robot.verdict.kind is not VerdictKind.HUMAN


@pytest.mark.parametrize(
    ("text", "accept", "version"),
    [
        ("Lynx/2.9.2 libwww-FM/2.14", "text/html, text/plain, */*;q=0.01", "1.0"),
        ("w3m/0.5.3+git20230121", "text/html, text/*;q=0.5, image/*", "1.0"),
        ("ELinks/0.16 (textmode; Linux)", "*/*", "1.1"),
        ("Links (2.29; Linux x86_64; text)", "*/*", "1.1"),
        ("edbrowse/3.8.10", "*/*", "1.1"),
    ],
)
async def test_a_reader_by_text_browser_is_a_person(world, text, accept, version):
    headers = (("User-Agent", text), ("Accept", accept), ("Accept-Language", "en"))
    judged = await world.judged(at=HOUR, headers=headers, http_version=version)
    assert judged.verdict.kind is VerdictKind.HUMAN
    assert weight(judged, "request.text-browser") < 0
    assert weight(judged, "request.http-1.0") is None


async def test_a_reader_in_emacs_is_a_person_though_no_language_is_asked_for(world):
    """EWW sends what url-http.el sends, and emacspeak reads it to the blind."""
    emacs = (("User-Agent", "URL/Emacs Emacs/30.1 (X11; x86_64-pc-linux-gnu)"), ("Accept", "*/*"))
    judged = await world.judged(at=HOUR, headers=(*emacs, ("Accept-Encoding", "gzip")))
    assert judged.verdict.kind is VerdictKind.HUMAN


async def test_a_resolver_that_borrows_a_text_browsers_name_is_no_reader(world):
    judged = await world.judged(headers=(("User-Agent", "Lynx/2.9.2 libwww-FM/2.14"),), http_version="1.0")
    assert weight(judged, "request.text-browser") is None
    assert weight(judged, "request.http-1.0") > 0


async def test_browsers_that_scanners_do_not_drive_speak_louder_for_a_person(world):
    desk = await world.judged(at=HOUR)
    firefox = await world.judged("two", at=HOUR + 1000, headers=FIREFOX)
    assert weight(firefox, "request.coherent") < weight(desk, "request.coherent") < 0


async def test_a_click_in_webmail_speaks_louder_for_a_person_than_an_opened_url(world):
    webmail = tuple((name, "cross-site" if name == "Sec-Fetch-Site" else value) for name, value in CHROME)
    opened = await world.judged(at=HOUR)
    clicked = await world.judged("two", at=HOUR + 1000, headers=webmail)
    assert weight(clicked, "request.coherent") < weight(opened, "request.coherent") < 0


async def test_a_quick_click_by_phone_is_a_persons(world):
    """A minute after delivery most visits are scanners', and none of those was a telephone's."""
    phone = sent_by(
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
        "Version/18.5 Mobile/15E148 Safari/604.1",
        tuple(
            (name, value)
            for name, value in CHROME
            if name not in {"sec-ch-ua", "sec-ch-ua-mobile", "sec-ch-ua-platform", "Sec-Fetch-User"}
        ),
    )
    first = await world.judged(at=45.0, headers=phone)
    await world.judged(at=45.1, headers=(*phone, ("Cookie", "hop=1")), target=world.hop_url(at=45.0))
    await world.settle()
    rows = [row.entry async for row in world.store.visits(filters())]
    assert first.verdict.kind is not VerdictKind.MACHINE
    assert {entry.settled.kind for entry in rows} == {VerdictKind.HUMAN}


def filters():
    from linkproxy.store.api import Filter

    return Filter()
