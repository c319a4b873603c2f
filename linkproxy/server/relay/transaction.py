"""One message on its way through: what the mailer says is said upstream, and its answer handed back."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from linkproxy.server.relay import replies
from linkproxy.server.relay.upstream import UpstreamError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from linkproxy.server.relay.pool import Pool
    from linkproxy.server.relay.replies import Reply
    from linkproxy.server.relay.upstream import Upstream

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_TRIES: Final = 4


@dataclass(frozen=True, slots=True)
class Wish:
    """What the mailer said with MAIL."""

    sender: str  # "" for the null sender
    size: int | None = None
    eight_bit: bool = False  # BODY=8BITMIME (RFC 6152)
    utf8: bool = False  # SMTPUTF8 (RFC 6531)

    @classmethod
    def read(cls, address: str, options: Iterable[str]) -> Wish:
        """Read MAIL's address and its parameters, in upper case and checked already."""
        given = dict(option.partition("=")[::2] for option in options)
        size = given.get("SIZE", "")
        return cls(
            "" if address == "<>" else address,
            int(size) if size.isdecimal() else None,
            given.get("BODY") == "8BITMIME",
            "SMTPUTF8" in given,
        )

    def options(self, upstream: Upstream) -> list[bytes]:
        """Return the parameters that the upstream server understands."""
        offered = upstream.extensions
        wanted = (
            ("size", self.size is not None, f"SIZE={self.size}"),
            ("8bitmime", self.eight_bit, "BODY=8BITMIME"),
            ("smtputf8", self.utf8, "SMTPUTF8"),
        )
        return [text.encode() for name, wished, text in wanted if wished and name in offered]


@dataclass(eq=False)
class Transaction:
    """A transaction with the upstream server; ``end`` must be called whatever happens."""

    pool: Pool
    upstream: Upstream
    wish: Wish
    recipients: list[str] = field(default_factory=list)
    ended: bool = False

    @classmethod
    async def begin(cls, pool: Pool, wish: Wish) -> tuple[Reply, Transaction | None]:
        """Say MAIL over a connection of the pool; None with the reply that refuses it.

        A connection that was kept may be dead without our knowing, so another is tried: nothing
        has been said over it yet.
        """
        if refusal := _address_fault(wish.sender, wish):
            return refusal, None
        for attempt in range(_TRIES):
            try:
                upstream, kept = await pool.take()
            except UpstreamError as error:
                return error.reply, None
            found = cls(pool, upstream, wish)
            reply = await found._say_mail(last=not kept or attempt == _TRIES - 1)
            if reply is not None:
                return reply, None if found.ended else found
        return replies.BUSY, None

    async def _say_mail(self, *, last: bool) -> Reply | None:
        """Return the answer; None when another connection is to be tried."""
        try:
            if refusal := self._unsupported_address(self.wish.sender):
                self.end()
                return refusal
            reply = await self.upstream.mail(_encoded(self.wish.sender), self.wish.options(self.upstream))
        except UpstreamError as error:
            self.end()
            return error.reply if last else None
        except BaseException:
            self.end()
            raise
        self.pool.heard(reply)
        if not reply.good:
            lost = not self.upstream.usable
            self.end()
            return None if lost and not last else reply
        return reply

    async def add(self, address: str) -> Reply:
        """Say RCPT; the address is one of ``recipients`` when the answer is good."""
        if refusal := _address_fault(address, self.wish) or self._unsupported_address(address):
            return refusal
        try:
            reply = await self.upstream.recipient(_encoded(address))
        except UpstreamError as error:
            return error.reply
        self.pool.heard(reply)
        if reply.good:
            self.recipients.append(address)
        return reply

    def _unsupported_address(self, address: str) -> Reply | None:
        supported = address.isascii() or "smtputf8" in self.upstream.extensions
        return None if supported else replies.NO_UTF8_ADDRESS

    def unfit(self, content: bytes, header_end: int) -> Reply | None:
        """Return why a message cannot be passed on as it is; None when it can.

        A mailer that declares 8-bit or UTF-8 without need is not refused for it, as RFC 6152 and
        RFC 6531 let a relay do. A dot behind a bare CR or LF ends the message for some servers and
        not for others (SMTP smuggling), so nobody gets to see one.
        """
        offered = self.upstream.extensions
        if _has_bare_dot(content):
            return replies.BAD_DOT
        if self.wish.eight_bit and "8bitmime" not in offered and not content.isascii():
            return replies.NO_EIGHT_BIT
        if self.wish.utf8 and "smtputf8" not in offered and not content[:header_end].isascii():
            return replies.NO_UTF8_HEADER
        return None

    async def send(self, content: bytes) -> Reply:
        """Send the message and return the last word on it; ends the transaction."""
        try:
            reply = await self.upstream.data(content)
        finally:
            self.end()
        self.pool.heard(reply)
        return reply

    def end(self) -> None:
        """Give the connection back; what was begun and not ended is forgotten upstream."""
        if not self.ended:
            self.ended = True
            self.pool.give_back(self.upstream)


def _address_fault(address: str, wish: Wish) -> Reply | None:
    if _CONTROL.search(address):
        return replies.BAD_ADDRESS
    return None if address.isascii() or wish.utf8 else replies.NEEDS_UTF8


def _has_bare_dot(content: bytes) -> bool:
    # Counted, since a pattern takes a second for the largest message, and all mailers wait meanwhile.
    return b"\r." in content or content.count(b"\n.") != content.count(b"\r\n.")


def _encoded(address: str) -> bytes:
    return address.encode("utf-8", "surrogateescape")
