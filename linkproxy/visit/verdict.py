"""Weigh evidence into a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from linkproxy.model import (
    NOBODY,
    Campaign,
    CampaignId,
    Evidence,
    Facts,
    Family,
    LinkKey,
    Verdict,
    VerdictKind,
    Visit,
)
from linkproxy.visit import opens
from linkproxy.visit.prior import prior_of
from linkproxy.visit.signals import SIGNALS, Look, burst_of, needs

if TYPE_CHECKING:
    from linkproxy.model import Profile, Sibling
    from linkproxy.visit.policy import Policy
    from linkproxy.visit.signals import Signal

Asked = tuple[Sequence[Evidence], tuple[str, ...]]
"""What spoke, and the names of the signals that broke."""

_NOTHING: Asked = ((), ())

# To read a member off its class costs 0.08 us before Python 3.12.
_REQUEST = Family.REQUEST
_HUMAN, _MACHINE = VerdictKind.HUMAN, VerdictKind.MACHINE

DAY_SECONDS = 86400.0
MOST_REQUESTS = 8192
"""Different requests whose evidence is remembered under one policy, some 20 MB at the worst."""

MOST_PRIORS = 8
"""Priors that a request's verdict by itself is remembered for, some 15 MB more at the worst."""

_OF_REQUEST = tuple(signal for signal in SIGNALS if signal.of_request)
_OF_VISIT = tuple(signal for signal in SIGNALS if not signal.of_request)
_NO_FACTS = Facts(Campaign(CampaignId(0), ""))


@dataclass(frozen=True, slots=True)
class Request:
    """What a request alone says; real traffic has few different ones a day.

    ``evidence`` and ``total`` are what it comes to when nothing else speaks of its family.
    """

    profile: Profile  # held, so that its id() stays its own
    found: tuple[Evidence, ...]
    broken: tuple[str, ...]
    evidence: tuple[Evidence, ...]
    total: float  # decibans, of what counts
    decisive: bool
    silenced: frozenset[str]
    has: int  # as signals.needs.of_request
    alone: dict[float, Verdict] = field(default_factory=dict)  # by the prior, when nothing else speaks


@dataclass(slots=True)
class Memo:
    """What is remembered of one policy; all of it could be found again."""

    policy: Policy
    silencing: frozenset[str]
    limits: needs.Limits
    requests: dict[tuple[int, str, str, bool, float], Request] = field(default_factory=dict)
    asked: dict[int, tuple[Signal, ...]] = field(default_factory=dict)
    priors: dict[tuple[str, str], float] = field(default_factory=dict)

    def request(self, visit: Visit) -> Request:
        """Return what a visit's request says. Known by the very profile, since hashing one costs 3 us."""
        profile = visit.profile
        key = (id(profile), visit.method, visit.http_version, visit.secure, visit.at // DAY_SECONDS)
        known = self.requests.get(key)
        if known is None:
            if len(self.requests) >= MOST_REQUESTS:
                self.requests.clear()
            known = self.requests[key] = _of_request(_request_of(visit), self.policy)
            if known.profile is not profile:
                known = self.requests[key] = replace(known, profile=profile)
        return known

    def signals(self, has: int) -> tuple[Signal, ...]:
        """Return the signals that may have something to say of a visit that has so much."""
        known = self.asked.get(has)
        if known is None:
            wanted = ((signal, needs.NEEDS.get(signal.name, 0)) for signal in _OF_VISIT)
            known = self.asked[has] = tuple(signal for signal, need in wanted if need & has == need)
        return known

    def prior(self, facts: Facts) -> float:
        """Return the prior; what was learned changes with every message that is settled."""
        if facts.learned:
            return prior_of(facts, self.policy)
        key = (facts.campaign.kind, facts.gateway)
        known = self.priors.get(key)
        if known is None:
            if len(self.priors) >= MOST_REQUESTS:
                self.priors.clear()
            known = self.priors[key] = prior_of(facts, self.policy)
        return known


@lru_cache(maxsize=8)
def _memo(policy: Policy) -> Memo:
    silencing = frozenset(name for name, rule in policy.rules.items() if rule.values.get("silences"))
    return Memo(policy, silencing, needs.Limits.of(policy))


def judge(visit: Visit, facts: Facts, policy: Policy) -> Verdict:
    """Return the verdict on a visit; the same visit, facts and policy give the same one.

    A signal that fails is no evidence; its name is in ``broken``.
    """
    if opens.is_open(facts):
        visit = opens.as_picture(visit)
    memo = _memo(policy)
    request = memo.request(visit)
    burst = burst_of(visit, facts, policy.burst_seconds) if facts.siblings else ()
    signals = memo.signals(request.has | needs.of_facts(visit, facts, burst, memo.limits))
    found, broken = _ask(signals, visit, facts, burst, policy) if signals else _NOTHING
    prior = memo.prior(facts)
    if found or broken:
        return _weigh(request, found, broken, prior, memo)
    known = request.alone.get(prior)
    if known is None:
        if len(request.alone) >= MOST_PRIORS:
            request.alone.clear()
        known = request.alone[prior] = _weigh(request, found, broken, prior, memo)
    return known


def _weigh(
    request: Request, found: Sequence[Evidence], broken: tuple[str, ...], prior: float, memo: Memo
) -> Verdict:
    policy = memo.policy
    if _adds_up(found, request, memo):
        evidence, total, decisive = (*request.evidence, *found), request.total, request.decisive
        for item in found:
            total += item.weight
            decisive = decisive or item.decisive
    else:
        everything = [*request.found, *found]
        evidence = _overshadow(everything, _silenced(everything, policy))
        total = sum(item.weight for item in evidence if item.counted)
        decisive = any(item.decisive for item in evidence)
    score = _rounded(prior + total)
    kind = kind_of(score, policy, decisive=decisive)
    return Verdict(kind, score, prior, evidence, policy.digest, request.broken + broken)


@lru_cache(maxsize=4096)
def _rounded(score: float) -> float:
    """Return a score as it is told; there are few, since weights are told with one decimal, too."""
    return round(score, 1)


def _adds_up(found: Sequence[Evidence], request: Request, memo: Memo) -> bool:
    """Tell whether nothing overshadows anything: all that spoke beside the request is of other families."""
    families = [_REQUEST]
    for item in found:
        if item.family in families or item.name in memo.silencing or item.name in request.silenced:
            return False
        families.append(item.family)
    return True


@lru_cache(maxsize=MOST_REQUESTS)
def _of_request(request: Visit, policy: Policy) -> Request:
    found, broken = _ask(_OF_REQUEST, request, _NO_FACTS, (), policy)
    silenced = _silenced(found, policy)
    evidence = _overshadow(found, silenced)
    return Request(
        profile=request.profile,
        found=tuple(found),
        broken=broken,
        evidence=evidence,
        total=sum(item.weight for item in evidence if item.counted),
        decisive=any(item.decisive for item in evidence),
        silenced=silenced,
        has=needs.of_request(request),
    )


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


def _ask(
    signals: Sequence[Signal], visit: Visit, facts: Facts, burst: tuple[Sibling, ...], policy: Policy
) -> Asked:
    found: list[Evidence] = []
    broken: tuple[str, ...] = ()
    look = Look(visit, facts, burst, policy)
    for signal in signals:
        look.rule = rule = policy.rules[signal.name]
        try:
            finding = signal.look(look)
        except Exception:  # noqa: BLE001 - whatever breaks a signal must never stop a person
            broken += (signal.name,)
            continue
        if finding is not None:
            # By place, in the order of the fields: it is made for every click, and names cost time.
            weight, source, decisive = finding.weight, rule.source, rule.decisive
            found.append(Evidence(signal.name, signal.family, weight, source, True, decisive, finding.detail))
    return found, broken


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


def kind_of(score: float, policy: Policy, *, decisive: bool) -> VerdictKind:
    """Return what a score, in decibans, comes to."""
    if decisive or score >= policy.machine:
        return _MACHINE
    return _HUMAN if score <= policy.human else VerdictKind.UNCERTAIN
