"""Whether a tracking host is ready: DNS, TLS, and does it lead to this installation unchanged."""

from __future__ import annotations

import asyncio
import ssl
import time
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from enum import StrEnum
from secrets import token_bytes
from typing import TYPE_CHECKING, Final

import aiohttp
import dns.asyncresolver
import dns.exception
import dns.resolver
from aiohttp.abc import AbstractResolver, ResolveResult

from linkproxy.server.probe import probe_location, probe_path

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from linkproxy.campaign.tokens import Keyring

RENEW_DAYS: Final = 14
"""A certificate that ends sooner is told: automatic renewal should have renewed it by then."""
COOKIE_BYTES: Final = 12_000
"""Some people have as many. nginx and Apache take a line of 8 kB unless they are told otherwise."""
_DAY: Final = 86400.0
_SECONDS: Final = 10.0
_MOST_ADDRESSES: Final = 8


class Outcome(StrEnum):
    """How one question about a host was answered."""

    OK = "ok"
    WARNING = "warning"  # works, and will hurt
    ERROR = "error"  # tracked links on this host do not work


@dataclass(frozen=True, slots=True)
class Observation:
    """One answer: what was asked (dns, tls, reach, cookies, redirect, http), what was seen, what to do."""

    about: str
    outcome: Outcome
    seen: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the host is asked."""

    https: int = 443
    http: int = 80


class DomainCheck:
    """Asks everything about one host, in an order in which one answer may spare the next question."""

    def __init__(
        self,
        host: str,
        keyring: Keyring,
        resolver: dns.asyncresolver.Resolver,
        *,
        trust: ssl.SSLContext,
        ports: Ports = Ports(),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._host = host
        self._keyring = keyring
        self._resolver = resolver
        self._trust = trust
        self._ports = ports
        self._clock = clock
        self._challenge = urlsafe_b64encode(token_bytes(16)).decode("ascii").rstrip("=")

    async def run(self) -> list[Observation]:
        """Return all answers; whatever goes wrong is one of them."""
        addresses, seen = await self._look_up()
        if not addresses:
            return [seen]
        answers = [seen, *await asyncio.gather(*(self._handshake(address) for address in addresses))]
        timeout = aiohttp.ClientTimeout(total=_SECONDS)
        connector = aiohttp.TCPConnector(resolver=_Known(addresses), ssl=self._trust)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as web:
            if any(answer.about == "tls" and answer.outcome is not Outcome.ERROR for answer in answers):
                answers += [answer async for answer in self._ask(web)]
            answers.append(await self._plain(web))
        return answers

    # --- DNS -----------------------------------------------------------------------------------

    async def _look_up(self) -> tuple[list[str], Observation]:
        found: list[str] = []
        fault = "has no A or AAAA record"
        for kind in ("A", "AAAA"):
            try:
                answer = await self._resolver.resolve(f"{self._host}.", kind, search=False)
            except dns.resolver.NXDOMAIN:
                fault = "does not exist"
            except dns.resolver.NoAnswer:
                continue
            except (dns.exception.DNSException, OSError, UnicodeError) as error:
                fault = f"could not be looked up ({type(error).__name__})"
            else:
                found += [record.to_text() for record in answer]
        if not found:
            advice = "Add a CNAME to your server's name, or A and AAAA records with its addresses."
            return [], Observation("dns", Outcome.ERROR, f"{self._host} {fault}", advice)
        return found[:_MOST_ADDRESSES], Observation("dns", Outcome.OK, ", ".join(found))

    # --- TLS -----------------------------------------------------------------------------------

    async def _handshake(self, address: str) -> Observation:
        where = f"{address} port {self._ports.https}"
        try:
            async with asyncio.timeout(_SECONDS):
                _, writer = await asyncio.open_connection(
                    address, self._ports.https, ssl=self._trust, server_hostname=self._host
                )
        except ssl.SSLCertVerificationError as error:
            return Observation(
                "tls",
                Outcome.ERROR,
                f"{where}: {error.verify_message.rstrip('.')}",
                f"Get a certificate for {self._host}, with the whole chain, and renew it in time.",
            )
        except (ssl.SSLError, OSError, TimeoutError) as error:
            told = getattr(error, "reason", None) or getattr(error, "strerror", None) or "no answer in time"
            advice = (
                "Let a TLS front listen there and the firewall let it in, or take the address out of the DNS."
            )
            return Observation("tls", Outcome.ERROR, f"{where}: {told}", advice)
        try:
            return self._expiry(where, writer.get_extra_info("peercert"))
        finally:
            writer.transport.abort()

    def _expiry(self, where: str, certificate: dict[str, str]) -> Observation:
        ends_at = ssl.cert_time_to_seconds(certificate["notAfter"])
        days = int((ends_at - self._clock()) // _DAY)
        seen = f"{where}: certificate for {self._host} good for {days} more days"
        if days < RENEW_DAYS:
            return Observation("tls", Outcome.WARNING, seen, "See why it was not renewed; do it now.")
        return Observation("tls", Outcome.OK, seen)

    # --- HTTP ----------------------------------------------------------------------------------

    def _url(self, scheme: str, path: str) -> str:
        port = self._ports.https if scheme == "https" else self._ports.http
        usual = {"https": 443, "http": 80}[scheme]
        return f"{scheme}://{self._host}{'' if port == usual else f':{port}'}{path}"

    async def _ask(self, web: aiohttp.ClientSession) -> AsyncIterator[Observation]:
        path = probe_path(self._challenge)
        status, _, body = await _get(web, self._url("https", path))
        if status == 200 and self._keyring.is_proof(self._challenge, body.strip()):
            yield Observation("reach", Outcome.OK, "requests reach this installation")
        else:
            yield Observation(
                "reach",
                Outcome.ERROR,
                f"{path} was answered by something else ({_told(status)})",
                "Let the front pass every path on to linkproxy's public listener, unchanged and uncached; "
                "a running server must have the same signing keys as this command.",
            )
            return
        yield await self._cookies(web, path)
        status, location, _ = await _get(web, self._url("https", f"{path}/redirect"))
        if status == 302 and location == probe_location(self._challenge):
            yield Observation("redirect", Outcome.OK, "a redirect comes back as it was sent")
        else:
            yield Observation(
                "redirect",
                Outcome.ERROR,
                f"a redirect came back as {_told(status)}{f' to {location}' if location else ''}",
                "Switch off what follows or rewrites redirects in the front (proxy_redirect off in nginx).",
            )

    async def _cookies(self, web: aiohttp.ClientSession, path: str) -> Observation:
        # A browser sends those of the brand's whole domain, in one line.
        many = {"Cookie": f"probe={'x' * COOKIE_BYTES}"}
        status, _, _ = await _get(web, self._url("https", path), headers=many)
        if status == 200:
            return Observation(
                "cookies", Outcome.OK, f"people with {COOKIE_BYTES:,} bytes of cookies get through"
            )
        return Observation(
            "cookies",
            Outcome.WARNING,
            f"people with {COOKIE_BYTES:,} bytes of cookies of the domain are refused ({_told(status)})",
            "Let the front take header lines of 32 kB (large_client_header_buffers 4 32k in nginx).",
        )

    async def _plain(self, web: aiohttp.ClientSession) -> Observation:
        status, location, _ = await _get(web, self._url("http", probe_path(self._challenge)))
        if status is None:
            return Observation("http", Outcome.OK, "plain http is not answered; tracked links do not use it")
        if 300 <= status < 400 and location.startswith("https://"):
            return Observation("http", Outcome.OK, "plain http leads to https")
        advice = "Redirect port 80 to https in the front, or close it."
        return Observation("http", Outcome.WARNING, f"plain http is answered ({_told(status)})", advice)


async def _get(
    web: aiohttp.ClientSession, url: str, headers: Mapping[str, str] | None = None
) -> tuple[int | None, str, str]:
    """Return status, Location and the beginning of the body; None when there was no answer."""
    try:
        async with web.get(url, headers=headers, allow_redirects=False) as response:
            body = await response.content.read(4096)
            return response.status, response.headers.get("Location", ""), body.decode("latin-1")
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return None, "", ""


def _told(status: int | None) -> str:
    return "no answer" if status is None else f"status {status}"


class _Known(AbstractResolver):
    """Gives the addresses that were found, so that what is asked is what was looked up."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily | int = 0
    ) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host=address, port=port, family=int(family), proto=0, flags=0)
            for address in self._addresses
        ]

    async def close(self) -> None:
        """Nothing is open."""
