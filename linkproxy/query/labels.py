"""Visits whose nature gave itself away, and what the judge says of them without that evidence.

Machines: they followed the bait, or came with forged or changed links. People: they pressed
Continue after reading, said "I am a person", or went on on the site. Labels are a selected
sample: what gives itself away need not be like what does not, and who pressed Continue had been
taken for a machine before.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from linkproxy.model import Family, LinkKind
from linkproxy.visit.verdict import kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from linkproxy.model import CampaignId, Evidence, JournalEntry, RecipientId, Verdict, VerdictKind
    from linkproxy.visit.policy import Policy

MACHINE_FAMILIES = frozenset({Family.BAIT, Family.MUTATION})
PEOPLE_FAMILIES = frozenset({Family.AFTERLIFE})
LEAST_WEIGHT = 10.0
"""Decibans that evidence needs to be a label: a button pressed at once says little."""

WARNING = (
    "Labels are a selected sample: only what gave itself away has one. Who pressed Continue had been "
    "taken for a machine, so those rows tell who is lost, not how often."
)

Judgement = tuple["JournalEntry", "Verdict"]
"""A visit and the verdict on it that is looked at."""


@dataclass(frozen=True, slots=True)
class Label:
    """A visit that is known to be a machine's or a person's, and how it is judged without knowing."""

    visit_id: int
    message: tuple[CampaignId, RecipientId]
    domain: str
    gateway: str  # "" until it is known
    machine: bool
    sources: tuple[str, ...]  # names of the signals that label it
    evidence: tuple[Evidence, ...]  # without the families that label it
    score: float  # decibans, from that evidence
    kind: VerdictKind


@dataclass(frozen=True, slots=True)
class Labels:
    """The labels of one message; ``contradictory`` counts visits with both kinds, which have none."""

    labels: tuple[Label, ...]
    contradictory: int = 0


def labels_of(judgements: Sequence[Judgement], policy: Policy) -> Labels:
    """Return the labels among the judged visits of one message."""
    people = _people(judgements)
    found: list[Label] = []
    contradictory = 0
    for entry, verdict in judgements:
        machine_sources = _sources(verdict, MACHINE_FAMILIES, sign=1)
        person_sources = people.get(entry.visit_id, ())
        if entry.visit.method not in {"GET", "POST"} or not (machine_sources or person_sources):
            continue
        if machine_sources and (person_sources or _shares_client(entry, people, judgements)):
            contradictory += 1
            continue
        sources = machine_sources or person_sources
        found.append(_label(entry, verdict, sources, policy, machine=bool(machine_sources)))
    return Labels(tuple(found), contradictory)


def _people(judgements: Sequence[Judgement]) -> dict[int, tuple[str, ...]]:
    """Return the visits of people: those with a label, and the same client's before on that link."""
    found: dict[int, tuple[str, ...]] = {}
    for entry, verdict in judgements:
        sources = _sources(verdict, PEOPLE_FAMILIES, sign=-1)
        if not sources:
            continue
        for other, _ in judgements:
            same_link = other.visit.key == entry.visit.key and _is_content(other)
            before = other.visit.at <= entry.visit.at and same_link and _same_client(other, entry)
            if other is entry or before:
                found[other.visit_id] = sources
    return found


def _is_content(entry: JournalEntry) -> bool:
    return entry.facts.link is None or entry.facts.link.kind is LinkKind.CONTENT


def _shares_client(entry: JournalEntry, people: Iterable[int], judgements: Sequence[Judgement]) -> bool:
    known = set(people)
    return any(other.visit_id in known and _same_client(other, entry) for other, _ in judgements)


def _same_client(one: JournalEntry, other: JournalEntry) -> bool:
    return one.facts.profile_id == other.facts.profile_id or (
        one.visit.network != "" and one.visit.network == other.visit.network
    )


def _sources(verdict: Verdict, families: frozenset[Family], *, sign: int) -> tuple[str, ...]:
    return tuple(
        item.name
        for item in verdict.evidence
        if item.family in families and item.weight * sign >= LEAST_WEIGHT
    )


def _label(
    entry: JournalEntry, verdict: Verdict, sources: tuple[str, ...], policy: Policy, *, machine: bool
) -> Label:
    rest = without(verdict, MACHINE_FAMILIES if machine else PEOPLE_FAMILIES, policy)
    return Label(
        visit_id=entry.visit_id,
        message=(entry.visit.campaign_id, entry.visit.recipient_id),
        domain=entry.recipient.domain,
        gateway=entry.facts.gateway,
        machine=machine,
        sources=sources,
        evidence=rest.evidence,
        score=rest.score,
        kind=rest.kind,
    )


def without(verdict: Verdict, families: frozenset[Family], policy: Policy) -> Verdict:
    """Return a verdict as it would be if these families had said nothing."""
    evidence = tuple(item for item in verdict.evidence if item.family not in families)
    score = round(verdict.prior + sum(item.weight for item in evidence if item.counted), 1)
    kind = kind_of(score, policy, decisive=any(item.decisive for item in evidence))
    return replace(verdict, kind=kind, score=score, evidence=evidence)
