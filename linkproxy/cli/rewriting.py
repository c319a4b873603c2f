"""Doing a mailing: each mail rewritten for its recipients, and whose result is there already."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from linkproxy.campaign.charsets import declared
from linkproxy.cli.files import STDIN
from linkproxy.cli.spots import MESSAGE, TEXT
from linkproxy.model import NOBODY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from linkproxy.campaign.compile import Compiled
    from linkproxy.cli.mailing import Copy, Job, Mailing
    from linkproxy.cli.notes import Notes
    from linkproxy.cli.sinks import Sink
    from linkproxy.cli.spots import Spot
    from linkproxy.model import Campaign, Recipient, RecipientId
    from linkproxy.server.rewriter import Mail, Rewriter
    from linkproxy.store.api import RecipientDraft

_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Means:
    """What the user said about all mails of the run."""

    tag: str | None
    charset: str | None
    notes: Notes
    list_unsubscribe: bool | None = None
    signed: bool = False

    def mail(self, spot: Spot, content: bytes) -> Mail:
        """Return the mail that stands at a spot."""
        from linkproxy.server.rewriter import Mail

        if spot.form == MESSAGE:
            return Mail(content, is_message=True, list_unsubscribe=self.list_unsubscribe, signed=self.signed)
        if spot.form == TEXT:
            return Mail(content, is_text=True, signed=self.signed)
        return Mail(content, charset=self.charset or declared(content), signed=self.signed)

    def digest(self, campaign: Campaign, mailing: Mailing) -> str:
        """Return what tells this run from every other: its mails, recipients, options and results."""
        found = hashlib.blake2b(digest_size=16)
        options = [self.tag, self.charset, self.list_unsubscribe, self.signed, mailing.as_mbox]
        found.update(json.dumps([campaign.id, campaign.name, campaign.base_url, *options]).encode())
        for path in dict.fromkeys(job.spot.path for job in mailing.jobs if job.spot.path != STDIN):
            with path.open("rb") as file:
                found.update(hashlib.file_digest(file, "blake2b").digest())
        for job in mailing.jobs:
            if job.spot.given is not None:
                found.update(hashlib.blake2b(job.spot.given).digest())
            for copy in job.copies:
                found.update(json.dumps([str(job.spot), job.personal, copy.who, str(copy.output)]).encode())
        return found.hexdigest()


@dataclass(frozen=True, slots=True)
class Work:
    """What rewrites the mails of a run; the first ``done`` results are there already."""

    rewriter: Rewriter
    campaign: Campaign
    means: Means
    sink: Sink
    most_bytes: int
    done: int

    async def results(self, mailing: Mailing) -> AsyncIterator[tuple[Job, Copy, RecipientId, bytes | None]]:
        """Yield each copy with its bytes, in order; None where the result is there already."""
        people, seen = People(self.rewriter, mailing), 0
        for job in mailing.jobs:
            there: list[Copy] = []
            left: list[Copy] = []
            for number, copy in enumerate(job.copies, seen):
                (there if number < self.done and self.sink.has(copy) else left).append(copy)
            seen += len(job.copies)
            for copy in there:
                yield job, copy, (await people.find(copy.draft)).id if copy.draft else NOBODY, None
            if left:
                async for copy, recipient_id, ready in self._rewritten(job, left, people):
                    yield job, copy, recipient_id, ready

    async def _rewritten(
        self, job: Job, copies: Sequence[Copy], people: People
    ) -> AsyncIterator[tuple[Copy, RecipientId, bytes]]:
        mail = self.means.mail(job.spot, job.spot.read(self.most_bytes))
        rewriter, campaign = self.rewriter, self.campaign
        template = None if job.personal else await rewriter.prepare_mail(campaign, mail, self.means.tag)
        if template is not None:
            self._note(job.spot, template)
        for copy in copies:
            recipient = await people.find(copy.draft) if copy.draft else None
            if template is None and recipient is not None:
                ready, compiled = await rewriter.personal_mail(campaign, mail, recipient)
                self._note(job.spot, compiled)
                yield copy, recipient.id, ready
            elif template is not None and recipient is not None:
                yield copy, recipient.id, rewriter.stamp(template, campaign, recipient.id)
            elif template is not None:
                yield copy, NOBODY, rewriter.stamp_reference(template, campaign)

    def _note(self, spot: Spot, compiled: Compiled) -> None:
        if compiled.keys or compiled.notes:
            self.means.notes.add(str(spot), compiled.notes)
        else:
            self.means.notes.no_link(str(spot))


class People:
    """The recipients of a mailing, registered many at a time before their turn comes."""

    def __init__(self, rewriter: Rewriter, mailing: Mailing) -> None:
        self._rewriter = rewriter
        self._drafts = (copy.draft for job in mailing.jobs for copy in job.copies if copy.draft)
        self._known: dict[RecipientDraft, Recipient] = {}

    async def find(self, draft: RecipientDraft) -> Recipient:
        """Return the recipient of a copy; copies are asked for in the order of the mailing."""
        if draft not in self._known:
            batch = list(dict.fromkeys([draft, *islice(self._drafts, _BATCH)]))
            registered = await self._rewriter.register(batch)
            self._known = dict(zip(batch, registered, strict=True))
        return self._known[draft]
