"""What a conversation does with a message: admits the mailer, and has MAIL, RCPT and DATA said upstream."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiosmtpd.smtp import AuthResult, LoginPassword

from linkproxy.config_faults import ConfigError
from linkproxy.logs import Event, get_logger
from linkproxy.server.relay import replies
from linkproxy.server.relay.admission import client_address
from linkproxy.server.relay.transaction import Transaction, Wish

if TYPE_CHECKING:
    from aiosmtpd.smtp import SMTP, Envelope, Session

    from linkproxy.server.relay.conversation import Conversation
    from linkproxy.server.relay.replies import Reply
    from linkproxy.server.relay.service import Relay


class Hooks:
    """What aiosmtpd calls in a conversation; names and arguments are its own."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._metrics = relay.metrics
        self._transaction: Transaction | None = None
        self._working = False
        self._told_one = False  # that this message has one recipient

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
        self._told_one = False
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
            self.refuse("client", client)
        return refusal

    def refuse(self, reason: str, client: str) -> None:
        """Count and log that a client got no further."""
        self._metrics.relay_refusals.labels(reason=reason).inc()
        get_logger().warning(Event.RELAY_REFUSED, reason=reason, client=client)

    async def handle_RCPT(  # noqa: N802
        self, server: Conversation, session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Add a recipient, upstream too."""
        transaction = self._transaction
        if transaction is None:
            return replies.FAULT.line()
        if transaction.recipients and self._relay.config.relay.recipients == "each":
            return self._refuse_another(client_address(session.peer)).line()
        with server.waiting_for_us():
            reply = await transaction.add(address)
        if reply.good:
            envelope.rcpt_tos.append(address)
        return reply.line()

    def _refuse_another(self, client: str) -> Reply:
        """Count a further recipient; the log hears of one for each message.

        Programs are about that do not look at who was refused, and their mail to those is lost.
        """
        if self._told_one:
            self._metrics.relay_refusals.labels(reason="recipient").inc()
        else:
            self._told_one = True
            self.refuse("recipient", client)
        return replies.ONE_RECIPIENT

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
            self.refuse("login", client_address(session.peer))
        return AuthResult(success=known, handled=False)
