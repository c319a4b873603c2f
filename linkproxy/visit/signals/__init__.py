"""Named pieces of evidence, one file a family or two, in one ordered table."""

from __future__ import annotations

from linkproxy.visit.signals import (
    afterlife,
    in_step,
    message,
    network,
    opens,
    operators,
    redirect,
    request,
    scattered,
    timing,
    trap,
)
from linkproxy.visit.signals.table import Finding, Look, Signal, burst_of

__all__ = ["SIGNALS", "Finding", "Look", "Signal", "burst_of"]

SIGNALS: tuple[Signal, ...] = (
    *request.SIGNALS,
    *network.SIGNALS,
    *operators.SIGNALS,
    *timing.SIGNALS,
    *message.SIGNALS,
    *scattered.SIGNALS,
    *trap.BAIT_SIGNALS,
    *trap.MUTATION_SIGNALS,
    *redirect.SIGNALS,
    *in_step.SIGNALS,
    *afterlife.SIGNALS,
    *opens.SIGNALS,
)
"""Every signal, in the order in which they are asked and shown."""
