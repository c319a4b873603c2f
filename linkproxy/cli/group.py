"""Groups of commands, as ``linkproxy campaign``, and how their help lists what is in them."""

from __future__ import annotations

from typing import Final

import click

_WHOLE: Final = 1000  # characters; no first sentence is longer


class Group(click.Group):
    """A group whose help gives the first sentence of each command whole; click's own cuts it off."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list; implements the method of ``click.Group``."""
        with formatter.section("Commands"):
            formatter.write_dl(
                [
                    (name, command.get_short_help_str(_WHOLE))
                    for name in self.list_commands(ctx)
                    if (command := self.get_command(ctx, name)) and not command.hidden
                ]
            )
