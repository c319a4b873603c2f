"""Weigh evidence into a verdict."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from linkproxy.model import Evidence, Facts, Verdict, VerdictKind, Visit
from linkproxy.visit.signals import SIGNALS, Look

if TYPE_CHECKING:
    from collections.abc import Sequence

    from linkproxy.visit.policy import Policy


def judge(visit: Visit, facts: Facts, policy: Policy) -> Verdict:
    """Return the verdict on a visit; the same visit, facts and policy give the same one.

    A signal that fails is no evidence; its name is in ``broken``.
    """
    found, broken = _collect(visit, facts, policy)
    evidence = _overshadow(found)
    prior = policy.prior[facts.campaign.kind]
    score = round(prior + sum(item.weight for item in evidence if item.counted), 1)
    return Verdict(_kind(score, evidence, policy), score, prior, evidence, policy.digest, broken)


def _collect(visit: Visit, facts: Facts, policy: Policy) -> tuple[list[Evidence], tuple[str, ...]]:
    found: list[Evidence] = []
    broken: list[str] = []
    for signal in SIGNALS:
        rule = policy.rules[signal.name]
        try:
            finding = signal.look(Look(visit, facts, rule, policy))
        except Exception:  # noqa: BLE001 - whatever breaks a signal must never stop a person
            broken.append(signal.name)
            continue
        if finding is not None:
            found.append(
                Evidence(
                    signal.name,
                    signal.family,
                    finding.weight,
                    source=rule.source,
                    decisive=rule.decisive,
                    detail=finding.detail,
                )
            )
    return found, tuple(broken)


def _overshadow(found: Sequence[Evidence]) -> tuple[Evidence, ...]:
    """Count the strongest of each family on each side; correlated evidence counts once."""
    strongest: dict[tuple[str, bool], Evidence] = {}
    for item in found:
        side = (item.family, item.weight > 0)
        if side not in strongest or abs(item.weight) > abs(strongest[side].weight):
            strongest[side] = item
    counted = {id(item) for item in strongest.values()}
    return tuple(item if id(item) in counted else replace(item, counted=False) for item in found)


def _kind(score: float, evidence: Sequence[Evidence], policy: Policy) -> VerdictKind:
    if score >= policy.machine or any(item.decisive for item in evidence):
        return VerdictKind.MACHINE
    return VerdictKind.HUMAN if score <= policy.human else VerdictKind.UNCERTAIN
