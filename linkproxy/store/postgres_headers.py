"""Header profiles in PostgreSQL: the ids of those that a batch's visits came with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from linkproxy.store import postgres_locks as locks
from linkproxy.store import sqlite_rows as rows
from linkproxy.store.memory import HeldProfile, KnownProfile, day_end
from linkproxy.store.postgres_facts import NewProfile
from linkproxy.store.postgres_rows import turned

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from linkproxy.model import Profile
    from linkproxy.store.api import Pending
    from linkproxy.store.postgres_database import Transaction
    from linkproxy.store.postgres_facts import Known
    from linkproxy.store.postgres_memory import Memory


_FIND = "SELECT hash, id, used_at FROM profile WHERE hash = ANY($1::bytea[])"
# One that is being purged is waited for, and then is not returned.
_USE = """UPDATE profile p SET used_at = greatest(p.used_at, w.at)
FROM unnest($1::bytea[], $2::double precision[]) AS w (hash, at) WHERE p.hash = w.hash
RETURNING p.hash, p.id"""
_NEW = "SELECT nextval('profile_id') FROM generate_series(1, $1)"


@dataclass(slots=True)
class _Headers:
    """Profiles that are stored alike: they differ in headers that are never stored."""

    content: str
    at: float
    profiles: list[Profile] = field(default_factory=list)


async def find_headers(work: Transaction, known: Known, memory: Memory, pending: Sequence[Pending]) -> None:
    """Note the ids of a batch's header profiles; a new one gets its row with the visit that needs it."""
    wanted = _unknown(known, memory, pending)
    if not wanted:
        return
    read = await work.fetch(_FIND, list(wanted))
    found: dict[bytes, int] = {row[0]: row[1] for row in read if row[2] >= wanted[row[0]].at}
    doubtful = sorted(wanted.keys() - found)
    if doubtful:
        await work.db.execute(locks.profiles(doubtful))
        used = await work.fetch(_USE, *turned((digest, wanted[digest].at) for digest in doubtful))
        found |= {row[0]: row[1] for row in used}
    for digest, profile_id in found.items():
        remember(memory, wanted[digest].profiles, profile_id, wanted[digest].at)
        known.profile_ids |= dict.fromkeys(map(id, wanted[digest].profiles), profile_id)
    new = sorted(wanted.keys() - found)
    for digest, row in zip(new, await work.fetch(_NEW, len(new)) if new else (), strict=True):
        headers = wanted[digest]
        known.profile_ids |= dict.fromkeys(map(id, headers.profiles), int(row[0]))
        known.new_profiles[row[0]] = NewProfile(tuple(headers.profiles), digest, headers.content, headers.at)


def remember(memory: Memory, profiles: Iterable[Profile], profile_id: int, at: float) -> None:
    """Remember the id of profiles that are stored, and used on that day."""
    for profile in profiles:
        memory.profiles.put(profile, KnownProfile(profile_id, day_end(at)))
        memory.held.drop(id(profile))


def _unknown(known: Known, memory: Memory, pending: Sequence[Pending]) -> dict[bytes, _Headers]:
    """Return by hash what must be read: what is not remembered, or not as used on the latest day."""
    latest: dict[int, Pending] = {}
    for item in pending:
        last = latest.setdefault(id(item.profile), item)
        if item.at > last.at:
            latest[id(item.profile)] = item
    wanted: dict[bytes, _Headers] = {}
    for place, item in latest.items():
        profile, at = item.profile, item.at
        held = memory.held.get(place)
        remembered = memory.profiles.get(profile) if held is None else held.known
        if remembered is not None and at < remembered.until:
            known.profile_ids[place] = remembered.id
            if held is None:
                memory.held.put(place, HeldProfile(profile, remembered))
            continue
        content = rows.profile_content(profile)
        headers = wanted.setdefault(rows.profile_hash(content), _Headers(content, at))
        headers.at = max(headers.at, at)
        headers.profiles.append(profile)
    return wanted
