"""What is held of a visit before it is looked at, and where that comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from linkproxy.visit import learn

if TYPE_CHECKING:
    from linkproxy.model import Facts
    from linkproxy.visit.policy import Policy


@dataclass(frozen=True, slots=True)
class PriorPart:
    """One addend of a prior, in decibans, and why it is there."""

    name: str
    weight: float
    detail: str


def parts(facts: Facts, policy: Policy) -> tuple[PriorPart, ...]:
    """Return the addends of a visit's prior, in order: its kind, its gateway, what was learned."""
    kind = facts.campaign.kind
    found = [PriorPart(f"{kind} mail", policy.prior[kind], "as the policy states it")]
    if stated := policy.gateway_prior.get(facts.gateway, 0.0):
        found.append(PriorPart(f"gateway {facts.gateway}", stated, "as the policy states it"))
    for item, weight in learn.shifts(facts.learned, policy.learning):
        seen = f"learned: {item.machines:.0f} messages followed by a machine, {item.people:.0f} by a person"
        found.append(PriorPart(f"{item.scope} {item.name}", weight, seen))
    return tuple(found)


def prior_of(facts: Facts, policy: Policy) -> float:
    """Return the prior of a visit in decibans."""
    return round(sum(part.weight for part in parts(facts, policy)), 1)
