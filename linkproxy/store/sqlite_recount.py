"""Settled visits of the journal as rollups count them: what erasing and purging take away again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from linkproxy.model import Verdict, VerdictKind
from linkproxy.store import sqlite_entries as entries
from linkproxy.store import sqlite_rows as rows
from linkproxy.store.evidence_rows import evidence_from
from linkproxy.store.rollups import (
    Change,
    CountedVisit,
    Figure,
    MessageSums,
    Part,
    add_message,
    add_visit,
    link_name,
    with_clicks,
)
from linkproxy.store.sqlite_ledger import Ledger, read_message, write_message

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping, Sequence

    from linkproxy.store.sqlite_session import Message

SETTLED = """SELECT v.id, v.campaign_id, v.recipient_id, coalesce(r.domain, ''), v.key, v.at, v.method,
    v.hop_at, v.kind, v.settled_verdict, v.settled_score, v.settled_evidence,
    l.key IS NOT NULL AND m.key IS NULL, coalesce(l.target, m.target, ''), m.key IS NOT NULL
FROM visit v
    LEFT JOIN recipient r ON r.id = v.recipient_id
    LEFT JOIN link l ON l.campaign_id = v.campaign_id AND l.key = v.key
    LEFT JOIN message_link m
        ON m.campaign_id = v.campaign_id AND m.recipient_id = v.recipient_id AND m.key = v.key
WHERE v.id IN (SELECT value FROM json_each(?)) AND v.settled_verdict IS NOT NULL ORDER BY v.id"""


# --- visits as rows ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SettledRow:
    """A settled visit of the journal, as far as rollups and listings go."""

    visit_id: int
    message: Message
    domain: str
    key: str
    is_content: bool
    visit: CountedVisit
    verdict: Verdict
    is_message_link: bool


def settled_rows(
    db: sqlite3.Connection, visit_ids: Sequence[int], sums: Mapping[Message, MessageSums]
) -> list[SettledRow]:
    """Return those of the visits that are settled, links named as the sums of their messages say."""
    return [settled_row(row, sums) for row in db.execute(SETTLED, (rows.compact(list(visit_ids)),))]


def settled_row(row: rows.Row, sums: Mapping[Message, MessageSums]) -> SettledRow:
    """Return a row of the statement SETTLED, links named as the sums of their messages say."""
    message = (row[1], row[2])
    shapes = sums[message].shapes if message in sums else {}
    link = link_name(row[4], is_known=bool(row[12]), target=row[13], shapes=shapes)
    is_raw = row[6] == "GET" and row[7] is None
    verdict = Verdict(VerdictKind(row[9]), row[10], 0.0, evidence_from(row[11]))
    return SettledRow(
        visit_id=row[0],
        message=message,
        domain=row[3],
        key=row[4],
        is_content=row[8] == "content",
        visit=CountedVisit(link, row[5], is_raw),
        verdict=verdict,
        is_message_link=bool(row[14]),
    )


def visits_change(found: Iterable[SettledRow], domain: str | None = None) -> Change:
    """Return what visits add to the sums, at another domain if one is given."""
    change = Change()
    for row in found:
        if row.is_content:
            add_visit(change, row.visit, row.domain if domain is None else domain, row.verdict)
    return change


def raw_visits(found: Iterable[SettledRow]) -> int:
    """Return how many visits a plain counter counts."""
    return sum(row.is_content and row.visit.is_raw for row in found)


_MESSAGES = """SELECT m.campaign_id, m.recipient_id FROM campaign c CROSS JOIN rollup_message m
ON m.campaign_id = c.id AND m.recipient_id = ?"""
_DELIVERED = """SELECT d.campaign_id, d.recipient_id FROM campaign c CROSS JOIN delivery d
ON d.campaign_id = c.id AND d.recipient_id = ? WHERE d.recipient_id <> 0"""


@dataclass(frozen=True, slots=True)
class About:
    """Everything that one recipient adds to the sums."""

    found: Sequence[SettledRow]
    sums: Mapping[Message, MessageSums]
    delivered: frozenset[Message]

    def change(self, message: Message, domain: str) -> Change:
        """Return what one of the recipient's messages adds, at a mail domain."""
        change = visits_change((row for row in self.found if row.message == message), domain)
        add_message(change, self.sums.get(message, MessageSums()), domain)
        if message in self.delivered:
            change.add(((Part.CAMPAIGN, ""), (Part.DOMAIN, domain)), Figure.DELIVERED, 1)
        return change

    @property
    def messages(self) -> set[Message]:
        """Which messages the recipient has."""
        return {row.message for row in self.found} | self.sums.keys() | self.delivered


def _about(db: sqlite3.Connection, recipient_id: int) -> About:
    messages = db.execute(_MESSAGES, (recipient_id,)).fetchall()
    sums = {message: read_message(db, message) for message in messages}
    ids = [visit_id for (visit_id,) in db.execute(entries.visits_of("?1"), (recipient_id,))]
    delivered = frozenset(db.execute(_DELIVERED, (recipient_id,)).fetchall())
    return About(settled_rows(db, ids, sums), sums, delivered)


def forget_recipient(db: sqlite3.Connection, recipient_id: int, domain: str) -> None:
    """Take one who is about to be erased out of the sums; nothing is left to name a domain of nobody."""
    about, ledger = _about(db, recipient_id), Ledger(db)
    for message in sorted(about.messages):
        ledger.add(message, about.change(message, domain), -1)
    ledger.write()
    others = "SELECT 1 FROM recipient WHERE domain = ? AND id <> ? LIMIT 1"
    if domain and db.execute(others, (domain, recipient_id)).fetchone() is None:
        ledger.forget_domain(domain)


def move_domain(db: sqlite3.Connection, recipient_id: int, old: str, new: str) -> None:
    """Count a recipient whose address has become known at its mail domain."""
    about, ledger = _about(db, recipient_id), Ledger(db)
    for message in sorted(about.messages):
        ledger.add(message, about.change(message, old), -1)
        ledger.add(message, about.change(message, new))
    ledger.write()
    listed = "UPDATE settled_visit SET domain = ? WHERE campaign_id = ? AND visit_id = ?"
    db.executemany(listed, [(new, row.message[0], row.visit_id) for row in about.found])
    db.execute("UPDATE click SET domain = ? WHERE recipient_id = ?", (new, recipient_id))


# --- purging ----------------------------------------------------------------------------------

_LEFT = """SELECT EXISTS (SELECT 1 FROM message_visit WHERE campaign_id = ?1 AND recipient_id = ?2)
OR EXISTS (SELECT 1 FROM open_visit WHERE campaign_id = ?1 AND recipient_id = ?2)"""
_UNLIST = "DELETE FROM settled_visit WHERE campaign_id = ? AND visit_id = ?"
_CLICKS = """SELECT c.campaign_id, c.recipient_id, c.key, c.at, c.domain,
    l.key IS NOT NULL AND m.key IS NULL, coalesce(l.target, m.target, '')
FROM click c LEFT JOIN link l ON l.campaign_id = c.campaign_id AND l.key = c.key
    LEFT JOIN message_link m
        ON m.campaign_id = c.campaign_id AND m.recipient_id = c.recipient_id AND m.key = c.key
WHERE c.visit_id IN (SELECT value FROM json_each(?))"""


def by_message(found: Iterable[SettledRow]) -> dict[Message, list[SettledRow]]:
    """Return visits by their message."""
    grouped: dict[Message, list[SettledRow]] = {}
    for row in found:
        grouped.setdefault(row.message, []).append(row)
    return grouped


def doomed_visits(db: sqlite3.Connection, visit_ids: Sequence[int]) -> list[SettledRow]:
    """Return visits that are about to be purged, for ``keep_visits`` when they are."""
    ids = rows.compact(list(visit_ids))
    messages = (
        "SELECT DISTINCT campaign_id, recipient_id FROM visit WHERE id IN (SELECT value FROM json_each(?))"
    )
    sums = {message: read_message(db, message) for message in db.execute(messages, (ids,)).fetchall()}
    return settled_rows(db, visit_ids, sums)


def without_visits(before: MessageSums, found: Iterable[SettledRow], *, any_left: bool) -> MessageSums:
    """Return what a message is beyond its visits when some of them are purged, or all."""
    after = replace(before, raw=max(0, before.raw - raw_visits(found)))
    if any_left:
        return after
    return replace(after, raw=0, possible=(), counted=0, shapes=before.shapes if before.clicks else {})


def keep_visits(db: sqlite3.Connection, doomed: Sequence[SettledRow]) -> None:
    """Keep what purged visits added to the sums; with the last one, what their message did."""
    ledger = Ledger(db)
    for message, found in sorted(by_message(doomed).items()):
        before = read_message(db, message)
        (left,) = db.execute(_LEFT, message).fetchone()
        after = without_visits(before, found, any_left=bool(left))
        change = visits_change(found)
        add_message(change, before, found[0].domain)
        add_message(change, after, found[0].domain, -1)
        ledger.keep(message, change)
        write_message(db, message, after)
    ledger.write()
    db.executemany(_UNLIST, [(row.message[0], row.visit_id) for row in doomed])


def keep_clicks(db: sqlite3.Connection, visit_ids: Sequence[int]) -> None:
    """Keep what clicks that are about to be purged add to the sums."""
    ledger = Ledger(db)
    for *message, key, at, domain, is_known, target in db.execute(
        _CLICKS, (rows.compact(list(visit_ids)),)
    ).fetchall():
        pair = (message[0], message[1])
        before = read_message(db, pair)
        link = link_name(key, is_known=bool(is_known), target=target, shapes=before.shapes)
        after = with_clicks(before, [(link, at)], -1)
        change = Change()
        add_message(change, before, domain)
        add_message(change, after, domain, -1)
        ledger.keep(pair, change)
        write_message(db, pair, after)
    ledger.write()
