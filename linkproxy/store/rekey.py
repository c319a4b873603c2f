"""Looking recipients up by a new privacy key, when the old one is lost.

Links need no privacy key. But a store opens with its own key only, since with another one nobody would
be found, and everybody would be registered a second time; so without that key no reader could be sent
on. Whoever is stored in the clear can be hashed anew; of others the old hash stays, and fits nobody.
"""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from linkproxy.store.api import StoreError
from linkproxy.store.migrate import migrate
from linkproxy.store.privacy import is_address
from linkproxy.store.sqlite_connect import connect
from linkproxy.store.sqlite_errors import store_error
from linkproxy.store.sqlite_lock import FileLock

if TYPE_CHECKING:
    from linkproxy.store.privacy import Privacy
    from linkproxy.store.sqlite_connect import FileSettings
    from linkproxy.store.sqlite_rows import Row

_TRUNCATED = re.compile(r".?\*\*\*@.*", re.DOTALL)
_HELD = "SELECT id, address_hash, reference_hash, address, reference FROM recipient"
_PUT = "UPDATE recipient SET address_hash = ?2, reference_hash = ?3 WHERE id = ?1"
_KEY = "UPDATE meta SET value = ? WHERE name = 'privacy_key'"


@dataclass(frozen=True, slots=True)
class Rekeyed:
    """How many recipients are found by the new key, and of how many the address is not known."""

    found: int
    lost: int


def hashes(row: Row, privacy: Privacy) -> tuple[bytes | None, bytes | None, bool]:
    """Return what a recipient is looked up by from now on, and whether the address was readable.

    ``row``: id, hash of the address and of the reference, and both as they are stored. A reference that
    is stored as a hash is not told from others, and is hashed once more: nobody is found by it either.
    """
    _, address_hash, reference_hash, address, reference = row
    if reference_hash is not None:
        reference_hash = privacy.reference_hash(reference)
    if address_hash is None:
        return None, reference_hash, True
    readable = is_address(address) and not _TRUNCATED.fullmatch(address)
    # As it is spelt: of two spellings of one address an earlier version made two recipients.
    return privacy.address_hashes(address)[0] if readable else address_hash, reference_hash, readable


def rekey_file(settings: FileSettings, privacy: Privacy, now: float) -> Rekeyed:
    """Hash the recipients of a SQLite file anew, all or none; raise StoreError."""
    path = settings.path
    if not path.is_file():
        raise StoreError(f"{path}: there is no such file; check store.url")
    lock = FileLock(path)
    try:
        lock.acquire_within(settings.lock_seconds)
        with closing(connect(settings)) as db:
            db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        # The last one to close it removes its log: sqlite.org/wal.html, section 6.
        if path.with_name(f"{path.name}-wal").exists():
            raise StoreError(
                f"{path}: another program has it open; stop linkproxy (serve, relay), then repeat"
            )
        with closing(connect(settings)) as db:
            migrate(db, path, now=now)
            db.execute("BEGIN IMMEDIATE")
            made = _rekey(db, privacy)
            db.execute("COMMIT")
            return made
    except sqlite3.Error as error:
        raise store_error(error, path) from error
    finally:
        lock.close()


def _rekey(db: sqlite3.Connection, privacy: Privacy) -> Rekeyed:
    held = db.execute(_HELD).fetchall()
    made = [(row[0], *hashes(row, privacy)) for row in held]
    db.executemany(_PUT, (row[:3] for row in made))
    db.execute(_KEY, (privacy.check(),))
    lost = sum(not row[3] for row in made)
    return Rekeyed(len(made) - lost, lost)
