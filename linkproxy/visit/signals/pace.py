"""How close together links were followed."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from linkproxy.model import Sibling, Visit


def within(moments: Sequence[float], seconds: float) -> int:
    """Return how many moments, in order and counted from the visit, some span of time holds with it."""
    starts = (*moments[bisect_left(moments, -seconds) : bisect_left(moments, 0.0)], 0.0)
    return max(bisect_right(moments, start + seconds) - bisect_left(moments, start) for start in starts)


def asked_at(asked: Visit | Sibling) -> float:
    """Return when somebody followed the link: who comes back over an extra hop followed it before."""
    return min(asked.at, asked.hop_at) if asked.hop_at else asked.at
