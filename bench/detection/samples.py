"""Published requests, judged one by one: scores by what is known of them, and how."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from linkproxy.visit import hypothetical

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from linkproxy.model import Verdict
    from linkproxy.visit.policy import Policy

INCIDENT = "incident"
CAPTURE = "browser-capture"
LIKELY = 10.0  # decibans: ten times likelier from a machine
ORDINARY = {"ip": "84.130.12.7", "seconds_after_delivery": 600}
"""What a captured browser is given to be a click: an access provider's address, ten minutes."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A published request and its score, as it is and, for captures, as a click."""

    id: str
    label: str
    evidence: str
    verdict: Verdict
    as_click: Verdict | None


def judge(file: Path, policy: Policy, now: float) -> list[Judged]:
    """Return every request of a JSONL file with its verdict."""
    found = []
    for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
        row = json.loads(line)
        captured = row["evidence"] == CAPTURE and row["label"] == "human"
        found.append(
            Judged(
                row["id"],
                row["label"],
                row["evidence"],
                _verdict(row, f"{file.name}:{number}", policy, now),
                _verdict(row | ORDINARY, f"{file.name}:{number}", policy, now) if captured else None,
            )
        )
    return found


def _verdict(row: dict[str, Any], where: str, policy: Policy, now: float) -> Verdict:
    request = hypothetical.read(json.dumps(row), where, policy=policy, now=now)
    return hypothetical.judge(request, policy)


def table(found: Iterable[Judged]) -> list[list[str]]:
    """Return rows of (label, evidence, count, median, lowest, highest, verdicts)."""
    groups: dict[tuple[str, str], list[Verdict]] = defaultdict(list)
    for item in found:
        groups[item.label, item.evidence].append(item.verdict)
    rows = []
    for (label, evidence), verdicts in sorted(groups.items()):
        scores = [verdict.score for verdict in verdicts]
        kinds = Counter(verdict.kind.value for verdict in verdicts)
        said = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
        low, middle, high = (f"{value:+.1f}" for value in (min(scores), median(scores), max(scores)))
        rows.append([f"{label}, {evidence}", str(len(scores)), low, middle, high, said])
    return rows


def faults(found: Iterable[Judged], machine: float) -> list[str]:
    """Return what must not be, one sentence each."""
    wrong = []
    for item in found:
        trusted = item.evidence == CAPTURE or item.evidence.startswith(INCIDENT)
        if item.label == "human" and trusted and item.verdict.score >= machine:
            wrong.append(f"{item.id}: a person ({item.evidence}) scores {item.verdict.score:+.1f}")
        if item.as_click is not None and item.as_click.kind != "human":
            found_so = f"{item.as_click.kind} ({item.as_click.score:+.1f})"
            wrong.append(f"{item.id}: a captured browser as a click is {found_so}")
    return wrong


def incidents(found: Iterable[Judged]) -> tuple[int, int]:
    """Return how many machines of incidents score +10 or more, and how many there are."""
    scores = [
        item.verdict for item in found if item.label == "machine" and item.evidence.startswith(INCIDENT)
    ]
    likely = sum(verdict.score >= LIKELY or any(i.decisive for i in verdict.evidence) for verdict in scores)
    return likely, len(scores)
