"""The end of the demonstration: the click log beside the journal."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table

from linkproxy.model import VerdictKind
from linkproxy.store.api import Filter
from linkproxy.store.rollups import is_content, is_raw

if TYPE_CHECKING:
    from collections.abc import Sequence

    from linkproxy.demo.play import Played
    from linkproxy.model import Campaign, Verdict
    from linkproxy.store.api import ClickRow, Store, VisitRow

_BAR = 60
_NUMBER = 6  # columns beside a bar: a blank and the count
_COLOURS = {VerdictKind.HUMAN: "green", VerdictKind.UNCERTAIN: "yellow", VerdictKind.MACHINE: "red"}


async def print_report(store: Store, played: Sequence[Played], campaign: Campaign) -> None:
    """Print the journal by scene, the click log, and what a plain counter would have said."""
    where = Filter(campaign=campaign.name)
    visits = [row async for row in store.visits(where)]
    clicks = [row async for row in store.clicks(where)]
    opted_out = [row async for row in store.unsubscribes(where)]
    begin = played[0].begins_at - played[0].scene.at
    console = Console(width=None if Console().is_terminal else 132)
    console.print(_journal(played, visits))
    console.print(_click_log(clicks, begin))
    _bars(console, visits, clicks)
    console.print(
        f"Unsubscribed: {', '.join(row.recipient for row in opted_out) or 'nobody'} "
        "(by pressing the button; scanners that fetched the link changed nothing)."
    )


def _journal(played: Sequence[Played], visits: Sequence[VisitRow]) -> Table:
    table = _table("The journal: every request, settled")
    for name in ("after", "what came", "requests", "answers", "taken for", "main reasons"):
        table.add_column(name, justify="right" if name in {"after", "requests"} else "left", overflow="fold")
    for scene in played:
        rows = [row for row in visits if scene.begins_at <= row.entry.visit.at <= scene.ends_at]
        kinds = Counter(_settled(row).kind for row in rows)
        reasons = Counter(name for row in rows for name in _settled(row).reasons[:2])
        table.add_row(
            f"{scene.scene.at:.0f} s",
            scene.scene.title,
            str(len(scene.statuses)),
            _counted(Counter(str(status) for status in scene.statuses)),
            ", ".join(f"[{_COLOURS[kind]}]{count} {kind}[/]" for kind, count in kinds.most_common())
            or "[red]stray (404)[/]",
            ", ".join(name for name, _ in reasons.most_common(2)),
        )
    return table


def _click_log(clicks: Sequence[ClickRow], begin: float) -> Table:
    table = _table("The click log: people only")
    for name in ("after", "recipient", "link", "score", "target"):
        table.add_column(name, justify="right" if name in {"after", "score"} else "left", overflow="fold")
    for row in clicks:
        target = row.target.removeprefix("https://")
        table.add_row(f"{row.at - begin:.0f} s", row.recipient, row.key, f"{row.score:+.1f}", target)
    return table


def _table(title: str) -> Table:
    return Table(
        title=title, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False, collapse_padding=True
    )


def _bars(console: Console, visits: Sequence[VisitRow], clicks: Sequence[ClickRow]) -> None:
    """Draw what a counter of requests would report, as `report --raw` counts it, beside what people did."""
    plain = sum(is_content(row.entry) and is_raw(row.entry.visit) for row in visits)
    bars = (
        ("a plain counter says", plain, "red"),
        ("people clicked", len(clicks), "green"),
    )
    most = max(1, *(count for _, count, _ in bars))
    titles = max(len(title) for title, _, _ in bars)
    room = max(1, min(_BAR, console.width - titles - 1 - _NUMBER))
    for title, count, colour in bars:
        width = max(1, round(room * count / most)) if count else 0
        console.print(f"{title:>{titles}} [{colour}]{'█' * width}[/] {count}")
    console.print()


def _settled(row: VisitRow) -> Verdict:
    return row.entry.settled or row.entry.verdict


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{count} x {name}" for name, count in counts.most_common())
