"""Reading whom a mail is for: the text a user gives for a recipient. And what a person can ask for."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from linkproxy.campaign.tokens import REFERENCE
from linkproxy.model import LinkproxyError
from linkproxy.store.api import RecipientDraft

if TYPE_CHECKING:
    from linkproxy.model import Recipient
    from linkproxy.store.api import Store

# Lenient on purpose: mailers accept more than RFC 5321 says. What is refused would break a log
# line, a file name or the split at the domain.
_ADDRESS = re.compile(r"[^\s@<>\x00-\x1f\x7f]{1,64}@[^\s@<>\x00-\x1f\x7f/\\]{1,255}")


def recipient_fault(*, address: str = "", reference: str = "") -> str | None:
    """Return why this cannot be a recipient, None when it can."""
    if not address and not reference:
        return "neither an address nor a reference"
    if address and not _ADDRESS.fullmatch(address):
        return f"{address[:80]!r} is not a mail address such as anna@example.com"
    if reference and not REFERENCE.fullmatch(reference):
        return f"{reference[:80]!r} is not a reference: 1 to 64 of A-Z a-z 0-9 . _ ~ -, not starting with ~"
    return None


def read_recipient(who: str) -> RecipientDraft:
    """Return the draft of an address (it has an @) or else of an outside reference.

    Raises LinkproxyError for text that is neither.
    """
    who = who.strip()
    draft = RecipientDraft(address=who) if "@" in who else RecipientDraft(reference=who)
    fault = recipient_fault(address=draft.address, reference=draft.reference)
    if fault:
        raise LinkproxyError(f"recipient: {fault}")
    return draft


async def find_recipient(store: Store, who: str) -> Recipient | None:
    """Return a recipient by address or reference; raise LinkproxyError for text that is neither."""
    draft = read_recipient(who)
    return await store.find_recipient(draft.address or draft.reference)


async def erase_everything(store: Store, who: str) -> dict[str, int] | None:
    """Delete every row about a recipient; return how many by table, None for nobody who is known."""
    recipient = await find_recipient(store, who)
    if recipient is None:
        return None
    counts: Counter[str] = Counter()
    while recipient is not None:  # in two spellings of the domain an earlier version had two
        counts.update(await store.erase_recipient(recipient.id))
        recipient = await find_recipient(store, who)
    return counts
