"""The command ``linkproxy``: finds a subcommand, loads it alone, and words every fault."""

from __future__ import annotations

import codecs
import importlib
import io
import locale
import os
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, TextIO

import click

from linkproxy import __version__

if TYPE_CHECKING:
    from linkproxy.config import Config

COMMANDS: Final = {
    "init": "Write config.toml, the signing keys and the privacy key.",
    "config": "Check the settings, or show what is in force.",
    "serve": "Serve tracked links, and the JSON API.",
    "relay": "Take mail by SMTP, track its links, and pass it on.",
    "campaign": "Make, rename and archive campaigns, and look at their links.",
    "link": "Correct links of mail that is sent already.",
    "rewrite": "Replace the links of mails by tracked ones.",
    "lint": "Name what is likely to hurt a mail, before it is sent.",
    "deliveries": "Record when mail was accepted, which judging by time needs.",
    "clicks": "List human clicks: settled, double requests merged.",
    "feed": "List clicks and retractions in the order in which they became so.",
    "visits": "List all visits with verdict, score and reasons.",
    "unsubscribes": "List opt-outs: by links handed to linkproxy, and by List-Unsubscribe.",
    "report": "Show a campaign's human clicks, and what was left out and why.",
    "compare": "Show the figures of campaigns side by side.",
    "explain": "Show why a visit was judged as it was.",
    "accuracy": "Measure the judge on visits that gave themselves away.",
    "bait": "Show how many of the machines took the bait.",
    "calibrate": "Fit the weights of the signals to labelled visits.",
    "replay": "Judge the journal again under another policy.",
    "shadow": "Compare the shadow policy with the live one.",
    "settle": "Settle the messages whose hold window is over.",
    "purge": "Remove what is older than the retention times.",
    "store": "Look after the store itself.",
    "recipients": "Sign references; export, erase, or stop tracking a recipient.",
    "networks": "Look up whose network an address belongs to.",
    "gateways": "Show who takes in and scans the mail of recipients' domains.",
    "profiles": "Show what recipient domains and gateways have taught.",
    "domains": "Check whether a tracking host is ready.",
    "webhooks": "Tell other programs of clicks as they settle.",
    "keys": "Make and remove keys of the JSON API.",
    "signing-keys": "List, rotate and remove the keys that sign tracked links.",
    "demo": "Play a newsletter's first minutes: scanners and people visit.",
}
"""Command name -> what the list of commands says of it. Its module in this package has the same name."""

DEBUG: Final = "LINKPROXY_DEBUG"


@dataclass
class Invocation:
    """What every command gets as ``click``'s object: the settings, read when first asked for."""

    config_path: Path | None = None

    @cached_property
    def config(self) -> Config:
        """The settings; raise ConfigError with every fault."""
        from linkproxy.config import load

        return load(self.config_path)


pass_invocation = click.make_pass_decorator(Invocation, ensure=True)


class Table(click.Group):
    """A group whose commands are imported one at a time, and not at all for the list of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  (click's signature)
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            raise click.exceptions.NoSuchCommand(cmd_name, possibilities=COMMANDS, ctx=ctx)
        name = cmd_name.replace("-", "_")
        command: click.Command = getattr(importlib.import_module(f"linkproxy.cli.{name}"), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  (click's signature)
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(cls=Table, context_settings={"max_content_width": 100})
@click.option(
    "--config",
    "config_path",
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="The configuration file.  [default: $LINKPROXY_CONFIG, else ./config.toml]",
)
@click.version_option(__version__, prog_name="linkproxy", message="%(prog)s %(version)s")
@click.pass_context
def linkproxy(context: click.Context, config_path: Path | None) -> None:
    """Rewrite the links of outgoing mail, stand behind them, and tell people from machines.

    \b
    Example:
      linkproxy init
      linkproxy campaign add spring --html newsletter.html
      linkproxy rewrite newsletter.html --campaign spring --recipient ada@brand.example
      linkproxy serve
      linkproxy clicks --campaign spring
    """
    context.obj = Invocation(config_path)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and exit; no fault ends in a traceback."""
    _open_closed()
    _widen_output()
    code = run(arguments)
    _drop_untold()
    sys.exit(code)


def _open_closed() -> None:
    """Lead streams nowhere that the caller has closed (``>&-``): no file of ours takes their place."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115  (as long as we run)


def _drop_untold() -> None:
    """Forget notes that could not be written, lest Python try once more at its end and exit with 120."""
    try:
        sys.stderr.flush()
    except OSError:
        _abandon(sys.stderr)


def _widen_output() -> None:
    """Let no character end a command where the locale is not UTF-8.

    Files and pipes get UTF-8 in any case; a terminal shows ``?`` for what its charset lacks.
    """
    out = sys.stdout
    if isinstance(out, io.TextIOWrapper) and codecs.lookup(out.encoding).name != "utf-8":
        if out.isatty():
            out.reconfigure(errors="replace")
        else:
            out.reconfigure(encoding="utf-8")


def run(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 done, 1 a fault, 2 misused, 130 interrupted."""
    try:
        outcome: Any = linkproxy.main(arguments, prog_name="linkproxy", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        _complain("interrupted.")
        return 130
    except BrokenPipeError:
        _abandon(sys.stdout)
        return 1
    except Exception as error:
        if os.environ.get(DEBUG):
            raise
        _complain(_worded(error))
        return 1
    return outcome if isinstance(outcome, int) else 0


def _worded(error: Exception) -> str:
    from linkproxy.model import LinkproxyError

    if isinstance(error, LinkproxyError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        from linkproxy.cli.files import file_fault

        return f"{file_fault(error.filename or 'input or output', error)}."
    if isinstance(error, UnicodeEncodeError) and error.reason == "surrogates not allowed":
        return "the command line has bytes that are not UTF-8; only names of files may have such."
    if isinstance(error, UnicodeDecodeError) and _is_of_locale(error.encoding):
        # Our own files are read as UTF-8 whatever the locale; that of crawler-user-agents is not.
        return (
            f"a package's file cannot be read in {error.encoding}, the charset of this locale. "
            "Set PYTHONUTF8=1, or LC_ALL=C.UTF-8."
        )
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return f"this is a fault of linkproxy, please report it: {text} (set {DEBUG}=1 for the full trace)"


def _is_of_locale(charset: str) -> bool:
    ours = codecs.lookup(locale.getencoding()).name
    return ours != "utf-8" and codecs.lookup(charset).name == ours


def _complain(text: str) -> None:
    from linkproxy.query.export import printable

    for line in text.splitlines():
        # It may say what stands in a file of somebody else's, which must not steer the terminal.
        click.echo(f"linkproxy: {printable(line)}", err=True)


def _abandon(stream: TextIO) -> None:
    # Python flushes it once more at exit and would complain there: `linkproxy clicks | head`.
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
