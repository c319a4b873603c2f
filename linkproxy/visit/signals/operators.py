"""What the operator's own rows say of a visit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from linkproxy.model import Family
from linkproxy.visit.operators import Says
from linkproxy.visit.signals.table import Finding, Look, Signal

if TYPE_CHECKING:
    from collections.abc import Callable


def _said(says: Says) -> Callable[[Look], Finding | None]:
    def look(look: Look) -> Finding | None:
        rows = [look.policy.operator.rows.get(name) for name in look.facts.listed]
        seen = [
            f"{row.name}: {row.note}" if row.note else row.name for row in rows if row and row.says is says
        ]
        return Finding(look.rule.weight, "; ".join(seen)) if seen else None

    return look


SIGNALS = (
    Signal("operator.machine", Family.OPERATOR, _said(Says.MACHINE)),
    Signal("operator.person", Family.OPERATOR, _said(Says.PERSON)),
    Signal("operator.not-scanner", Family.OPERATOR, _said(Says.NOT_SCANNER)),
)
