"""Writing what is kept about people: registering, opting out of tracking, erasing, deliveries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from linkproxy.model import DeliverySource, Recipient, RecipientId
from linkproxy.model.names import unicode_name
from linkproxy.store import sqlite_entries as entries
from linkproxy.store import sqlite_rows as rows
from linkproxy.store.api import StoreError
from linkproxy.store.privacy import domain_of, is_address
from linkproxy.store.sqlite_domains import forget_small, taught_by
from linkproxy.store.sqlite_gateways import forget_gateway, want_gateway
from linkproxy.store.sqlite_recount import forget_recipient, move_domain
from linkproxy.store.sqlite_rollups import note_delivered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from linkproxy.store.api import DeliveryDraft, RecipientDraft
    from linkproxy.store.sqlite_session import Message, Session

RANKS = {
    source: rank
    for rank, source in enumerate(
        (
            DeliverySource.NONE,
            DeliverySource.CAMPAIGN,
            DeliverySource.SMARTHOST,
            DeliverySource.PROVIDER,
            DeliverySource.MX,
        )
    )
}
"""Which source replaces which: the greater one, and at the same rank the newer record."""

_BY_ADDRESS = f"SELECT {rows.RECIPIENT} FROM recipient r WHERE r.address_hash = ?"
_BY_REFERENCE = f"SELECT {rows.RECIPIENT}, r.address_hash IS NULL FROM recipient r WHERE r.reference_hash = ?"
BY_ID = f"SELECT {rows.RECIPIENT} FROM recipient r WHERE r.id = ?"
_REGISTER = """INSERT INTO recipient
    (address_hash, reference_hash, address, reference, domain, track, verified)
VALUES (?, ?, ?, ?, ?, 1, ?) RETURNING id"""
_COMPLETE_ADDRESS = "UPDATE recipient SET address_hash = ?, address = ?, domain = ? WHERE id = ?"
_COMPLETE_REFERENCE = (
    "UPDATE recipient SET reference_hash = ?, reference = ? WHERE id = ? AND reference_hash IS NULL"
)
KNOWN = "SELECT address_hash FROM recipient WHERE address_hash IN"
ERASED = "SELECT reference_hash FROM erased_reference WHERE reference_hash IN"
_OF_DOMAIN = "SELECT count(*) FROM recipient WHERE domain = ?"
_OPT_OUT_ANEW = """INSERT OR IGNORE INTO untracked_domain (domain)
SELECT ?1 WHERE EXISTS (SELECT 1 FROM untracked_domain WHERE domain = ?2)"""
_VERIFY = "UPDATE recipient SET verified = 1 WHERE id = ? AND NOT verified"


def register(session: Session, drafts: Sequence[RecipientDraft]) -> list[Recipient]:
    """Return one recipient a draft, adding those that are new."""
    return [_register(session, draft) for draft in drafts]


def _register(session: Session, draft: RecipientDraft) -> Recipient:
    """Register one; the address decides who it is, a reference that another holds stays there."""
    privacy, db = session.privacy, session.db
    address_hash = privacy.address_hash(draft.address)
    reference_hash = privacy.reference_hash(draft.reference)
    if address_hash is None and reference_hash is None:
        raise StoreError("a recipient needs an address or a reference; one draft has neither")
    row = _by_address(session, draft.address)
    holder = db.execute(_BY_REFERENCE, (reference_hash,)).fetchone() if reference_hash else None
    if row is None and holder is not None and (address_hash is None or holder[-1]):
        row = holder[:-1]
    if row is None:
        new_id = _insert(session, draft, address_hash, None if holder else reference_hash)
    else:
        new_id = row[0]
        if address_hash and holder and holder[0] == new_id and holder[-1]:
            stored = privacy.address(rows.plain(draft.address))
            domain = rows.plain(domain_of(draft.address))
            _move(session, new_id, row[3], domain)
            db.execute(_COMPLETE_ADDRESS, (address_hash, stored, domain, new_id))
        elif address_hash and row[3] != (domain := rows.plain(domain_of(draft.address))):
            _move(session, new_id, row[3], domain)  # stored when U-labels were
            db.execute("UPDATE recipient SET domain = ? WHERE id = ?", (domain, new_id))
            forget_gateway(session, row[3])
        if reference_hash and holder is None:
            stored = privacy.reference(rows.plain(draft.reference))
            if db.execute(_COMPLETE_REFERENCE, (reference_hash, stored, new_id)).rowcount > 0:
                session.changed()
        if draft.verified and db.execute(_VERIFY, (new_id,)).rowcount > 0:
            session.changed()
    if reference_hash:
        db.execute("DELETE FROM erased_reference WHERE reference_hash = ?", (reference_hash,))
    return rows.recipient_from(db.execute(BY_ID, (new_id,)).fetchone())


def _by_address(session: Session, address: str) -> rows.Row | None:
    for known_by in session.privacy.address_hashes(address):
        row: rows.Row | None = session.db.execute(_BY_ADDRESS, (known_by,)).fetchone()
        if row is not None:
            return row
    return None


def _move(session: Session, recipient_id: int, old: str, new: str) -> None:
    move_domain(session.db, recipient_id, old, new)
    _come_in(session, new)
    session.changed()


def _come_in(session: Session, domain: str) -> None:
    """Take in a mail domain; its opt-out may be from when U-labels were stored."""
    want_gateway(session, domain)
    if (before := unicode_name(domain)) != domain:
        session.db.execute(_OPT_OUT_ANEW, (domain, before))


def _insert(
    session: Session, draft: RecipientDraft, address_hash: bytes | None, reference_hash: bytes | None
) -> int:
    privacy = session.privacy
    domain = rows.plain(domain_of(draft.address))
    _come_in(session, domain)
    (new_id,) = session.db.execute(
        _REGISTER,
        (
            address_hash,
            reference_hash,
            privacy.address(rows.plain(draft.address)),
            privacy.reference(rows.plain(draft.reference)) if reference_hash else "",
            domain,
            draft.verified,
        ),
    ).fetchone()
    return int(new_id)


def set_track(session: Session, who: str, *, track: bool) -> int:
    """Set tracking for an address, a reference or ``@domain``; return how many it touched."""
    session.changed()
    if who.startswith("@"):
        return _set_domain(session, domain_of(who), track=track)
    column = "address_hash" if is_address(who) else "reference_hash"
    statement = f"UPDATE recipient SET track = ? WHERE {column} = ?"
    return sum(
        session.db.execute(statement, (track, known_by)).rowcount
        for known_by in session.privacy.hashes_of(who)
    )


def _set_domain(session: Session, domain: str, *, track: bool) -> int:
    statement = (
        "DELETE FROM untracked_domain WHERE domain = ?"
        if track
        else "INSERT OR IGNORE INTO untracked_domain (domain) VALUES (?)"
    )
    total = 0
    for spelling in {domain, unicode_name(domain)}:
        session.db.execute(statement, (spelling,))
        (count,) = session.db.execute(_OF_DOMAIN, (spelling,)).fetchone()
        total += count
    return total


# --- deliveries --------------------------------------------------------------------------------

_DELIVERY = """INSERT INTO delivery (campaign_id, recipient_id, delivered_at, source, rank)
SELECT ?1, ?2, ?3, ?4, ?5 WHERE ?2 = 0 OR EXISTS (SELECT 1 FROM recipient WHERE id = ?2)
ON CONFLICT (campaign_id, recipient_id) DO UPDATE
SET delivered_at = excluded.delivered_at, source = excluded.source, rank = excluded.rank
WHERE excluded.rank > rank OR (excluded.rank = rank AND excluded.delivered_at <> delivered_at)"""

_UNDELIVERED = """SELECT domain FROM recipient WHERE id = ?2
AND NOT EXISTS (SELECT 1 FROM delivery WHERE campaign_id = ?1 AND recipient_id = ?2)"""
_OF_MESSAGE = "campaign_id = ?1 AND recipient_id = ?2"
_OF_CAMPAIGN = """campaign_id = ?1 AND ?2 = 0 AND NOT EXISTS (
    SELECT 1 FROM delivery d WHERE d.campaign_id = message_visit.campaign_id
    AND d.recipient_id = message_visit.recipient_id AND d.recipient_id <> 0)"""


def add_deliveries(session: Session, drafts: Sequence[DeliveryDraft]) -> int:
    """Record deliveries and open again what was settled without knowing them."""
    session.refresh()
    known = {row[0] for row in session.db.execute("SELECT id FROM campaign")}
    if missing := {draft.campaign_id for draft in drafts} - known:
        raise StoreError(f"campaign {min(missing)} is not in the store; add it first")
    fresh: list[tuple[Message, str]] = []
    effective = sum(_add_delivery(session, draft, fresh) for draft in drafts)
    note_delivered(session.db, fresh)
    return effective


def _add_delivery(session: Session, draft: DeliveryDraft, fresh: list[tuple[Message, str]]) -> bool:
    delivery = draft.delivery
    message = (draft.campaign_id, draft.recipient_id)
    new = session.db.execute(_UNDELIVERED, message).fetchone()
    values = (*message, delivery.delivered_at, delivery.source, RANKS[delivery.source])
    if session.db.execute(_DELIVERY, values).rowcount <= 0:
        return False
    if new is not None:
        fresh.append((message, new[0]))
    where = _OF_MESSAGE if draft.recipient_id else _OF_CAMPAIGN
    opened = session.db.execute(
        "INSERT OR IGNORE INTO open_visit (campaign_id, recipient_id, visit_id, at, again) "
        f"SELECT campaign_id, recipient_id, visit_id, at, 1 FROM message_visit WHERE {where}",
        message,
    )
    if opened.rowcount > 0:
        session.db.execute(f"DELETE FROM message_visit WHERE {where}", message)
    if draft.recipient_id:
        session.delivered(message)
    else:
        session.changed()
    return True


# --- erasure -----------------------------------------------------------------------------------

ABOUT = {
    "settled_visit": f"(campaign_id, visit_id) IN ({entries.visits_of('?1', named=True)})",
    "visit": f"id IN ({entries.visits_of('?1')})",
    "open_visit": "recipient_id = ?1",
    "message_visit": "(campaign_id, recipient_id) IN (SELECT id, ?1 FROM campaign)",
    "click": "recipient_id = ?1",
    "rollup_message": "(campaign_id, recipient_id) IN (SELECT id, ?1 FROM campaign)",
    "retraction": "recipient_id = ?1",
    "engagement": "(campaign_id, recipient_id) IN (SELECT id, ?1 FROM campaign)",
    "shadow_verdict": "recipient_id = ?1",
    "stray": """recipient_id = ?1 OR EXISTS (SELECT 1 FROM recipient r WHERE r.id = ?1 AND r.reference <> ''
        AND (instr(target || '/', '/' || r.reference || '/') > 1
            OR instr(target, '/' || r.reference || '.') > 1))""",
    "unsubscribe": "(campaign_id, recipient_id) IN (SELECT id, ?1 FROM campaign)",
    "delivery": "(campaign_id, recipient_id) IN (SELECT id, ?1 FROM campaign)",
    "message_link": "(campaign_id, recipient_id) IN (SELECT id, ?1 FROM campaign)",
    "settle_pass": "recipient_id = ?1",
    "domain_teacher": "recipient_id = ?1",
    "recipient": "id = ?1",
}
"""Every table with rows about a recipient and which rows those are, in the order of deletion."""


def erase(session: Session, recipient_id: RecipientId) -> dict[str, int]:
    """Delete every row about a recipient, overwriting it on disk; return how many by table."""
    if not recipient_id:
        raise StoreError("recipient 0 is nobody and cannot be erased; name an address or a reference")
    db = session.db
    domain = db.execute("SELECT domain FROM recipient WHERE id = ?", (recipient_id,)).fetchone()
    profiles = taught_by(session, recipient_id)
    forget_recipient(db, recipient_id, domain[0] if domain else "")
    db.execute(
        "INSERT OR IGNORE INTO erased_reference (reference_hash) "
        "SELECT reference_hash FROM recipient WHERE id = ? AND reference_hash IS NOT NULL",
        (recipient_id,),
    )
    counts = {
        table: db.execute(f"DELETE FROM {table} WHERE {where}", (recipient_id,)).rowcount
        for table, where in ABOUT.items()
    }
    forget_small(session, profiles)
    if domain:
        forget_gateway(session, domain[0])
    session.erased()
    session.wants_cut = True
    return counts
