"""From labelled visits to a policy that somebody reviews, replays, and then perhaps uses."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from linkproxy.model import LinkproxyError
from linkproxy.query.fit import BELIEF, Clue, Sample, fit_factors
from linkproxy.query.labels import MACHINE_FAMILIES, PEOPLE_FAMILIES, WARNING, labels_of
from linkproxy.visit import policy as policies
from linkproxy.visit.replay import replay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from linkproxy.query.labels import Label
    from linkproxy.store.api import Filter, Store
    from linkproxy.visit.policy import Policy, Rule

LEAST_MESSAGES = 200
"""Labelled messages of machines, and as many of people, below which nothing is fitted."""

_MOST_WEIGHT = 60.0

_LABELLING = MACHINE_FAMILIES | PEOPLE_FAMILIES
"""Families that labels are made of.

One side's labels lack each of them, so that what is left of it was heard of the other side alone, and
would be fitted to how labels are made: Continue pressed at once is heard of machines, since who
presses it later has a label by that.
"""

_LEARNED = frozenset({"network.learned", "in-step.early", "in-step.nearly-all", "request.as-machines"})
"""Signals that weigh by what was learned; their ``weight`` is the most, and would scale nothing else."""

_WHEN_ANSWERED = frozenset({"in-step.together", "in-step.same-delay"})
"""Signals whose curves have two weights a row, for the answer and for settling."""


@dataclass(frozen=True, slots=True)
class Evidenced:
    """How many labelled visits a signal spoke of."""

    machines: int = 0
    people: int = 0


@dataclass(frozen=True, slots=True)
class Gathered:
    """Labelled visits, ready to be fitted to."""

    samples: Mapping[Sample, float]
    machine_messages: int
    people_messages: int
    spoke: Mapping[str, Evidenced]


@dataclass(frozen=True, slots=True)
class Calibration:
    """Fitted factors by signal, and what they were fitted to."""

    factors: Mapping[str, float]
    gathered: Gathered


async def gather(
    store: Store, where: Filter, policy: Policy, advance: Callable[[int], object] = lambda _done: None
) -> Gathered:
    """Judge the journal under ``policy`` and collect its labels; campaign, since, until count.

    ``advance`` hears how many visits were gone through since.
    """
    samples: dict[Sample, float] = {}
    messages: Counter[bool] = Counter()
    spoke: Counter[tuple[str, bool]] = Counter()
    async for message in store.messages(where, reach_seconds=policy.reach_seconds):
        advance(len(message.own))
        judged = [
            (item.entry, item.settled)
            for item in replay(message.visits, policy)[message.carried :]
            if item.settled is not None
        ]
        inside = {entry.visit_id for entry, _ in judged if where.spans(entry.visit.at)}
        labels = [label for label in labels_of(judged, policy).labels if label.visit_id in inside]
        for machine in (True, False):
            same = [label for label in labels if label.machine is machine]
            messages[machine] += bool(same)
            for label in same:
                # A message weighs one, however many links a sweep of it has followed.
                sample = _sample(label)
                samples[sample] = samples.get(sample, 0.0) + 1 / len(same)
                spoke.update((clue.name, machine) for clue in sample.clues)
    names = {name for name, _ in spoke}
    by_name = {name: Evidenced(spoke[name, True], spoke[name, False]) for name in names}
    return Gathered(samples, messages[True], messages[False], by_name)


def _sample(label: Label) -> Sample:
    clues = (
        Clue(item.name, item.family, item.weight) for item in label.evidence if item.family not in _LABELLING
    )
    return Sample(label.machine, tuple(clues))


def calibrate(gathered: Gathered, policy: Policy) -> Calibration:
    """Fit the weights of the signals that spoke; raise LinkproxyError when there are too few labels."""
    if min(gathered.machine_messages, gathered.people_messages) < LEAST_MESSAGES:
        raise LinkproxyError(
            f"too few labels to fit weights to: {gathered.machine_messages} messages of machines and "
            f"{gathered.people_messages} of people, of {LEAST_MESSAGES} each. Nothing was written; "
            "`linkproxy accuracy` shows what labels there are"
        )
    shipped = policies.load().rules
    centres = {
        name: centre
        for name in gathered.spoke
        if name in shipped
        and is_scalable(name, policy.rules[name])
        and (centre := _centre(policy.rules[name], shipped[name])) > 0
    }
    return Calibration(fit_factors(gathered.samples, centres), gathered)


def _centre(rule: Rule, shipped: Rule) -> float:
    """Return the factor from an operator's weight to the shipped one; 0 where none above 0 leads there."""
    return max(0.0, shipped.weight / rule.weight) if rule.weight else 0.0


# --- the policy that is written ----------------------------------------------------------------


def is_scalable(name: str, rule: Rule) -> bool:
    """Tell whether a signal's weights are all numbers that one factor can scale.

    A decisive signal is a rule and no evidence; curves of shares give their weights themselves, and
    so does what was learned.
    """
    lists = [name for name, value in rule.values.items() if isinstance(value, (list, dict))]
    curve = rule.values.get("curve", [])
    rows_of_three = all(isinstance(row, list) and len(row) == 3 for row in curve)
    fits = not rule.decisive and rows_of_three and not set(lists) - {"curve"}
    return fits and name not in _LEARNED


def scaled(signal: str, rows: Mapping[str, Any], factor: float) -> dict[str, Any]:
    """Return a signal's settings with each weight scaled; a curve's row ends with one, or with two."""
    first = 1 if signal in _WHEN_ANSWERED else 2
    return {name: _scale(name, value, factor, first) for name, value in rows.items()}


def _scale(name: str, value: Any, factor: float, first: int) -> Any:
    if name == "curve":
        return [[*row[:first], *(_times(weight, factor) for weight in row[first:])] for row in value]
    if name == "weight" or name.endswith("_weight"):
        return _times(value, factor)
    return value


def _times(weight: float, factor: float) -> float:
    return max(-_MOST_WEIGHT, min(_MOST_WEIGHT, round(weight * factor, 1))) + 0.0  # which leaves no -0.0


def policy_text(calibration: Calibration, policy: Policy, *, day: str) -> str:
    """Return the policy as TOML over the shipped one, with comments; it loads as it is.

    It holds everything in which ``policy`` differs from the shipped rules, and the fitted weights.
    """
    tree = json.loads(policy.text)
    shipped = json.loads(policies.load().text)
    for name, factor in calibration.factors.items():
        tree["signals"][name] = scaled(name, tree["signals"][name], factor)
    head = _head(calibration.gathered, day)
    return head + "".join(_tables(_difference(tree, shipped), (), _comments(calibration, shipped)))


def _head(gathered: Gathered, day: str) -> str:
    return "".join(
        f"# {line}\n"
        for line in (
            f"Weights fitted on {day} by `linkproxy calibrate` to what gave itself away in the journal:",
            f"{gathered.machine_messages} messages of machines and {gathered.people_messages} of people.",
            f"Before any label, the factor on a shipped weight was believed to be 1, give or take {BELIEF}.",
            WARNING,
            "Look through it, see what it changes with `linkproxy replay --policy THIS_FILE`, and only",
            "then set [judge] policy_file, or judge.shadow_policy_file to watch it on new visits.",
        )
    )


def _comments(calibration: Calibration, shipped: Mapping[str, Any]) -> dict[tuple[str, ...], str]:
    found: dict[tuple[str, ...], str] = {}
    for name in calibration.factors:
        seen = calibration.gathered.spoke[name]
        found["signals", name] = (
            f"shipped weight {shipped['signals'][name]['weight']}; "
            f"spoke of {seen.machines} labelled visits of machines and {seen.people} of people"
        )
    return found


def _difference(tree: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, dict) and isinstance(base.get(name), dict):
            if inner := _difference(value, base[name]):
                found[name] = inner
        elif name not in base or value != base[name]:
            found[name] = value
    return found


def _tables(
    tree: Mapping[str, Any], path: tuple[str, ...], comments: Mapping[tuple[str, ...], str]
) -> Iterable[str]:
    plain = {name: value for name, value in tree.items() if not isinstance(value, dict)}
    if plain and path:
        yield f"\n# {comments[path]}\n" if path in comments else "\n"
        yield f"[{'.'.join(map(_quoted, path))}]\n"
    for name, value in plain.items():
        # TOML's strings, numbers, booleans and arrays are written as in JSON (toml.io, v1.0.0).
        yield f"{_quoted(name)} = {json.dumps(value, ensure_ascii=True)}\n"
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _tables(value, (*path, name), comments)


def _quoted(name: str) -> str:
    return json.dumps(name)
