"""One connection to the upstream server: what is said to it, and what it answers.

The message itself is written here and not by the library, which would turn a bare CR or LF into a
line end: what goes out is what came in.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import aiosmtplib
from aiosmtplib.errors import SMTPException, SMTPResponseException

from linkproxy.model import LinkproxyError
from linkproxy.server.relay.admission import is_loopback
from linkproxy.server.relay.replies import Reply, from_upstream

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from aiosmtplib.protocol import SMTPProtocol
    from aiosmtplib.response import SMTPResponse

    from linkproxy.config_relay import RelaySection

_Told = TypeVar("_Told")

_QUIT_SECONDS: Final = 5.0
_PIECE_BYTES: Final = 1 << 18
"""Of a message, written at once: what is not written yet can be taken back when nobody waits for it."""


class UpstreamError(Exception):
    """The upstream server cannot be used; ``reply`` is what the mailer is to hear."""

    def __init__(self, text: str, *, unsure: bool = False) -> None:
        super().__init__(text)
        self.reply = Reply(451, text)
        self.unsure = unsure  # it may have taken the message, and did not say so


@dataclass(frozen=True, slots=True)
class Route:
    """How the upstream server is reached."""

    host: str
    port: int
    tls: str  # as [relay] upstream_tls
    context: ssl.SSLContext
    user: str
    password: str = field(repr=False)
    seconds: float
    accept_seconds: float

    @property
    def name(self) -> str:
        """The server as messages name it."""
        return f"{self.host}:{self.port}"


def route(section: RelaySection) -> Route:
    """Return the configured way to the upstream server; raise LinkproxyError that says what is missing."""
    if not section.upstream_host:
        raise LinkproxyError(
            "[relay] upstream_host: names no server. Set the smarthost that your mailer has used so far."
        )
    if section.upstream_user and section.upstream_tls == "none" and not is_loopback(section.upstream_host):
        raise LinkproxyError(
            '[relay] upstream_tls: "none" would send the password in the clear. Set "starttls" or "implicit".'
        )
    return Route(
        host=section.upstream_host,
        port=section.upstream_port,
        tls=section.upstream_tls,
        context=_context(section),
        user=section.upstream_user,
        password=section.read_password() if section.upstream_user else "",
        seconds=section.upstream_seconds,
        accept_seconds=section.accept_seconds,
    )


def _context(section: RelaySection) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if section.upstream_ca_file:
        try:
            context.load_verify_locations(section.upstream_ca_file)
        except OSError as error:
            raise LinkproxyError(
                f"[relay] upstream_ca_file: {section.upstream_ca_file}: cannot be used: "
                f"{error.strerror or error}. Name a file of certificates in PEM."
            ) from None
    if not section.upstream_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


class Upstream:
    """A connection that has greeted, and logged in where that is asked for."""

    def __init__(self, way: Route, client: aiosmtplib.SMTP) -> None:
        self._route = way
        self._client = client
        self.messages = 0  # begun over this connection
        self.refusals = 0  # since it took a message
        self.clean = True  # False: a transaction has begun and not ended
        self._unfinished = False  # there is more of a message than was written yet

    @property
    def usable(self) -> bool:
        """Tell whether it is connected, as far as can be seen from here."""
        return self._client.is_connected

    @property
    def encrypted(self) -> bool:
        """Tell whether TLS is in use."""
        return self._client.get_transport_info("sslcontext") is not None

    @property
    def extensions(self) -> dict[str, str]:
        """What it offers (RFC 5321 section 2.2), in lower case, with parameters."""
        return self._client.esmtp_extensions

    @property
    def most_bytes(self) -> int | None:
        """The largest message that it says it takes (RFC 1870); None when it says nothing."""
        text = self.extensions.get("size", "")
        return int(text) if text.isdecimal() and int(text) else None

    async def mail(self, sender: bytes, options: list[bytes]) -> Reply:
        """Begin a transaction; raise UpstreamError if the connection is lost."""
        self.messages += 1
        self.clean = False
        return await self._say(b"MAIL", b"FROM:<" + sender + b">", *options)

    async def recipient(self, address: bytes) -> Reply:
        """Name a recipient; raises as ``mail``."""
        return await self._say(b"RCPT", b"TO:<" + address + b">")

    async def reset(self) -> None:
        """Forget what was begun; raise UpstreamError if that fails."""
        reply = await self._say(b"RSET")
        if not reply.good:
            raise UpstreamError(f"4.3.0 {self._route.name} did not take RSET: {reply.text}")
        self.clean = True

    async def data(self, content: bytes) -> Reply:
        """Send the message; raise UpstreamError, ``unsure`` once the message was sent."""
        self._unfinished = len(content) > _PIECE_BYTES
        reply = await self._say(b"DATA", good=354)
        protocol = self._client.protocol
        if reply.good:
            return Reply(451, f"4.5.0 {self._route.name} said yes to DATA before there was a message")
        if reply.code != 354:
            self._unfinished = False
            return reply
        if protocol is None:
            raise UpstreamError(f"4.4.2 {self._route.name} ended the connection")
        try:
            said = await self._hand_over(protocol, content)
        except (SMTPException, OSError) as error:
            unsure = not self._unfinished
            self.drop()
            raise UpstreamError(
                f"4.4.2 {self._route.name} did not say whether it took the message; send it again"
                if unsure
                else f"4.4.2 {self._route.name} did not take the whole message: {_worded(error)}",
                unsure=unsure,
            ) from error
        except BaseException:
            self.drop()
            raise
        # Postfix holds on to what it refused at the end, and would refuse the next message for that.
        self.clean = 200 <= said.code < 300
        self.refusals = 0 if self.clean else self.refusals + 1
        return from_upstream(said.code, said.message)

    async def _hand_over(self, protocol: SMTPProtocol, content: bytes) -> SMTPResponse:
        """Write the message as fast as it is taken, and return the server's word on it.

        Whole in a buffer it would go on being sent behind our back, and be delivered, after we had
        said that it was not. A server may say no before it has all; then it has taken nothing.
        """
        answer = _watched(protocol.read_response())
        text = stuffed(content)
        try:
            for position in range(0, len(text), _PIECE_BYTES):
                self._unfinished = position + _PIECE_BYTES < len(text)
                protocol.write(text[position : position + _PIECE_BYTES])
                if self._unfinished and await self._answered_early(protocol, answer):
                    break
            said = await asyncio.wait_for(answer, self._route.accept_seconds)
        finally:
            answer.cancel()
        if self._unfinished:
            self.drop()
            if said.code < 400:
                raise SMTPException(f"it said {said.code} before it had all")
        return said

    async def _answered_early(self, protocol: SMTPProtocol, answer: asyncio.Future[SMTPResponse]) -> bool:
        """Wait until more can be written; tell whether the server has answered instead."""
        writable = _watched(protocol._drain_helper())  # noqa: SLF001  (the library never waits for it)
        either: set[asyncio.Future[Any]] = {writable, answer}
        try:
            done, _ = await asyncio.wait(
                either, timeout=self._route.accept_seconds, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            writable.cancel()
        if not done:
            raise SMTPException("it stopped taking it")
        return answer.done()

    def take_back(self) -> None:
        """Have a long message go nowhere whose end is not written yet."""
        if self._unfinished:
            self.drop()

    async def _say(self, *words: bytes, good: int = 250) -> Reply:
        try:
            said = await self._client.execute_command(*words, timeout=self._route.seconds)
        except SMTPResponseException as error:
            self.drop()
            return from_upstream(error.code, error.message)
        except (SMTPException, OSError) as error:
            self.drop()
            raise UpstreamError(f"4.4.2 {self._route.name} ended the connection: {error}") from error
        except BaseException:
            # Whoever gave up waiting leaves an answer behind, which the next command would take for its own.
            self.drop()
            raise
        if said.code == good == 354:
            return Reply(354, "")
        self.refusals += said.code >= 400
        return from_upstream(said.code, said.message)

    async def quit(self) -> None:
        """Take leave; never fails."""
        try:
            await self._client.quit(timeout=_QUIT_SECONDS)
        except (SMTPException, OSError):
            self.drop()

    def drop(self) -> None:
        """Close it without a word: what was begun never happened, and what is not sent yet never is."""
        if self._client.transport is not None:
            cast("asyncio.Transport", self._client.transport).abort()
        self._client.close()


def _watched(work: Coroutine[Any, Any, _Told]) -> asyncio.Task[_Told]:
    """Begin what may fail without anybody asking how it ended."""
    task = asyncio.get_running_loop().create_task(work)
    task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
    return task


def stuffed(content: bytes) -> bytes:
    """Return a message as DATA has it: dots doubled at line starts, the end marked (RFC 5321 4.5.2)."""
    text = content if content.endswith(b"\r\n") or not content else content + b"\r\n"
    text = text.replace(b"\r\n.", b"\r\n..")
    return (b"." if text.startswith(b".") else b"") + text + b".\r\n"


async def connect(way: Route, hostname: str) -> Upstream:
    """Open a connection, greet by our own name, and log in; raise UpstreamError.

    What the server says before a message is about us and not about the message, so it is
    temporary for the mailer: mail waits while an operator puts it right.
    """
    client = aiosmtplib.SMTP(
        hostname=way.host,
        port=way.port,
        use_tls=way.tls == "implicit",
        start_tls={"starttls": True, "opportunistic": None}.get(way.tls, False),
        tls_context=way.context,
        timeout=way.seconds,
        local_hostname=hostname,
    )
    upstream = Upstream(way, client)
    try:
        await client.connect()
        if client.is_ehlo_or_helo_needed:
            await _greet(client)
        if way.user:
            await _log_in(upstream, client, way)
    except (SMTPException, OSError, ValueError) as error:
        client.close()
        raise UpstreamError(f"4.4.1 {way.name}: {_worded(error)}") from error
    return upstream


async def _greet(client: aiosmtplib.SMTP) -> None:
    try:
        await client.ehlo()
    except SMTPResponseException:
        await client.helo()


async def _log_in(upstream: Upstream, client: aiosmtplib.SMTP, way: Route) -> None:
    if not upstream.encrypted and not is_loopback(way.host):
        raise SMTPException("offers no TLS, and a password is not sent in the clear")
    await client.login(way.user, way.password)


def _worded(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, SMTPResponseException):
        return f"{error.code} {error.message}"
    return str(error) or type(error).__name__
