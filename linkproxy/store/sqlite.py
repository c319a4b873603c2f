"""The store in one SQLite file.

One thread writes (sqlite_writer.py), read-only connections read beside it (sqlite_reads.py). The
methods below say what is done; how stands in the module that each of them names.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any

from linkproxy.model import CampaignId, LinkKey, RecipientId, Right
from linkproxy.store import sqlite_outgoing as outgoing
from linkproxy.store import sqlite_purge as purging
from linkproxy.store import sqlite_queries as queries
from linkproxy.store import sqlite_recipients as recipients
from linkproxy.store import sqlite_rows as rows
from linkproxy.store.api import ApiKey, AuditEntry, OpenMessage, StoreError, VisitRow, no_more
from linkproxy.store.chunks import in_chunks, in_parts, listed, no_rest, unused_before
from linkproxy.store.link_files import LinkFiles
from linkproxy.store.nameless import Nameless
from linkproxy.store.privacy import is_address
from linkproxy.store.sqlite_afterlife import SqliteAfterlife
from linkproxy.store.sqlite_checkpoint import Checkpointer
from linkproxy.store.sqlite_connect import FileSettings, Synchronous, prepare
from linkproxy.store.sqlite_corrections import SqliteCorrections
from linkproxy.store.sqlite_domains import SqliteDomains
from linkproxy.store.sqlite_export import export
from linkproxy.store.sqlite_gateways import SqliteGateways
from linkproxy.store.sqlite_journal import append
from linkproxy.store.sqlite_reads import Readers
from linkproxy.store.sqlite_rebuild import SqliteRollups
from linkproxy.store.sqlite_registered import SqliteRegistered
from linkproxy.store.sqlite_review import SqliteReview
from linkproxy.store.sqlite_session import Bounds, Session
from linkproxy.store.sqlite_settle import settle
from linkproxy.store.sqlite_webhooks import SqliteWebhooks
from linkproxy.store.sqlite_writer import Writer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Sequence
    from pathlib import Path

    from linkproxy.model import (
        Campaign,
        Link,
        MessageHistory,
        MessageLink,
        Recipient,
        Settlement,
    )
    from linkproxy.store.api import (
        ClickRow,
        Cutoffs,
        DeliveryDraft,
        Filter,
        More,
        Outcome,
        Pending,
        RecipientDraft,
        Take,
        UnsubscribeRow,
    )
    from linkproxy.store.chunks import Rest, Step
    from linkproxy.store.privacy import Privacy

_OLDEST = "SELECT min(at) FROM visit WHERE id > (SELECT value FROM meta WHERE name = 'indexed')"
_DUE = """WITH waiting AS MATERIALIZED (
    SELECT DISTINCT campaign_id, recipient_id FROM visit
    WHERE id > (SELECT value FROM meta WHERE name = 'indexed'))
SELECT campaign_id, recipient_id, min(at), max(at) FROM main.open_visit
GROUP BY campaign_id, recipient_id
HAVING max(at) < ? AND (campaign_id, recipient_id) NOT IN (SELECT campaign_id, recipient_id FROM waiting)
    OR min(CASE WHEN again THEN NULL ELSE at END) < ? OR max(at) > ? LIMIT ?"""
_KEY_CAMPAIGNS = """SELECT name FROM signing_key_use JOIN campaign ON campaign.id = campaign_id
WHERE signing_key_id = ? ORDER BY name"""


class SqliteStore(
    SqliteReview,
    SqliteGateways,
    SqliteDomains,
    SqliteAfterlife,
    SqliteCorrections,
    SqliteRollups,
    SqliteRegistered,
    SqliteWebhooks,
):
    """A Store in the file ``path``; ``lock_seconds`` bounds how long a write waits for its turn."""

    turn_seconds = 0.01

    def __init__(
        self,
        path: Path,
        *,
        privacy: Privacy,
        synchronous: Synchronous = "full",
        clock: Callable[[], float] = time.time,
        lock_seconds: float = 5.0,
        bounds: Bounds | None = None,
        files: LinkFiles | None = None,
    ) -> None:
        self._settings = FileSettings(path, synchronous, lock_seconds)
        self._privacy = privacy
        self._clock = clock
        self._bounds = bounds or Bounds()
        self._files = files or LinkFiles()
        self._inode = -1
        self._checkpointer = Checkpointer(self._settings)
        self._readers = Readers(path, lock_seconds)
        self._writer = Writer(
            path, self._session, lock_seconds=lock_seconds, committed=self._checkpointer.committed
        )

    def _session(self) -> Session:
        return Session(
            self._settings,
            privacy=self._privacy,
            clock=self._clock,
            bounds=self._bounds,
            file_inode=self._inode,
        )

    # life ------------------------------------------------------------------------------------
    async def open(self) -> None:
        self._inode = await asyncio.to_thread(prepare, self._settings, self._privacy, self._clock())
        self._writer.start()
        self._checkpointer.start()
        self._readers.start()

    async def close(self) -> None:
        await asyncio.to_thread(self._checkpointer.close)
        await self._readers.close()
        await self._writer.close()

    async def ping(self) -> None:
        await self._writer.run(outgoing.ping, indexed=False)

    # what goes out ---------------------------------------------------------------------------
    async def add_campaign(self, campaign: Campaign) -> Campaign:
        made = await self._writer.run(partial(outgoing.add_campaign, campaign=campaign))
        await self.file_links(made.id)
        return made

    async def find_campaign(self, name: str) -> Campaign | None:
        row = await self._readers.fetch_one(f"SELECT {rows.CAMPAIGN} FROM campaign WHERE name = ?", (name,))
        return rows.campaign_from(row) if row else None

    async def get_campaign(self, campaign_id: CampaignId) -> Campaign | None:
        row = await self._readers.fetch_one(
            f"SELECT {rows.CAMPAIGN} FROM campaign WHERE id = ?", (campaign_id,)
        )
        return rows.campaign_from(row) if row else None

    async def list_campaigns(self) -> list[Campaign]:
        found = await self._readers.fetch(f"SELECT {rows.CAMPAIGN} FROM campaign ORDER BY id")
        return [rows.campaign_from(row) for row in found]

    async def change_campaign(self, was: Campaign, changed: Campaign) -> Campaign:
        found = await self._writer.run(partial(outgoing.change_campaign, was=was, changed=changed))
        await self.file_links(was.id)
        return found

    async def list_links(self, campaign_id: CampaignId) -> list[Link]:
        found = await self._readers.fetch(
            f"SELECT {rows.LINK} FROM link WHERE campaign_id = ? ORDER BY position", (campaign_id,)
        )
        return [rows.link_from(row) for row in found]

    async def add_links(self, links: Sequence[Link]) -> None:
        if links:
            await self._writer.run(partial(outgoing.add_links, links=links))
        for campaign_id in {link.campaign_id for link in links}:
            await self.file_links(campaign_id)

    async def add_message_links(self, links: Sequence[MessageLink]) -> None:
        if links:
            await self._writer.run(partial(outgoing.add_message_links, links=links), indexed=False)

    async def list_message_links(
        self, campaign_id: CampaignId, recipient_id: RecipientId
    ) -> list[MessageLink]:
        found = await self._readers.fetch(
            f"SELECT {rows.MESSAGE_LINK} FROM message_link "
            "WHERE campaign_id = ? AND recipient_id = ? ORDER BY position",
            (campaign_id, recipient_id),
        )
        return [rows.message_link_from(row) for row in found]

    async def set_target(
        self, campaign_id: CampaignId, key: LinkKey, target: str, *, who: str, at: float
    ) -> str:
        old = await self._writer.run(
            partial(outgoing.set_target, campaign_id=campaign_id, key=key, target=target, who=who, at=at)
        )
        await self.file_links(campaign_id)
        return old

    async def list_audit(self, campaign_id: CampaignId) -> list[AuditEntry]:
        found = await self._readers.fetch(
            "SELECT at, campaign_id, key, old_target, new_target, who FROM audit "
            "WHERE campaign_id = ? ORDER BY id",
            (campaign_id,),
        )
        return [AuditEntry(row[0], CampaignId(row[1]), LinkKey(row[2]), *row[3:]) for row in found]

    async def note_signing_key(
        self, campaign_id: CampaignId, signing_key_id: int, fingerprint: bytes
    ) -> bool:
        is_ours = await self._writer.run(
            partial(
                outgoing.note_signing_key,
                campaign_id=campaign_id,
                signing_key_id=signing_key_id,
                fingerprint=fingerprint,
            )
        )
        if is_ours:
            await self.file_links(campaign_id)
        return is_ours

    async def is_other_signing_key(self, signing_key_id: int, fingerprint: bytes) -> bool:
        found = await self._readers.fetch_one(outgoing.OTHER_KEY, (signing_key_id, fingerprint))
        return found is not None

    async def list_signing_key_campaigns(self, signing_key_id: int) -> list[str]:
        return [name for (name,) in await self._readers.fetch(_KEY_CAMPAIGNS, (signing_key_id,))]

    async def register_recipients(self, drafts: Sequence[RecipientDraft]) -> list[Recipient]:
        return await self._writer.run(partial(recipients.register, drafts=drafts), indexed=False)

    async def find_recipient(self, who: str) -> Recipient | None:
        column = "address_hash" if is_address(who) else "reference_hash"
        statement = f"SELECT {rows.RECIPIENT} FROM recipient r WHERE r.{column} = ?"
        for known_by in self._privacy.hashes_of(who):
            if row := await self._readers.fetch_one(statement, (known_by,)):
                return rows.recipient_from(row)
        return None

    async def known_addresses(self, addresses: Iterable[str]) -> frozenset[str]:
        asked = self._privacy.asked(addresses)
        marks = ", ".join("?" * len(asked))
        found = await self._readers.fetch(f"{recipients.KNOWN} ({marks})", tuple(asked))
        return frozenset(item for row in found for item in asked[row[0]])

    async def erased_references(self, references: Iterable[str]) -> frozenset[str]:
        by_hash = {self._privacy.reference_hash(item): item for item in references}
        marks = ", ".join("?" * len(by_hash))
        found = await self._readers.fetch(f"{recipients.ERASED} ({marks})", tuple(by_hash))
        return frozenset(by_hash[row[0]] for row in found)

    async def get_recipient(self, recipient_id: RecipientId) -> Recipient | None:
        row = await self._readers.fetch_one(recipients.BY_ID, (recipient_id,))
        return rows.recipient_from(row) if row else None

    async def set_track(self, who: str, *, track: bool) -> int:
        return await self._writer.run(partial(recipients.set_track, who=who, track=track))

    async def export_recipient(self, recipient_id: RecipientId) -> dict[str, list[dict[str, Any]]]:
        return await export(self._readers, recipient_id)

    async def erase_recipient(self, recipient_id: RecipientId) -> dict[str, int]:
        return await self._writer.run(partial(recipients.erase, recipient_id=recipient_id))

    async def add_deliveries(self, drafts: Iterable[DeliveryDraft]) -> int:
        return await self._writer.run(partial(recipients.add_deliveries, drafts=list(drafts)), indexed=False)

    # what comes in ---------------------------------------------------------------------------
    async def append(self, pending: Sequence[Pending], take: Take, more: More = no_more) -> list[Outcome]:
        return await self._writer.run(partial(append, pending=pending, take=take, more=more), indexed=False)

    async def list_due(
        self, *, last_before: float, first_before: float, after: float = inf, limit: int
    ) -> list[OpenMessage]:
        # What is too young to be due is left to wait: to bring it in now would hold up whoever visits.
        ((oldest,),) = await self._readers.fetch(_OLDEST)
        if oldest is not None and not max(last_before, first_before) <= oldest <= after:
            await self._writer.run(Session.index)
        found = await self._readers.fetch(_DUE, (last_before, first_before, after, limit))
        return [OpenMessage(CampaignId(row[0]), RecipientId(row[1]), row[2], row[3]) for row in found]

    async def settle(
        self,
        campaign_id: CampaignId,
        recipient_id: RecipientId,
        revise: Callable[[MessageHistory], Settlement],
        *,
        reach_seconds: float,
    ) -> Settlement | None:
        return await self._writer.run(
            partial(settle, message=(campaign_id, recipient_id), revise=revise, reach_seconds=reach_seconds),
            indexed=False,
        )

    # questions -------------------------------------------------------------------------------
    async def clicks(self, where: Filter, *, provisional: bool = False) -> AsyncIterator[ClickRow]:
        async for row in self._stream(queries.clicks(where, provisional=provisional), where):
            yield queries.click_row(row)

    async def visits(self, where: Filter) -> AsyncIterator[VisitRow]:
        campaigns: dict[int, Campaign] = {}
        async for row in self._stream(queries.visits(where), where):
            await self._learn_campaign(campaigns, row[2])
            yield queries.visit_row(row, campaigns)

    async def unsubscribes(self, where: Filter) -> AsyncIterator[UnsubscribeRow]:
        async for row in self._stream(queries.unsubscribes(where), where):
            yield queries.unsubscribe_row(row)

    async def get_visit(self, visit_id: int) -> VisitRow | None:
        row = await self._readers.fetch_one(queries.VISIT, (visit_id,))
        if row is None:
            return None
        campaigns: dict[int, Campaign] = {}
        await self._learn_campaign(campaigns, row[2])
        return queries.visit_row(row, campaigns)

    async def count_strays(self, *, since: float) -> dict[str, int]:
        found = await self._readers.fetch(
            "SELECT reason, count(*) FROM stray WHERE at >= ? GROUP BY reason ORDER BY reason", (since,)
        )
        return {str(row[0]): int(row[1]) for row in found}

    # keys and upkeep -------------------------------------------------------------------------
    async def add_api_key(self, key: ApiKey) -> None:
        await self._writer.run(partial(outgoing.add_api_key, key=key))

    async def list_api_keys(self) -> list[ApiKey]:
        return [
            ApiKey(name, hashed, created_at, Right(may))
            for name, hashed, created_at, may in await self._readers.fetch(
                "SELECT name, hash, created_at, may FROM api_key ORDER BY name"
            )
        ]

    async def remove_api_key(self, name: str) -> bool:
        return await self._writer.run(partial(outgoing.remove_api_key, name=name))

    async def skip_ids(self) -> None:
        await self._writer.run(outgoing.skip_ids)

    async def purge(self, cutoffs: Cutoffs, *, rest: Rest = no_rest) -> dict[str, int]:
        """Delete what is older than the cut-offs, one transaction a chunk."""

        async def step(walk: purging.Walk, cutoff: float, first_id: int) -> Step:
            work = partial(purging.step, walk=walk, cutoff=cutoff, first_id=first_id)
            done = await self._writer.run(work)
            await nameless.note(done.nameless)
            return done

        nameless = Nameless(partial(self._drop_nameless, rest=rest))
        counts = await in_chunks(purging.wanted(cutoffs), step, rest) | await nameless.finish()
        if cutoffs.journal is not None:
            counts["profile"] = await self._purge_profiles(unused_before(cutoffs.journal), rest)
        return counts | await self._purge_domains(cutoffs.domain_profiles, rest)

    async def _drop_nameless(self, ids: Sequence[int], rest: Rest) -> int:
        ((newest,),) = await self._readers.fetch(purging.NEWEST)

        async def drop(some: Sequence[int]) -> int:
            work = partial(purging.drop_nameless, ids=some, newest=newest)
            return await self._writer.run(work, indexed=False)

        found = await self._readers.fetch(purging.NOTHING_LEFT, {"ids": rows.compact(list(ids))})
        return await in_parts([recipient_id for (recipient_id,) in found], purging.CHUNK, drop, rest)

    async def _purge_profiles(self, before: float, rest: Rest) -> int:
        async def drop(ids: Sequence[int]) -> int:
            return await self._writer.run(partial(purging.drop_profiles, ids=ids, before=before))

        found = await self._readers.fetch(purging.UNUSED_PROFILES, (before,))
        return await in_parts([profile_id for (profile_id,) in found], purging.CHUNK, drop, rest)

    # reading ---------------------------------------------------------------------------------
    async def _stream(self, statement: str, where: Filter) -> AsyncIterator[rows.Row]:
        """Yield rows in chunks, each a read of its own: a slow reader holds up no check-point."""
        recipient = await self.find_recipient(where.recipient) if where.recipient else None
        values = queries.values_of(where, recipient.id if recipient else None)

        async def read(after: int, size: int) -> Sequence[rows.Row]:
            return await self._readers.fetch(statement, values | {"after": after, "limit": size})

        async for row in listed(where, queries.CHUNK, read):
            yield row

    async def _learn_campaign(self, campaigns: dict[int, Campaign], campaign_id: int) -> None:
        if campaign_id not in campaigns:
            campaign = await self.get_campaign(CampaignId(campaign_id))
            if campaign is None:
                raise StoreError(f"{self._settings.path}: campaign {campaign_id} of a visit is missing")
            campaigns[campaign_id] = campaign
