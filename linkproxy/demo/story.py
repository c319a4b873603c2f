"""Who visits the links of the demonstration's newsletter, when, and how.

The headers are what such clients send; the judge knows nothing of this file. Client addresses are
loopback ones, so that nothing leaves the machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from linkproxy.model import LinkKind, LinkRole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from linkproxy.model import Link

Headers = tuple[tuple[str, str], ...]

ANA, BEA, CARL = "ana@alder.example", "bea@alder.example", "carl@alder.example"
DORA, EMIL, FINN = "dora@birch.example", "emil@birch.example", "finn@birch.example"
RECIPIENTS = (ANA, BEA, CARL, DORA, EMIL, FINN)

_PAGE = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
_WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
_IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"

CHROME: Headers = (
    ("Upgrade-Insecure-Requests", "1"),
    ("User-Agent", f"{_WINDOWS} Chrome/150.0.0.0 Safari/537.36"),
    ("Accept", _PAGE),
    ("Accept-Encoding", "gzip, deflate"),
    ("Accept-Language", "en-GB,en;q=0.9"),
)
FIREFOX: Headers = (
    ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:146.0) Gecko/20100101 Firefox/146.0"),
    ("Accept", _PAGE),
    ("Accept-Language", "de,en-US;q=0.7,en;q=0.3"),
    ("Accept-Encoding", "gzip, deflate"),
    ("Upgrade-Insecure-Requests", "1"),
)
SAFARI: Headers = (
    ("User-Agent", f"{_IPHONE} Version/18.6 Mobile/15E148 Safari/604.1"),
    ("Accept", _PAGE),
    ("Accept-Language", "fr-FR,fr;q=0.9"),
    ("Accept-Encoding", "gzip, deflate"),
)
PREFETCHING: Headers = (*CHROME, ("Sec-Purpose", "prefetch"))
OLD_CHROME: Headers = (
    ("User-Agent", f"{_WINDOWS} Chrome/101.0.4951.54 Safari/537.36"),
    ("Accept", "text/html,*/*;q=0.8"),
    ("Accept-Encoding", "gzip, deflate"),
)
NO_AGENT: Headers = (("Accept", "*/*"),)
SLACKBOT: Headers = (
    ("User-Agent", "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)"),
    ("Accept", "*/*"),
)
LIBRARY: Headers = (("User-Agent", "python-requests/2.32.5"), ("Accept", "*/*"))


@dataclass(frozen=True, slots=True)
class Scene:
    """One client's visits to the mail of some recipients.

    ``links`` names a choice of ``choose``; ``clients`` are taken in turn, request by request.
    """

    at: float  # seconds after delivery
    title: str
    recipients: tuple[str, ...]
    links: str
    headers: Headers
    clients: tuple[str, ...]
    method: str = "GET"
    gap_seconds: float = 0.05
    mutate: bool = False  # the token's last character but one is changed
    times: int = 1


_SANDBOX = ("127.40.94.19", "127.40.94.21", "127.40.95.23", "127.40.96.7")

SCENES = (
    Scene(
        12, "Gateway checks one link, no agent", (ANA, BEA, CARL), "first", NO_AGENT, ("127.52.1.9",), "HEAD"
    ),
    Scene(41, "Sandbox follows every link, bait too", (ANA, BEA, CARL), "all", OLD_CHROME, _SANDBOX),
    Scene(
        75,
        "Scanner with today's browser, one link a second",
        (DORA,),
        "all",
        CHROME,
        ("127.61.2.3",),
        gap_seconds=1.0,
    ),
    Scene(
        160, "Scanner tries a changed link ...", (EMIL,), "article 2", FIREFOX, ("127.33.8.8",), mutate=True
    ),
    Scene(161, "... and then the link itself", (EMIL,), "article 2", FIREFOX, ("127.33.8.8",)),
    Scene(240, "Ana reads an article", (ANA,), "article 1", CHROME, ("127.10.1.5",)),
    Scene(330, "Dora opens two articles", (DORA,), "articles", FIREFOX, ("127.20.1.5",), gap_seconds=4.0),
    Scene(420, "Emil taps twice", (EMIL,), "article 4", SAFARI, ("127.30.1.5",), gap_seconds=0.8, times=2),
    Scene(500, "Finn's browser fetches ahead ...", (FINN,), "article 1", PREFETCHING, ("127.70.1.5",)),
    Scene(503, "... and Finn clicks", (FINN,), "article 1", CHROME, ("127.70.1.5",)),
    Scene(610, "A chat shows a preview", (BEA,), "article 3", SLACKBOT, ("127.80.1.5",)),
    Scene(700, "Bea reads what was scanned", (BEA,), "article 3", FIREFOX, ("127.11.1.5",)),
    Scene(800, "A script checks links", (FINN,), "articles", LIBRARY, ("127.90.1.5",)),
    Scene(900, "Carl opens the unsubscribe page", (CARL,), "unsubscribe", SAFARI, ("127.12.1.5",)),
    Scene(909, "Carl confirms", (CARL,), "unsubscribe", SAFARI, ("127.12.1.5",), "POST"),
)


def choose(links: Sequence[Link], choice: str) -> list[Link]:
    """Return the links that a scene follows, in the order of the mail."""
    ordered = sorted(links, key=lambda link: link.position)
    articles = [link for link in ordered if link.kind is LinkKind.CONTENT and link.role is LinkRole.BODY]
    if choice.startswith("article "):
        return [articles[int(choice.removeprefix("article "))]]
    return {
        "all": ordered,
        "first": [link for link in ordered if link.kind is LinkKind.CONTENT][:1],
        "articles": articles[4:6],
        "unsubscribe": [link for link in ordered if link.kind is LinkKind.UNSUBSCRIBE],
    }[choice]
