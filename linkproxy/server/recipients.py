"""Reading whom a mail is for: the text a user gives for a recipient."""

from __future__ import annotations

import re

from linkproxy.campaign.tokens import REFERENCE
from linkproxy.model import LinkproxyError
from linkproxy.store.api import RecipientDraft

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
