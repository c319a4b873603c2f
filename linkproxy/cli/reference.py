"""The reference pages that are generated from the code: ``python -m linkproxy.cli.reference``.

Run by ``make docs`` in the project's root; with ``--check`` it writes nothing and ends with 1
when a page is out of date.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from linkproxy.cli.main import linkproxy
from linkproxy.config_reference import example, reference
from linkproxy.logs import EVENTS
from linkproxy.telemetry import METRICS, SIGNAL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from linkproxy.telemetry import Metric

WIDTH: Final = 100

_COMMANDS_HEAD: Final = """\
# Commands

<!-- Generated from the commands' own help by `make docs`; edit that. -->

A command ends with 0 when it is done, 1 when something is wrong (one line says what, and what to
do), 2 when it was not understood, 130 when it was interrupted. `LINKPROXY_DEBUG=1` shows the full
trace of a fault.
"""

_METRICS_HEAD: Final = """\
# Metrics and log events

<!-- Generated from the tables in linkproxy/telemetry.py and logs.py by `make docs`; edit those. -->

`GET /metrics` on the private listener answers in the Prometheus text format. Every label has a
closed set of values; a value outside it would be counted as `unknown`.

| metric | kind | labels | meaning |
| --- | --- | --- | --- |
"""

_EVENTS_HEAD: Final = """
## Log events

The log goes to standard error, one record a line, with `timestamp` (UTC), `level` and `event`.
With `[log] format = "json"` a record is one JSON object. Event names are stable; records without
one of these names come from libraries.

| event | meaning and fields |
| --- | --- |
"""


def commands() -> Iterator[tuple[str, click.Context, click.Command]]:
    """Yield every command, groups included, as its full name, context and object."""
    yield from _walk("linkproxy", linkproxy, None)


def _walk(
    name: str, command: click.Command, parent: click.Context | None
) -> Iterator[tuple[str, click.Context, click.Command]]:
    context = click.Context(command, parent, info_name=name, terminal_width=WIDTH, max_content_width=WIDTH)
    yield context.command_path, context, command
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            if found is not None:
                yield from _walk(child, found, context)


def _commands_page() -> str:
    sections = [
        f"\n{'#' * min(2 + path.count(' '), 4)} {path}\n\n```text\n{command.get_help(context)}\n```\n"
        for path, context, command in commands()
    ]
    return _COMMANDS_HEAD + "".join(sections)


def _metrics_page() -> str:
    metrics = [
        f"| `{metric.exported}` | {metric.kind.__name__.lower()} | {_labels(metric)} | {metric.help} |\n"
        for metric in METRICS
    ]
    events = [f"| `{event}` | {meaning} |\n" for event, meaning in EVENTS.items()]
    return _METRICS_HEAD + "".join(metrics) + _EVENTS_HEAD + "".join(events)


def _labels(metric: Metric) -> str:
    return "<br>".join(
        f"`{label}`: " + ("the signals of [judging.md](judging.md)" if label == SIGNAL else ", ".join(values))
        for label, values in metric.labels
    )


PAGES: Final[dict[str, Callable[[], str]]] = {
    "config.example.toml": example,
    "docs/configuration.md": reference,
    "docs/commands.md": _commands_page,
    "docs/metrics.md": _metrics_page,
}


def outdated(root: Path) -> list[str]:
    """Return the generated pages under ``root`` that the code no longer agrees with."""
    return [
        name
        for name, page in PAGES.items()
        if not (root / name).exists() or (root / name).read_text("utf-8") != page()
    ]


def main(arguments: list[str]) -> int:
    """Write the pages, or check them; return the exit code."""
    stale = outdated(Path())
    if arguments == ["--check"]:
        for name in stale:
            sys.stderr.write(f"{name} is out of date; run: make docs\n")
        return 1 if stale else 0
    for name in stale:
        Path(name).write_text(PAGES[name](), "utf-8")
        sys.stdout.write(f"Wrote {name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
