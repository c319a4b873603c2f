"""The rule set: shipped TOML, overridden by an operator's, as one value."""

from __future__ import annotations

import difflib
import hashlib
import json
import tomllib
from copy import copy
from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING, Any

from linkproxy.model import CampaignKind, LinkproxyError
from linkproxy.model.names import domain_name
from linkproxy.visit import policy_faults
from linkproxy.visit.gateways import GatewayRole, Gateways, gateways
from linkproxy.visit.in_step import StepRules
from linkproxy.visit.learn import Learning
from linkproxy.visit.networks import Catalogue, catalogue
from linkproxy.visit.operators import Operator, operator
from linkproxy.visit.sources import note_sources

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Tree = dict[str, Any]

SHIPPED = (
    "policy.toml",
    "request.toml",
    "timing.toml",
    "message.toml",
    "redirect.toml",
    "domains.toml",
    "freemail.toml",
    "networks.toml",
    "gateways.toml",
    "operator.toml",
    "agents.toml",
    "engines.toml",
    "fingerprints.toml",
    "opens.toml",
)
"""Files under ``rules/``, each about one topic; together they are the whole vocabulary."""


_MOST = 1e15  # of any number; a score that is endless, or no number, could not be compared or stored

OPEN: Mapping[tuple[str, ...], Any] = {
    ("networks",): {"role": "", "certainty": "", "source": "", "cidrs": [], "asns": []},
    ("gateways",): {"role": "", "suffixes": [], "source": ""},
    ("operator",): {
        "says": "",
        "note": "",
        "cidrs": [],
        "asns": [],
        "agents": [],
        "agent_patterns": [],
        "domains": [],
    },
    ("prior", "gateway"): 0.0,
}
"""Tables that an operator may add rows to, and what such a row looks like."""


class PolicyError(LinkproxyError):
    """A policy file has faults; the text names all of them, one a line."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How much one signal weighs, where that comes from, and its own settings."""

    weight: float  # decibans; the most that the signal says
    source: str
    decisive: bool = False
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Policy:
    """Everything the judge goes by; the same ``digest`` means the same rules."""

    machine: float  # decibans, as the next two
    human: float
    neutral: float
    hold_seconds: float
    max_hold_seconds: float
    reach_seconds: float
    stray_seconds: float
    merge_seconds: float
    twin_seconds: float
    burst_seconds: float
    hop_seconds: float
    prior: Mapping[CampaignKind, float]
    gateway_prior: Mapping[str, float]  # added to it, by the gateway's name
    rules: Mapping[str, Rule]
    agents: Mapping[str, tuple[str, ...]]
    engines: Mapping[str, Any]
    fingerprints: Mapping[str, tuple[str, ...]]  # by engine: patterns that it never shows
    networks: Catalogue
    gateways: Gateways
    operator: Operator
    learning: Learning
    in_step: StepRules
    freemail: frozenset[str]
    digest: str
    text: str  # the rule set as canonical JSON

    def is_freemail(self, domain: str, gateway: str) -> bool:
        """Tell whether anybody can have an address at a domain, so that it says nothing of who has."""
        known = self.gateways.by_name.get(gateway)
        return domain in self.freemail or (known is not None and known.role is GatewayRole.FREEMAIL)


def load(text: str = "", where: str = "policy.toml") -> Policy:
    """Return the shipped rules with an operator's TOML text laid over them.

    A table of the text changes only what it names; a list replaces the shipped list. Raise
    PolicyError with every fault: unknown keys, values of another type, thresholds out of order.
    """
    tree = _shipped()
    faults: list[str] = []
    if text:
        try:
            _overlay(tree, tomllib.loads(text), (), faults)
        except tomllib.TOMLDecodeError as error:
            faults.append(f"is not TOML: {error}")
    if not faults:
        faults += policy_faults.faults(tree)
        faults += Learning(**tree["learning"]).faults() + StepRules(**tree["in_step"]).faults()
    tables = _tables(tree, faults)
    if faults:
        raise PolicyError("\n".join(f"{where}: {fault}" for fault in faults))
    return _build(tree, tables)


def _shipped() -> Tree:
    tree: Tree = {}
    folder = resources.files("linkproxy.visit") / "rules"
    for name in SHIPPED:
        for table, rows in tomllib.loads((folder / name).read_text("utf-8")).items():
            tree.setdefault(table, {}).update(rows)
    return tree


def _overlay(base: Tree, change: Tree, path: tuple[str, ...], faults: list[str]) -> None:
    for key, value in change.items():
        name = ".".join((*path, key))
        if key not in base and path in OPEN and _alike(OPEN[path], value):
            base[key] = copy(OPEN[path])
        if key not in base:
            near = difflib.get_close_matches(key, base, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            faults.append(f"{name} is no setting of the policy{hint}")
        elif isinstance(base[key], dict) and isinstance(value, dict):
            _overlay(base[key], value, (*path, key), faults)
        elif not _alike(base[key], value):
            faults.append(f"{name} must be {_kind(base[key])}, not {json.dumps(value, default=str)}")
        else:
            base[key] = value


def _alike(old: object, new: object) -> bool:
    if isinstance(old, list) and isinstance(new, list):
        return not old or all(_is_item_like(old[0], item) for item in new)
    if isinstance(old, bool) or isinstance(new, bool):
        return isinstance(old, bool) and isinstance(new, bool)
    if isinstance(old, (int, float)):
        # A count is none with a fraction; nan is not below anything.
        return isinstance(new, int if isinstance(old, int) else (int, float)) and abs(new) <= _MOST
    return type(old) is type(new)


def _is_item_like(old: object, new: object) -> bool:
    """Tell whether an item of a list is like one of the shipped list: of a row, each value is.

    There seconds and weights are written as whole numbers as well.
    """
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(_is_item_like, old, new))
    return _alike(float(old) if type(old) is int else old, new)


def _kind(value: object) -> str:
    if isinstance(value, list) and value and isinstance(value[0], list):
        return f"a list of rows like {json.dumps(value[0])}"
    names = {
        bool: "true or false",
        int: "a whole number",
        float: "a number",
        str: "a text",
        list: "a list like the shipped one",
    }
    return names.get(type(value), "a table")


def _tables(tree: Tree, faults: list[str]) -> dict[str, Any]:
    """Return what is made of the tables that are open; each can have a fault of its own."""
    makers: dict[str, Callable[[], Any]] = {
        "networks": lambda: catalogue(tree["networks"]),
        "gateways": lambda: gateways(tree["gateways"], tree["prior"]["gateway"]),
        "operator": lambda: operator(tree["operator"]),
    }
    built: dict[str, Any] = {}
    for name, make in makers.items():
        try:
            built[name] = make()
        except ValueError as error:
            faults.append(str(error))
    for name, rows in tree["signals"].items():
        unknown = [silenced for silenced in rows.get("silences", ()) if silenced not in tree["signals"]]
        faults += [f"signals.{name}.silences: {silenced!r} is no signal" for silenced in unknown]
    return built


def _build(tree: Tree, tables: Mapping[str, Any]) -> Policy:
    text = json.dumps(tree, sort_keys=True, separators=(",", ":"), default=str)
    digest = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
    note_sources(digest, {name: rows["source"] for name, rows in tree["signals"].items()})
    return Policy(
        **{key: float(value) for key, value in tree["policy"].items()},
        prior={kind: float(tree["prior"][kind.value]) for kind in CampaignKind},
        gateway_prior={name: float(shift) for name, shift in tree["prior"]["gateway"].items()},
        rules={name: _rule(rows) for name, rows in tree["signals"].items()},
        agents={name: tuple(rows) for name, rows in tree["agents"].items()},
        engines=tree["engines"],
        fingerprints={name: tuple(rows) for name, rows in tree["fingerprints"].items()},
        networks=tables["networks"],
        gateways=tables["gateways"],
        operator=tables["operator"],
        learning=Learning(**tree["learning"]),
        in_step=StepRules(**tree["in_step"]),
        freemail=frozenset(domain_name(name) for rows in tree["freemail"].values() for name in rows),
        digest=digest,
        text=text,
    )


def _rule(rows: Tree) -> Rule:
    known = {"weight", "source", "decisive"}
    return Rule(
        weight=float(rows["weight"]),
        source=rows["source"],
        decisive=rows.get("decisive", False),
        values={key: value for key, value in rows.items() if key not in known},
    )
