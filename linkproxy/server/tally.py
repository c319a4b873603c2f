"""Counting what became of visits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from linkproxy.model import AnswerKind, Judged, Stray, Unlogged
from linkproxy.telemetry import Event, get_logger

if TYPE_CHECKING:
    from linkproxy.store.api import Outcome
    from linkproxy.telemetry import Metrics


def tally(metrics: Metrics, outcome: Outcome) -> None:
    """Count one outcome of the journal; what leaves no trace is not counted either."""
    if isinstance(outcome, Stray):
        metrics.strays.labels(reason=outcome.reason).inc()
    if isinstance(outcome, Unlogged) and outcome.opt_out is not None:
        _unsubscribed(metrics, one_click=outcome.opt_out.one_click)
    if not isinstance(outcome, Judged):
        return
    verdict = outcome.verdict
    metrics.visits.labels(verdict=verdict.kind, answer=outcome.answer.kind).inc()
    for evidence in verdict.evidence:
        metrics.signals.labels(signal=evidence.name).inc()
        if evidence.name == "in-step.unsubscribes":
            _surge(metrics, outcome)
    for signal in verdict.broken:
        metrics.broken_signals.labels(signal=signal).inc()
        get_logger().warning(Event.SIGNAL_BROKEN, signal=signal)
    if outcome.answer.kind is AnswerKind.UNSUBSCRIBED:
        _unsubscribed(metrics, one_click=outcome.visit.one_click)


def _surge(metrics: Metrics, judged: Judged) -> None:
    """Count a surge of unsubscribes, and log it as it grows: at 2, 4, 8 recipients and so on."""
    metrics.unsubscribe_surges.inc()
    count = judged.facts.step.unsubscribes if judged.facts.step else 0
    if count & (count - 1) == 0:
        get_logger().warning(Event.UNSUBSCRIBE_SURGE, campaign_id=judged.visit.campaign_id, recipients=count)


def _unsubscribed(metrics: Metrics, *, one_click: bool) -> None:
    metrics.unsubscribes.labels(way="one_click" if one_click else "page").inc()
