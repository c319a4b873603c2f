"""What the writer's thread holds: its connection, and what it remembers between transactions.

Everything remembered is a copy: bounded, and dropped when another process has changed the
original. ``refresh`` finds that out at the start of each batch.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from linkproxy.model import StrayTrace
from linkproxy.store.api import StoreError
from linkproxy.store.domains import Neighbours
from linkproxy.store.sqlite_connect import FileSettings, connect, inode
from linkproxy.store.sqlite_domains import read_neighbours

if TYPE_CHECKING:
    from collections.abc import Callable

    from linkproxy.model import (
        Campaign,
        CampaignId,
        Delivery,
        DomainProfile,
        Link,
        LinkKey,
        Profile,
        Recipient,
        RecipientId,
        Sibling,
    )
    from linkproxy.store.privacy import Privacy
    from linkproxy.visit.facts import LinkCounts

K = TypeVar("K")
V = TypeVar("V")

Message = tuple[int, int]
"""Campaign id and recipient id."""

_STRAYS_A_CLIENT = 64
"""Strays counted of one client; more of them say no more."""


class Recent(Generic[K, V]):
    """A bounded table that forgets what was not used for longest."""

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._rows: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        row = self._rows.get(key)
        if row is not None:
            self._rows.move_to_end(key)
        return row

    def put(self, key: K, row: V) -> None:
        self._rows[key] = row

    def drop(self, key: K) -> None:
        self._rows.pop(key, None)

    def clear(self) -> None:
        self._rows.clear()

    def trim(self) -> None:
        """Shrink to the bound; only between batches, since a batch relies on what it put in."""
        while len(self._rows) > self._bound:
            self._rows.popitem(last=False)


@dataclass(frozen=True, slots=True)
class CampaignTable:
    """A campaign with its link table."""

    campaign: Campaign
    links: dict[LinkKey, Link]
    counts: LinkCounts


@dataclass(frozen=True, slots=True)
class KnownProfile:
    """A header profile's id, and the day on which its row was last marked as used."""

    id: int
    day: int


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is kept and remembered."""

    strays_kept: int = 100_000
    campaigns: int = 1_000
    messages: int = 20_000
    profiles: int = 5_000
    clients: int = 10_000
    domains: int = 10_000
    neighbours: int = 2_000  # campaigns and domains whose last visited recipients are remembered
    news: int = 10_000  # others' rows read one by one; after more of them messages are forgotten


@dataclass(slots=True)
class Memory:
    """Copies of rows; all of them can be dropped at any time between batches."""

    campaigns: Recent[CampaignId, CampaignTable]
    recipients: Recent[RecipientId, Recipient]
    deliveries: Recent[Message, Delivery]
    siblings: Recent[Message, deque[Sibling]]
    profiles: Recent[Profile, KnownProfile]
    strays: Recent[str, deque[StrayTrace]]
    pseudonyms: Recent[tuple[str, str], tuple[str, str]]
    gateways: Recent[str, str]
    learned: Recent[tuple[str, str], DomainProfile]
    neighbours: Neighbours
    policies: dict[str, int] = field(default_factory=dict)

    @classmethod
    def bounded(cls, bounds: Bounds) -> Memory:
        return cls(
            campaigns=Recent(bounds.campaigns),
            recipients=Recent(bounds.messages),
            deliveries=Recent(bounds.messages),
            siblings=Recent(bounds.messages),
            profiles=Recent(bounds.profiles),
            strays=Recent(bounds.clients),
            pseudonyms=Recent(bounds.clients),
            gateways=Recent(bounds.domains),
            learned=Recent(bounds.domains),
            neighbours=Neighbours(bounds.neighbours),
        )

    def forget_lookups(self) -> None:
        """Drop what other commands change: campaigns, links, recipients, deliveries, gateways, profiles."""
        self.campaigns.clear()
        self.gateways.clear()
        self.recipients.clear()
        self.deliveries.clear()
        self.learned.clear()

    def forget(self) -> None:
        """Drop all."""
        self.forget_lookups()
        self.siblings.clear()
        self.profiles.clear()
        self.strays.clear()
        self.policies.clear()
        self.neighbours.clear()

    def trim(self) -> None:
        self.campaigns.trim()
        self.recipients.trim()
        self.deliveries.trim()
        self.siblings.trim()
        self.profiles.trim()
        self.strays.trim()
        self.pseudonyms.trim()
        self.gateways.trim()
        self.learned.trim()
        self.neighbours.trim()


class Session:
    """The writer's connection with its memory; used by the writer's thread alone."""

    def __init__(
        self,
        settings: FileSettings,
        *,
        privacy: Privacy,
        clock: Callable[[], float],
        bounds: Bounds,
        file_inode: int,
    ) -> None:
        self.path = settings.path
        self.privacy = privacy
        self.clock = clock
        self.bounds = bounds
        self.db = connect(settings)
        self.memory = Memory.bounded(bounds)
        self.wants_cut = False
        self._inode = file_inode
        self._version = -1
        self._epoch = -1
        self._visit_seen = 0
        self._stray_seen = 0
        self._settle_seen = 0
        self._blank = True

    def check_in_place(self) -> None:
        """Raise StoreError when the file we hold is no longer the one at its path."""
        if inode(self.path) != self._inode:
            raise StoreError(
                f"{self.path}: the file was removed or replaced while in use; "
                "put it back or restart linkproxy"
            )

    def forget(self) -> None:
        """Drop what is remembered, since some of it may have been undone."""
        self.memory.forget()
        self._version = -1
        self._blank = True

    def changed(self) -> None:
        """Note that what ``forget_lookups`` names changes in this transaction."""
        self.db.execute("UPDATE meta SET value = value + 1 WHERE name = 'epoch'")
        self.memory.forget_lookups()

    def sequence(self, table: str) -> int:
        """Return the greatest id that an AUTOINCREMENT table ever had."""
        row = self.db.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)).fetchone()
        return int(row[0]) if row else 0

    def refresh(self) -> None:
        """Learn what other processes have committed since our last transaction.

        ``PRAGMA data_version`` changes with commits of other connections only
        (sqlite.org/pragma.html#pragma_data_version).
        """
        (version,) = self.db.execute("PRAGMA data_version").fetchone()
        if version == self._version:
            return
        if self._blank:
            self._start()
        else:
            self._catch_up()
        self._version = version

    def saw(self, *, visit: int, stray: int) -> None:
        """Note our own newest rows, which nobody needs to tell us of."""
        self._visit_seen = visit
        self._stray_seen = stray

    def settled(self, message: Message, kept: int) -> None:
        """Tell other processes that a message's verdicts have changed."""
        row = self.db.execute(
            "INSERT INTO settle_pass (campaign_id, recipient_id) VALUES (?, ?) RETURNING id", message
        ).fetchone()
        self.db.execute("DELETE FROM settle_pass WHERE id <= ?", (row[0] - kept,))

    def _start(self) -> None:
        """Begin with empty memory: messages are read when they are asked for, strays now."""
        self._visit_seen = self.sequence("visit")
        self._settle_seen = self.sequence("settle_pass")
        self._epoch = self._stored_epoch()
        self._stray_seen = self.sequence("stray") - self.bounds.clients
        self._read_strays()
        read_neighbours(self, 0, self._visit_seen)
        self._blank = False

    def _catch_up(self) -> None:
        epoch = self._stored_epoch()
        if epoch != self._epoch:
            self.memory.forget_lookups()
            self._epoch = epoch
        before = self._visit_seen
        self._visit_seen = self._drop_messages("visit", before)
        read_neighbours(self, before, self._visit_seen)
        taught = self._settle_seen
        self._settle_seen = self._drop_messages("settle_pass", taught)
        if self._settle_seen > taught:
            self.memory.learned.clear()
        self._read_strays()

    def _stored_epoch(self) -> int:
        (epoch,) = self.db.execute("SELECT value FROM meta WHERE name = 'epoch'").fetchone()
        return int(epoch)

    def _drop_messages(self, table: str, seen: int) -> int:
        newest = self.sequence(table)
        if newest - seen > self.bounds.news:
            self.memory.siblings.clear()
        elif newest > seen:
            rows = self.db.execute(f"SELECT campaign_id, recipient_id FROM {table} WHERE id > ?", (seen,))
            for message in rows:
                self.memory.siblings.drop(message)
        return newest

    def _read_strays(self) -> None:
        rows = self.db.execute(
            "SELECT id, client, at, target, profile_id, campaign_id, recipient_id FROM stray "
            "WHERE id > ? ORDER BY id",
            (self._stray_seen,),
        )
        for self._stray_seen, client, *trace in rows:
            self.remember_stray(client, StrayTrace(*trace))

    def remember_stray(self, client: str, trace: StrayTrace) -> None:
        """Keep in mind a stray of a client, as the privacy setting stores it."""
        if not client:
            return
        traces = self.memory.strays.get(client)
        if traces is None:
            traces = deque(maxlen=_STRAYS_A_CLIENT)
            self.memory.strays.put(client, traces)
        traces.append(trace)
