"""What mailers say, and what they hear: one conversation a connection."""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, cast

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from linkproxy.config_faults import ConfigError
from linkproxy.server.relay import replies
from linkproxy.server.relay.admission import is_loopback
from linkproxy.server.relay.incoming import read_message
from linkproxy.server.relay.transaction import Transaction, Wish
from linkproxy.telemetry import Event, get_logger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiosmtpd.smtp import Envelope, Session

    from linkproxy.server.relay.replies import Reply
    from linkproxy.server.relay.service import Relay

_COMMAND_BYTES: Final = 4096
_LINE_BYTES: Final = 1 << 18
"""Longer lines are refused. RFC 5321 has 1,000 bytes, and mail with far longer ones is about."""
_LOGINS: Final = 10  # tries over one connection
_COMMANDS: Final = 1_000_000

_PATH: Final = re.compile(
    r"""(?:@[^\s:<>]+:)?               # a source route, which means nothing any more
    ((?:"(?:[^"\\\x00-\x1f\x7f]|\\[ -~])*"|[^\s"<>@\x00-\x1f\x7f]+)(?:@[^\s"<>@\x00-\x1f\x7f]+)?)""",
    re.VERBOSE,
)
"""RFC 5321 section 4.1.2, but lenient: the upstream server decides about addresses."""


class Conversation(SMTP):
    """One connection of a mailer, as aiosmtpd leads it."""

    line_length_limit = _LINE_BYTES

    def __init__(self, relay: Relay) -> None:
        # Of the class there, so that a new connection would change the limits of the others.
        self.command_size_limits = defaultdict(lambda: _COMMAND_BYTES)
        section = relay.config.relay
        self._relay = relay
        self._hooks = Hooks(relay)
        self._refused = False
        super().__init__(
            self._hooks,
            data_size_limit=section.message_bytes,
            enable_SMTPUTF8=True,
            hostname=relay.hostname,
            ident="ESMTP linkproxy",
            tls_context=relay.tls,
            timeout=section.client_seconds,
            authenticator=self._hooks.log_in,
            command_call_limit={"AUTH": _LOGINS, "*": _COMMANDS},
            loop=asyncio.get_running_loop(),
        )

    def connection_made(self, transport: Any) -> None:
        """Begin, unless there are too many; after STARTTLS begin anew."""
        if self not in self._relay.conversations:
            if not self._relay.admits_another():
                self._refused = True
                transport.write(replies.TOO_MANY.line().encode() + b"\r\n")
                transport.close()
                return
            self._relay.conversations.add(self)
            # Nobody listens in on a connection that does not leave the machine.
            self._auth_require_tls = not is_loopback(client_address(transport.get_extra_info("peername")))
        self._hooks.forget()
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        """End; what was not complete is not passed on."""
        if not self._refused:
            super().connection_lost(error)
            self._hooks.forget()
        self._relay.left(self)

    def eof_received(self) -> bool | None:
        """Take the end of what is sent for the end of the connection."""
        return False if self._refused else super().eof_received()

    @contextmanager
    def waiting_for_us(self) -> Iterator[None]:
        """Do not count the time that we need as silence of the mailer."""
        if self._timeout_handle is not None:
            self._timeout_handle.cancel()
        try:
            yield
        finally:
            if self.transport is not None:
                self._reset_timeout()

    def _timeout_cb(self) -> None:
        """Let a silent mailer go; one that does not read either would keep a polite end waiting."""
        self.cut()

    def _getaddr(self, arg: str) -> tuple[str | None, str | None]:
        """Return an address as it was written, and the parameters behind it.

        aiosmtpd reads addresses as those of a header, where encoded words are decoded and comments
        left out: what came out would not be what the mailer said.
        """
        if not arg.startswith("<"):
            address, _, rest = arg.partition(" ")
            return (address, rest.strip()) if _PATH.fullmatch(address) else (None, None)
        if arg.startswith("<>"):
            return "<>", arg[2:].strip()
        path = _PATH.match(arg, 1)
        if path is None or not re.match(r">(?:\s|\Z)", arg[path.end() :]):
            return None, None
        return path[1], arg[path.end() + 1 :].strip()

    async def smtp_AUTH(self, arg: str) -> None:  # noqa: N802  (aiosmtpd's name)
        """Log in; mechanisms are named in any case (RFC 4954 section 4)."""
        mechanism, *others = (arg or "").split(" ", 1)
        await super().smtp_AUTH(" ".join([mechanism.upper(), *others]))

    async def smtp_MAIL(self, arg: str | None) -> None:  # noqa: N802  (aiosmtpd's name)
        """Begin a message, but not when stopping."""
        await super().smtp_MAIL(arg)
        await self._leave_if_stopping()

    async def smtp_RSET(self, arg: str) -> None:  # noqa: N802  (aiosmtpd's name)
        """Forget a message."""
        await super().smtp_RSET(arg)
        await self._leave_if_stopping()

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802  (aiosmtpd's name)
        """Take a message; one that was refused for its size is over upstream too."""
        if await self.check_helo_needed():
            return
        if self.envelope is None or not self.envelope.rcpt_tos:
            await self.push(replies.NEEDS_RECIPIENT.line())
        elif arg:
            await self.push(replies.NO_ARGUMENT.line())
        else:
            await self.push(replies.GO_ON.line())
            found = await read_message(
                self._reader, most_bytes=self._relay.config.relay.message_bytes, line_bytes=_LINE_BYTES
            )
            if isinstance(found, bytes):
                self.envelope.content = found
                word = await self._hooks.handle_DATA(self, self.envelope)
            else:
                self._hooks.forget()
                word = found.line()
            self.envelope = self._create_envelope()
            await self.push(word)
        await self._leave_if_stopping()

    async def _leave_if_stopping(self) -> None:
        if self._relay.stopping and not self._hooks.busy:
            await self.push(replies.STOPPING.line())
            if self.transport is not None:
                self.transport.close()

    def leave(self) -> None:
        """Say that the relay stops, unless a message is under way; then it is finished first."""
        if not self._hooks.busy and self.transport is not None:
            self._writer.write(replies.STOPPING.line().encode() + b"\r\n")
            self.transport.close()

    def cut(self) -> None:
        """End at once."""
        if self.transport is not None:
            cast("asyncio.Transport", self.transport).abort()


class Hooks:
    """What aiosmtpd calls in a conversation; names and arguments are its own."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._metrics = relay.metrics
        self._transaction: Transaction | None = None
        self._working = False

    @property
    def busy(self) -> bool:
        """Tell whether a message is under way."""
        return self._working or self._transaction is not None

    def forget(self) -> None:
        """End the transaction, if there is one; a message that is not complete goes nowhere."""
        if self._transaction is not None:
            self._transaction.end()
            self._transaction = None

    async def handle_EHLO(  # noqa: N802  (aiosmtpd's name)
        self, _server: Conversation, session: Session, _envelope: Envelope, hostname: str, lines: list[str]
    ) -> list[str]:
        """Greet, and say what is offered."""
        self.forget()
        session.host_name = hostname
        offered = [line for line in lines if self._relay.takes_logins or not line.startswith("250-AUTH")]
        return [*offered[:-1], "250-PIPELINING", offered[-1]]

    async def handle_HELO(  # noqa: N802
        self, server: Conversation, session: Session, _envelope: Envelope, hostname: str
    ) -> str:
        """Greet."""
        self.forget()
        session.host_name = hostname
        return f"250 {server.hostname}"

    async def handle_RSET(self, _server: Conversation, _session: Session, _envelope: Envelope) -> str:  # noqa: N802
        """Forget what was begun."""
        self.forget()
        return "250 OK"

    async def handle_MAIL(  # noqa: N802
        self, server: Conversation, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Begin a message, upstream too."""
        if refusal := self._refusal(session):
            return refusal.line()
        self.forget()
        self._working = True
        try:
            with server.waiting_for_us():
                reply, self._transaction = await Transaction.begin(
                    self._relay.pool, Wish.read(address, options)
                )
        finally:
            self._working = False
        if self._transaction is not None:
            envelope.mail_from = address
            envelope.mail_options.extend(options)
        return reply.line()

    def _refusal(self, session: Session) -> Reply | None:
        """Return why this client may not send."""
        client = client_address(session.peer)
        refusal = self._relay.admission.refusal(client, logged_in=bool(session.authenticated))
        if self._relay.config.relay.tls_required and session.ssl is None:
            refusal = refusal or replies.NEEDS_TLS
        if self._relay.stopping:
            return replies.STOPPING
        if refusal is not None:
            self._refuse("client", client)
        return refusal

    def _refuse(self, reason: str, client: str) -> None:
        self._metrics.relay_refusals.labels(reason=reason).inc()
        get_logger().warning(Event.RELAY_REFUSED, reason=reason, client=client)

    async def handle_RCPT(  # noqa: N802
        self, server: Conversation, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Add a recipient, upstream too."""
        transaction = self._transaction
        if transaction is None:
            return replies.FAULT.line()
        if transaction.recipients and self._relay.config.relay.recipients == "each":
            self._metrics.relay_refusals.labels(reason="recipient").inc()
            return replies.ONE_RECIPIENT.line()
        with server.waiting_for_us():
            reply = await transaction.add(address)
        if reply.good:
            envelope.rcpt_tos.append(address)
        return reply.line()

    async def handle_DATA(self, server: Conversation, envelope: Envelope) -> str:  # noqa: N802
        """Pass a message on, and hand the upstream server's word on it back."""
        transaction, self._transaction = self._transaction, None
        content = envelope.content
        if transaction is None or not isinstance(content, bytes):
            return replies.FAULT.line()
        self._working = True
        try:
            with server.waiting_for_us():
                return (await self._relay.pass_on(transaction, content)).line()
        finally:
            self._working = False

    async def handle_exception(self, error: Exception) -> str:
        """Answer to a fault of ours: the mailer keeps its mail."""
        get_logger().error(Event.RELAY_FAILED, error=repr(error))
        return replies.FAULT.line()

    def log_in(
        self, _server: SMTP, session: Session, _envelope: Envelope, _mechanism: str, given: LoginPassword
    ) -> AuthResult:
        """Check a user's password."""
        try:
            known = self._relay.users is not None and self._relay.users.knows(given.login, given.password)
        except ConfigError as error:
            get_logger().error(Event.RELAY_FAILED, error=str(error))
            return AuthResult(success=False, handled=False, message="454 4.7.0 logins cannot be checked now")
        if not known:
            self._refuse("login", client_address(session.peer))
        return AuthResult(success=known, handled=False)


def client_address(peer: Any) -> str:
    """Return a peer's address as text; "" when the system does not say it."""
    return str(peer[0]) if isinstance(peer, tuple) and peer else ""
