"""What mailers say, and what they hear: one conversation a connection."""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, cast

from aiosmtpd.smtp import SMTP, TLSSetupException

from linkproxy.server.relay import replies
from linkproxy.server.relay.admission import client_address, is_loopback
from linkproxy.server.relay.hooks import Hooks
from linkproxy.server.relay.incoming import read_message

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    # As Dovecot, Cyrus and Exchange ask; many a Go program compares the words. aiosmtpd's own are those of
    # draft-murchison-sasl-login, whose "User Name" ends in a NUL.
    AuthLoginUsernameChallenge = "Username:"
    AuthLoginPasswordChallenge = "Password:"

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
            tls_context=relay.certificate.context,
            timeout=section.client_seconds,
            authenticator=self._hooks.log_in,
            command_call_limit={"AUTH": _LOGINS, "*": _COMMANDS},
            loop=asyncio.get_running_loop(),
        )

    def connection_made(self, transport: Any) -> None:
        """Begin, unless there are too many, or the client could never send; after STARTTLS begin anew."""
        if self not in self._relay.conversations:
            client = client_address(transport.get_extra_info("peername"))
            if refusal := self._no_entry(client):
                self._refused = True
                transport.write(refusal.line().encode() + b"\r\n")
                transport.close()
                return
            self._relay.conversations.add(self)
            # Nobody listens in on a connection that does not leave the machine.
            self._auth_require_tls = not is_loopback(client)
        self._hooks.forget()
        super().connection_made(transport)

    def _no_entry(self, client: str) -> replies.Reply | None:
        """Return why there is no conversation at all; strangers would take the places of mailers."""
        refusal = self._relay.admission.refusal(client, logged_in=True)
        if refusal is not None:
            self._hooks.refuse("client", client)
            return refusal
        return None if self._relay.admits_another() else replies.TOO_MANY

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

    def _getparams(self, params: Any) -> dict[str, str | bool] | None:
        """Return parameters; whose mail it was (AUTH=, RFC 4954 section 5) is not passed on."""
        found: dict[str, str | bool] | None = super()._getparams(params)
        if found is not None and not str(found.get("SIZE", "")).isascii():
            return None  # aiosmtpd fails at "²", which is a digit to Python and no number
        if found is not None and self._relay.takes_logins:
            found.pop("AUTH", None)
        return found

    async def smtp_AUTH(self, arg: str) -> None:  # noqa: N802  (aiosmtpd's name)
        """Log in; mechanisms are named in any case (RFC 4954 section 4)."""
        mechanism, *others = (arg or "").split(" ", 1)
        try:
            await super().smtp_AUTH(" ".join([mechanism.upper(), *others]))
        except ValueError:  # what asyncio says of a line that has no end in sight
            await self.push(replies.LONG_LOGIN.line())

    async def smtp_STARTTLS(self, arg: str) -> None:  # noqa: N802  (aiosmtpd's name)
        """Begin TLS, once: within TLS aiosmtpd would begin another one."""
        if self.session is not None and self.session.ssl is not None:
            await self.push(replies.TLS_IN_USE.line())
        else:
            await super().smtp_STARTTLS(arg)

    async def smtp_POST(self, _arg: str | None) -> None:  # noqa: N802  (aiosmtpd's name)
        """End at once: whose program was made to speak HTTP to us may send mail by what follows.

        Whoever can choose what a server of ours fetches thereby speaks from an address that may send
        (Postfix: smtpd_forbidden_commands). aiosmtpd ends the connection at five unknown commands, and
        a request may have fewer header lines.
        """
        if self.session is not None:
            self._hooks.refuse("http", client_address(self.session.peer))
        await self.push(replies.NO_HTTP.line())
        if self.transport is not None:
            self.transport.close()
        raise asyncio.CancelledError

    smtp_GET = smtp_HEAD = smtp_PUT = smtp_PATCH = smtp_DELETE = smtp_OPTIONS = smtp_CONNECT = smtp_POST  # noqa: N815

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

    async def handle_exception(self, error: Exception) -> str:
        """Answer to a fault of ours; a mailer that breaks TLS off, not trusting us, is none."""
        if isinstance(error, TLSSetupException) and self.session is not None:
            self._hooks.refuse("tls", client_address(self.session.peer))
            return ""  # nobody is there to hear it
        return await super().handle_exception(error)

    async def _leave_if_stopping(self) -> None:
        if self._relay.stopping and not self._hooks.busy:
            await self.push(replies.STOPPING.line())
            if self.transport is not None:
                self.transport.close()

    def leave(self) -> None:
        """Say that the relay stops, unless a message is under way; then it is finished first."""
        if self._hooks.busy or self.transport is None:
            return
        if self.transport.is_closing():
            # It said QUIT within TLS, whose end the mailer may keep waiting; nothing can be written any more.
            self._relay.left(self)
        else:
            self._writer.write(replies.STOPPING.line().encode() + b"\r\n")
            self.transport.close()

    def cut(self) -> None:
        """End at once."""
        if self.transport is not None:
            cast("asyncio.Transport", self.transport).abort()
