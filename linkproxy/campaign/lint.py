"""What is likely to hurt a mail before it is sent: one table of checks, each with reason and advice.

docs/lint.md has an example of every one. A finding never stops anything by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from linkproxy.campaign import lint_links as links
from linkproxy.campaign import lint_whole as whole
from linkproxy.campaign.lint_mail import read_html, read_message, read_text
from linkproxy.campaign.mime_parts import find_parts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from linkproxy.campaign.lint_mail import LintedMail
    from linkproxy.model import Campaign

WHOLE_MAIL: Final = -1
"""Position of a finding that is about no link."""

MOST_OF_ONE: Final = 50
"""Findings of one check in one mail; what comes after says nothing new."""


class Severity(IntEnum):
    """How bad it is."""

    INFO = 0  # worth knowing
    WARNING = 1  # costs delivery, or clicks that are not counted
    ERROR = 2  # the link does not work, or filters stop the mail


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that is looked for; ``look`` yields a detail and a position for each place."""

    name: str
    severity: Severity
    reason: str
    advice: str
    look: Callable[[LintedMail], Iterator[tuple[str, int]]]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found: ``detail`` shows it, ``position`` is the link's order or WHOLE_MAIL."""

    check: Check
    detail: str
    position: int = WHOLE_MAIL


CHECKS: Final[Sequence[Check]] = (
    Check(
        "invalid_target",
        Severity.ERROR,
        "No browser follows this, or browsers follow it in different ways.",
        "Correct the URL.",
        links.invalid,
    ),
    Check(
        "relative_target",
        Severity.ERROR,
        "A mail has no address of its own, so a link without a host leads nowhere.",
        "Write the whole URL, or add a base element.",
        links.relative,
    ),
    Check(
        "empty_target",
        Severity.ERROR,
        "A placeholder, a mistyped scheme, or a scheme that mail programs refuse: the link leads nowhere.",
        'Put the target in; data-linkproxy="off" says that it is meant so.',
        links.empty,
    ),
    Check(
        "local_host",
        Severity.ERROR,
        "Only your own network knows a host of this name; nobody else gets there.",
        "Name the public host. A URL that begins twice, https://https://, has the host https.",
        links.local_host,
    ),
    Check(
        "ip_host",
        Severity.ERROR,
        "Hardly any honest mail links to a bare IP address; filters score it as phishing.",
        "Use a host name.",
        links.ip_host,
    ),
    Check(
        "shortener",
        Severity.WARNING,
        "Anybody's links are on that host, and filters judge yours by the worst of them.",
        "Link to the target itself; tracked links need no shortening.",
        links.shortener,
    ),
    Check(
        "gateway_link",
        Severity.WARNING,
        "A mail gateway has rewritten this link: it was copied out of a mail that somebody received, names "
        "that person to the gateway, and may stop working.",
        "Put the original target in.",
        links.gateway,
    ),
    Check(
        "tracked_elsewhere",
        Severity.WARNING,
        "The link leads through another service's click tracking: it counts twice and takes two redirects.",
        "Link to the target itself, and switch tracking off in the other service.",
        links.tracked_elsewhere,
    ),
    Check(
        "mixed_tracking",
        Severity.WARNING,
        "The mail has tracked links on more than one host; filters see several senders in one mail.",
        "Send each mail with the tracking host of one campaign.",
        links.mixed_tracking,
    ),
    Check(
        "shown_url_differs",
        Severity.WARNING,
        "The text shows one host and the link leads to another: the very mark of phishing.",
        "Show the host that the link leads to, or words in place of a URL.",
        links.shown_url_differs,
    ),
    Check(
        "shown_url_tracked",
        Severity.WARNING,
        "The text shows a URL, and a tracked link leads to another host first; mail programs and filters "
        "warn of that.",
        'Use words in place of the URL, or leave the link untracked: data-linkproxy="off" on it, or '
        "--leave-shown-urls for the campaign.",
        links.shown_url_tracked,
    ),
    Check(
        "plain_http",
        Severity.WARNING,
        "Browsers call http insecure, and anybody on the way can read and change it.",
        "Link to the https address.",
        links.plain_http,
    ),
    Check(
        "merge_tag_inside",
        Severity.WARNING,
        "The URL has a merge tag in it: where it leads cannot be known, so it stays untracked.",
        "Let your mailer fill the tags in first and rewrite the merged mail, or take the tag out.",
        links.merge_tag_inside,
    ),
    Check(
        "may_be_merge_tag",
        Severity.WARNING,
        "A part of the URL looks like a merge tag, but other URLs have such parts, too, so it is tracked. If "
        "it is one, readers are led to an address with the bare tag in it.",
        'If your mailer fills it in, leave the link untracked: data-linkproxy="off".',
        links.may_be_merge_tag,
    ),
    Check(
        "tracking_not_aligned",
        Severity.WARNING,
        "Tracked links are on another organisation's domain than the sender's address; filters trust a mail "
        "more whose links are the sender's own.",
        "Give the campaign a tracking host under the sender's domain (docs/domains.md).",
        whole.not_aligned,
    ),
    Check(
        "tracking_plain_http",
        Severity.WARNING,
        "Tracked links begin with http: browsers warn, and one-click unsubscribing (RFC 8058) fails.",
        "Serve the tracking host with TLS and give the campaign an https base URL.",
        whole.tracking_http,
    ),
    Check(
        "no_unsubscribe_link",
        Severity.WARNING,
        "No link leaves the list. Most countries require one by law, and readers who find none report spam.",
        'Add a link; data-linkproxy="unsubscribe" hands it to linkproxy.',
        whole.no_unsubscribe_link,
    ),
    Check(
        "no_unsubscribe_header",
        Severity.WARNING,
        "There is no List-Unsubscribe header (RFC 2369); large mailbox providers ask bulk senders for it.",
        "Let your mailer add it, or linkproxy: campaign add --list-unsubscribe.",
        whole.no_unsubscribe_header,
    ),
    Check(
        "no_one_click",
        Severity.WARNING,
        "List-Unsubscribe is there without List-Unsubscribe-Post (RFC 8058), which Gmail and Yahoo ask bulk "
        "senders for.",
        "Add List-Unsubscribe-Post: List-Unsubscribe=One-Click with an https address.",
        whole.no_one_click,
    ),
    Check(
        "no_plain_text",
        Severity.WARNING,
        "There is HTML and no text/plain part; some readers see nothing, and filters score it.",
        "Send multipart/alternative with a text/plain part.",
        whole.no_plain_text,
    ),
    Check(
        "oversize",
        Severity.WARNING,
        "Gmail shows the first 102 kB of a mail's HTML and hides the rest, with the unsubscribe link in it.",
        "Take out comments, unused styles and embedded pictures.",
        whole.oversize,
    ),
    Check(
        "already_signed",
        Severity.WARNING,
        "A signature or encryption covers the text: rewriting links would break it, or cannot reach them.",
        "Sign after the links are rewritten.",
        whole.already_signed,
    ),
    Check(
        "unreadable",
        Severity.WARNING,
        "Links cannot be found in this part for certain, so they stay untracked.",
        "Send the part as UTF-8, in quoted-printable or base64.",
        whole.unreadable,
    ),
    Check(
        "attachment",
        Severity.INFO,
        "Links in attached files are not tracked, and filters look harder at mail with files.",
        "Link to the file instead of attaching it, where that is enough.",
        whole.attachment,
    ),
)
"""Everything that is looked for, in the order of the report."""


def lint_html(
    html: bytes, campaign: Campaign | None = None, *, charset: str = "", sender: str = ""
) -> list[Finding]:
    """Return what is wrong with an HTML text, worst first; never raises, whatever the bytes.

    ``campaign`` says where tracked links are and what the mail is for; without one, what depends
    on that is not looked at. ``sender`` is the domain of the From address.
    """
    return _findings(read_html(html, campaign, charset=charset, sender=sender))


def lint_text(text: bytes, campaign: Campaign | None = None, *, sender: str = "") -> list[Finding]:
    """Return what is wrong with a plain text by itself, UTF-8, as `lint_html` does."""
    return _findings(read_text(text, campaign, sender=sender))


def lint_message(raw: bytes, campaign: Campaign | None = None) -> list[Finding]:
    """Return what is wrong with a whole message (RFC 5322), as `lint_html` does."""
    return _findings(read_message(raw, campaign))


def is_message(raw: bytes) -> bool:
    """Tell a whole message from HTML or text alone: it begins with header fields that only mail has."""
    fields = find_parts(raw[:_LOOKED_AT]).head.fields
    return not raw.lstrip().startswith(b"<") and not {"from", "mime-version", "content-type"}.isdisjoint(
        fields
    )


_LOOKED_AT: Final = 1 << 17


def _findings(mail: LintedMail) -> list[Finding]:
    return [
        Finding(check, detail, position)
        for check in sorted(CHECKS, key=lambda check: -check.severity)
        for detail, position in islice(check.look(mail), MOST_OF_ONE)
    ]


def finding_record(finding: Finding) -> dict[str, Any]:
    """Return a finding as JSON shows it; ``position`` is null for the whole mail."""
    check = finding.check
    return {
        "check": check.name,
        "severity": check.severity.name.lower(),
        "detail": finding.detail,
        "position": None if finding.position == WHOLE_MAIL else finding.position,
        "reason": check.reason,
        "advice": check.advice,
    }
