"""The report: tables and bars on the terminal, the same as JSON, and what went wrong as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench import report
from bench.detection import measure
from bench.detection.traffic import MailKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.detection.measure import Rate, Summary
    from bench.detection.truth import MachineUnit, PersonUnit, Units

BAR = 40
EXAMPLES = 3


def percent(share: float) -> str:
    """Write a share: 0, 0.3 %, 12 %."""
    return "0" if share == 0 else f"{100 * share:.0f} %" if share >= 0.1 else f"{100 * share:.2g} %"


def headline(title: str, found: Summary, bars: Mapping[str, float]) -> None:
    """Print the figures that the judge answers for, beside what is wanted of them."""
    rows = (
        ("machine messages with a counted click", percent(found.machines_counted), percent(bars["machines"])),
        ("human clicks not counted", percent(found.people_lost), percent(bars["people"])),
        ("  of these uncertain", percent(found.people_uncertain), ""),
        ("people shown the neutral page", _rate(found.shown_neutral), percent(bars["neutral"])),
        ("people stranded", _rate(found.stranded), "0"),
        ("time to settle, median", f"{found.settle_seconds:.0f} s", ""),
    )
    report.table(title, ("", "figure", "at most"), rows)


def actors(title: str, units: Sequence[MachineUnit] | Sequence[PersonUnit], *, machines: bool) -> None:
    """Print each actor's rate by kind of mail, and a bar for all of them together."""
    def hit(unit: Any) -> bool:
        return unit.counted if machines else not unit.counted

    by_mail = measure.rates(units, hit, by_mail=True)
    overall = measure.rates(units, hit)
    rows: list[list[str]] = []
    for (actor, _), rate in sorted(overall.items(), key=lambda row: -row[1].share):
        cells = [_rate(by_mail[actor, mail]) if (actor, mail) in by_mail else "-" for mail in MailKind]
        rows.append([actor, *cells, percent(rate.share), "█" * round(BAR * rate.share)])
    report.table(title, ("actor", *MailKind, "all", ""), rows)


def versus(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print the baselines beside the judge at the same loss of human clicks."""
    report.table(
        "The same traffic, judged by what others do (macro-averages)",
        ("method", "machines counted", "human clicks lost", "linkproxy at that loss"),
        [
            [row["method"], percent(row["machines_counted"]), percent(row["people_lost"]), percent(row["ours"])]
            for row in rows
        ],
    )
    width = max(len(row["method"]) for row in rows)
    print("\nmachine messages with a counted click")
    for row in rows:
        print(f"{row['method']:>{width}} {'█' * round(BAR * row['machines_counted'])} {percent(row['machines_counted'])}")


def wrong_ones(title: str, units: Units) -> str:
    """Return what went wrong as Markdown: actor, mail, rate, and the evidence on some of them."""
    lines = [f"## {title}", "", "| actor | mail | rate | example evidence |", "| --- | --- | --- | --- |"]
    for actor, mail, rate, found in measure.worst(units):
        examples = "<br>".join(_example(unit) for unit in found[:EXAMPLES])
        lines.append(f"| {actor} | {mail} | {_rate(rate)} | {examples} |")
    return "\n".join(lines) + "\n"


def as_json(units: Units) -> dict[str, Any]:
    """Return every rate by actor and kind of mail."""
    return {
        "machines counted": _rows(measure.rates(units.machines, lambda unit: unit.counted, by_mail=True)),
        "human clicks not counted": _rows(measure.rates(units.people, lambda unit: not unit.counted, by_mail=True)),
        "people shown the neutral page": _rows(measure.rates(units.people, lambda unit: unit.neutral, by_mail=True)),
        "people stranded": _rows(measure.rates(units.people, lambda unit: unit.stranded, by_mail=True)),
    }


def _rows(found: Mapping[tuple[str, MailKind | None], Rate]) -> list[dict[str, Any]]:
    return [
        {"actor": actor, "mail": mail, "hits": rate.hits, "of": rate.of}
        for (actor, mail), rate in sorted(found.items(), key=str)
    ]


def _rate(rate: Rate) -> str:
    return f"{percent(rate.share)} ({rate.hits}/{rate.of})"


def _example(unit: MachineUnit | PersonUnit) -> str:
    parts = []
    for asked in unit.requests[:3]:
        found = measure.verdict_of(asked)
        evidence = (
            ", ".join(f"{item.name} {item.weight:+g}" for item in found.evidence if item.counted)
            if found
            else "no visit"
        )
        score = f"{found.kind} {found.score:+g}" if found else ""
        parts.append(f"{score} [{evidence}] {asked.status}")
    return "; ".join(parts)
