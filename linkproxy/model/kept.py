"""What is kept: journal, clicks, settlements, opt-outs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from linkproxy.model.outgoing import NO_DELIVERY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from linkproxy.model.incoming import (
        Afterlife,
        Engagement,
        Facts,
        Neighbour,
        Step,
        StrayCounts,
        StrayTrace,
        Visit,
    )
    from linkproxy.model.judged import Verdict
    from linkproxy.model.outgoing import Delivery, Recipient
    from linkproxy.model.words import AnswerKind, CampaignId, LinkKey, ProfileScope, RecipientId


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """A visit as the journal holds it.

    ``verdict`` and ``answer`` are those of the moment of the visit; ``settled`` is the revised
    verdict, None while the hold window is open. ``visit.client`` and ``visit.network`` are as
    the privacy setting stores them.
    """

    visit_id: int
    visit: Visit
    facts: Facts  # frozen: what was known then; without siblings
    verdict: Verdict
    answer: AnswerKind
    recipient: Recipient
    settled: Verdict | None = None
    settled_at: float | None = None
    settled_step: Step | None = None  # frozen when it was settled
    settled_afterlife: Afterlife | None = None  # likewise
    settled_strays: StrayCounts | None = None  # likewise; None: no others than when it came


@dataclass(frozen=True, slots=True)
class Click:
    """A settled human visit, double requests merged."""

    visit_id: int
    at: float
    campaign_id: CampaignId
    recipient_id: RecipientId
    key: LinkKey
    score: float
    reasons: tuple[str, ...]
    verified: bool = True
    merged: int = 0  # further requests that this click stands for


PossibleClicks = tuple[tuple[int, int], ...]
"""What clients did with a message: the score in whole decibans, and so many possible clicks."""


@dataclass(frozen=True, slots=True)
class MessageHistory:
    """The visits of one message in order of arrival, settled ones within reach included.

    ``open_ids`` are those not settled yet. ``clicked`` are visits that the click log holds
    already, so that a double request merges with a click of an earlier pass. ``beyond`` are settled
    visits out of reach: no evidence any more, but part of what the message comes to.
    """

    entries: tuple[JournalEntry, ...]
    open_ids: frozenset[int]
    clicked: frozenset[int]
    delivery: Delivery = NO_DELIVERY  # as known now, which may be later than the visits
    neighbours: tuple[Neighbour, ...] | None = None  # None: not looked up, so what was frozen holds
    engagements: tuple[Engagement, ...] | None = None  # of all its visits; None as above
    engaged: int = 0  # as of an Afterlife
    known_at: float = 0.0  # when it is settled
    beyond: tuple[JournalEntry, ...] = ()
    clicked_beyond: frozenset[int] = frozenset()  # which of those the click log holds
    clicked_at: tuple[tuple[int, float], ...] = ()  # by visit id, when those clicked were first settled
    strays: Mapping[str, Sequence[StrayTrace]] | None = None  # by client, before and after; None as above
    tokens: tuple[str, ...] = ()  # the message's true ones, which its changed links are known by
    recipients: tuple[int, int] | None = None  # of its domain, as visit.mailed.asked; None: not asked for


@dataclass(frozen=True, slots=True)
class Lesson:
    """What one message teaches of its domain and gateway; its counts are 0 or 1.

    ``domain`` and ``gateway`` are "" where nothing is to be learned of them.
    """

    domain: str
    gateway: str
    recipient_id: RecipientId
    half_life_seconds: float
    machines: int = 0
    people: int = 0
    baits_offered: int = 0  # a machine followed a message with bait
    baited: int = 0  # ... and took it
    browsers: int = 0  # a machine had the headers of a current browser
    delay_seconds: float | None = None  # of the first machine visit, since delivery
    early: float = 0.0  # visits within minutes of delivery that are no known machine's
    early_people: float = 0.0  # so many of those are people's, to go by the visits that came later
    visited: int = 0  # a message of no known time was visited by what scanners drive and people have
    mailed: int = 0  # recipients whom its mailing may have gone to, without those that others taught
    networks: tuple[tuple[str, float, float], ...] = ()  # wide network, machines, people; of 0 to 1


@dataclass(frozen=True, slots=True)
class DomainProfile:
    """What the messages of a recipient domain or gateway have taught.

    Counts are of messages, each worn off by half in every half-life up to ``taught_at``. In the scope
    ``early`` they are visits: ``machines`` those that came early, ``people`` those of them that are
    people's, to go by the ones that came later. In the scope ``mailed`` ``machines`` are messages that were
    visited and ``people`` recipients whom the mailings may have gone to. In the scope ``network`` they are
    probabilities.
    """

    scope: ProfileScope
    name: str
    machines: float = 0.0
    people: float = 0.0
    baits_offered: float = 0.0
    baited: float = 0.0
    browsers: float = 0.0
    delays: float = 0.0  # machine visits whose delay is known
    delay_ln_sum: float = 0.0  # natural logarithms of those delays in seconds
    taught_at: float = 0.0
    recipients: int = 0  # different ones that taught, at most MOST_TEACHERS


MOST_TEACHERS = 200
"""Recipients of a domain profile that are told apart; more of them change nothing."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a settle pass made of a message."""

    revised: tuple[tuple[int, Verdict], ...]  # visit id and settled verdict
    clicks: tuple[Click, ...]  # new ones
    settled_at: float
    merged: tuple[tuple[int, int], ...] = ()  # further requests of clicks of an earlier pass, by visit id
    standing: tuple[int, ...] = ()  # visits that stay as they are, since their click stands
    withdrawn: tuple[int, ...] = ()  # clicks of an earlier pass that are none, by visit id
    steps: tuple[tuple[int, Step], ...] = ()  # what the settled verdicts went by, to be frozen
    afterlives: tuple[tuple[int, Afterlife], ...] = ()  # likewise
    strays: tuple[tuple[int, StrayCounts], ...] = ()  # likewise, where there were more than before
    beside_driven: tuple[int, ...] = ()  # likewise, by visit id: another visit as likely a driven browser's
    lesson: Lesson | None = None  # what the message teaches, once
    possible: PossibleClicks | None = None  # of the whole message; None: not looked at


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """An opt-out that a person, or a mailbox provider for one (RFC 8058), sent."""

    at: float
    campaign_id: CampaignId
    recipient_id: RecipientId
    one_click: bool
