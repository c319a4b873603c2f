"""Cumulative curves, as policies have them: rows of [seconds, share by then].

Between two rows a curve is straight over the logarithm of time.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

LEAST_STEP = 1e-9
"""By what share a row's time is at least above that of the row before, so that its logarithm differs."""


def piece(curve: Sequence[Sequence[float]], delay: float) -> tuple[float, float]:
    """Return base and slope of a curve just before a delay: share = base + slope * ln(delay)."""
    if delay <= curve[0][0]:
        return curve[0][1], 0.0
    for (left, below), (right, above) in itertools.pairwise(curve):
        if delay <= right:
            slope = (above - below) / math.log(right / left)
            return below - slope * math.log(left), slope
    return curve[-1][1], 0.0


def share_by(curve: Sequence[Sequence[float]], seconds: float) -> float:
    """Return what share has come within so many seconds, above 0, of the curve's begin."""
    base, slope = piece(curve, seconds)
    return base + slope * math.log(seconds)
