"""Rollups and listings of settled visits in SQLite, changed in the transaction that settles."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from linkproxy.model import MessageLink
from linkproxy.store.rollups import (
    HOUR_SECONDS,
    Change,
    Figure,
    Part,
    add_message,
    add_visit,
    counted_visit,
    is_content,
    link_name,
    with_clicks,
)
from linkproxy.store.sqlite_ledger import Ledger, read_message, write_message

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping, Sequence

    from linkproxy.model import JournalEntry, Settlement
    from linkproxy.store.rollups import MessageSums
    from linkproxy.store.sqlite_session import Message

LIST = """INSERT OR REPLACE INTO settled_visit (campaign_id, visit_id, domain, verdict, key)
VALUES (?, ?, ?, ?, ?)"""
_HOUR = """INSERT INTO visit_hour (hour, first_id, last_id) VALUES (?, ?, ?)
ON CONFLICT (hour) DO UPDATE
SET first_id = min(first_id, excluded.first_id), last_id = max(last_id, excluded.last_id)
WHERE excluded.first_id < first_id OR excluded.last_id > last_id"""


# --- settling ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Resettled:
    """A settlement with what it was made of, and what it did to the click log.

    ``entries`` are as they were before. ``clicked``: which of the message's visits the click log holds
    now, as far as they are among ``entries``.
    """

    settlement: Settlement
    entries: Mapping[int, JournalEntry]
    added: Iterable[int]
    removed: Iterable[int]
    clicked: frozenset[int]
    looked_at: frozenset[int]  # by whatever found the possible clicks


def note_settled(db: sqlite3.Connection, message: Message, done: Resettled) -> None:
    """Bring rollups and listings up to what a settlement has changed."""
    if not done.entries:
        return
    domain = next(iter(done.entries.values())).recipient.domain
    before = read_message(db, message)
    after, change = settled_change(done, before, domain)
    ledger = Ledger(db)
    ledger.add(message, change)
    ledger.write()
    if after != before:
        write_message(db, message, after)
    _list(db, message, done, domain)


def settled_change(done: Resettled, before: MessageSums, domain: str) -> tuple[MessageSums, Change]:
    """Return what a message is beyond its visits after a settlement, and what that does to the sums."""
    shapes = {**_shapes(done), **before.shapes}
    change = Change()
    raw = before.raw + _revise(change, done, domain, shapes)
    after = replace(before, raw=raw, shapes=shapes)
    after = with_clicks(after, _clicks(done, done.added, shapes))
    after = with_clicks(after, _clicks(done, done.removed, shapes), -1)
    possible = done.settlement.possible
    if possible is not None:
        after = replace(after, possible=possible, counted=len(done.clicked & done.looked_at))
    add_message(change, before, domain, -1)
    add_message(change, after, domain)
    return after, change


def _shapes(done: Resettled) -> dict[str, str]:
    links = [done.entries[visit_id].facts.link for visit_id, _ in done.settlement.revised]
    return {link.key: link_name(link.key, is_known=False, target=link.target, shapes={})
            for link in links if isinstance(link, MessageLink)}  # fmt: skip


def _revise(change: Change, done: Resettled, domain: str, shapes: Mapping[str, str]) -> int:
    """Add other verdicts in the place of those before; return how many raw visits are new."""
    fresh = 0
    for visit_id, verdict in done.settlement.revised:
        entry = done.entries[visit_id]
        if not is_content(entry):
            continue
        visit = counted_visit(entry, shapes)
        if entry.settled is not None:
            add_visit(change, visit, domain, entry.settled, -1)
        else:
            fresh += visit.is_raw
        add_visit(change, visit, domain, verdict)
    return fresh


def _clicks(done: Resettled, ids: Iterable[int], shapes: Mapping[str, str]) -> list[tuple[str, float]]:
    entries = [done.entries[visit_id] for visit_id in ids]
    return [(counted_visit(entry, shapes).link, entry.visit.at) for entry in entries]


def _list(db: sqlite3.Connection, message: Message, done: Resettled, domain: str) -> None:
    revised = [(done.entries[visit_id], verdict) for visit_id, verdict in done.settlement.revised]
    db.executemany(
        LIST,
        [
            (message[0], entry.visit_id, domain, verdict.kind, entry.visit.key)
            for entry, verdict in revised
            if entry.settled is None or entry.settled.kind is not verdict.kind
        ],
    )
    note_hours(db, [(entry.visit_id, entry.visit.at) for entry, _ in revised if entry.settled is None])


def note_hours(db: sqlite3.Connection, visits: Sequence[tuple[int, float]]) -> None:
    """Note between which ids the visits of each hour are; takes visit ids and times."""
    spans: dict[int, tuple[int, int]] = {}
    for visit_id, at in visits:
        hour = int(at // HOUR_SECONDS)
        first, last = spans.get(hour, (visit_id, visit_id))
        spans[hour] = (min(first, visit_id), max(last, visit_id))
    db.executemany(_HOUR, [(hour, *span) for hour, span in sorted(spans.items())])


# --- deliveries -------------------------------------------------------------------------------


def note_delivered(db: sqlite3.Connection, messages: Iterable[tuple[Message, str]]) -> None:
    """Count messages with a delivery of their own, each with its mail domain."""
    ledger = Ledger(db)
    counts = Counter(messages)
    for (message, domain), count in counts.items():
        change = Change()
        change.add(((Part.CAMPAIGN, ""), (Part.DOMAIN, domain)), Figure.DELIVERED, count)
        ledger.add(message, change)
    ledger.write()
