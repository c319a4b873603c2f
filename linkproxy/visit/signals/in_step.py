"""What the other recipients of the domain met at the same time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from linkproxy.model import CampaignKind, Family, LinkKind, ProfileScope
from linkproxy.visit import agents, arrivals, mailed
from linkproxy.visit.in_step import beyond_people
from linkproxy.visit.signals.headers import is_driven
from linkproxy.visit.signals.table import Finding, Look, Signal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from linkproxy.model import Learned
    from linkproxy.visit.learn import Learning


def _together(look: Look) -> Finding | None:
    step = look.facts.step
    if step is None:
        return None
    weight = _weight(look, beyond_people(step, look.policy.in_step))
    text = (
        f"{step.together} other recipients of the domain within seconds, {step.around} in the minutes around"
    )
    return Finding(weight, text) if weight else None


def _same_delay(look: Look) -> Finding | None:
    step = look.facts.step
    if step is None or step.same_delay <= look.rule.values["people"] * step.delays:
        return None
    weight = _weight(look, step.same_delay)
    text = f"{step.same_delay} of {step.delays} recipients delivered at other times came at the same delay"
    return Finding(weight, text) if weight else None


def _early(look: Look) -> Finding | None:
    """Compare machines that pass for people with the people who come as early."""
    rules, values = look.policy.learning, look.rule.values
    learned = look.facts.learned
    unseen = arrivals.beyond_people(learned, rules.early_doubt)
    if not unseen or look.facts.beside_driven or not arrivals.is_early(look.visit.at, look.facts, rules):
        return None
    (found,) = (item for item in learned if item.scope is ProfileScope.EARLY)
    weight = 10 * math.log10(unseen / arrivals.people_early(found, rules.early_doubt))
    if not agents.driven(look.visit.profile.agent or ""):
        weight *= values["undriven_share"]
    if look.facts.campaign.kind is CampaignKind.TRANSACTIONAL:
        weight *= values["transactional_share"]
    weight = round(min(look.rule.weight, weight), 1)
    text = f"{found.machines:.0f} visits as early as this; later ones speak of {found.people:.1f} by people"
    return Finding(weight, text) if weight > 0 else None


def _nearly_all(look: Look) -> Finding | None:
    """Compare machines that came to messages first with the people who may have; no time need be known."""
    facts, rules = look.facts, look.policy.learning
    machines, people = mailed.estimate(facts.learned, rules.mailed_share)
    if not machines or facts.beside_driven or not is_driven(look.visit):
        return None
    if arrivals.tells_when(facts.delivery.source, facts.campaign.kind):
        return None
    weight = 10 * math.log10(machines / people)
    if facts.campaign.kind is CampaignKind.TRANSACTIONAL:
        weight *= look.rule.values["transactional_share"]
    weight = round(min(look.rule.weight, weight), 1)
    (found,) = (item for item in facts.learned if item.scope is ProfileScope.MAILED)
    text = f"{found.machines:.0f} messages visited of {found.people:.0f} that the domain can have had"
    return Finding(weight, text) if weight > 0 else None


def _as_machines(look: Look) -> Finding | None:
    """Take back what a current browser says for a person, as far as the domain's machines have one, too."""
    facts, values = look.facts, look.rule.values
    if facts.beside_driven or not is_driven(look.visit):
        return None
    mistaken = 1.0 if facts.link_count >= values["min_links"] else values["mistaken_share"]
    browsers, machines = _browsers(facts.learned, look.policy.learning, mistaken)
    share = (browsers + values["usual_share"] * values["usual"]) / (machines + values["usual"])
    weight = round(min(look.rule.weight, 10 * math.log10(share / values["usual_share"])), 1)
    text = f"{browsers:.0f} of {machines:.0f} machines of the domain had a current browser's headers"
    return Finding(weight, text) if weight > 0 else None


def _browsers(learned: Sequence[Learned], rules: Learning, mistaken: float) -> tuple[float, float]:
    """Return how many of a domain's machines have a current browser's headers, and how many there are.

    ``mistaken``: the share of its messages that may be held for a machine's wrongly; 1 leaves those
    machines alone that were recognised by nothing but when they came.
    """
    unseen = mailed.passing(learned, rules)
    item = next((item for item in learned if item.scope is ProfileScope.DOMAIN), None)
    if item is None:
        return unseen, unseen
    wrong = mistaken * (item.machines + item.people)
    return max(0.0, item.browsers - wrong) + unseen, max(0.0, item.machines - wrong) + unseen


def _unsubscribes(look: Look) -> Finding | None:
    step, link = look.facts.step, look.facts.link
    if step is None or link is None or look.visit.one_click:
        return None
    if link.kind is not LinkKind.UNSUBSCRIBE and not any(
        item.kind is LinkKind.UNSUBSCRIBE for item in look.burst
    ):
        return None
    weight = _weight(look, step.unsubscribes)
    text = f"{step.unsubscribes} other recipients of the domain came for an unsubscribe link"
    return Finding(weight, text) if weight else None


def _weight(look: Look, count: float) -> float:
    """Return the weight of the highest row that is reached; the last column is for settling."""
    reached: Sequence[float] = ()
    for row in look.rule.values["curve"]:
        reached = row if count >= row[0] else reached
    if not reached:
        return 0.0
    weight = reached[-1] if look.facts.settled else reached[1]
    return float(min(look.rule.weight, weight))


SIGNALS = (
    Signal("in-step.together", Family.IN_STEP, _together),
    Signal("in-step.same-delay", Family.IN_STEP, _same_delay),
    Signal("in-step.early", Family.IN_STEP, _early),
    Signal("in-step.nearly-all", Family.IN_STEP, _nearly_all),
    Signal("request.as-machines", Family.REQUEST, _as_machines),
    Signal("in-step.unsubscribes", Family.IN_STEP, _unsubscribes),
)
