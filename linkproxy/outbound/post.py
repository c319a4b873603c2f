"""Sending one message to one receiver by HTTP, whatever the receiver does."""

from __future__ import annotations

from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

import aiohttp

from linkproxy import __version__
from linkproxy.outbound.retry import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TIMEOUT_SECONDS: Final = 15.0
"""From the name's look-up to the answer's head; the specification asks for 15 to 30."""

CONNECT_SECONDS: Final = 5.0
_HEARD_BYTES: Final = 1_000
_MOST_DIGITS: Final = 9
_HEADERS: Final = {"Content-Type": "application/json", "User-Agent": f"linkproxy/{__version__}"}


class Poster:
    """Posts; its connections are opened at the first message, so that who sends none has none."""

    def __init__(self, clock: Callable[[], float], connect_seconds: float = CONNECT_SECONDS) -> None:
        self._clock = clock
        self._timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS, connect=connect_seconds)
        self._session: aiohttp.ClientSession | None = None

    async def post(
        self, url: str, headers: Mapping[str, str], body: bytes, *, listen: bool = False
    ) -> Answer:
        """Send a body and return what came of it; never raises. ``listen``: hear how the answer begins.

        Redirects are not followed: they would lead recipients and clicks to who knows where.
        """
        try:
            async with self._opened().post(
                url, data=body, headers={**_HEADERS, **headers}, allow_redirects=False
            ) as response:
                return Answer(
                    response.status,
                    retry_after_seconds=retry_after_seconds(
                        response.headers.get("Retry-After", ""), self._clock()
                    ),
                    text=await _beginning(response) if listen else "",
                )
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return Answer(None, self._fault(error))

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                # One that the receiver closes meanwhile would look as if the receiver failed.
                connector=aiohttp.TCPConnector(force_close=True, limit=0),
                timeout=self._timeout,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
            )
        return self._session

    def _fault(self, error: Exception) -> str:
        """Return what went wrong in words of our own: those of aiohttp may hold the URL, and so a secret."""
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            return f"no connection with it within {self._timeout.connect:g} s"
        if isinstance(error, TimeoutError):
            return f"no answer within {self._timeout.total:g} s"
        for kind, words in _FAULTS:
            if isinstance(error, kind):
                return words
        return f"no answer ({type(error).__name__})"


_FAULTS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (aiohttp.ClientConnectorDNSError, "its host name is not found"),
    (aiohttp.ClientConnectorCertificateError, "its certificate is not valid for it, or not trusted here"),
    (aiohttp.ClientSSLError, "no TLS connection with it"),
    (aiohttp.ClientConnectorError, "it cannot be connected to"),
    (aiohttp.ServerDisconnectedError, "it ended the connection without an answer"),
    (aiohttp.ClientResponseError, "what it answered is no HTTP"),
    (ValueError, "its URL cannot be used"),
)
"""The first that fits counts."""


async def _beginning(response: aiohttp.ClientResponse) -> str:
    with suppress(aiohttp.ClientError, TimeoutError):
        return (await response.content.read(_HEARD_BYTES)).decode("utf-8", "replace")
    return ""


def retry_after_seconds(header: str, now: float) -> float:
    """Return how long a receiver asks to be left alone (RFC 9110 section 10.2.3); 0 if it says nothing."""
    text = header.strip()
    if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS:
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return 0.0
