"""What was left alone in a mail, and why: shown on standard error, so that mail can be piped."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from linkproxy.cli.output import print_table, say
from linkproxy.query.export import to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from linkproxy.campaign.compile import Note

_SHOWN_CHARACTERS = 70


class Notes:
    """Collects notes of any number of mails; keeps a count and one example for each file and reason."""

    def __init__(self, form: str, *, quiet: bool) -> None:
        self.quiet = quiet
        self._form = form
        self._counts: dict[tuple[str, str], int] = {}
        self._examples: dict[tuple[str, str], str] = {}
        self._first_without, self._without_links = "", 0

    def add(self, where: str, notes: Sequence[Note]) -> None:
        """Take in the notes of one mail; as JSON they are printed at once."""
        if self.quiet:
            return
        for note in notes:
            if self._form == "json":
                fields = {
                    "file": where,
                    "reason": note.reason,
                    "value": note.value,
                    "position": note.position,
                }
                say(to_json(fields))
            else:
                key = (where, str(note.reason))
                self._counts[key] = self._counts.get(key, 0) + 1
                self._examples.setdefault(key, note.value)

    def no_link(self, where: str) -> None:
        """Take in that a mail has no link at all: it goes out untracked, and no reason would say so."""
        self._first_without = self._first_without or where
        self._without_links += 1

    def remark(self, text: str) -> None:
        """Say a sentence beside the notes; programs that read them as JSON, and --quiet, get none."""
        if not self.quiet and self._form != "json":
            say(text)

    def show(self) -> None:
        """Print the table, if there is anything to tell, and which mails have no links."""
        if self._without_links:
            others = self._without_links - 1
            also = f" and {others:,} more have" if others else " has"
            self.remark(f"{self._first_without}{also} no link, so nothing is tracked there.")
        if not self._counts:
            return
        say("Left alone:")
        print_table(
            ["File", "Reason", "How many", "For example"],
            [
                [where, reason.replace("_", " "), str(count), _cropped(self._examples[where, reason])]
                for (where, reason), count in self._counts.items()
            ],
            err=True,
        )


def _cropped(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _SHOWN_CHARACTERS else f"{flat[: _SHOWN_CHARACTERS - 1]}…"


def notes_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--quiet`` and ``--notes`` to a command, which receives them as ``notes``."""

    @click.option("--quiet", is_flag=True, help="Say nothing about links left alone, nor a summary.")
    @click.option(
        "--notes",
        "form",
        type=click.Choice(["table", "json"]),
        default="table",
        help="How links left alone are listed on standard error. [default: table]",
    )
    @wraps(command)
    def with_notes(*, quiet: bool, form: str, **given: Any) -> Any:
        return command(notes=Notes(form, quiet=quiet), **given)

    return with_notes
