"""Writing what is kept about people to PostgreSQL: registering, opting out, erasing, deliveries."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from linkproxy.model import Recipient, RecipientId
from linkproxy.model.names import unicode_name
from linkproxy.store import postgres_locks as locks
from linkproxy.store.api import StoreError
from linkproxy.store.postgres_domains import forget_small, taught_by
from linkproxy.store.postgres_recount import forget_recipient, move_domain
from linkproxy.store.postgres_rows import text
from linkproxy.store.privacy import Privacy, domain_of, is_address

if TYPE_CHECKING:
    from collections.abc import Sequence

    from linkproxy.store.api import RecipientDraft
    from linkproxy.store.postgres_database import Transaction

_COLUMNS = "id, address_hash, reference_hash, address, reference, domain, track, verified"
_BY_HASH = f"""SELECT h.hash, {", ".join(f"r.{name.strip()}" for name in _COLUMNS.split(","))}
FROM recipient_hash h JOIN recipient r ON r.id = h.recipient_id WHERE h.hash = ANY($1::bytea[])"""
_PUT = f"""INSERT INTO recipient ({_COLUMNS})
SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::bytea[], $4::text[], $5::text[], $6::text[],
    $7::boolean[], $8::boolean[])
ON CONFLICT (id) DO UPDATE SET address_hash = excluded.address_hash,
    reference_hash = excluded.reference_hash, address = excluded.address,
    reference = excluded.reference, domain = excluded.domain, verified = excluded.verified"""
_PUT_HASHES = """INSERT INTO recipient_hash (hash, recipient_id)
SELECT * FROM unnest($1::bytea[], $2::bigint[]) ON CONFLICT (hash) DO NOTHING"""
_NEW_IDS = "SELECT nextval('recipient_id') FROM generate_series(1, $1)"
_WANT_GATEWAYS = """INSERT INTO gateway (domain, name, mx, outcome, looked_up_at, expires_at)
SELECT domain, '', '', '', 0, 0 FROM unnest($1::text[]) domain ON CONFLICT (domain) DO NOTHING"""
_NEW_BEGINNING = "DELETE FROM erased_reference WHERE reference_hash = ANY($1::bytea[])"
_UNTRACKED = "SELECT domain FROM untracked_domain WHERE domain = ANY($1::text[])"
_OPT_OUT_ANEW = """INSERT INTO untracked_domain (domain)
SELECT $1::text WHERE EXISTS (SELECT 1 FROM untracked_domain WHERE domain = $2) ON CONFLICT DO NOTHING"""
_HASHES_OF = "SELECT address_hash, reference_hash, domain FROM recipient WHERE id = $1 FOR UPDATE"
_ERASED = """INSERT INTO meta AS m (name, number) VALUES ('erasures', 1)
ON CONFLICT (name) DO UPDATE SET number = m.number + 1"""
"""Other nodes then forget whom they remember."""
_FORGET_GATEWAY = """DELETE FROM gateway
WHERE domain = $1 AND NOT EXISTS (SELECT 1 FROM recipient WHERE domain = $1)"""

_CAMPAIGNS = "campaign_id IN (SELECT id FROM campaign) AND recipient_id = $1"
VISITS_OF = f"""SELECT visit_id, at FROM open_visit WHERE {_CAMPAIGNS}
UNION SELECT visit_id, at FROM message_visit WHERE {_CAMPAIGNS}"""
"""A recipient's visits by id and time: one seek a campaign, and no index more."""

ABOUT = {
    "visit": f"recipient_id = $1 AND (id, at) IN ({VISITS_OF})",
    "open_visit": _CAMPAIGNS,
    "message_visit": _CAMPAIGNS,
    "click": "recipient_id = $1",
    "rollup_message": _CAMPAIGNS,
    "retraction": "recipient_id = $1",
    "engagement": _CAMPAIGNS,
    "shadow_verdict": "recipient_id = $1",
    "stray": """recipient_id = $1 OR EXISTS (SELECT 1 FROM recipient r WHERE r.id = $1 AND r.reference <> ''
        AND (strpos(target || '/', '/' || r.reference || '/') > 1
            OR strpos(target, '/' || r.reference || '.') > 1))""",
    "unsubscribe": _CAMPAIGNS,
    "delivery": _CAMPAIGNS,
    "message_link": _CAMPAIGNS,
    "domain_teacher": "recipient_id = $1",
    "recipient_hash": """hash IN (SELECT address_hash FROM recipient WHERE id = $1
        UNION SELECT reference_hash FROM recipient WHERE id = $1) AND recipient_id = $1""",
    "recipient": "id = $1",
}
"""Every table with rows about a recipient and which rows those are, in the order of deletion."""


@dataclass(slots=True)
class _Row:
    """A recipient as it will be stored."""

    id: int
    address_hash: bytes | None
    reference_hash: bytes | None
    address: str
    reference: str
    domain: str
    track: bool = True
    verified: bool = False


@dataclass(slots=True)
class _Register:
    """Recipients by what they are found by, as they were and as the drafts make them."""

    privacy: Privacy
    new_ids: list[int]
    by_hash: dict[bytes, _Row]
    known: frozenset[int]
    changed: dict[int, _Row] = field(default_factory=dict)
    domains: set[str] = field(default_factory=set)
    moved: list[tuple[int, str, str]] = field(default_factory=list)  # id, mail domain before and now

    def take(self, draft: RecipientDraft) -> _Row:
        """Register one; the address decides who it is, a reference that another holds stays there."""
        address_hash = self.privacy.address_hash(draft.address)
        reference_hash = self.privacy.reference_hash(draft.reference)
        known_by = self.privacy.address_hashes(draft.address)
        row = next((self.by_hash[found] for found in known_by if found in self.by_hash), None)
        holder = self.by_hash.get(reference_hash) if reference_hash else None
        if row is None and holder is not None and (address_hash is None or holder.address_hash is None):
            row = holder
        if row is None:
            row = _Row(self.new_ids.pop(), None, None, "", "", "", verified=draft.verified)
            self.changed[row.id] = row
        if address_hash and row.address_hash is None:
            self._complete_address(row, draft, address_hash)
        elif address_hash and row.domain != (domain := text(domain_of(draft.address))):
            self._move(row, domain)  # stored when U-labels were
        if reference_hash and holder is None and row.reference_hash is None:
            row.reference_hash = reference_hash
            row.reference = self.privacy.reference(text(draft.reference))
            self.by_hash[reference_hash] = self.changed[row.id] = row
        if draft.verified and not row.verified:
            row.verified = True
            self.changed[row.id] = row
        return row

    def _complete_address(self, row: _Row, draft: RecipientDraft, address_hash: bytes) -> None:
        row.address_hash = address_hash
        row.address = self.privacy.address(text(draft.address))
        self.by_hash[address_hash] = row
        self._move(row, text(domain_of(draft.address)))

    def _move(self, row: _Row, domain: str) -> None:
        if row.id in self.known:
            self.moved.append((row.id, row.domain, domain))
        row.domain = domain
        self.changed[row.id] = row
        if domain:
            self.domains.add(domain)


async def register(work: Transaction, privacy: Privacy, drafts: Sequence[RecipientDraft]) -> list[Recipient]:
    """Return one recipient a draft, adding those that are new; under the lock REGISTERING."""
    hashes = [
        found
        for draft in drafts
        for found in (*privacy.address_hashes(draft.address), privacy.reference_hash(draft.reference))
        if found
    ]
    if any(not (draft.address.strip() or draft.reference) for draft in drafts):
        raise StoreError("a recipient needs an address or a reference; one draft has neither")
    known = await work.fetch(_BY_HASH, hashes)
    same: dict[int, _Row] = {}
    by_hash = {row[0]: same.setdefault(row[1], _Row(*row[1:])) for row in known}
    missing = len(drafts) if len(by_hash) < len(set(hashes)) else 0
    new_ids = [row[0] for row in await work.fetch(_NEW_IDS, missing)] if missing else []
    state = _Register(privacy, new_ids[::-1], by_hash, frozenset(same))
    found = [state.take(draft) for draft in drafts]
    if state.moved:
        await work.db.execute(locks.COUNTING)
        for moved in state.moved:
            await move_domain(work, *moved)
    await _write(work, state)
    for _, before, _ in state.moved:
        await work.execute(_FORGET_GATEWAY, before)
    references = [privacy.reference_hash(draft.reference) for draft in drafts if draft.reference]
    if references:
        await work.execute(_NEW_BEGINNING, references)
    untracked = {row[0] for row in await work.fetch(_UNTRACKED, sorted({row.domain for row in found}))}
    return [_recipient(row, untracked) for row in found]


def _recipient(row: _Row, untracked: set[str]) -> Recipient:
    return Recipient(
        RecipientId(row.id),
        row.address,
        row.reference,
        row.domain,
        track=row.track and not (row.domain and row.domain in untracked),
        verified=row.verified,
    )


async def _write(work: Transaction, state: _Register) -> None:
    if not state.changed:
        return
    changed = list(state.changed.values())
    values = [
        (
            *(row.id, row.address_hash, row.reference_hash, row.address, row.reference, row.domain),
            *(row.track, row.verified),
        )
        for row in changed
    ]
    await work.execute(_PUT, *map(list, zip(*values, strict=True)))
    hashes = [(found, row.id) for row in changed for found in (row.address_hash, row.reference_hash) if found]
    await work.execute(_PUT_HASHES, *map(list, zip(*hashes, strict=True)))
    if state.domains:
        await work.execute(_WANT_GATEWAYS, sorted(state.domains))
    for domain in sorted(state.domains):  # an opt-out may be from when U-labels were stored
        if (before := unicode_name(domain)) != domain:
            await work.execute(_OPT_OUT_ANEW, domain, before)


async def set_track(work: Transaction, privacy: Privacy, who: str, *, track: bool) -> int:
    """Set tracking for an address, a reference or ``@domain``; return how many it touched."""
    if who.startswith("@"):
        return await _set_domain(work, domain_of(who), track=track)
    column = "address_hash" if is_address(who) else "reference_hash"
    return await work.execute(
        f"""UPDATE recipient SET track = $1
        WHERE id IN (SELECT recipient_id FROM recipient_hash WHERE hash = ANY($2::bytea[]))
        AND {column} = ANY($2::bytea[])""",
        track,
        list(privacy.hashes_of(who)),
    )


async def _set_domain(work: Transaction, domain: str, *, track: bool) -> int:
    statement = (
        "DELETE FROM untracked_domain WHERE domain = $1"
        if track
        else "INSERT INTO untracked_domain (domain) VALUES ($1) ON CONFLICT DO NOTHING"
    )
    spellings = sorted({domain, unicode_name(domain)})
    for spelling in spellings:
        await work.execute(statement, spelling)
    row = await work.fetch_one("SELECT count(*) FROM recipient WHERE domain = ANY($1::text[])", spellings)
    return int(row[0]) if row else 0


async def erase(work: Transaction, recipient_id: RecipientId) -> dict[str, int]:
    """Delete every row about a recipient; under the locks REGISTERING, COUNTING and of the recipient."""
    found = await work.fetch_one(_HASHES_OF, recipient_id)
    profiles = await taught_by(work, recipient_id)
    await forget_recipient(work, recipient_id, found[2] if found else "")
    if found and found[1] is not None:
        await work.execute(
            "INSERT INTO erased_reference (reference_hash) VALUES ($1) ON CONFLICT DO NOTHING", found[1]
        )
    counts = {
        table: await work.execute(f"DELETE FROM {table} WHERE {where}", recipient_id)
        for table, where in ABOUT.items()
    }
    await forget_small(work, profiles)
    if found and found[2]:
        await work.execute(_FORGET_GATEWAY, found[2])
    await work.execute(_ERASED)
    return counts
