"""SMTP replies: the upstream server's, handed back, and our own (RFC 5321, RFC 3463, RFC 5248)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_MOST_LINES: Final = 20
_OF_THE_LOGIN: Final = frozenset({530, 534, 535, 538})  # RFC 4954 section 6, RFC 3207 section 4
_LINE_CHARACTERS: Final = 480  # RFC 5321 section 4.5.3.1.5 has 512 bytes with code and line end
_NO_RELAYING: Final = re.compile(
    r"relay access denied|relaying (?:to \S+ )?(?:is )?(?:denied|not (?:permitted|allowed))"
    r"|relay not permitted|mail relay denied|unable to relay|(?:do|does|will) not relay"
    r"|list of allowed rcpthosts|credentials for relay",
    re.IGNORECASE,
)
"""What Postfix says; Sendmail, Kerio; Exim; Google's relay; Exchange; some others; qmail; Google's relay."""
_OF_ANOTHER: Final = re.compile(r"\b(?:said|response): ", re.IGNORECASE)
"""What a server further on said of the recipient, as Postfix and Exim quote it when they have asked there."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply code and its text, lines parted by line feeds.

    ``of_relay``: the upstream server said it of the relay, and would of whatever mail.
    """

    code: int
    text: str
    of_relay: bool = False

    @property
    def good(self) -> bool:
        """Tell whether it says yes."""
        return 200 <= self.code < 300

    @property
    def word(self) -> str:
        """The reply in the closed vocabulary of the metrics."""
        return "accepted" if self.good else "rejected" if self.code >= 500 else "deferred"

    def line(self) -> str:
        """Return it as it is sent, printable ASCII, without the last line end."""
        lines = [_printable(line) for line in self.text.split("\n")[:_MOST_LINES]]
        marks = ["-"] * (len(lines) - 1) + [" "]
        return "\r\n".join(f"{self.code}{mark}{line}" for mark, line in zip(marks, lines, strict=True))


def _printable(line: str) -> str:
    shown = "".join(character if " " <= character <= "~" else "?" for character in line)
    return shown[:_LINE_CHARACTERS]


def from_upstream(code: int, text: str) -> Reply:
    """Return what the upstream server said, to be handed back.

    421 says that it closes its own connection, which is not the mailer's; that a login or TLS is
    wanted, or that we may not relay, is said to us; and a code that is no answer to a command says
    nothing about the mail. All of them are temporary: Postfix, too, defers who may not relay, lest a slip
    in a configuration bounces mail (https://www.postfix.org/postconf.5.html#defer_unauth_destination).
    """
    if code == 421:
        return Reply(451, text)
    if code in _OF_THE_LOGIN:
        return Reply(
            451, f"4.7.0 the upstream server asks the relay to log in otherwise: {text}", of_relay=True
        )
    if 500 <= code < 600 and _NO_RELAYING.search(text) and not _OF_ANOTHER.search(text):
        return Reply(
            451, f"4.7.1 the upstream server does not let the relay send there: {text}", of_relay=True
        )
    if 200 <= code < 300 or 400 <= code < 600:
        return Reply(code, text)
    return Reply(451, f"4.5.0 the upstream server gave an answer that is none: {text.strip()}")


_ADDRESS: Final = re.compile(r"<[^<>\s]*>|\S+@\S+")


def without_addresses(text: str) -> str:
    """Return a reply's text as logs may have it."""
    return _ADDRESS.sub("<...>", text)


BUSY: Final = Reply(451, "4.3.2 all connections to the upstream server are in use; try again")
ONE_RECIPIENT: Final = Reply(452, "4.5.3 one recipient a message here; send to the next one by itself")
STOPPING: Final = Reply(421, "4.3.2 the relay is stopping; try again")
TOO_MANY: Final = Reply(421, "4.3.2 too many connections; try again")
FAULT: Final = Reply(451, "4.3.0 a fault of linkproxy; its log says more, try again")
NOT_ADMITTED: Final = Reply(554, "5.7.1 you may not send here; see [relay] client_networks of linkproxy")
NEEDS_AUTH: Final = Reply(530, "5.7.0 log in first")
NEEDS_TLS: Final = Reply(530, "5.7.0 use STARTTLS first")
TLS_IN_USE: Final = Reply(503, "5.5.1 TLS is in use already")
LONG_LOGIN: Final = Reply(500, "5.5.6 a line of the login is too long")
NEEDS_UTF8: Final = Reply(553, "5.6.7 an address that is not ASCII needs SMTPUTF8")
NO_UTF8_ADDRESS: Final = Reply(550, "5.6.7 the upstream server takes no address that is not ASCII")
NO_UTF8_HEADER: Final = Reply(550, "5.6.9 the upstream server takes no header that is not ASCII")
NO_EIGHT_BIT: Final = Reply(554, "5.6.3 the upstream server takes no 8-bit text; nothing is converted")
BAD_ADDRESS: Final = Reply(553, "5.1.3 a control character in the address")
NO_HTTP: Final = Reply(521, "5.5.1 this takes mail, and is no web server")
NEEDS_RECIPIENT: Final = Reply(503, "5.5.1 RCPT comes first")
NO_ARGUMENT: Final = Reply(501, "5.5.4 DATA has no argument")
GO_ON: Final = Reply(354, "end data with <CR><LF>.<CR><LF>")
TOO_LARGE: Final = Reply(552, "5.3.4 the message is larger than [relay] message_bytes of linkproxy")
LONG_LINE: Final = Reply(500, "5.6.0 a line of the message is too long")
BAD_DOT: Final = Reply(
    550, "5.6.0 a dot behind a bare CR or LF: programs would see different ends of this message"
)
