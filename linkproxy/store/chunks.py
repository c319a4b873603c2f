"""Listing and purging chunk by chunk: who else wants to read or write has the time between."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from linkproxy.store.api import Filter
    from linkproxy.store.sqlite_rows import Row

Rest = Callable[[float], Awaitable[None]]
"""What is waited for after a chunk that took so many seconds."""


_DAY_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class Step:
    """What one chunk did, and where the next one begins; ``next_id`` None means the end.

    ``nameless``: whose visits or clicks by a plain reference were deleted (nameless.py).
    """

    deleted: int
    next_id: int | None
    nameless: frozenset[int] = frozenset()


class Walked(Protocol):
    """A table that is walked."""

    @property
    def table(self) -> str: ...


Walk = TypeVar("Walk", bound=Walked)
Found = TypeVar("Found")


async def listed(
    where: Filter, most: int, read: Callable[[int, int], Awaitable[Sequence[Row]]]
) -> AsyncIterator[Row]:
    """Yield the rows of a listing, at most so many of each read: a slow reader holds nothing up.

    ``read`` gets the id behind which rows are wanted, the first column of a row, and how many.
    """
    after, left = where.after_id, where.limit
    while left is None or left > 0:
        size = most if left is None else min(left, most)
        found = await read(after, size)
        for row in found:
            yield row
        if len(found) < size:
            return
        after = found[-1][0]
        left = None if left is None else left - size


async def no_rest(_took: float) -> None:
    """Go on at once."""


async def even_rest(took: float) -> None:
    """Rest as long: for who works by hand, perhaps beside a server, whose visits would else wait in vain.

    A lock of a file has no queue. Who takes it again at once mostly gets it before who has waited.
    """
    # Not at the top: commands that only look at a file would import it with the store's contract.
    import asyncio

    await asyncio.sleep(took)


async def rested(step: Awaitable[Found], rest: Rest) -> Found:
    """Return what a step comes to, after the rest that is due for the time it took."""
    begun = time.monotonic()
    found = await step
    await rest(time.monotonic() - begun)
    return found


async def in_chunks(
    walks: Iterable[tuple[Walk, float]], step: Callable[[Walk, float, int], Awaitable[Step]], rest: Rest
) -> dict[str, int]:
    """Walk tables until their cut-offs; ``step`` gets a walk, its cut-off and the first row id of a chunk.

    Returns how many rows were deleted, by table.
    """
    counts: dict[str, int] = {}
    for walk, cutoff in walks:
        counts.setdefault(walk.table, 0)
        next_id: int | None = 0
        while next_id is not None:
            done = await rested(step(walk, cutoff, next_id), rest)
            counts[walk.table] += done.deleted
            next_id = done.next_id
    return counts


def unused_before(cutoff: float) -> float:
    """Return since when a header profile must not have been used: ``used_at`` is right to a day."""
    return cutoff - 2 * _DAY_SECONDS


async def in_parts(
    found: Sequence[Found], size: int, delete: Callable[[Sequence[Found]], Awaitable[int]], rest: Rest
) -> int:
    """Delete what was found beforehand, so many at a time; return how many rows were deleted."""
    deleted = 0
    for start in range(0, len(found), size):
        deleted += await rested(delete(found[start : start + size]), rest)
    return deleted
