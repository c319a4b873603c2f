"""What `linkproxy lint` looks for in a mail's links. `linkproxy.campaign.lint` has reasons and advice."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final

from linkproxy.campaign.hosts import is_address, is_among, is_local, same_organisation, shown_host
from linkproxy.campaign.targets import NoteReason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from linkproxy.campaign.lint_mail import LintedMail, SeenLink

Found = tuple[str, int]

_TRACKED_URL: Final = re.compile(r"(https?://[^/?#]+)/[A-Za-z0-9_-]{24}/[A-Za-z0-9]{4}(?:/[^?#]*)?")
# Nothing, a scheme that mail programs refuse, a path of Windows, or http(s) mistyped, as "htps:".
_LEADS_NOWHERE: Final = re.compile(
    r"#?\Z|(?:mailto|tel|sms):\Z|(?:javascript|vbscript|file|about|data|blob):|[a-z]:[\\/]"
    r"|(?!https?:)(?=[htps]*(?:tp|pt))[htps]{3,8}:",
    re.IGNORECASE,
)
_MAY_BE_WEB: Final = re.compile(r"https?:|(?![A-Za-z][A-Za-z0-9+.-]*:)", re.IGNORECASE)
# Velocity's $name but for names of OData, of Domino and of Azure's storage; and others' in small letters.
_MAY_BE_TAG: Final = re.compile(
    r"(?<=/)\$(?!(?:metadata|value|count|batch|ref|web|file)\b)[A-Z]\w{1,60}(?![\w$])"
    r"|(?<=[/=])(?:__[A-Z]\w{0,60}?__|\*[A-Z_]\w{0,60}\*)(?=[/?&#.-]|\Z)",
    re.IGNORECASE,
)
_PAYEES: Final = "cash.app"  # https://cash.app/$name is a person's own address
_SHOWN: Final = 120


def invalid(mail: LintedMail) -> Iterator[Found]:
    """Yield links that lead nowhere because of how they are written."""
    for seen in mail.links:
        if seen.left is NoteReason.INVALID:
            yield _cropped(seen.link.value), seen.position


def relative(mail: LintedMail) -> Iterator[Found]:
    """Yield links without a host."""
    for seen in mail.links:
        if seen.left is NoteReason.RELATIVE:
            yield _cropped(seen.link.value), seen.position


def empty(mail: LintedMail) -> Iterator[Found]:
    """Yield links that were left as they are, and that no mail program follows."""
    for seen in mail.links:
        if seen.left not in {None, NoteReason.OFF} and _LEADS_NOWHERE.match(seen.link.value):
            yield _cropped(seen.link.raw.decode("utf-8", "replace")) or '""', seen.position


def local_host(mail: LintedMail) -> Iterator[Found]:
    """Yield links to hosts without a public name."""
    for seen in mail.links:
        if seen.host and is_local(seen.host):
            yield _cropped(seen.url), seen.position


def ip_host(mail: LintedMail) -> Iterator[Found]:
    """Yield links to bare IP addresses."""
    for seen in mail.links:
        if seen.host and is_address(seen.host):
            yield _cropped(seen.url), seen.position


def shortener(mail: LintedMail) -> Iterator[Found]:
    """Yield links on shorteners."""
    return _on(mail, "shorteners")


def gateway(mail: LintedMail) -> Iterator[Found]:
    """Yield links that a mail gateway has rewritten."""
    return _on(mail, "gateways")


def tracked_elsewhere(mail: LintedMail) -> Iterator[Found]:
    """Yield links that lead through the tracking of a mailing service."""
    return _on(mail, "trackers", unless_leaving=True)


def _on(mail: LintedMail, kind: str, *, unless_leaving: bool = False) -> Iterator[Found]:
    for seen in mail.links:
        if seen.host and is_among(seen.host, kind) and not (unless_leaving and seen.unsubscribe):
            yield _cropped(seen.url), seen.position


def mixed_tracking(mail: LintedMail) -> Iterator[Found]:
    """Yield tracked links on another host than the campaign's, else than most of the mail's."""
    tracked = [(match[1].lower(), seen) for seen in mail.links if (match := _TRACKED_URL.fullmatch(seen.url))]
    if not tracked:
        return
    most, _ = Counter(root for root, _ in tracked).most_common(1)[0]
    own = mail.campaign.base_url.lower() if mail.campaign else most
    for root, seen in tracked:
        if root != own:
            yield f"{_cropped(seen.url)} is not on {own}", seen.position


def shown_url_differs(mail: LintedMail) -> Iterator[Found]:
    """Yield links whose text names one organisation's host, and that lead to another's."""
    for seen in mail.links:
        host = _shown(seen)
        if host and not same_organisation(host, seen.host):
            yield f"{_cropped(seen.link.text.strip())} leads to {seen.host}", seen.position


def shown_url_tracked(mail: LintedMail) -> Iterator[Found]:
    """Yield links whose text is a URL, and that would be tracked."""
    for seen in mail.links:
        host = _shown(seen)
        tracked = seen.left is None and host != mail.tracking_host
        if host and tracked and mail.campaign and same_organisation(host, seen.host):
            yield f"{_cropped(seen.link.text.strip())} would lead to {mail.tracking_host}", seen.position


def _shown(seen: SeenLink) -> str:
    """Return the host that an anchor's text shows; in plain text the URL is the text."""
    return shown_host(seen.link.text) if seen.link.tag and seen.host else ""


def plain_http(mail: LintedMail) -> Iterator[Found]:
    """Yield links that are not https."""
    for seen in mail.links:
        if seen.host and seen.url[:7].lower() == "http://":
            yield _cropped(seen.url), seen.position


def merge_tag_inside(mail: LintedMail) -> Iterator[Found]:
    """Yield links that stay untracked for a merge tag in them."""
    for seen in mail.links:
        # A mailto: is never tracked, tag or no tag.
        if seen.left is NoteReason.MERGE_TAG_INSIDE and _MAY_BE_WEB.match(seen.link.value):
            yield _cropped(seen.link.value), seen.position


def may_be_merge_tag(mail: LintedMail) -> Iterator[Found]:
    """Yield links that would be tracked although a merge tag may be in them."""
    for seen in mail.links:
        if seen.left is None and seen.host != _PAYEES and (found := _MAY_BE_TAG.search(seen.url)):
            yield f"{found[0]} in {_cropped(seen.url)}", seen.position


def _cropped(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _SHOWN else f"{flat[: _SHOWN - 1]}…"
