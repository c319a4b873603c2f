"""``linkproxy explain``: why a visit was taken for what it was."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from linkproxy.cli.files import STDIN, file_fault
from linkproxy.cli.output import Heading, json_option, print_json, print_table, say
from linkproxy.cli.session import current_config, with_store
from linkproxy.model import LinkproxyError
from linkproxy.query.explanation import about_record, explanation_record, verdict_record
from linkproxy.query.export import likelihood, printable, to_json
from linkproxy.query.filters import format_time
from linkproxy.visit.prior import parts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from linkproxy.config import Config
    from linkproxy.model import Evidence, Verdict
    from linkproxy.store.api import Store, VisitRow
    from linkproxy.visit.prior import PriorPart


@click.command("explain")
@click.argument("visit", required=False, type=click.IntRange(1, 2**63 - 1))  # what a store can number
@click.option(
    "--requests",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="FILE.jsonl",
    help="Judge requests that were never received, one JSON object a line.",
)
@json_option
def explain(*, visit: int | None, requests: Path | None, as_json: bool) -> None:
    """Show why a visit was judged as it was: each signal, its weight, and whether it counted.

    Inside a family only the strongest signal on each side counts; the others are overshadowed.
    With --requests nothing needs to have happened: known facts are evidence, missing ones are
    none. Keys: id, method, headers, ip, asn, http_version, ja4, seconds_after_delivery, partial,
    kind, domain, gateway. Headers are a list of [name, value].

    \b
    Examples:
      linkproxy explain 4711
      linkproxy explain --requests requests.jsonl --json
    """
    if (visit is None) == (requests is None):
        raise click.UsageError("give the number of a visit, or --requests FILE.jsonl")
    if visit is not None:
        _explain_visit(visit, as_json=as_json)
    elif requests is not None:
        _explain_requests(requests, as_json=as_json)


def _explain_visit(visit: int, *, as_json: bool) -> None:
    from linkproxy.server.wiring import policy

    async def work(_config: Config, store: Store) -> VisitRow | None:
        return await store.get_visit(visit)

    row = with_store(work)
    if row is None:
        raise LinkproxyError(f"there is no visit {visit} in the journal; `linkproxy visits` lists them")
    rules = policy(current_config())
    if as_json:
        print_json(explanation_record(row, rules))
        return
    entry = row.entry
    about = about_record(row)
    about.pop("visit_id")
    print_table(["Visit", str(visit)], [[name, str(value or "-")] for name, value in about.items()])
    _print_prior(entry.verdict, parts(entry.facts, rules) if entry.verdict.policy == rules.digest else ())
    click.echo("\nWhen it came:")
    _print_verdict(entry.verdict)
    if entry.settled is None:
        click.echo("\nNot settled yet: its hold window is open.")
    else:
        click.echo(f"\nSettled {format_time(entry.settled_at)}, knowing what came after:")
        _print_verdict(entry.settled)
    _print_sources([entry.verdict, entry.settled or entry.verdict])


def _print_prior(verdict: Verdict, prior: Sequence[PriorPart]) -> None:
    click.echo(f"\nBefore it was looked at: {verdict.prior:+.1f} decibans")
    if not prior:
        click.echo("  by another policy than the present one")
    for part in prior:
        click.echo(f"  {part.weight:+.1f} {printable(part.name)}: {part.detail}")


def _print_verdict(verdict: Verdict) -> None:
    click.echo(
        f"{verdict.kind}: score {verdict.score:+.1f} decibans, "
        f"{likelihood(verdict.probability)} likely a machine (prior {verdict.prior:+.1f})"
    )
    if verdict.evidence:
        print_table(
            [Heading("Signal", folds=False), "Family", Heading("Weight", folds=False), "Counted", "Seen"],
            [
                [item.name, item.family, f"{item.weight:+.1f}", _counted(item), item.detail]
                for item in verdict.evidence
            ],
        )
    else:
        click.echo("No signal spoke.")
    if verdict.broken:
        click.echo(f"Failed, so no evidence: {', '.join(verdict.broken)}")


def _print_sources(verdicts: Iterable[Verdict]) -> None:
    sources = {item.name: item.source for verdict in verdicts for item in verdict.evidence if item.source}
    if sources:
        click.echo("\nWhere the weights come from:")
    for name, source in sources.items():
        click.echo(f"  {name}: {source}")


def _counted(item: Evidence) -> str:
    if item.decisive:
        return "decisive"
    return "counted" if item.counted else "overshadowed"


def _explain_requests(path: Path, *, as_json: bool) -> None:
    from linkproxy.server.wiring import policy, systems
    from linkproxy.visit import hypothetical

    rules, databases = policy(current_config()), systems(current_config())
    now = time.time()
    number = bad = 0
    for number, line in _lines(path):
        try:
            request = hypothetical.read(
                line, f"{path}: line {number}", policy=rules, now=now, systems=databases
            )
        except LinkproxyError as error:
            bad += 1
            say(f"linkproxy: {error}")
            continue
        verdict = hypothetical.judge(request, rules)
        name = str(number) if request.id == "" else request.id
        if as_json:
            click.echo(to_json({"id": name} | verdict_record(verdict)))
        else:
            click.echo(f"\n{printable(str(name))}")
            _print_verdict(verdict)
            _print_sources([verdict])
    if not number:
        say(f"{_shown(path)}: there is no request in it.")
    if bad:
        raise LinkproxyError(f"{path}: {bad} bad line{'' if bad == 1 else 's'}; the others were judged")


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield numbered lines that are not blank; bytes that are no UTF-8 are a fault of their line."""
    try:
        with click.open_file(str(path), "rb") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, line.decode("utf-8-sig" if number == 1 else "utf-8", "replace").strip()
    except OSError as error:
        raise LinkproxyError(file_fault(_shown(path), error)) from None


def _shown(path: Path) -> str:
    return "standard input" if path == STDIN else str(path)
