"""The store in a PostgreSQL database, for any number of nodes.

The methods below say what is done; how stands in the module that each of them names. Locks and
their order are in postgres_locks.py, why a reader misses no visit in postgres_fence.py.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from contextlib import suppress
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any, TypeVar

from linkproxy.model import CampaignId, LinkKey, RecipientId, Right
from linkproxy.store import postgres_locks as locks
from linkproxy.store import postgres_outgoing as outgoing
from linkproxy.store import postgres_recipients as recipients
from linkproxy.store import sqlite_rows as rows
from linkproxy.store.api import ApiKey, AuditEntry, OpenMessage, StoreError, no_more
from linkproxy.store.link_files import LinkFiles
from linkproxy.store.memory import Bounds
from linkproxy.store.postgres_corrections import PostgresCorrections
from linkproxy.store.postgres_database import Database, ServerSettings
from linkproxy.store.postgres_deliveries import add_deliveries
from linkproxy.store.postgres_intake import Intake
from linkproxy.store.postgres_journal import policy_id
from linkproxy.store.postgres_lists import PostgresLists
from linkproxy.store.postgres_lookup import ERASED, KNOWN
from linkproxy.store.postgres_memory import Memory
from linkproxy.store.postgres_migrate import prepare
from linkproxy.store.postgres_neighbours import catch_up
from linkproxy.store.postgres_queries import recipient_column
from linkproxy.store.postgres_registered import PostgresRegistered
from linkproxy.store.postgres_review import PostgresReview
from linkproxy.store.postgres_rollups import PostgresRollups
from linkproxy.store.postgres_settle import settle
from linkproxy.store.postgres_together import Together
from linkproxy.store.postgres_upkeep import PostgresUpkeep
from linkproxy.store.postgres_webhooks import PostgresWebhooks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence

    from linkproxy.model import (
        Campaign,
        Link,
        MessageHistory,
        MessageLink,
        Recipient,
        Settlement,
    )
    from linkproxy.store.api import DeliveryDraft, More, Outcome, Pending, RecipientDraft, Take
    from linkproxy.store.postgres_database import Transaction
    from linkproxy.store.privacy import Privacy

T = TypeVar("T")

LEASE_SECONDS = 15
"""How long the node that settles may be silent before another one takes over."""

# The server's clock decides, so that nodes whose clocks differ agree on who settles.
_LEASE = f"""INSERT INTO lease (work, node, until)
VALUES ('settle', $1, now() + interval '{LEASE_SECONDS} seconds')
ON CONFLICT (work) DO UPDATE SET node = excluded.node, until = excluded.until
WHERE lease.node = excluded.node OR lease.until < now() RETURNING node"""
_LET_GO = "DELETE FROM lease WHERE work = 'settle' AND node = $1"
_DUE = """SELECT campaign_id, recipient_id, min(at), max(at) FROM open_visit
GROUP BY campaign_id, recipient_id
HAVING max(at) < $1 OR min(CASE WHEN again THEN NULL ELSE at END) < $2 OR max(at) > $3
ORDER BY campaign_id, recipient_id LIMIT $4"""
# A batch locks every week of its tables, by way of the plan of its look-ups: while one of them is
# rewritten (VACUUM FULL, say) a store that can be written to otherwise is of no use to visits.
_AS_A_BATCH = """LOCK TABLE visit, message_visit, open_visit, recipient, delivery, message_link, stray,
profile IN ACCESS SHARE MODE; """
_KEY_CAMPAIGNS = """SELECT name FROM signing_key_use JOIN campaign ON campaign.id = campaign_id
WHERE signing_key_id = $1 ORDER BY name"""


class PostgresStore(
    PostgresLists,
    PostgresReview,
    PostgresUpkeep,
    PostgresRollups,
    PostgresCorrections,
    PostgresRegistered,
    PostgresWebhooks,
):
    """A Store in the database of ``settings``."""

    turn_seconds = 0.05

    def __init__(
        self,
        settings: ServerSettings,
        *,
        privacy: Privacy,
        clock: Callable[[], float] = time.time,
        bounds: Bounds | None = None,
        files: LinkFiles | None = None,
    ) -> None:
        self._privacy = privacy
        self._clock = clock
        self._bounds = bounds or Bounds()
        self._files = files or LinkFiles()
        self._database = Database(settings)
        self._node = uuid.uuid4().hex
        self._under_way: set[asyncio.Task[Any]] = set()
        self._together = Together(self._database, self._catch_up_for)
        self._listed: set[tuple[int, int]] = set()  # messages due, for which news was read
        self._forget()

    def _forget(self) -> None:
        self._memory = Memory.bounded(self._bounds)
        self._intake = Intake(self._database, self._memory, self._privacy, self._bounds.strays_kept)

    # life ------------------------------------------------------------------------------------
    async def open(self) -> None:
        await self._database.open()
        try:
            await prepare(self._database, self._privacy, self._clock())
        except BaseException:
            await self._database.close()
            raise
        self._forget()

    async def close(self) -> None:
        self._database.stop_asking()
        try:
            while self._under_way:
                await asyncio.wait(self._under_way)
            with suppress(StoreError):  # closed already, or the server is gone: the lease ends by itself
                await self._database.execute(_LET_GO, self._node)
            await self._database.close()
        except asyncio.CancelledError:
            self._database.break_off()
            raise

    async def ping(self) -> None:
        await self._write(partial(_ping, now=self._clock()), _AS_A_BATCH)

    async def _whole(self, work: Coroutine[Any, Any, T]) -> T:
        """Do work to its end even if whoever waits for it gives up."""
        task = asyncio.ensure_future(work)
        self._under_way.add(task)
        task.add_done_callback(self._note_done)
        return await asyncio.shield(task)

    def _note_done(self, task: asyncio.Task[Any]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # looked at: whoever gave up waiting for it will not

    async def _write(self, work: Callable[[Transaction], Awaitable[T]], wanted: str = "") -> T:
        """Do work in a transaction of its own, under some locks; raise StoreError."""
        return await self._whole(self._transact(work, wanted))

    async def _transact(self, work: Callable[[Transaction], Awaitable[T]], wanted: str) -> T:
        async with self._database.transaction(wanted) as transaction:
            return await work(transaction)

    async def _policy_id(self, work: Transaction, digest: str) -> int:
        return await policy_id(work, self._memory, digest)

    # what goes out ---------------------------------------------------------------------------
    async def add_campaign(self, campaign: Campaign) -> Campaign:
        made = await self._write(partial(outgoing.add_campaign, campaign=campaign, now=self._clock()))
        await self.file_links(made.id)
        return made

    async def find_campaign(self, name: str) -> Campaign | None:
        row = await self._database.fetch_one(f"SELECT {rows.CAMPAIGN} FROM campaign WHERE name = $1", name)
        return rows.campaign_from(row) if row else None

    async def get_campaign(self, campaign_id: CampaignId) -> Campaign | None:
        row = await self._database.fetch_one(
            f"SELECT {rows.CAMPAIGN} FROM campaign WHERE id = $1", campaign_id
        )
        return rows.campaign_from(row) if row else None

    async def list_campaigns(self) -> list[Campaign]:
        found = await self._database.fetch(f"SELECT {rows.CAMPAIGN} FROM campaign ORDER BY id")
        return [rows.campaign_from(row) for row in found]

    async def change_campaign(self, was: Campaign, changed: Campaign) -> Campaign:
        found = await self._write(partial(outgoing.change_campaign, was=was, changed=changed))
        await self.file_links(was.id)
        return found

    async def list_links(self, campaign_id: CampaignId) -> list[Link]:
        found = await self._database.fetch(
            f"SELECT {rows.LINK} FROM link WHERE campaign_id = $1 ORDER BY position", campaign_id
        )
        return [rows.link_from(row) for row in found]

    async def add_links(self, links: Sequence[Link]) -> None:
        if links:
            await self._write(partial(outgoing.add_links, links=links))
        for campaign_id in {link.campaign_id for link in links}:
            await self.file_links(campaign_id)

    async def add_message_links(self, links: Sequence[MessageLink]) -> None:
        if links:
            await self._write(partial(outgoing.add_message_links, links=links, now=self._clock()))

    async def list_message_links(
        self, campaign_id: CampaignId, recipient_id: RecipientId
    ) -> list[MessageLink]:
        found = await self._database.fetch(
            f"SELECT {rows.MESSAGE_LINK} FROM message_link "
            "WHERE campaign_id = $1 AND recipient_id = $2 ORDER BY position",
            campaign_id,
            recipient_id,
        )
        return [rows.message_link_from(row) for row in found]

    async def set_target(
        self, campaign_id: CampaignId, key: LinkKey, target: str, *, who: str, at: float
    ) -> str:
        old = await self._write(
            partial(outgoing.set_target, campaign_id=campaign_id, key=key, target=target, who=who, at=at)
        )
        await self.file_links(campaign_id)
        return old

    async def list_audit(self, campaign_id: CampaignId) -> list[AuditEntry]:
        found = await self._database.fetch(
            "SELECT at, campaign_id, key, old_target, new_target, who FROM audit "
            "WHERE campaign_id = $1 ORDER BY id",
            campaign_id,
        )
        return [AuditEntry(row[0], CampaignId(row[1]), LinkKey(row[2]), *row[3:]) for row in found]

    async def note_signing_key(
        self, campaign_id: CampaignId, signing_key_id: int, fingerprint: bytes
    ) -> bool:
        is_ours = await self._write(
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
        return await self._database.fetch_one(outgoing.OTHER_KEY, signing_key_id, fingerprint) is not None

    async def list_signing_key_campaigns(self, signing_key_id: int) -> list[str]:
        return [row[0] for row in await self._database.fetch(_KEY_CAMPAIGNS, signing_key_id)]

    async def register_recipients(self, drafts: Sequence[RecipientDraft]) -> list[Recipient]:
        work = partial(recipients.register, privacy=self._privacy, drafts=drafts)
        return await self._write(work, locks.REGISTERING)

    async def find_recipient(self, who: str) -> Recipient | None:
        row = await self._database.fetch_one(
            f"SELECT {rows.RECIPIENT} FROM recipient_hash h JOIN recipient r ON r.id = h.recipient_id "
            f"WHERE h.hash = ANY($1::bytea[]) AND r.{recipient_column(who)} = h.hash "
            "ORDER BY array_position($1::bytea[], h.hash) LIMIT 1",
            list(self._privacy.hashes_of(who)),
        )
        return rows.recipient_from(row) if row else None

    async def known_addresses(self, addresses: Iterable[str]) -> frozenset[str]:
        asked = self._privacy.asked(addresses)
        found = await self._database.fetch(KNOWN, list(asked))
        return frozenset(item for row in found for item in asked[row[0]])

    async def erased_references(self, references: Iterable[str]) -> frozenset[str]:
        by_hash = {self._privacy.reference_hash(item): item for item in references}
        found = await self._database.fetch(ERASED, list(by_hash))
        return frozenset(by_hash[row[0]] for row in found)

    async def get_recipient(self, recipient_id: RecipientId) -> Recipient | None:
        row = await self._database.fetch_one(
            f"SELECT {rows.RECIPIENT} FROM recipient r WHERE r.id = $1", recipient_id
        )
        return rows.recipient_from(row) if row else None

    async def set_track(self, who: str, *, track: bool) -> int:
        return await self._write(partial(recipients.set_track, privacy=self._privacy, who=who, track=track))

    async def erase_recipient(self, recipient_id: RecipientId) -> dict[str, int]:
        if not recipient_id:
            raise StoreError("recipient 0 is nobody and cannot be erased; name an address or a reference")
        wanted = locks.REGISTERING + locks.COUNTING + locks.recipients([recipient_id])
        return await self._write(partial(recipients.erase, recipient_id=recipient_id), wanted)

    async def add_deliveries(self, drafts: Iterable[DeliveryDraft]) -> int:
        wanted = list(drafts)
        if not wanted:
            return 0
        return await self._write(partial(add_deliveries, drafts=wanted), locks.COUNTING)

    # what comes in ---------------------------------------------------------------------------
    async def append(self, pending: Sequence[Pending], take: Take, more: More = no_more) -> list[Outcome]:
        return await self._whole(self._intake.append(pending, take, more))

    async def list_due(
        self, *, last_before: float, first_before: float, after: float = inf, limit: int
    ) -> list[OpenMessage]:
        """Return what is due to the one node that settles; the others have nothing to do."""
        if await self._database.fetch_one(_LEASE, self._node) is None:
            return []
        await self._catch_up()
        found = await self._database.fetch(_DUE, last_before, first_before, after, limit)
        self._listed = {(row[0], row[1]) for row in found}
        return [OpenMessage(CampaignId(row[0]), RecipientId(row[1]), row[2], row[3]) for row in found]

    async def settle(
        self,
        campaign_id: CampaignId,
        recipient_id: RecipientId,
        revise: Callable[[MessageHistory], Settlement],
        *,
        reach_seconds: float,
    ) -> Settlement | None:
        work = partial(
            settle,
            message=(campaign_id, recipient_id),
            revise=revise,
            reach_seconds=reach_seconds,
            neighbours=self._memory.neighbours,
            policy_ids=self._policy_id,
        )
        return await self._whole(self._together.settle((campaign_id, recipient_id), work))

    async def _catch_up_for(self, messages: set[tuple[int, int]]) -> None:
        """Note what other nodes have committed, unless that was done when these messages were listed."""
        if self._memory.blank or not messages <= self._listed:
            await self._catch_up()
        self._listed -= messages

    async def _catch_up(self) -> None:
        """Do so once for all messages that are listed, for they are quiet."""
        async with self._intake.turn:
            await catch_up(self._database, self._memory)

    # keys --------------------------------------------------------------------------------------
    async def add_api_key(self, key: ApiKey) -> None:
        await self._write(partial(outgoing.add_api_key, key=key))

    async def list_api_keys(self) -> list[ApiKey]:
        found = await self._database.fetch("SELECT name, hash, created_at, may FROM api_key ORDER BY name")
        return [ApiKey(name, hashed, created_at, Right(may)) for name, hashed, created_at, may in found]

    async def remove_api_key(self, name: str) -> bool:
        return bool(await self._write(lambda work: work.execute("DELETE FROM api_key WHERE name = $1", name)))

    async def skip_ids(self) -> None:
        await self._write(outgoing.skip_ids)


async def _ping(work: Transaction, now: float) -> None:
    await work.execute("UPDATE meta SET number = $1 WHERE name = 'ping'", int(now))
