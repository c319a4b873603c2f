"""The report: tables and bars on the terminal, the same as JSON, and what went wrong as Markdown."""

from __future__ import annotations

from dataclasses import asdict
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

from bench import report
from bench.detection import measure
from bench.detection.traffic import MailKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.detection.coverage import Held, HeldRate
    from bench.detection.measure import Rate, Summary
    from bench.detection.nodes import Compared
    from bench.detection.truth import MachineUnit, PersonUnit, Units

BAR = 40
EXAMPLES = 3


def percent(share: float) -> str:
    """Write a share: 0, 0.3 %, 12 %."""
    return "0" if share == 0 else f"{100 * share:.0f} %" if share >= 0.1 else f"{100 * share:.2g} %"


def headline(title: str, found: Summary) -> None:
    """Print the figures that the judge answers for, beside what is wanted of them."""
    rows = (
        (
            "machine messages with a counted click, but for the next row",
            percent(found.machines_counted),
            "1 %",
        ),
        ("  stealth on a single link, domain unknown", _rate(found.single_unknown), ""),
        ("  all together", percent(found.machines_all), ""),
        ("  stealth on a single link, domain known", _rate(found.single_known), ""),
        ("    of that, no delivery time told", _rate(found.known_untold), ""),
        ("human clicks not counted", percent(found.people_lost), "1 %"),
        ("  of these uncertain", percent(found.people_uncertain), ""),
        ("people shown the neutral page", _rate(found.shown_neutral), "0.1 %"),
        ("people stranded", _rate(found.stranded), "0"),
        ("time to settle, median", f"{found.settle_seconds:.0f} s", ""),
    )
    report.table(title, ("", "figure", "at most"), rows)


def machines(title: str, units: Units) -> None:
    """Print how often each machine's message has a counted click."""
    by_mail = measure.rates(units.machines, lambda unit: unit.counted, by_mail=True)
    _actors(f"{title}: machine messages with a counted click", by_mail)


def people(title: str, units: Units) -> None:
    """Print how often each person's click is not counted."""
    by_mail = measure.rates(units.people, lambda unit: not unit.counted, by_mail=True)
    _actors(f"{title}: human clicks not counted", by_mail)


def nodes(found: Sequence[Compared]) -> None:
    """Print what was judged otherwise than on SQLite."""
    heads = ("store", "requests", "visits", "clicks", "answers", "verdicts", "settled", "clicks differ")
    rows = [[one.store, *map(str, list(asdict(one).values())[1:])] for one in found]
    report.table("The same mail on each: what differs from SQLite's, by request", heads, rows)


def _actors(title: str, by_mail: Mapping[tuple[str, MailKind | None], Rate]) -> None:
    """Print each actor's rate by kind of mail, and a bar for all of them together."""
    rows = []
    for actor in dict.fromkeys(actor for actor, _ in by_mail):
        found = [rate for (name, _), rate in by_mail.items() if name == actor]
        share = sum(rate.hits for rate in found) / sum(rate.of for rate in found)
        cells = [_rate(by_mail[actor, mail]) if (actor, mail) in by_mail else "-" for mail in MailKind]
        rows.append((share, [actor, *cells, percent(share), "█" * round(BAR * share)]))
    rows.sort(key=lambda row: (-row[0], row[1]))
    report.table(title, ("actor", *MailKind, "all", ""), [cells for _, cells in rows])


def oracle(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print what no judge can better of one visit, and what linkproxy does about such visits."""
    report.table(
        "An oracle that no judge has: one stealth visit, told from a person's by the simulation's own curves",
        (
            "mail",
            "looked at",
            "machines counted, 1 % of people lost",
            "people lost, 1 % of machines counted",
            "least error",
        ),
        [
            [
                str(row["mail"]),
                row["seen"],
                percent(row["machines_counted"]),
                percent(row["people_lost"]),
                percent(row["error"]),
            ]
            for row in rows
            if "error" in row
        ],
    )
    for row in rows:
        if "counted" in row:
            print(
                f"linkproxy, {row['mail']}: {percent(row['counted'])} of such visits in domains without "
                f"history counted, {percent(row['lost'])} of all people's clicks lost"
            )


def versus(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print the baselines beside the judge at the same loss of human clicks."""
    report.table(
        "The same traffic, judged by what others do (macro-averages)",
        ("method", "machines counted", "human clicks lost", "linkproxy at that loss", "as shipped"),
        [
            [
                row["method"],
                percent(row["machines_counted"]),
                percent(row["people_lost"]),
                percent(row["ours"]),
                "-" if row["shipped"] is None else percent(row["shipped"]),
            ]
            for row in rows
        ],
    )
    width = max(len(row["method"]) for row in rows)
    print("\nmachine messages with a counted click")
    for row in rows:
        share = row["machines_counted"]
        print(f"{row['method']:>{width}} {'█' * round(BAR * share)} {percent(share)}")


_COVERAGE = ("campaigns", "of", "cover the truth", "too low", "too high")


def _coverage(name: str, rows: Sequence[Held | HeldRate]) -> list[str]:
    return [
        name,
        str(len(rows)),
        _rate(measure.Rate(sum(item.covers for item in rows), len(rows))),
        str(sum(item.high < item.true for item in rows)),
        str(sum(item.low > item.true for item in rows)),
    ]


def intervals(held: Mapping[str, Sequence[Held]]) -> None:
    """Print how often the interval of a campaign's human clicks holds the truth."""
    report.table(
        "Intervals for a campaign's human clicks (nominal 95 %; wanted 90 to 98 %)",
        (*_COVERAGE, "true clicks", "counted", "width, median"),
        [
            [
                *_coverage(name, rows),
                str(sum(item.true for item in rows)),
                str(sum(item.counted for item in rows)),
                f"{median([(item.high - item.low) / max(1, item.true) for item in rows]):.2f} x truth",
            ]
            for name, rows in held.items()
            if rows
        ],
    )


def rate_intervals(held: Mapping[str, Sequence[Held]]) -> None:
    """Print how often the interval of a click rate holds the probability with which people clicked."""
    known = {name: [item.rate for item in rows if item.rate] for name, rows in held.items()}
    report.table(
        "Intervals for the click rate of those with deliveries (nominal 95 %; wanted 90 to 98 %)",
        (*_COVERAGE, "true rate", "measured", "width, median"),
        [
            [
                *_coverage(name, rows),
                f"{fmean(item.true for item in rows):.2%}",
                f"{fmean(item.measured for item in rows):.2%}",
                f"{median(item.high - item.low for item in rows):.2%}",
            ]
            for name, rows in known.items()
            if rows
        ],
    )


def published(rows: Sequence[Sequence[str]], faults: Sequence[str], incidents: tuple[int, int]) -> None:
    """Print the scores of published requests by label and evidence."""
    report.table(
        "Published requests, each judged by itself (scores in decibans)",
        ("label, evidence", "count", "lowest", "median", "highest", "verdicts"),
        rows,
    )
    likely, of = incidents
    print(f"machines of incidents at +10 or more, or decided: {_rate(measure.Rate(likely, of))}")
    for fault in faults:
        print(f"WRONG {fault}")


def wrong_ones(title: str, units: Units) -> str:
    """Return what went wrong as Markdown: actor, mail, rate, and the evidence on some of them."""
    lines = [f"## {title}", "", "| actor | mail | rate | example evidence |", "| --- | --- | --- | --- |"]
    for actor, mail, rate, found in measure.worst(units):
        examples = "<br>".join(_example(unit) for unit in found[:EXAMPLES])
        lines.append(f"| {actor} | {mail} | {_rate(rate)} | {examples} |")
    return "\n".join(lines) + "\n"


def as_json(units: Units) -> dict[str, Any]:
    """Return every rate by actor and kind of mail."""
    people = {
        "human clicks not counted": lambda unit: not unit.counted,
        "people shown the neutral page": lambda unit: unit.neutral,
        "people stranded": lambda unit: unit.stranded,
    }
    counted = measure.rates(units.machines, lambda unit: unit.counted, by_mail=True)
    found = {name: measure.rates(units.people, hit, by_mail=True) for name, hit in people.items()}
    return {name: _rows(rows) for name, rows in ({"machines counted": counted} | found).items()}


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
