"""Which advisory locks there are, and in which order they are taken: the order of this file.

All are locks of the transaction. Keys of one kind are taken in sorted order, kinds in the order
below, so that no two transactions ever wait for each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_KIND_BITS = 48
"""A key is 64 bits: the kind above, what is locked (a recipient id has 40 bits) below."""

_BASE = 0x6C << 8  # "l", so that another program's locks in the same database are others

_MIGRATING, _REGISTERING, _COUNTING, _RECIPIENT, _PROFILE = (
    (_BASE | kind) << _KIND_BITS for kind in (1, 2, 3, 4, 5)
)

FENCE_CLASS, OPT_OUT_FENCE_CLASS = 0x6C706B78, 0x6C706B79
"""Of the locks in two parts that say which ids are being given out (postgres_fence.py)."""

MIGRATING = f"SELECT pg_advisory_xact_lock({_MIGRATING}); "
REGISTERING = f"SELECT pg_advisory_xact_lock({_REGISTERING}); "
"""Adding or erasing recipients: nobody else registers or erases meanwhile."""
REGISTERING_ONE = f"SELECT pg_advisory_xact_lock_shared({_REGISTERING}); "
"""Visits may register recipients by reference: no others are registered or erased meanwhile."""
COUNTING = f"SELECT pg_advisory_xact_lock({_COUNTING}); "
"""Settling, recording deliveries and whatever else changes the sums of rollups: one at a time."""


def recipients(ids: Iterable[int]) -> str:
    """Return the statement that locks recipients, and so all their messages."""
    return _several(_RECIPIENT | recipient_id for recipient_id in ids)


def references(hashes: Iterable[bytes]) -> str:
    """Return the statement that locks references which may be new; a clash only costs time."""
    return _several(_REGISTERING | _short(found) for found in hashes)


def profiles(hashes: Iterable[bytes]) -> str:
    """Return the statement that locks header profiles which may be new."""
    return _several(_PROFILE | _short(found) for found in hashes)


def _short(found: bytes) -> int:
    return int.from_bytes(found[:6], "big") or 1


def _several(keys: Iterable[int]) -> str:
    wanted = ",".join(map(str, sorted(set(keys))))
    return f"SELECT pg_advisory_xact_lock(key) FROM unnest('{{{wanted}}}'::bigint[]) key; " if wanted else ""
