"""What programs send: libraries, previewers, sandboxes, and the browsers that sandboxes drive.

Agents are those that people posted from their logs (gophish issues 973, 2446 and 2646;
davemateer.com 2021 for Barracuda; rspamd's and SpamAssassin's sources; crawler-user-agents).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.detection import browsers

if TYPE_CHECKING:
    from random import Random

    from bench.detection.traffic import Headers

DETONATION_VERSIONS = (57, 64, 72, 79, 80, 96, 97, 101, 125)
LIBRARIES = (
    "python-requests/2.32.5",
    "Go-http-client/1.1",
    "Go-http-client/2.0",
    "curl/8.14.1",
    "Java/17.0.11",
    "okhttp/4.12.0",
    "axios/1.7.9",
    "Apache-HttpClient/4.5.14 (Java/11.0.24)",
    "node-fetch/1.0 (+https://github.com/bitinn/node-fetch)",
    "libwww-perl/6.77",
)
CHAT_PREVIEWERS = (
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
    "TelegramBot (like TwitterBot)",
    "WhatsApp/2.2587.9 W",
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
    "LinkedInBot/1.0 (compatible; Mozilla/5.0; Apache-HttpClient +http://www.linkedin.com)",
    "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5 skype-url-preview@microsoft.com",
)
IMESSAGE = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_11_1) AppleWebKit/601.2.4 (KHTML, like Gecko) "
    "Version/9.0.1 Safari/601.2.4 facebookexternalhit/1.1 Facebot Twitterbot/1.0"
)
BING_PREVIEW = "Mozilla/5.0 (Windows NT 6.1; WOW64) AppleWebKit/534+ (KHTML, like Gecko) BingPreview/1.0b"
OFFICE = (
    ("OPTIONS", "Microsoft Office Protocol Discovery"),
    ("HEAD", "Microsoft Office Existence Discovery"),
)
OFFICE_LOOK = "Mozilla/4.0 (compatible; ms-office; MSOffice 16)"


def library(chance: Random, *, secure: bool) -> Headers:  # noqa: ARG001  (libraries send the same over TLS)
    """Return a bare HTTP library's headers."""
    return (("user-agent", chance.choice(LIBRARIES)), ("accept", "*/*"), ("accept-encoding", "gzip"))


def nameless(chance: Random, *, secure: bool) -> Headers:  # noqa: ARG001  (there is nothing to vary)
    """Return next to nothing: Outlook.com's checks before delivery."""
    return ()


def detonation(chance: Random, *, secure: bool) -> Headers:
    """Return an old Chrome, driven: half with the headers it would have, half without them."""
    version = chance.choice(DETONATION_VERSIONS)
    full = browsers.chromium(chance, secure=secure, version=version, from_webmail=False)
    if chance.random() < 0.5:
        return full
    names = ("accept-language", "sec-ch-ua", "sec-ch-ua-mobile", "sec-ch-ua-platform", "sec-fetch-user")
    return browsers.without(full, *names)


def headless(chance: Random, *, secure: bool) -> Headers:
    """Return headless Chrome that says so."""
    found = browsers.chromium(chance, secure=secure, system=browsers.LINUX, from_webmail=False)
    return tuple(
        (name, value.replace(" Chrome/", " HeadlessChrome/").replace("Google Chrome", "HeadlessChrome"))
        for name, value in found
        if name != "accept-language"
    )


def explorer(chance: Random, *, secure: bool) -> Headers:  # noqa: ARG001  (as captured, over plain HTTP)
    """Return Barracuda's Internet Explorer 8."""
    runtime = chance.choice(("2.0.50727", "3.5.30729"))
    return (
        (
            "user-agent",
            f"Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1; Trident/4.0; SLCC2; .NET CLR {runtime})",
        ),
        ("accept", "*/*"),
    )


def resolver(chance: Random, *, secure: bool) -> Headers:  # noqa: ARG001  (as its source has it)
    """Return a mail filter that resolves redirects, with a browser's name (SpamAssassin, rspamd)."""
    agent = chance.choice(
        (
            f"Mozilla/5.0 ({browsers.WINDOWS}) {browsers.BLINK} Chrome/101.0.4951.67 Safari/537.36",
            "Mozilla/5.0 (compatible; Yahoo! Slurp; http://help.yahoo.com/help/us/ysearch/slurp)",
            "Mozilla/5.0 (Windows NT 6.1; Trident/7.0; rv:11.0) like Gecko",
            "Wget/1.9.1",
        )
    )
    return (("user-agent", agent), ("accept", "*/*"))


def replayer(chance: Random, *, secure: bool) -> Headers:  # noqa: ARG001  (as posted)
    """Return an antivirus vendor's look at what its users visit (Trend Micro)."""
    agent = chance.choice(
        (
            "Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1; SV1)",
            "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 5.1; Trident/4.0)",
            f"Mozilla/5.0 (Windows NT 6.1) {browsers.BLINK} Chrome/22.0.1229.94 Safari/537.36",
        )
    )
    return (("user-agent", agent), ("accept", "*/*"), ("accept-encoding", "gzip, deflate"))


def stealth(chance: Random, *, secure: bool) -> Headers:
    """Return a current Chrome with every header in place, as a browser under control sends them."""
    system = chance.choice((browsers.WINDOWS, browsers.WINDOWS, browsers.MAC, browsers.LINUX))
    return browsers.chromium(chance, secure=secure, system=system, from_webmail=False)


def chat(chance: Random, *, secure: bool) -> Headers:  # noqa: ARG001  (previewers send the same over TLS)
    """Return a chat service that unfolds a link somebody has pasted."""
    return (("user-agent", chance.choice(CHAT_PREVIEWERS)), ("accept", "*/*"), ("accept-encoding", "gzip"))


def imessage(chance: Random, *, secure: bool) -> Headers:  # noqa: ARG001  (hard-coded by Apple)
    """Return iMessage's preview, made on somebody's own phone."""
    return (
        ("user-agent", IMESSAGE),
        ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
        ("accept-language", "en-US,en;q=0.9"),
        ("accept-encoding", "gzip, deflate, br"),
    )


def bing(chance: Random, *, secure: bool) -> Headers:  # noqa: ARG001  (as posted)
    """Return BingPreview, which looks at links of mail to Outlook.com (phpList issue 415)."""
    return (("user-agent", BING_PREVIEW), ("accept", "*/*"), ("accept-encoding", "gzip, deflate"))


def outlook(chance: Random, *, secure: bool) -> Headers:
    """Return the new Outlook for Windows as it looks ahead (next-auth issue 1840, Referalah 250)."""
    found = browsers.edge(chance, secure=secure)
    name = "OneOutlook/1.2025.1015.100"
    return (
        *((key, f"{value} {name}" if key == "user-agent" else value) for key, value in found),
        ("x-native-host", name),
    )
