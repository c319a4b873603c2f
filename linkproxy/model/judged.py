"""What is made of a visit: evidence, verdict, answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from linkproxy.model.lean import lean

if TYPE_CHECKING:
    from linkproxy.model.incoming import Facts, Visit
    from linkproxy.model.kept import Unsubscribe
    from linkproxy.model.outgoing import Recipient
    from linkproxy.model.words import AnswerKind, CampaignId, Family, VerdictKind

_SUREST: Final = -3000.0
"""Decibans below which a probability stays the same: 10 ** 309 is no float, and weights may be any."""


@lean(frozen=True, slots=True)
class Evidence:
    """One signal that spoke."""

    name: str
    family: Family
    weight: float  # decibans; positive: machine
    source: str = ""  # where the weight comes from
    counted: bool = True  # False: overshadowed by a stronger one of its family
    decisive: bool = False  # alone enough for machine, whatever speaks against
    detail: str = ""  # what was seen, for a person to read


@lean(frozen=True, slots=True)
class Verdict:
    """What a visit is taken for, and why."""

    kind: VerdictKind
    score: float  # decibans
    prior: float  # decibans
    evidence: tuple[Evidence, ...]
    policy: str = ""  # hash of the rule set
    broken: tuple[str, ...] = ()  # signals that failed: no evidence, but counted in metrics

    @property
    def probability(self) -> float:
        """Return the probability of a machine, 0 to 1."""
        return float(1 / (1 + 10 ** (-max(_SUREST, self.score) / 10)))

    @property
    def reasons(self) -> tuple[str, ...]:
        """Return the names of the counted signals, strongest first."""
        counted = [item for item in self.evidence if item.counted and item.weight]
        return tuple(item.name for item in sorted(counted, key=lambda item: -abs(item.weight)))


@lean(frozen=True, slots=True)
class Answer:
    """What to send; ``target`` is set where a page or a redirect leads somewhere."""

    kind: AnswerKind
    target: str = ""


@dataclass(slots=True)
class Judged:
    """A visit with everything that was made of it; what the journal stores.

    Not frozen, so that the store need not make another one for every click to tell its id.
    """

    visit: Visit
    facts: Facts
    verdict: Verdict
    answer: Answer
    recipient: Recipient | None = None
    visit_id: int = 0  # set by the store


@dataclass(frozen=True, slots=True)
class Unlogged:
    """A visit that is answered and leaves no trace: erased, opted out of tracking, or nobody's.

    ``opt_out`` is the exception: who is not tracked can still unsubscribe, and that is stored.
    ``unfilled`` is the campaign of a link whose reference is none: counted, since with a wrong merge
    tag all of a mailing's are.
    """

    answer: Answer
    opt_out: Unsubscribe | None = None
    unfilled: CampaignId | None = None
