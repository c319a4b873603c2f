"""What clients send: the headers of browsers over TLS and over plain HTTP, and those of programs.

Sources: curl-impersonate's captures (header order and presence by engine), browser-compat-data and
W3C Fetch Metadata section 2 (``Sec-Fetch-*`` and client hints go to https origins alone), and the
strings that people posted with their own logs. The judge does not read this file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

    from bench.detection.traffic import Headers

BLINK = "AppleWebKit/537.36 (KHTML, like Gecko)"
APPLE = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
WINDOWS = "Windows NT 10.0; Win64; x64"
WINDOWS_7 = "Windows NT 6.1; Win64; x64"
MAC = "Macintosh; Intel Mac OS X 10_15_7"
LINUX = "X11; Linux x86_64"
ANDROID = "Linux; Android 10; K"
_HINTED = {WINDOWS: "Windows", MAC: "macOS", LINUX: "Linux", ANDROID: "Android"}

LANGUAGES = (
    "en-US,en;q=0.9",
    "en-GB,en;q=0.9",
    "de-DE,de;q=0.9,en;q=0.8",
    "fr-FR,fr;q=0.9",
    "es-ES,es;q=0.9",
)
_GECKO_LANGUAGES = ("en-US,en;q=0.5", "de,en-US;q=0.7,en;q=0.3", "fr,fr-FR;q=0.8,en-US;q=0.5,en;q=0.3")

_SIGNED = (
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,"
    "application/signed-exchange;v=b3;q=0.7"
)
_PLAIN_PAGE = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


def chromium(
    chance: Random,
    *,
    secure: bool,
    version: int = 0,
    system: str = WINDOWS,
    brand: str = "Google Chrome",
    suffix: str = "",
    from_webmail: bool | None = None,
) -> Headers:
    """Return a Chromium browser's navigation; version 0 draws a current one."""
    version = version or chance.choice((153, 154, 154, 155))
    agent = f"Mozilla/5.0 ({system}) {BLINK} Chrome/{version}.0.0.0"
    mobile = " Mobile" if system == ANDROID else ""
    webmail = chance.random() < 0.4 if from_webmail is None else from_webmail
    hints: Headers = (
        ("sec-ch-ua", f'"{brand}";v="{version}", "Chromium";v="{version}", "Not.A/Brand";v="24"'),
        ("sec-ch-ua-mobile", "?1" if mobile else "?0"),
        ("sec-ch-ua-platform", f'"{_HINTED.get(system, "Windows")}"'),
    )
    fetch: Headers = (
        ("sec-fetch-site", "cross-site" if webmail else "none"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-user", "?1"),
        ("sec-fetch-dest", "document"),
    )
    encodings = "gzip, deflate, br, zstd" if version >= 123 else "gzip, deflate, br"
    return (
        *(hints if secure and version >= 90 else ()),
        ("upgrade-insecure-requests", "1"),
        ("user-agent", f"{agent}{mobile} Safari/537.36{suffix}"),
        ("accept", _SIGNED),
        *(fetch if secure and version >= 80 else ()),
        *((("referer", "https://webmail.example/"),) if webmail else ()),
        ("accept-encoding", encodings if secure else "gzip, deflate"),
        ("accept-language", chance.choice(LANGUAGES)),
        *((("priority", "u=0, i"),) if secure and version >= 124 else ()),
    )


def edge(chance: Random, *, secure: bool, system: str = WINDOWS) -> Headers:
    """Return Edge, as company desktops have it."""
    version = chance.choice((152, 153, 154))
    return chromium(
        chance,
        secure=secure,
        version=version,
        system=system,
        brand="Microsoft Edge",
        suffix=f" Edg/{version}.0.0.0",
    )


def firefox(chance: Random, *, secure: bool, version: int = 0, system: str = WINDOWS) -> Headers:
    """Return Firefox's navigation; version 0 draws a current one or the long-term release."""
    version = version or chance.choice((140, 155, 156))
    fetch: Headers = (
        ("sec-fetch-dest", "document"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-site", chance.choice(("none", "cross-site"))),
        ("sec-fetch-user", "?1"),
    )
    encodings = "gzip, deflate, br, zstd" if version >= 128 else "gzip, deflate, br"
    return (
        ("user-agent", f"Mozilla/5.0 ({system}; rv:{version}.0) Gecko/20100101 Firefox/{version}.0"),
        ("accept", _PLAIN_PAGE),
        ("accept-language", chance.choice(_GECKO_LANGUAGES)),
        ("accept-encoding", encodings if secure else "gzip, deflate"),
        ("upgrade-insecure-requests", "1"),
        *(fetch if secure and version >= 90 else ()),
        *((("priority", "u=0, i"),) if secure and version >= 128 else ()),
    )


def safari(chance: Random, *, secure: bool, version: str = "", phone: bool = False) -> Headers:
    """Return Safari on a Mac or an iPhone: never Sec-Fetch-User, no Fetch Metadata before 16.4."""
    version = version or chance.choice(("18.6", "26.1", "26.4", "27.0"))
    major, minor = (int(part) for part in version.split(".")[:2])
    system = f"iPhone; CPU iPhone OS {min(major, 18)}_{minor} like Mac OS X" if phone else MAC
    mobile, end = (" Mobile/15E148", "604.1") if phone else ("", "605.1.15")
    fetch: Headers = (
        ("sec-fetch-dest", "document"),
        ("sec-fetch-site", "none"),
        ("sec-fetch-mode", "navigate"),
    )
    return (
        (
            "user-agent",
            f"Mozilla/5.0 ({system}) {APPLE} Version/{version}{mobile} Safari/{end}",
        ),
        ("accept", _PLAIN_PAGE),
        *(fetch if secure and (major, minor) >= (16, 4) else ()),
        ("accept-language", chance.choice(LANGUAGES)),
        *((("priority", "u=0, i"),) if secure and major >= 18 else ()),
        ("accept-encoding", "gzip, deflate, br" if secure else "gzip, deflate"),
    )


def ios_webview(chance: Random, *, secure: bool) -> Headers:
    """Return a mail app's own browser on iOS: WKWebView, without Version/ and Safari/."""
    fetch: Headers = (
        ("sec-fetch-dest", "document"),
        ("sec-fetch-site", "none"),
        ("sec-fetch-mode", "navigate"),
    )
    system = chance.choice(("18_6", "18_7", "17_6"))
    return (
        (
            "user-agent",
            f"Mozilla/5.0 (iPhone; CPU iPhone OS {system} like Mac OS X) {APPLE} Mobile/15E148",
        ),
        ("accept", _PLAIN_PAGE),
        *(fetch if secure else ()),
        ("accept-language", chance.choice(LANGUAGES)),
        ("accept-encoding", "gzip, deflate, br" if secure else "gzip, deflate"),
    )


def android_webview(chance: Random, *, secure: bool) -> Headers:
    """Return a mail app's WebView on Android, with the app's name in X-Requested-With."""
    version = chance.choice((148, 152, 154))
    system = f"Linux; Android {chance.choice((13, 14, 15))}; SM-A546B Build/UP1A.231005.007; wv"
    fetch: Headers = (
        ("sec-fetch-site", "none"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-user", "?1"),
        ("sec-fetch-dest", "document"),
    )
    return (
        ("upgrade-insecure-requests", "1"),
        (
            "user-agent",
            f"Mozilla/5.0 ({system}) {BLINK} Version/4.0 Chrome/{version}.0.7100.60 Mobile Safari/537.36",
        ),
        ("accept", _SIGNED),
        ("x-requested-with", chance.choice(("com.fsck.k9", "com.mail.mobile.android.mail"))),
        *(fetch if secure else ()),
        ("accept-encoding", "gzip, deflate, br, zstd" if secure else "gzip, deflate"),
        ("accept-language", chance.choice(LANGUAGES)),
    )


def facebook_app(chance: Random, *, secure: bool) -> Headers:
    """Return Facebook's in-app browser, whose agent crawler lists take for a crawler's."""
    version = chance.choice((150, 153))
    browser = chromium(chance, secure=secure, version=version, system=ANDROID, from_webmail=False)
    return (
        *without(browser, "accept-encoding", "accept-language", "priority"),
        ("accept-encoding", "gzip, deflate, br, zstd" if secure else "gzip, deflate"),
        ("accept-language", "en-US,en;q=0.9"),
        ("x-requested-with", "com.facebook.katana"),
    )


def text_browser(chance: Random) -> Headers:
    """Return Lynx, w3m, Links or ELinks."""
    agent = chance.choice(
        (
            "Lynx/2.9.2 libwww-FM/2.14 SSL-MM/1.4.1 OpenSSL/3.4.1",
            "w3m/0.5.3+git20230121",
            "Links (2.30; Linux 6.12.0 x86_64; GNU C 14.2; text)",
            "ELinks/0.18.0 (textmode; Linux 6.12 x86_64; 80x24-2)",
        )
    )
    return (
        ("user-agent", agent),
        ("accept", "text/html, text/plain, text/sgml, text/css, */*;q=0.01"),
        ("accept-encoding", "gzip, compress, bzip2"),
        ("accept-language", "en"),
    )


def opera_mini(chance: Random) -> Headers:
    """Return Opera Mini, whose pages are fetched by Opera's own servers."""
    version = chance.choice((36, 52, 68))
    return (
        (
            "user-agent",
            f"Opera/9.80 (Android; Opera Mini/{version}.2.2254/191.303; U; en) Presto/2.12.423 Version/12.16",
        ),
        ("accept", "text/html, application/xml;q=0.9, application/xhtml+xml, image/png, */*;q=0.1"),
        ("accept-language", "en-US,en;q=0.9"),
        ("accept-encoding", "gzip, deflate"),
    )


def over_plain(headers: Headers) -> Headers:
    """Return what a browser that sends these over TLS sends over plain HTTP/1.1."""
    kept = (pair for pair in headers if not pair[0].startswith("sec-") and pair[0] != "priority")
    return tuple(
        ("accept-encoding", "gzip, deflate") if name == "accept-encoding" else (name, value)
        for name, value in kept
    )


def without(headers: Headers, *names: str) -> Headers:
    """Return headers without some of them."""
    return tuple(pair for pair in headers if pair[0] not in names)


def also(headers: Headers, *more: tuple[str, str]) -> Headers:
    """Return headers with more of them at the end."""
    return (*headers, *more)
