"""The command ``linkproxy``: finds a subcommand, loads it alone, and words every fault."""

from __future__ import annotations

import importlib
import os
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from linkproxy import __version__
from linkproxy.model import LinkproxyError

if TYPE_CHECKING:
    from linkproxy.config import Config

COMMANDS: Final = {
    "init": "linkproxy.cli.init:init",
    "config": "linkproxy.cli.config:config",
    "serve": "linkproxy.cli.serve:serve",
    "relay": "linkproxy.cli.relay:relay",
    "campaign": "linkproxy.cli.campaign:campaign",
    "link": "linkproxy.cli.link:link",
    "rewrite": "linkproxy.cli.rewrite:rewrite",
    "lint": "linkproxy.cli.lint:lint",
    "deliveries": "linkproxy.cli.deliveries:deliveries",
    "clicks": "linkproxy.cli.clicks:clicks",
    "visits": "linkproxy.cli.visits:visits",
    "unsubscribes": "linkproxy.cli.unsubscribes:unsubscribes",
    "report": "linkproxy.cli.report:report",
    "explain": "linkproxy.cli.explain:explain",
    "accuracy": "linkproxy.cli.accuracy:accuracy",
    "bait": "linkproxy.cli.bait:bait",
    "calibrate": "linkproxy.cli.calibrate:calibrate",
    "replay": "linkproxy.cli.replay:replay",
    "shadow": "linkproxy.cli.shadow:shadow",
    "settle": "linkproxy.cli.settle:settle",
    "purge": "linkproxy.cli.purge:purge",
    "store": "linkproxy.cli.store:store",
    "recipients": "linkproxy.cli.recipients:recipients",
    "networks": "linkproxy.cli.networks:networks",
    "gateways": "linkproxy.cli.gateways:gateways",
    "profiles": "linkproxy.cli.profiles:profiles",
    "domains": "linkproxy.cli.domains:domains",
    "keys": "linkproxy.cli.keys:keys",
    "signing-keys": "linkproxy.cli.signing_keys:signing_keys",
    "demo": "linkproxy.cli.demo:demo",
}
"""Command name -> "module:attribute", in the order of the help."""

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
    """A group whose commands are imported one at a time, so that each starts fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  (click's signature)
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            raise click.exceptions.NoSuchCommand(cmd_name, possibilities=COMMANDS, ctx=ctx)
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command


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
    sys.exit(run(arguments))


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
        _leave_pipe()
        return 1
    except Exception as error:
        if os.environ.get(DEBUG):
            raise
        _complain(_worded(error))
        return 1
    return outcome if isinstance(outcome, int) else 0


def _worded(error: Exception) -> str:
    if isinstance(error, LinkproxyError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        from linkproxy.cli.files import file_fault

        return f"{file_fault(error.filename or 'input or output', error)}."
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return f"this is a fault of linkproxy, please report it: {text} (set {DEBUG}=1 for the full trace)"


def _complain(text: str) -> None:
    for line in text.splitlines():
        click.echo(f"linkproxy: {line}", err=True)


def _leave_pipe() -> None:
    # Python flushes standard output once more at exit and would complain there: `linkproxy clicks | head`.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
