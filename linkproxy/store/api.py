"""The contract of a store. Every engine passes tests/store/contract.py.

Reads may run beside writes and see committed rows only. Every method that writes is one
transaction: it happens whole, and is durable when it returns, or raises and leaves nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, Protocol

from linkproxy.model import (
    NOBODY,
    Campaign,
    CampaignId,
    Delivery,
    JournalEntry,
    Judged,
    Link,
    LinkKey,
    LinkproxyError,
    MessageHistory,
    MessageLink,
    Recipient,
    RecipientId,
    Right,
    Settlement,
    Stray,
    Unlogged,
    VerdictKind,
    Visit,
)
from linkproxy.store.afterlife import AfterlifeStore
from linkproxy.store.chunks import Rest, no_rest
from linkproxy.store.corrections import CorrectionStore
from linkproxy.store.domains import DomainStore
from linkproxy.store.gateways import GatewayStore
from linkproxy.store.registered import RegisteredStore
from linkproxy.store.review import ReviewStore
from linkproxy.store.rollups import RollupStore
from linkproxy.store.webhooks import WebhookStore
from linkproxy.visit.facts import FactSource

Pending = Visit | Stray
Taken = Judged | Unlogged | Stray
Take = Callable[[Visit, FactSource], Taken]
"""``visit.pipeline.take`` bound to its policy: judges one visit with what the store knows."""

More = Callable[[], Sequence[Pending]]
"""What has come since a batch was handed over, and joins it."""


def no_more() -> Sequence[Pending]:
    """Return that nothing has come."""
    return ()


@dataclass(frozen=True, slots=True)
class Failed:
    """A visit whose judging raised: it is not in the journal; the rest of its batch is."""

    error: Exception


Outcome = Taken | Failed


class StoreError(LinkproxyError):
    """The store cannot do what was asked: full, locked, read-only, gone, or not a store."""


class StoreAwayError(StoreError):
    """The store's server is not there just now; it may come back by itself."""


class DuplicateError(LinkproxyError):
    """Something of that name is there already."""


@dataclass(frozen=True, slots=True)
class RecipientDraft:
    """A recipient to be registered: an address, an outside reference, or both."""

    address: str = ""
    reference: str = ""
    verified: bool = True


@dataclass(frozen=True, slots=True)
class DeliveryDraft:
    """A delivery to be recorded; ``recipient_id`` NOBODY means the whole campaign."""

    campaign_id: CampaignId
    recipient_id: RecipientId
    delivery: Delivery


@dataclass(frozen=True, slots=True)
class OpenMessage:
    """A message with visits that are not settled."""

    campaign_id: CampaignId
    recipient_id: RecipientId
    first_at: float
    last_at: float


@dataclass(frozen=True, slots=True)
class Filter:
    """What to list; empty fields do not restrict. Times: ``since`` <= at < ``until``."""

    campaign: str = ""  # its name
    campaign_id: CampaignId | None = None  # for who follows one that may be renamed meanwhile
    key: str = ""  # link key
    recipient: str = ""  # address or reference, in the clear; the store applies the privacy setting
    domain: str = ""
    since: float | None = None
    until: float | None = None
    verdict: VerdictKind | None = None  # of visits: settled if settled, else provisional
    after_id: int = 0  # cursor: rows with a greater visit id
    limit: int | None = None

    def spans(self, at: float) -> bool:
        """Tell whether a time lies within ``since`` and ``until``."""
        return (self.since is None or at >= self.since) and (self.until is None or at < self.until)


@dataclass(frozen=True, slots=True)
class ClickRow:
    """A click with the names a reader wants."""

    visit_id: int
    at: float
    campaign: str
    key: LinkKey
    target: str
    role: str
    recipient: str
    domain: str
    score: float
    reasons: tuple[str, ...]
    verified: bool
    settled: bool  # False: provisional
    recipient_id: RecipientId = NOBODY


@dataclass(frozen=True, slots=True)
class VisitRow:
    """A journal entry with the names a reader wants."""

    campaign: str
    target: str
    entry: JournalEntry


@dataclass(frozen=True, slots=True)
class UnsubscribeRow:
    """An opt-out with the names a reader wants."""

    unsubscribe_id: int
    at: float
    campaign: str
    recipient: str
    domain: str
    one_click: bool


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key of the JSON API; only its hash is kept."""

    name: str
    hash: bytes  # BLAKE2b-32 of the key
    created_at: float
    may: Right = Right.EVERYTHING


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """A change of a link's target after sending."""

    at: float
    campaign_id: CampaignId
    key: LinkKey
    old_target: str
    new_target: str
    who: str


@dataclass(frozen=True, slots=True)
class Cutoffs:
    """What a purge removes: everything older than these times; None removes nothing."""

    journal: float | None = None
    clicks: float | None = None
    strays: float | None = None
    message_links: float | None = None
    domain_profiles: float | None = None


class Store(
    ReviewStore,
    GatewayStore,
    DomainStore,
    AfterlifeStore,
    CorrectionStore,
    RollupStore,
    RegisteredStore,
    WebhookStore,
    Protocol,
):
    """What every engine does.

    Going over the journal again is in ``review.py``, who scans for a domain in ``gateways.py``, what
    domains have taught in ``domains.py``, what came after visits in ``afterlife.py``, what reports
    count in ``rollups.py``, what links need as a whole in ``registered.py``, who is told of clicks in
    ``webhooks.py``.
    """

    turn_seconds: float
    """How long messages that settle together may take: visits wait for them, those of everybody in
    SQLite, those of their recipients in PostgreSQL. Long enough that commits are a small part."""

    # life ------------------------------------------------------------------------------------
    async def open(self) -> None:
        """Connect and bring the schema up to date, under a lock; raise StoreError."""

    async def close(self) -> None:
        """Finish what was begun, then let go."""

    async def ping(self) -> None:
        """Raise StoreError unless a small write would succeed now."""

    # what goes out ---------------------------------------------------------------------------
    async def add_campaign(self, campaign: Campaign) -> Campaign:
        """Store a campaign (its id is ignored) and return it with its id; raise DuplicateError."""

    async def find_campaign(self, name: str) -> Campaign | None: ...

    async def get_campaign(self, campaign_id: CampaignId) -> Campaign | None: ...

    async def list_campaigns(self) -> list[Campaign]:
        """Return all campaigns, archived ones too, in the order that they were made in."""

    async def change_campaign(self, was: Campaign, changed: Campaign) -> Campaign:
        """Store the name and ``archived_at`` of a campaign where they are not as they were; all else stays.

        So who renames a campaign does not undo that another archives it meanwhile. Returns the campaign as
        it is now. Raises DuplicateError if another has the name, StoreError if there is no such campaign.
        """

    async def list_links(self, campaign_id: CampaignId) -> list[Link]:
        """Return a campaign's link table by position."""

    async def add_links(self, links: Sequence[Link]) -> None:
        """Add rows to link tables; raise DuplicateError if a key is taken."""

    async def add_message_links(self, links: Sequence[MessageLink]) -> None: ...

    async def list_message_links(
        self, campaign_id: CampaignId, recipient_id: RecipientId
    ) -> list[MessageLink]: ...

    async def set_target(
        self, campaign_id: CampaignId, key: LinkKey, target: str, *, who: str, at: float
    ) -> str:
        """Change a target, write the audit log, and return the old one; raise StoreError."""

    async def list_audit(self, campaign_id: CampaignId) -> list[AuditEntry]: ...

    async def note_signing_key(
        self, campaign_id: CampaignId, signing_key_id: int, fingerprint: bytes
    ) -> bool:
        """Remember that mail of this campaign carries tokens of this signing key.

        False, and nothing is remembered, when mail carries tokens of another key of the same id.
        """

    async def is_other_signing_key(self, signing_key_id: int, fingerprint: bytes) -> bool:
        """Tell whether mail carries tokens of another key of this id."""

    async def list_signing_key_campaigns(self, signing_key_id: int) -> list[str]: ...

    async def register_recipients(self, drafts: Sequence[RecipientDraft]) -> list[Recipient]:
        """Return one recipient a draft, in order, adding those that are new."""

    async def find_recipient(self, who: str) -> Recipient | None:
        """Look a recipient up by address or reference, in the clear."""

    async def known_addresses(self, addresses: Iterable[str]) -> frozenset[str]:
        """Return which addresses are those of recipients."""

    async def erased_references(self, references: Iterable[str]) -> frozenset[str]:
        """Return which references were erased and not registered since."""

    async def get_recipient(self, recipient_id: RecipientId) -> Recipient | None: ...

    async def set_track(self, who: str, *, track: bool) -> int:
        """Set tracking for an address, a reference or ``@domain``; return how many it touched.

        A domain's setting also holds for recipients registered later.
        """

    async def export_recipient(self, recipient_id: RecipientId) -> dict[str, list[dict[str, Any]]]:
        """Return every row about a recipient by table name, and what they refer to (``referred.py``)."""

    async def erase_recipient(self, recipient_id: RecipientId) -> dict[str, int]:
        """Delete every row about a recipient; return how many by table name."""

    async def add_deliveries(self, drafts: Iterable[DeliveryDraft]) -> int:
        """Record deliveries; a better source replaces a worse one. Return how many took effect."""

    # what comes in ---------------------------------------------------------------------------
    async def append(self, pending: Sequence[Pending], take: Take, more: More = no_more) -> list[Outcome]:
        """Judge and journal a batch in one transaction, in order, each seeing those before it.

        Visits are durable when this returns. An Unlogged outcome leaves no trace. ``more`` is asked once
        the batch has its turn, from whatever thread; the outcomes of what it brings come last.
        """

    async def list_due(
        self, *, last_before: float, first_before: float, after: float = inf, limit: int
    ) -> list[OpenMessage]:
        """Return open messages quiet since ``last_before`` or open since ``first_before``.

        And those that were visited ``after`` a time that has yet to come: by a clock that was ahead.
        """

    async def settle(
        self,
        campaign_id: CampaignId,
        recipient_id: RecipientId,
        revise: Callable[[MessageHistory], Settlement],
        *,
        reach_seconds: float,
    ) -> Settlement | None:
        """Settle one message in one transaction; None if another process has done it."""

    # questions -------------------------------------------------------------------------------
    def clicks(self, where: Filter, *, provisional: bool = False) -> AsyncIterator[ClickRow]:
        """Yield clicks in order of visit id; with ``provisional`` also human visits not settled."""

    def visits(self, where: Filter) -> AsyncIterator[VisitRow]:
        """Yield journal entries in order of visit id."""

    def unsubscribes(self, where: Filter) -> AsyncIterator[UnsubscribeRow]: ...

    async def get_visit(self, visit_id: int) -> VisitRow | None: ...

    async def count_strays(self, *, since: float) -> dict[str, int]:
        """Return how many strays were kept, by reason."""

    # keys and upkeep -------------------------------------------------------------------------
    async def add_api_key(self, key: ApiKey) -> None: ...

    async def list_api_keys(self) -> list[ApiKey]: ...

    async def remove_api_key(self, name: str) -> bool: ...

    async def skip_ids(self) -> None:
        """Leave a gap behind the newest ids (``gaps.py``), after a backup was restored; raise StoreError."""

    async def purge(self, cutoffs: Cutoffs, *, rest: Rest = no_rest) -> dict[str, int]:
        """Delete what is older than the cut-offs, a chunk at a time; return how many rows by table name."""
