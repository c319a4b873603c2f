"""Reading requests for tracked URLs: by httptools once, by comparison when the same lines come again.

Real traffic has few distinct sets of header lines, but for lines of one person or one request, such as
cookies and what fronts say of the client. What the others say (the profile, whether the connection goes
on) is kept by their bytes; a request whose lines were read before differs from that one by its path, its
path by token and key, and by lines of its own, which need no parser.

Whatever is unusual is not read here at all: ``read`` returns None, and aiohttp decides.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, NamedTuple

import httptools

from linkproxy.model.lean import lean
from linkproxy.visit import intake

if TYPE_CHECKING:
    from collections.abc import Iterable

    from linkproxy.visit.intake import Gate, Said

MOST_HEADS: Final = 4096
MOST_HEAD_CHARACTERS: Final = 8000  # of one; longer ones are aiohttp's
MOST_CHARACTERS: Final = 8_000_000  # of all together
MOST_LINES: Final = 64
BLANK_LINE: Final = "\r\n\r\n"

LINE: Final = re.compile(
    r"(GET|HEAD) "
    r"((/([A-Za-z0-9_-]{24})/([A-Za-z0-9]{4})(?:/([A-Za-z0-9._-][A-Za-z0-9._~-]{0,99})|))"
    r"(?:/~([A-Za-z0-9_-]{0,99})|))"
    r"(?:\?[A-Za-z0-9._~/&=%+-]{0,999}|)"
    r"(?= HTTP/1\.1\r\n)"
)
"""Method and path of an ordinary request for a tracked URL; in the path the groups of ``intake.TRACKED``.

What may be missing is one of two alternatives, which are tried more quickly than ``?``.
"""

_ORDINARY: Final = re.compile(rb"[ -~\r\n]*")  # no bytes beyond ASCII, no tabs, no control characters
_ASIDE: Final = frozenset(
    {b"content-length", b"transfer-encoding", b"upgrade", b"expect", b"trailer", b"http2-settings"}
)
"""Headers that announce a body, or another protocol."""
_CONNECTION: Final = frozenset({b"keep-alive", b"close"})

OWN_NAMES: Final = frozenset(
    {
        "cookie", "forwarded", "x-forwarded-for", "x-real-ip", "x-client-ip", "true-client-ip",
        "x-cluster-client-ip", "cf-connecting-ip", "cf-ray", "fastly-client-ip", "fly-client-ip",
        "fly-request-id", "x-azure-clientip", "x-azure-socketip", "x-azure-ref", "x-amzn-trace-id",
        "x-amz-cf-id", "x-cloud-trace-context", "x-request-id", "x-correlation-id", "traceparent",
        "tracestate",
    }
)  # fmt: skip
"""Headers that differ from one request to the next, as browsers and fronts send them; no part of profiles."""


def _any_of(names: Iterable[str]) -> str:
    """Return a pattern for names in any case; few lines begin with one of their first letters."""
    rests: dict[str, list[str]] = {}
    for name in sorted(names):
        rests.setdefault(f"{name[0]}{name[0].upper()}", []).append(name[1:])
    some = "|".join(f"[{first}](?ai:{'|'.join(found)})" for first, found in rests.items())
    return f"(?=[{''.join(rests)}])(?:{some})"


_OWN: Final = re.compile(rf"\r\n({_any_of(OWN_NAMES)}):([ -~]*)(?=\r\n(?! ))")
"""Their lines, without those that the next line continues (RFC 9112 section 5.2)."""


@lean(frozen=True, slots=True)
class Head:
    """What the lines of a request say."""

    said: Said
    headers: intake.Headers  # without OWN_NAMES
    close: bool  # the client ends the connection with this request


class _Lines(NamedTuple):
    headers: intake.Headers
    close: bool


class Heads:
    """Remembers heads by their characters; the oldest go first."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._fronted = bool(gate.trusted_proxies)  # so that each request has lines of its own
        self._known: OrderedDict[str, Head] = OrderedDict()
        self._characters = 0

    def __len__(self) -> int:
        return len(self._known)

    def read(self, text: str, at: int) -> Head | None:
        """Return what the lines of a complete request say; None if that is unusual.

        ``text`` is the request, ASCII, matched by ``LINE`` up to ``at``.
        """
        rest = text[at:]
        head = None if self._fronted else self._known.get(rest)
        if head is not None:
            return head
        if len(text) > MOST_HEAD_CHARACTERS or not text.endswith(BLANK_LINE):
            return None
        parts = _OWN.split(rest)
        if len(parts) == 1:
            return self._shared(text[:at], rest)
        head = self._shared(text[:at], "".join(parts[::3]))
        if head is None or len(parts) // 3 + len(head.headers) > MOST_LINES:
            return None
        # No parser is needed, since _OWN has seen that they are plain.
        said = intake.said_beside(head.said, zip(parts[1::3], parts[2::3], strict=True), self._gate)
        return Head(said, head.headers, head.close)

    def _shared(self, line: str, rest: str) -> Head | None:
        """Return what the lines say that others send as well."""
        head = self._known.get(rest)
        if head is None:
            if rest.find(BLANK_LINE) != len(rest) - len(BLANK_LINE):
                return None
            lines = _parsed(line + rest)
            # One of these names is left where its line is unusual.
            if lines is None or any(name.lower() in OWN_NAMES for name, _ in lines.headers):
                return None
            head = Head(intake.said_by(lines.headers, self._gate), lines.headers, lines.close)
            self._keep(rest, head)
        return head

    def _keep(self, rest: str, head: Head) -> None:
        self._known[rest] = head
        self._characters += len(rest)
        while len(self._known) > MOST_HEADS or self._characters > MOST_CHARACTERS:
            oldest, _ = self._known.popitem(last=False)
            self._characters -= len(oldest)


class _Request:
    """Takes what the parser finds."""

    def __init__(self) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.parser: httptools.HttpRequestParser | None = None
        self.close = False
        self.whole = 0
        self.bodies = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        # llhttp knows this inside the callback alone.
        self.close = self.parser is None or not self.parser.should_keep_alive()

    def on_body(self, body: bytes) -> None:
        self.bodies += len(body)

    def on_message_complete(self) -> None:
        self.whole += 1


def _parsed(text: str) -> _Lines | None:
    data = text.encode()
    if not _ORDINARY.fullmatch(data):
        return None
    request = _Request()
    request.parser = parser = httptools.HttpRequestParser(request)
    try:
        parser.feed_data(data)
    except (httptools.HttpParserError, httptools.HttpParserUpgrade):
        return None
    finally:
        # Parser and request hold each other: only the collector would find them, late.
        request.parser = None
    if request.whole != 1 or request.bodies or not _is_ordinary(request.headers):
        return None
    headers = tuple((name.decode(), value.strip(b" ").decode()) for name, value in request.headers)
    return _Lines(headers, request.close)


def _is_ordinary(headers: list[tuple[bytes, bytes]]) -> bool:
    names = [name.lower() for name, _ in headers]
    connections = [value.strip().lower() for name, value in headers if name.lower() == b"connection"]
    return (
        len(names) <= MOST_LINES
        and names.count(b"host") == 1
        and not _ASIDE.intersection(names)
        and (not connections or (len(connections) == 1 and connections[0] in _CONNECTION))
    )
