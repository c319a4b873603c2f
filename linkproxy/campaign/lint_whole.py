"""What `linkproxy lint` looks for in a mail as a whole. `linkproxy.campaign.lint` has reasons and advice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from linkproxy.campaign.hosts import same_organisation
from linkproxy.campaign.lint_mail import HTML, PLAIN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from linkproxy.campaign.lint_mail import LintedMail

Found = tuple[str, int]

GMAIL_BYTES: Final = 102 * 1024
"""Where Gmail cuts a mail's HTML off (Mailchimp's help, "Gmail Is Clipping My Email": 102 KB)."""

_ALL: Final = -1


def not_aligned(mail: LintedMail) -> Iterator[Found]:
    """Yield the tracking host if it is not under the sender's organisational domain."""
    host = mail.tracking_host
    if host and mail.sender and not same_organisation(host, mail.sender):
        yield f"links on {host}, From at {mail.sender}", _ALL


def tracking_http(mail: LintedMail) -> Iterator[Found]:
    """Yield a base URL that is not https."""
    if mail.campaign and mail.campaign.base_url.startswith("http://"):
        yield mail.campaign.base_url, _ALL


def no_unsubscribe_link(mail: LintedMail) -> Iterator[Found]:
    """Yield a mailing whose texts have no link to leave the list."""
    if mail.marketing and mail.kinds and not any(seen.unsubscribe for seen in mail.links):
        yield f"links in the mail: {len(mail.links)}", _ALL


def no_unsubscribe_header(mail: LintedMail) -> Iterator[Found]:
    """Yield a mailing without List-Unsubscribe, which its campaign does not add either."""
    added = mail.campaign and mail.campaign.list_unsubscribe and next(tracking_http(mail), None) is None
    if mail.marketing and mail.message and "list-unsubscribe" not in mail.fields and not added:
        yield "List-Unsubscribe is missing", _ALL


def no_one_click(mail: LintedMail) -> Iterator[Found]:
    """Yield a mailing whose List-Unsubscribe does not work with one click."""
    if mail.marketing and "list-unsubscribe" in mail.fields and "list-unsubscribe-post" not in mail.fields:
        yield "List-Unsubscribe-Post is missing", _ALL


def no_plain_text(mail: LintedMail) -> Iterator[Found]:
    """Yield a message with HTML alone."""
    if mail.message and HTML in mail.kinds and PLAIN not in mail.kinds:
        yield "text/html alone", _ALL


def oversize(mail: LintedMail) -> Iterator[Found]:
    """Yield HTML that Gmail will cut off."""
    if mail.html_bytes > GMAIL_BYTES:
        yield f"{mail.html_bytes:,} bytes of HTML, {GMAIL_BYTES:,} are shown", _ALL


def already_signed(mail: LintedMail) -> Iterator[Found]:
    """Yield what is signed or encrypted."""
    for name in mail.sealed:
        yield name, _ALL


def unreadable(mail: LintedMail) -> Iterator[Found]:
    """Yield parts whose links cannot be found."""
    for what in mail.unreadable:
        yield what, _ALL


def attachment(mail: LintedMail) -> Iterator[Found]:
    """Yield attached files."""
    for name in mail.files:
        yield name, _ALL
