"""What visits teach of the wide network they came from: a provider's machines tend to be of one kind.

Scanners rent machines, and people sit behind access providers. Learned is how likely each message's
visits from a network were a machine's, by verdicts that know nothing of what was learned of networks
or came of the extra hop. Only visits that pass for a person's by their request teach: a company's
filter that says what it is, beside people on one provider's lines, is no reason to doubt them. A wide
network (/16, /32) is nobody's address.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from statistics import fmean
from typing import TYPE_CHECKING

from linkproxy.model import AnswerKind, Family, ProfileScope
from linkproxy.visit.networks import wide_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from linkproxy.model import Facts, JournalEntry, Learned, Verdict

    Rejudge = Callable[[JournalEntry, Facts], Verdict]

MOST_NETWORKS = 8
"""Wide networks that one message teaches of."""


def name_of(network: str) -> str:
    """Return the name of the wide network that a visit's network belongs to, "" when it is disguised."""
    found = wide_of(network)
    return found[1] if found else ""


def of_visits(
    fresh: Iterable[tuple[JournalEntry, Facts, Verdict]], judge: Rejudge
) -> tuple[tuple[str, float, float], ...]:
    """Return (wide network, machine, person) for the networks of a message, as probabilities."""
    found: dict[str, list[float]] = defaultdict(list)
    for entry, facts, _ in fresh:
        name = name_of(facts.network)
        if not name or (name not in found and len(found) >= MOST_NETWORKS):
            continue
        verdict = judge(entry, _untaught(facts))
        if not _is_given_away(verdict):
            found[name].append(verdict.probability)
    return tuple((name, round(fmean(all_), 3), round(1 - fmean(all_), 3)) for name, all_ in found.items())


def of_network(learned: Sequence[Learned]) -> Learned | None:
    """Return what was learned of a visit's network."""
    return next((item for item in learned if item.scope is ProfileScope.NETWORK), None)


def _is_given_away(verdict: Verdict) -> bool:
    """Tell whether the request by itself speaks for a machine more than for a person."""
    counted = [item for item in verdict.evidence if item.counted]
    own = sum(item.weight for item in counted if item.family is Family.REQUEST)
    return own > 0 or any(item.decisive for item in counted)


def _untaught(facts: Facts) -> Facts:
    """Return facts without networks and the extra hop; the very same where they have neither."""
    hopped = facts.answer is AnswerKind.HOP or any(item.hop_at is not None for item in facts.siblings)
    if of_network(facts.learned) is None and not hopped:
        return facts
    learned = tuple(item for item in facts.learned if item.scope is not ProfileScope.NETWORK)
    siblings = tuple(item for item in facts.siblings if item.hop_at is None)
    return replace(facts, learned=learned, siblings=siblings, answer=None)
