"""From a sender's busiest day to installations, nodes and disk.

An installation has a database, a settler and campaigns of its own; several of them share a sender's
campaigns evenly. The fewest are sought that keep within the limits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING

from bench.scale.demand import BIN, DAYS_A_MONTH, Day, Sender, busiest_day, told
from bench.scale.node import Node, Played, arrivals, play
from linkproxy.server.settler import together_next
from linkproxy.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_MANY = 10_000
GIGABYTE = 1e9


@dataclass(frozen=True, slots=True)
class Costs:
    """What things cost on one engine; docs/scale.md has the commands that measured the defaults."""

    cpu_us: float = told(125, "CPU of a node for each answered visit")
    database_us: float = told(0, "CPU of the database for each visit")
    commit_ms: float = told(2, "that a commit takes beside that: the disk's sync, round trips")
    settle_ms: float = told(0.5, "that settling takes for each message, one after the other")
    settle_us: float = told(450, "and for each visit of it, in microseconds")
    visit_bytes: float = told(1_250, "on disk for each settled visit with all that is kept of it")
    recipient_bytes: float = told(130, "on disk for each recipient")
    delivery_bytes: float = told(27, "on disk for each message with a delivery of its own")
    message_link_bytes: float = told(150, "on disk for each message link")
    most_nodes: float = told(1, "nodes that one database may have")
    settler_shares: float = told(1, "1: settling takes turns with visits at one writer; 0: it does not")

    @property
    def visit_seconds(self) -> float:
        """Return what a visit takes, one part after the other."""
        return (self.cpu_us + self.database_us) / 1e6

    def settle_seconds(self, visits: float) -> float:
        """Return what settling a message of so many visits takes."""
        return self.settle_ms / 1e3 + visits * self.settle_us / 1e6


SQLITE = Costs()
POSTGRESQL = Costs(
    cpu_us=150, database_us=110, commit_ms=5, settle_ms=4.8, settle_us=580, visit_bytes=1_850,
    recipient_bytes=270, delivery_bytes=100, message_link_bytes=260, most_nodes=16, settler_shares=0,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of what there is may be used, and how long anybody may wait."""

    load: float = told(0.6, "of a node, or of the one writer, at the peak")
    settler_load: float = told(0.7, "of the settler, over the busiest day")
    p99_ms: float = told(150, "within which 99 % are answered at the peak")
    click_minutes: float = told(60, "that a settled click may be late on the busiest day")


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept, and for how long."""

    journal_days: float = told(90, "that the journal is kept, as [retention] says")
    addresses: float = told(50e6, "recipients in all; never more than mails a month")
    deliveries: float = told(1, "share of messages whose delivery is told one by one, not by campaign")
    message_links: float = told(0, "message links of a mail")
    message_links_days: float = told(365, "that they are kept")


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: whose mail, on which engine, within which limits; ``seconds`` of the peak are played."""

    sender: Sender
    costs: Costs
    limits: Limits = Limits()
    seconds: float = 20
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Plan:
    """What a sender needs, and how it does on the busiest day; each installation has its part."""

    installations: int
    nodes: int  # of one installation, without a spare one
    mean_rate: float  # visits a second of all, over the busiest day
    peak_rate: float
    node_load: float  # at the peak
    settler_load: float
    late_seconds: float  # the longest that anything waited for the settler
    played: Played
    mean_commit: float  # visits
    database_cores: float  # of one installation, at the peak


def plan(asked: Question) -> Plan:
    """Return the smallest plan that keeps within the limits; raise ValueError when there is none."""
    alone_ms = asked.costs.commit_ms + asked.costs.visit_seconds * 1e3
    if alone_ms > asked.limits.p99_ms:
        raise ValueError(f"a visit that comes alone takes {alone_ms:g} ms, more than the limit")
    day = busiest_day(asked.sender, Random(asked.seed))
    high = math.ceil(settler_load(asked.sender, day, asked.costs) / asked.limits.settler_load) or 1
    low, best = high - 1, fit(asked, day, high)
    while best is None and high < _MANY:
        low, high = high, high * 2
        best = fit(asked, day, high)
    if best is None:
        raise ValueError("no number of installations keeps within these limits")
    while high - low > 1:
        middle = (low + high) // 2
        found = fit(asked, day, middle)
        low, high, best = (low, middle, found) if found else (middle, high, best)
    return best


def most_mails(asked: Question) -> tuple[float, Plan | None]:
    """Return how many mails a month one installation carries, to three parts in a hundred, and its plan."""
    low, high, best = 1e4, 1e12, None
    while high / low > 1.03:
        mails = math.sqrt(low * high)
        more = replace(asked, sender=replace(asked.sender, mails=mails))
        found = fit(more, busiest_day(more.sender, Random(asked.seed)), 1)
        low, high = (mails, high) if found else (low, mails)
        best = found or best
    return low, best


def fit(asked: Question, day: Day, installations: int) -> Plan | None:
    """Return how so many installations do on a day; None if they do not keep within the limits."""
    sender, costs, limits = asked.sender, asked.costs, asked.limits
    part = day.part(installations)
    if settler_load(sender, part, costs) > limits.settler_load:
        return None
    if late_seconds(sender, part, costs) > limits.click_minutes * 60:
        return None
    for nodes in _nodes(asked, part):
        found = _try(asked, part, installations, nodes)
        if found.played.quantile(0.99) * 1e3 <= limits.p99_ms:
            return found
    return None


def _nodes(asked: Question, day: Day) -> Iterator[int]:
    """Yield numbers of nodes that are loaded no more than they may be."""
    peak = max(day.visits(asked.sender))
    least = math.ceil(peak * asked.costs.visit_seconds / asked.limits.load) or 1
    yield from range(least, min(int(asked.costs.most_nodes), least + 4) + 1)


def _try(asked: Question, day: Day, installations: int, nodes: int) -> Plan:
    """Play the peak of one installation at one of its nodes."""
    sender, costs = asked.sender, asked.costs
    rates = day.visits(sender)
    peak = max(rates)
    where = rates.index(peak)
    times = arrivals(
        Random(asked.seed),
        sweeps=day.sweeps[where],
        links=round(sender.links),
        clicks=day.clickers[where] * sender.visits_a_clicker,
        seconds=asked.seconds,
        nodes=nodes,
    )
    settling = turns(sender, day, costs, where, asked.seconds) if costs.settler_shares else ()
    played = play(Node(costs.commit_ms / 1e3, costs.visit_seconds), times, settling)
    load = settler_load(sender, day, costs)
    return Plan(
        installations=installations,
        nodes=nodes,
        mean_rate=sum(rates) / len(rates) * installations,
        peak_rate=peak * installations,
        node_load=peak / nodes * costs.visit_seconds,
        settler_load=load,
        late_seconds=late_seconds(sender, day, costs),
        played=played,
        mean_commit=len(played.answers) / max(1, played.commits),
        database_cores=peak * costs.database_us / 1e6 + (0 if costs.settler_shares else load),
    )


def turns(
    sender: Sender, day: Day, costs: Costs, where: int, seconds: float
) -> Sequence[tuple[float, float]]:
    """Return when the settler wants the writer at a bin's rate, and for how long."""
    messages = day.sweeps[where] + day.clickers[where]
    if not messages:
        return ()
    each = _settling(sender, day, costs)[where] / messages
    together = together_next(1, each, SqliteStore.turn_seconds)
    work = each * together + costs.commit_ms / 1e3
    apart = together / messages
    return [(place * apart, work) for place in range(int(seconds / apart))]


def settler_load(sender: Sender, day: Day, costs: Costs) -> float:
    """Return the share of the day that settling takes; with one writer, visits as well."""
    visits = sum(day.visits(sender)) * costs.visit_seconds if costs.settler_shares else 0.0
    return (sum(_settling(sender, day, costs)) + visits) / len(day.sweeps)


def late_seconds(sender: Sender, day: Day, costs: Costs) -> float:
    """Return the longest that a message waits for the settler, beyond its hold window.

    Work that finds no time waits for its turn; the day is gone through twice, since it begins with
    what the day before left.
    """
    waiting = longest = 0.0
    rates = day.visits(sender)
    for work, rate in [*zip(_settling(sender, day, costs), rates, strict=True)] * 2:
        left = max(0.0, 1 - rate * costs.visit_seconds) if costs.settler_shares else 1.0
        waiting = max(0.0, waiting + (work - left) * BIN)
        longest = max(longest, waiting / left if left else math.inf)
    return longest


def _settling(sender: Sender, day: Day, costs: Costs) -> list[float]:
    """Return seconds of settling that fall due in each second, by bin."""
    sweep, click = costs.settle_seconds(sender.links), costs.settle_seconds(sender.visits_a_clicker)
    return [a * sweep + b * click for a, b in zip(day.sweeps, day.clickers, strict=True)]


def gigabytes(sender: Sender, costs: Costs, kept: Kept) -> dict[str, float]:
    """Return what is on disk in the end, in gigabytes; deliveries are what each month adds for good."""
    mails = sender.mails
    return {
        "journal": mails * sender.visits * costs.visit_bytes * kept.journal_days / DAYS_A_MONTH / GIGABYTE,
        "recipients": min(kept.addresses, mails) * costs.recipient_bytes / GIGABYTE,
        "deliveries": mails * kept.deliveries * costs.delivery_bytes / GIGABYTE,
        "message links": mails
        * (kept.message_links * costs.message_link_bytes * kept.message_links_days / DAYS_A_MONTH)
        / GIGABYTE,
    }
