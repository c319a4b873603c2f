"""Rewriting as a service: what the API and the commands both do with a campaign's mail.

Links are in the store before the mail that carries them is handed back, so that no link of a
sent mail can lead nowhere.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from linkproxy.campaign import compile as compiler
from linkproxy.campaign.compile import Note, NoteReason
from linkproxy.campaign.message import CompiledMessage, compile_message, compile_text
from linkproxy.campaign.signatures import signatures_of, signed_fault
from linkproxy.model import NOBODY, CampaignId, LinkproxyError, Recipient, RecipientId, TokenForm
from linkproxy.server.own_keys import not_own
from linkproxy.store.api import DuplicateError, RecipientDraft, Store

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from linkproxy.campaign.compile import Compiled
    from linkproxy.campaign.tokens import Keyring
    from linkproxy.model import Campaign, Link, MessageLink

_TRIES = 8


class SignedError(LinkproxyError):
    """A message that somebody has signed, where the configuration refuses such."""


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail as it was given: HTML alone, plain text alone, or a whole message (RFC 5322)."""

    content: bytes
    is_message: bool = False
    is_text: bool = False
    charset: str = "utf-8"  # of HTML alone; a text is UTF-8, and the parts of a message say theirs
    list_unsubscribe: bool | None = None  # of a message: add the headers; None: as the campaign says
    signed: bool = False  # a merge tag stands for signed references, which may unsubscribe
    shared: bool = False  # of a message: several people get it, so nobody is unsubscribed by its links

    def compiler(self, campaign: Campaign, merge_tag: str | None = None) -> Callable[..., Compiled]:
        """Return what compiles it, but for what is known of the campaign's links."""
        if self.is_message:
            return partial(
                compile_message,
                self.content,
                campaign,
                merge_tag=merge_tag,
                signed=self.signed,
                list_unsubscribe=self.list_unsubscribe,
                shared=self.shared,
            )
        if self.is_text:
            return partial(compile_text, self.content, campaign, merge_tag=merge_tag, signed=self.signed)
        return partial(
            compiler.compile_html,
            self.content,
            campaign,
            charset=self.charset,
            by_reference=merge_tag is not None and not self.signed,
        )


class Rewriter:
    """Compiles mail of campaigns against a store, and stamps it for recipients."""

    def __init__(
        self,
        store: Store,
        keyring: Keyring,
        clock: Callable[[], float] = time.time,
        *,
        refuse_signed: bool = False,
        work: Callable[..., Awaitable[Compiled]] = asyncio.to_thread,
    ) -> None:
        """``work`` calls a function beside the event loop: a mail of many megabytes takes seconds."""
        self._store = store
        self._keyring = keyring
        self._clock = clock
        self._refuse_signed = refuse_signed
        self._work = work
        self._noted: set[CampaignId] = set()
        self._signers: dict[CampaignId, Callable[[RecipientId], bytes]] = {}
        self._turns: defaultdict[CampaignId, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def register(self, drafts: Sequence[RecipientDraft]) -> list[Recipient]:
        """Register recipients and return them with address and reference in the clear.

        The store may hold them truncated or hashed; merged values are recognised by the clear text.
        """
        stored = await self._store.register_recipients(drafts)
        return [
            replace(recipient, address=draft.address, reference=draft.reference)
            for recipient, draft in zip(stored, drafts, strict=True)
        ]

    async def prepare(self, campaign: Campaign, html: bytes, *, charset: str = "utf-8") -> Compiled:
        """Compile a template once for all recipients; its new links are stored before this returns."""
        return await self.prepare_mail(campaign, Mail(html, charset=charset))

    async def prepare_mail(self, campaign: Campaign, mail: Mail, merge_tag: str | None = None) -> Compiled:
        """Compile a mail of either form, as ``prepare`` does; its URLs end in a merge tag, if given.

        A message that is signed already comes out as it came, with a note for each signature, or
        raises SignedError, as the configuration says.
        """
        if untouched := self._signed(mail):
            return untouched
        compiled = await self._compiled(campaign, mail.compiler(campaign, merge_tag))
        if merge_tag is not None and not (mail.is_message or mail.is_text):
            return compiler.with_reference(compiled, merge_tag)
        return compiled

    async def personal_mail(
        self, campaign: Campaign, mail: Mail, recipient: Recipient
    ) -> tuple[bytes, Compiled]:
        """Rewrite one recipient's own mail; targets of its own become message links, stored first.

        ``recipient`` carries address and reference in the clear, as ``register`` returns it. A signed
        message as above.
        """
        if untouched := self._signed(mail):
            return mail.content, untouched
        compiled = await self._compiled(campaign, mail.compiler(campaign), recipient)
        return self.stamp(compiled, campaign, recipient.id), compiled

    def _signed(self, mail: Mail) -> CompiledMessage | None:
        """Return a signed message that is to stay as it is; None for any other mail."""
        found = signatures_of(mail.content) if mail.is_message else ()
        if not found:
            return None
        if self._refuse_signed:
            raise SignedError(signed_fault(found))
        notes = tuple(Note(NoteReason.SIGNED, name, -1) for name in found)
        return CompiledMessage((mail.content,), notes=notes, signatures=found)

    async def _compiled(
        self, campaign: Campaign, compile_mail: Callable[..., Compiled], recipient: Recipient | None = None
    ) -> Compiled:
        async def attempt() -> Compiled:
            known = await self._store.list_links(campaign.id)
            own: Sequence[MessageLink] = ()
            if recipient is not None:
                own = await self._store.list_message_links(campaign.id, recipient.id)
            found = await self._work(
                compile_mail, known, recipient=recipient, known_message_links=own, now=self._clock()
            )
            return await self._keep(found, known)

        await self._note_key(campaign.id)
        return await _until_undisputed(attempt, campaign, self._turns[campaign.id])

    def token(self, campaign: Campaign, recipient_id: RecipientId) -> bytes:
        """Return the token of a message, 24 ASCII bytes."""
        signer = self._signers.get(campaign.id)
        if signer is None:
            signer = self._signers[campaign.id] = self._keyring.signer(campaign.id)
        return signer(recipient_id)

    def stamp(self, compiled: Compiled, campaign: Campaign, recipient_id: RecipientId) -> bytes:
        """Return a compiled mail with one recipient's token in its links."""
        return compiler.stamp(compiled, self.token(campaign, recipient_id))

    def stamp_reference(self, compiled: Compiled, campaign: Campaign) -> bytes:
        """Return a mail that was prepared with a merge tag, for the sender's own mailer."""
        token = self._keyring.sign(campaign.id, NOBODY, TokenForm.REFERENCE)
        return compiler.stamp(compiled, token.encode("ascii"))

    async def _keep(self, found: Compiled, known: Sequence[Link]) -> Compiled:
        compiled = replace(found, new_links=_placed_after(known, found.new_links))
        if compiled.new_links:
            await self._store.add_links(compiled.new_links)
        if compiled.new_message_links:
            await self._store.add_message_links(compiled.new_message_links)
        return compiled

    async def _note_key(self, campaign_id: CampaignId) -> None:
        if campaign_id in self._noted:
            return
        key_id = self._keyring.active_id
        fingerprint = self._keyring.fingerprints[key_id]
        if not await self._store.note_signing_key(campaign_id, key_id, fingerprint):
            raise LinkproxyError(not_own(key_id))
        self._noted.add(campaign_id)


def _placed_after(known: Sequence[Link], new: Sequence[Link]) -> tuple[Link, ...]:
    """Give links of a campaign's second mail positions after those of the first.

    A position has one link. That is also how two processes that compile at once find each other.
    """
    if not known:
        return tuple(new)
    first = 1 + max(link.position for link in known)
    return tuple(replace(link, position=first + index) for index, link in enumerate(new))


async def _until_undisputed(
    attempt: Callable[[], Awaitable[Compiled]], campaign: Campaign, turn: asyncio.Lock
) -> Compiled:
    """Compile again when somebody has added links between our reading and our writing.

    Those of this process then take turns, so that it is tried again for the others' sake alone.
    """
    with suppress(DuplicateError):
        return await attempt()
    async with turn:
        for _ in range(_TRIES):
            with suppress(DuplicateError):
                return await attempt()
    raise LinkproxyError(
        f"campaign {campaign.name!r}: other processes keep changing its links; "
        "rewrite again when they are done"
    )
