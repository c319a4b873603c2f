"""Why a visit was taken for what it was, as the command and the API show it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from linkproxy.query.export import VISIT_COLUMNS, record
from linkproxy.query.filters import format_time
from linkproxy.visit.prior import parts

if TYPE_CHECKING:
    from linkproxy.model import Evidence, Facts, Verdict
    from linkproxy.store.api import VisitRow
    from linkproxy.visit.policy import Policy

_ABOUT = ("visit_id", "at", "campaign", "recipient", "key", "target", "method", "client", "agent", "answer")


def about_record(row: VisitRow) -> dict[str, Any]:
    """Return what a visit was, where it came from, and who scans for whom it was meant, as known then."""
    facts: Facts = row.entry.facts
    shown = record(row, VISIT_COLUMNS)
    return {name: shown[name] for name in _ABOUT} | {
        "asn": facts.asn or None,
        "zone": facts.zone.name if facts.zone else None,
        "gateway": facts.gateway or None,
    }


def explanation_record(row: VisitRow, policy: Policy) -> dict[str, Any]:
    """Return why a visit was judged as it was; weights, scores and priors in decibans.

    The parts of the prior are those of the present policy, and none where another one judged.
    """
    entry = row.entry
    prior = parts(entry.facts, policy) if entry.verdict.policy == policy.digest else ()
    return about_record(row) | {
        "prior_parts": [asdict(part) for part in prior],
        "first": verdict_record(entry.verdict),
        "settled": verdict_record(entry.settled) if entry.settled else None,
        "settled_at": format_time(entry.settled_at) or None,
    }


def verdict_record(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict as JSON shows it; weights, score and prior in decibans."""
    return {
        "verdict": verdict.kind,
        "score": verdict.score,
        "prior": verdict.prior,
        "probability": round(verdict.probability, 6),
        "signals": [_signal_record(item) for item in verdict.evidence],
        "broken": list(verdict.broken),
        "policy": verdict.policy,
    }


def _signal_record(item: Evidence) -> dict[str, Any]:
    return {
        "name": item.name,
        "family": item.family,
        "weight": item.weight,
        "counted": item.counted,
        "decisive": item.decisive,
        "detail": item.detail,
        "source": item.source,
    }
