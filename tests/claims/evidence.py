"""What spoke of a visit, and what did not."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from linkproxy.model import Evidence, Judged


def spoke(judged: Judged, name: str) -> Evidence:
    found = {item.name: item for item in judged.verdict.evidence}
    assert name in found, f"only {sorted(found)} spoke"
    return found[name]


def silent(judged: Judged, name: str) -> bool:
    return name not in {item.name for item in judged.verdict.evidence}


def reasons(judged: Judged) -> dict[str, str]:
    """Return what spoke, with what it said."""
    return {item.name: item.detail for item in judged.verdict.evidence}
