"""Whose link a URL is, and where it leads: what a reader's complaint is answered with.

A URL is read as the server reads a request for it, and nothing is journalled.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from linkproxy.model import NOBODY, LinkproxyError, RawRequest, Stray
from linkproxy.visit import intake

if TYPE_CHECKING:
    from linkproxy.campaign.tokens import Keyring
    from linkproxy.model import Campaign, Link, MessageLink, Recipient, Visit
    from linkproxy.store.api import Store

_WRAPPED = re.compile(
    r"://[^/\s]+(/[A-Za-z0-9_-]{24}/[A-Za-z0-9]{4}(?:/[A-Za-z0-9._~-]+?){0,2})(?=__;|[&?#]|$)"
)
"""A tracked path within another URL: mail filters put links behind their own, and readers copy those.

Microsoft's holds it percent-encoded (``?url=https%3A%2F%2F...&data=``, docs/lint.md), Proofpoint's as it is
(``urldefense.com/v3/__https://...__;!!``, https://wildandfreetools.com/blog/proofpoint-url-defense-decoder/).
"""


class NotOursError(LinkproxyError):
    """A URL that stands for nothing here; the text says why readers of it see "not known"."""


@dataclass(frozen=True, slots=True)
class Whose:
    """What a true URL stands for; ``recipient`` None: nobody who is known, ``link`` None: a 404."""

    campaign: Campaign
    key: str
    link: Link | MessageLink | None
    reference: str  # that the URL ends in, "" if none
    by_reference: bool
    recipient: Recipient | None


async def whose(store: Store, keyring: Keyring, url: str) -> Whose:
    """Look up what a tracked URL stands for; raise NotOursError."""
    target = _target(url.strip().strip("<>"))
    read = intake.read(RawRequest("GET", target, (), "", 0.0), intake.Gate(keyring))
    if read is None or isinstance(read, Stray):
        raise NotOursError(_fault(intake.path_of(target), keyring))
    campaign = await store.get_campaign(read.campaign_id)
    if campaign is None:
        raise NotOursError(
            f"campaign {read.campaign_id} of this link is not in the store: it was made after the backup "
            "that was restored (`linkproxy store restore-links` brings it back from link files), or in "
            "another store with the same signing keys"
        )
    recipient = await _recipient(store, read)
    own = () if recipient is None else await store.list_message_links(campaign.id, recipient.id)
    links = [*await store.list_links(campaign.id), *own]
    link = next((known for known in links if known.key == read.key), None)
    by_reference = read.recipient_id == NOBODY
    return Whose(campaign, read.key, link, read.reference, by_reference, recipient)


def _target(url: str) -> str:
    """Return what a request for the link asks for, however it was copied."""
    target = (url if "://" in url or url.startswith("/") else f"https://{url}").partition("#")[0]
    if intake.TRACKED.fullmatch(intake.path_of(target)):
        return target
    wrapped = _WRAPPED.search(unquote(url))
    return wrapped[1] if wrapped else target


async def _recipient(store: Store, read: Visit) -> Recipient | None:
    if read.recipient_id != NOBODY:
        return await store.get_recipient(read.recipient_id)
    return await store.find_recipient(read.reference) if read.reference else None


def _fault(path: str, keyring: Keyring) -> str:
    asked = intake.TRACKED.fullmatch(path)
    if asked is None:
        return (
            "this is no tracked link: behind the host it has a token of 24 characters, a key of 4 letters "
            "and digits, and with merge tags a reference. It may have been cut off, or hold a line break"
        )
    ids = ", ".join(map(str, keyring.fingerprints))
    return (
        "none of the signing keys here made this token: a character of it was lost or changed on its way, or "
        f"its key is missing (there are: {ids}; `linkproxy signing-keys list`)"
    )


def whose_record(found: Whose) -> dict[str, Any]:
    """Return it as a JSON-able object."""
    link, recipient = found.link, found.recipient
    return {
        "campaign": found.campaign.name,
        "key": found.key,
        "kind": link and link.kind,
        "role": link and link.role,
        "target": link and link.target,
        "recipient": recipient and (recipient.address or recipient.reference),
        "reference": found.reference or None,
        "tracked": recipient and recipient.track,
        "notes": list(_notes(found)),
    }


def _notes(found: Whose) -> list[str]:
    notes = []
    if found.link is None:
        notes.append(
            "There is no link of this key, so readers see that it is not known: a character was changed, the "
            "link was made after the backup that was restored (store restore-links), or it belonged to one "
            "message and was purged."
        )
    if found.recipient is None:
        notes.append(_nobody(found))
    elif not found.recipient.track:
        notes.append("This recipient is not tracked: the link leads on, and no visit is kept.")
    return notes


def _nobody(found: Whose) -> str:
    if not found.by_reference:
        return (
            "Whom the mail was for is not known: erased, or registered after the backup that was restored. "
            "The link leads on, and no visit is kept."
        )
    if not found.reference:
        return "Nobody filled in the merge tag, or with a mail address: the link leads on, for nobody."
    return "Nobody is known by this reference: not visited yet, or erased."
