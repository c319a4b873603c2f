"""``linkproxy networks``: what is known of an address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from linkproxy.cli.group import Group
from linkproxy.cli.output import json_option, print_json, print_table
from linkproxy.cli.session import current_config
from linkproxy.model import NOBODY, Campaign, CampaignId, Facts, LinkKey, LinkproxyError, Profile, Visit
from linkproxy.visit.intake import locate

if TYPE_CHECKING:
    from linkproxy.model import Evidence
    from linkproxy.server.systems import SystemFiles
    from linkproxy.visit.policy import Policy


@click.group("networks", cls=Group)
def networks() -> None:
    """Look up whose network an address belongs to.

    \b
    Example:
      linkproxy networks check 40.107.218.12
    """


@networks.command("check")
@click.argument("address", metavar="IP")
@json_option
def check(*, address: str, as_json: bool) -> None:
    """Show what is known of an address: its system, its zone, by which rule, and what that weighs.

    The system comes from the databases of `[networks] asn_files`, the zone from the policy. Rows of
    your own policy count here when they go by network alone; those that also ask for an agent or a
    recipient's domain need a visit: `linkproxy explain`.

    \b
    Examples:
      linkproxy networks check 40.107.218.12
      linkproxy networks check 2001:db8::7 --json
    """
    from linkproxy.server.wiring import policy, systems

    client, _ = locate(address.strip("[] "))
    if not client:
        raise LinkproxyError(f"{address!r} is not an IP address such as 192.0.2.7 or 2001:db8::7")
    config = current_config()
    known = _known(client, policy(config), systems(config))
    if as_json:
        print_json(known)
    else:
        _print(known)


def _known(client: str, rules: Policy, databases: SystemFiles) -> dict[str, Any]:
    """Return everything as JSON shows it."""
    system = databases.find(client)
    asn = system.number if system else 0
    match = rules.networks.match(client, asn)
    zone = match.zone if match else None
    listed = rules.operator.find(client, asn=asn, agent=None, domain="")
    evidence = _evidence(client, Facts(Campaign(CampaignId(0), ""), zone=zone, asn=asn, listed=listed), rules)
    return {
        "address": client,
        "asn": asn or None,
        "organisation": system.organisation if system else None,
        "asn_file": system.file if system else None,
        "zone": zone.name if zone else None,
        "role": zone.role if zone else None,
        "certainty": ("certain" if zone.certain else "probable") if zone else None,
        "rule": match.rule if match else None,
        "source": match.source if match else None,
        "operator_rows": list(listed),
        "signals": [
            {"name": item.name, "weight": item.weight, "counted": item.counted, "decisive": item.decisive}
            for item in evidence
        ],
    }


def _evidence(client: str, facts: Facts, rules: Policy) -> list[Evidence]:
    """Return what the network and the operator say of a visit of which nothing else is known."""
    from linkproxy.model import Family
    from linkproxy.visit.verdict import judge

    nothing_else = Profile(agent=None, complete=False)
    visit = Visit(0.0, "GET", CampaignId(0), NOBODY, LinkKey(""), client, "", nothing_else)
    shown = {Family.NETWORK, Family.OPERATOR}
    return [item for item in judge(visit, facts, rules).evidence if item.family in shown]


def _print(known: dict[str, Any]) -> None:
    system = f"AS{known['asn']} {known['organisation'] or ''}".strip() if known["asn"] else "not known"
    rows = [["system", system]]
    if known["zone"]:
        rows += [
            ["zone", known["zone"]],
            ["role", f"{known['role']} ({known['certainty']})"],
            ["rule", known["rule"]],
            ["source", known["source"]],
        ]
    else:
        rows.append(["zone", "none: nothing speaks for or against it"])
    rows += [["your rule", f"operator.{name}"] for name in known["operator_rows"]]
    rows += [["signal", _signal(item)] for item in known["signals"]]
    if not known["signals"]:
        rows.append(["signal", "none"])
    print_table(["Address", known["address"]], rows)


def _signal(item: dict[str, Any]) -> str:
    how = "decisive" if item["decisive"] else "counts" if item["counted"] else "silenced"
    return f"{item['name']} {item['weight']:+.1f} ({how})"
