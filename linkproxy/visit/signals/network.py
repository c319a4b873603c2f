"""Where a visit comes from."""

from __future__ import annotations

from linkproxy.model import Family, ZoneRole
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


SIGNALS = (
    Signal("network.scanner", Family.NETWORK, "An address of a security vendor's own network.", _scanner),
    Signal(
        "network.cloud",
        Family.NETWORK,
        "An address of a large cloud, where scanners run and some people browse from.",
        _cloud,
    ),
)
