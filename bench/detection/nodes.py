"""The same mail on SQLite, on a PostgreSQL node, and on two behind a balancer, which must judge alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.database import empty_database

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.detection.played import Asked, Played
    from bench.detection.population import Letter
    from bench.detection.trials import Trials
    from linkproxy.model import Verdict

NODES = (1, 2)
_DATABASE = "linkproxy_bench_nodes"

Said = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Compared:
    """How many requests were answered, judged, settled or counted otherwise than on SQLite."""

    store: str
    requests: int
    visits: int
    clicks: int
    answers: int = 0
    verdicts: int = 0
    settled: int = 0
    counted: int = 0

    @property
    def same(self) -> bool:
        """Tell whether all was alike."""
        return not (self.answers or self.verdicts or self.settled or self.counted)


def compare(trials: Trials, letters: Sequence[Letter], server: str) -> list[Compared]:
    """Play some mails on each; ``server`` is a URL whose user may make a database."""
    first = trials.play(letters, "SQLite")
    found = [_compared("SQLite", first, first)]
    for nodes in NODES:
        name = f"PostgreSQL, {nodes} node{'s' if nodes > 1 else ''}"
        with empty_database(server, _DATABASE) as url:
            found.append(_compared(name, trials.play(letters, name, store_url=url, nodes=nodes), first))
    return found


def _compared(store: str, played: Played, first: Played) -> Compared:
    pairs = list(zip(map(said, played.asked), map(said, first.asked), strict=False))
    missing = abs(len(played.asked) - len(first.asked))  # an answer that differs leads to other requests
    return Compared(
        store,
        len(played.asked),
        sum(asked.entry is not None for asked in played.asked),
        sum(asked.clicked for asked in played.asked),
        *(sum(one[part] != other[part] for one, other in pairs) + missing for part in range(4)),
    )


def said(asked: Asked) -> tuple[Said, Said, Said, bool]:
    """Return answer, verdict, settled verdict, and whether it is a click.

    Keys and tokens are drawn by lot, so of where an answer leads only the kind is told.
    """
    entry = asked.entry
    answer = (asked.message, asked.hop, asked.status, entry.answer if entry else "")
    if entry is None:
        return answer, (), (), asked.clicked
    return answer, _judged(entry.verdict), _judged(entry.settled), asked.clicked


def _judged(verdict: Verdict | None) -> Said:
    return (verdict.kind, verdict.score, verdict.reasons) if verdict else ()
