"""Looking recipients up by a new privacy key in PostgreSQL; see rekey.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from linkproxy.store import postgres_locks as locks
from linkproxy.store.postgres_database import Database
from linkproxy.store.rekey import Rekeyed, hashes

if TYPE_CHECKING:
    from linkproxy.store.postgres_database import ServerSettings, Transaction
    from linkproxy.store.privacy import Privacy

_CHUNK = 10_000
_HELD = """SELECT id, address_hash, reference_hash, address, reference FROM recipient
WHERE id > $1 ORDER BY id LIMIT $2"""
_PUT = """UPDATE recipient AS r SET address_hash = w.address_hash, reference_hash = w.reference_hash
FROM unnest($1::bigint[], $2::bytea[], $3::bytea[]) AS w (id, address_hash, reference_hash)
WHERE r.id = w.id"""
_TAKE_OUT = "DELETE FROM recipient_hash WHERE recipient_id = ANY($1::bigint[])"
_PUT_HASHES = (
    "INSERT INTO recipient_hash (hash, recipient_id) SELECT * FROM unnest($1::bytea[], $2::bigint[])"
)
_KEY = "UPDATE meta SET data = $1 WHERE name = 'privacy_key'"


async def rekey_database(settings: ServerSettings, privacy: Privacy) -> Rekeyed:
    """Hash the recipients of a database anew, all or none; raise StoreError."""
    database = Database(settings)
    await database.open()
    try:
        async with database.transaction(locks.MIGRATING + locks.REGISTERING) as work:
            made = await _rekey(work, privacy)
            await work.execute(_KEY, privacy.check())
        return made
    finally:
        await database.close()


async def _rekey(work: Transaction, privacy: Privacy) -> Rekeyed:
    found, lost, last = 0, 0, 0
    while held := await work.fetch(_HELD, last, _CHUNK):
        made = [(row[0], *hashes(tuple(row), privacy)) for row in held]
        ids = [row[0] for row in made]
        await work.execute(_PUT, ids, [row[1] for row in made], [row[2] for row in made])
        await work.execute(_TAKE_OUT, ids)
        pairs = [(item, row[0]) for row in made for item in row[1:3] if isinstance(item, bytes)]
        await work.execute(_PUT_HASHES, [pair[0] for pair in pairs], [pair[1] for pair in pairs])
        unread = sum(not row[3] for row in made)
        found, lost, last = found + len(made) - unread, lost + unread, ids[-1]
    return Rekeyed(found, lost)
