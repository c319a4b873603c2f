"""Weigh evidence into a verdict."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from linkproxy.model import (
    NOBODY,
    Campaign,
    CampaignId,
    Evidence,
    Facts,
    LinkKey,
    Verdict,
    VerdictKind,
    Visit,
)
from linkproxy.visit.prior import prior_of
from linkproxy.visit.signals import SIGNALS, Look, burst_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from linkproxy.visit.policy import Policy
    from linkproxy.visit.signals import Signal

Asked = tuple[list[Evidence], tuple[str, ...]]
"""What spoke, and the names of the signals that broke."""

DAY_SECONDS = 86400.0

_OF_REQUEST = tuple(signal for signal in SIGNALS if signal.of_request)
_OF_VISIT = tuple(signal for signal in SIGNALS if not signal.of_request)
_NO_FACTS = Facts(Campaign(CampaignId(0), ""))


def judge(visit: Visit, facts: Facts, policy: Policy) -> Verdict:
    """Return the verdict on a visit; the same visit, facts and policy give the same one.

    A signal that fails is no evidence; its name is in ``broken``.
    """
    found, broken = _collect(visit, facts, policy)
    evidence = _overshadow(found, _silenced(found, policy))
    prior = prior_of(facts, policy)
    score = round(prior + sum(item.weight for item in evidence if item.counted), 1)
    return Verdict(_kind(score, evidence, policy), score, prior, evidence, policy.digest, broken)


def _collect(visit: Visit, facts: Facts, policy: Policy) -> tuple[list[Evidence], tuple[str, ...]]:
    found, broken = _of_request(_request_of(visit), policy)
    more, also_broken = _ask(_OF_VISIT, visit, facts, policy)
    return [*found, *more], broken + also_broken


@lru_cache(maxsize=8192)
def _of_request(request: Visit, policy: Policy) -> Asked:
    """Return what the request alone says; real traffic has few different ones a day."""
    return _ask(_OF_REQUEST, request, _NO_FACTS, policy)


def _request_of(visit: Visit) -> Visit:
    """Return a visit reduced to what signals ``of_request`` look at."""
    return Visit(
        at=visit.at // DAY_SECONDS * DAY_SECONDS,
        method=visit.method,
        campaign_id=CampaignId(0),
        recipient_id=NOBODY,
        key=LinkKey(""),
        client="",
        network="",
        profile=visit.profile,
        http_version=visit.http_version,
        secure=visit.secure,
    )


def _ask(signals: Sequence[Signal], visit: Visit, facts: Facts, policy: Policy) -> Asked:
    found: list[Evidence] = []
    broken: list[str] = []
    burst = burst_of(visit, facts, policy.burst_seconds)
    for signal in signals:
        rule = policy.rules[signal.name]
        try:
            finding = signal.look(Look(visit, facts, burst, rule, policy))
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


def _silenced(found: Sequence[Evidence], policy: Policy) -> frozenset[str]:
    """Return the names of signals that another one's rule silences."""
    return frozenset(name for item in found for name in policy.rules[item.name].values.get("silences", ()))


def _overshadow(found: Sequence[Evidence], silenced: frozenset[str]) -> tuple[Evidence, ...]:
    """Count the strongest of each family on each side; correlated evidence counts once."""
    strongest: dict[tuple[str, bool], Evidence] = {}
    for item in found:
        if item.name in silenced:
            continue
        side = (item.family, item.weight > 0)
        if side not in strongest or abs(item.weight) > abs(strongest[side].weight):
            strongest[side] = item
    counted = {id(item) for item in strongest.values()}
    return tuple(
        item
        if id(item) in counted
        else replace(item, counted=False, decisive=item.decisive and item.name not in silenced)
        for item in found
    )


def _kind(score: float, evidence: Sequence[Evidence], policy: Policy) -> VerdictKind:
    if score >= policy.machine or any(item.decisive for item in evidence):
        return VerdictKind.MACHINE
    return VerdictKind.HUMAN if score <= policy.human else VerdictKind.UNCERTAIN
