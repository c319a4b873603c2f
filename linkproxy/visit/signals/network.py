"""Where a visit comes from."""

from __future__ import annotations

import math

from linkproxy.model import Family, ZoneRole
from linkproxy.visit import reputation
from linkproxy.visit.signals.table import Finding, Look, Signal


def _scanner(look: Look) -> Finding | None:
    zone = look.facts.zone
    if zone is None or zone.role is not ZoneRole.SCANNER:
        return None
    weight = look.rule.weight if zone.certain else look.rule.values["probable_weight"]
    return Finding(weight, zone.name)


def _cloud(look: Look) -> Finding | None:
    zone = look.facts.zone
    return Finding(look.rule.weight, zone.name) if zone and zone.role is ZoneRole.CLOUD else None


def _learned(look: Look) -> Finding | None:
    """Compare the share of machines among a network's visits with what is expected of any network's."""
    found, zone, rules = reputation.of_network(look.facts.learned), look.facts.zone, look.policy.learning
    if found is None or (zone is not None and zone.role is ZoneRole.PEOPLE):
        return None
    machines, people = rules.network_machines, rules.network_people
    odds = (found.machines + machines) / (found.people + people)
    weight = 10 * math.log10(odds * people / machines)
    weight = round(max(look.rule.values["floor"], min(look.rule.weight, weight)), 1)
    text = f"{found.name}: {found.machines:.1f} messages visited by a machine, {found.people:.1f} by a person"
    return Finding(weight, text) if weight else None


SIGNALS = (
    Signal("network.scanner", Family.NETWORK, _scanner),
    Signal("network.cloud", Family.NETWORK, _cloud),
    Signal("network.learned", Family.NETWORK, _learned),
)
