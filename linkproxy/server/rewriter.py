"""Rewriting as a service: what the API and the commands both do with a campaign's mail.

Links are in the store before the mail that carries them is handed back, so that no link of a
sent mail can lead nowhere.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from linkproxy.campaign import compile as compiler
from linkproxy.model import NOBODY, CampaignId, LinkproxyError, Recipient, RecipientId, TokenForm
from linkproxy.store.api import DuplicateError, RecipientDraft, Store

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from linkproxy.campaign.compile import Compiled
    from linkproxy.campaign.tokens import Keyring
    from linkproxy.model import Campaign, Link

_TRIES = 8


class Rewriter:
    """Compiles mail of campaigns against a store, and stamps it for recipients."""

    def __init__(self, store: Store, keyring: Keyring, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._keyring = keyring
        self._clock = clock
        self._noted: set[CampaignId] = set()
        self._signers: dict[CampaignId, Callable[[RecipientId], bytes]] = {}

    async def register(self, drafts: Sequence[RecipientDraft]) -> list[Recipient]:
        """Register recipients and return them with address and reference in the clear.

        The store may hold them truncated or hashed; merged values are recognised by the clear text.
        """
        stored = await self._store.register_recipients(drafts)
        return [
            replace(recipient, address=draft.address, reference=draft.reference)
            for recipient, draft in zip(stored, drafts, strict=True)
        ]

    async def prepare(
        self, campaign: Campaign, html: bytes, *, charset: str = "utf-8", by_reference: bool = False
    ) -> Compiled:
        """Compile a template once for all recipients; its new links are stored before this returns.

        ``by_reference``: it is for ``reference``, and its unsubscribe links stay the mail's own.
        """

        async def attempt() -> Compiled:
            known = await self._store.list_links(campaign.id)
            # In a thread: a mail of many megabytes must not hold up clicks on the same loop.
            found = await asyncio.to_thread(
                compiler.compile_html,
                html,
                campaign,
                known,
                charset=charset,
                now=self._clock(),
                by_reference=by_reference,
            )
            return await self._keep(found, known)

        compiled = await _until_undisputed(attempt, campaign)
        await self._note_key(campaign.id)
        return compiled

    async def personal(
        self, campaign: Campaign, html: bytes, recipient: Recipient, *, charset: str = "utf-8"
    ) -> tuple[bytes, Compiled]:
        """Rewrite one recipient's own mail; targets of its own become message links, stored first.

        ``recipient`` carries address and reference in the clear, as ``register`` returns it.
        """

        async def attempt() -> Compiled:
            known = await self._store.list_links(campaign.id)
            found = await asyncio.to_thread(
                compiler.compile_html,
                html,
                campaign,
                known,
                recipient=recipient,
                known_message_links=await self._store.list_message_links(campaign.id, recipient.id),
                charset=charset,
                now=self._clock(),
            )
            return await self._keep(found, known)

        compiled = await _until_undisputed(attempt, campaign)
        await self._note_key(campaign.id)
        return self.stamp(compiled, campaign, recipient.id), compiled

    def token(self, campaign: Campaign, recipient_id: RecipientId) -> bytes:
        """Return the token of a message, 24 ASCII bytes."""
        signer = self._signers.get(campaign.id)
        if signer is None:
            signer = self._signers[campaign.id] = self._keyring.signer(campaign.id)
        return signer(recipient_id)

    def stamp(self, compiled: Compiled, campaign: Campaign, recipient_id: RecipientId) -> bytes:
        """Return a compiled mail with one recipient's token in its links."""
        return compiler.stamp(compiled, self.token(campaign, recipient_id))

    def reference(self, compiled: Compiled, campaign: Campaign, tag: str) -> bytes:
        """Return a compiled mail for the sender's own mailer, which fills in ``tag``."""
        token = self._keyring.sign(campaign.id, NOBODY, TokenForm.REFERENCE)
        return compiler.stamp(compiler.with_reference(compiled, tag), token.encode("ascii"))

    async def _keep(self, found: Compiled, known: Sequence[Link]) -> Compiled:
        compiled = replace(found, new_links=_placed_after(known, found.new_links))
        if compiled.new_links:
            await self._store.add_links(compiled.new_links)
        if compiled.new_message_links:
            await self._store.add_message_links(compiled.new_message_links)
        return compiled

    async def _note_key(self, campaign_id: CampaignId) -> None:
        if campaign_id not in self._noted:
            await self._store.note_signing_key(campaign_id, self._keyring.active_id)
            self._noted.add(campaign_id)


def _placed_after(known: Sequence[Link], new: Sequence[Link]) -> tuple[Link, ...]:
    """Give links of a campaign's second mail positions after those of the first.

    A position has one link. That is also how two processes that compile at once find each other.
    """
    if not known:
        return tuple(new)
    first = 1 + max(link.position for link in known)
    return tuple(replace(link, position=first + index) for index, link in enumerate(new))


async def _until_undisputed(attempt: Callable[[], Awaitable[Compiled]], campaign: Campaign) -> Compiled:
    """Compile again when another process has added links between our reading and our writing."""
    for _ in range(_TRIES):
        try:
            return await attempt()
        except DuplicateError:
            continue
    raise LinkproxyError(
        f"campaign {campaign.name!r}: other processes keep changing its links; "
        "rewrite again when they are done"
    )
