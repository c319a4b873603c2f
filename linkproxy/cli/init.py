"""``linkproxy init``: the files that an installation starts with."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

import click

from linkproxy.cli.files import file_fault, make_folder
from linkproxy.model import LinkproxyError

PRIVATE: Final = 0o600


@click.command("init")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    show_default="the current one",
    help="Where to write them; made if it is not there.",
)
def init(folder: Path) -> None:
    """Write config.toml, the signing keys and the privacy key.

    Nothing that is there already is touched: if one of the files exists, none is written.

    \b
    Examples:
      linkproxy init
      linkproxy init --folder /etc/linkproxy
    """
    contents = installation()
    there = [name for name in contents if (folder / name).exists()]
    if there:
        raise LinkproxyError(
            f"{folder.absolute()}: nothing was written, since {' and '.join(there)} would be written over. "
            "Move away what is there, or choose another --folder."
        )
    write_new({folder / name: text for name, text in contents.items()})
    for name in contents:
        click.echo(f"Wrote {folder / name}")
    click.echo(_next_steps(folder))


def installation() -> dict[str, str]:
    """Return the files of a new installation: text by name."""
    return {
        "config.toml": _example(),
        "signing-keys.txt": _signing_keys(),
        "privacy-key.txt": f"{secrets.token_hex(32)}\n",
    }


def write_new(contents: dict[Path, str]) -> None:
    """Write files that are not there yet, for their owner alone; leave none behind on a fault."""
    written: list[Path] = []
    try:
        for path, text in contents.items():
            make_folder(path.parent)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
            written.append(path)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                os.fchmod(descriptor, PRIVATE)
                file.write(text)
                file.flush()
                os.fsync(descriptor)
    except OSError as error:
        for path in written:
            path.unlink(missing_ok=True)
        where = error.filename or path
        raise LinkproxyError(f"{file_fault(where, error)}; nothing was kept.") from None


def _example() -> str:
    from linkproxy.config_reference import example

    return example()


def _signing_keys() -> str:
    from linkproxy.campaign.tokens import format_keys, new_key

    return format_keys([new_key(())])


def _next_steps(folder: Path) -> str:
    option = "" if folder == Path() else f" --config {folder / 'config.toml'}"
    return f"""
Next:
  1. Set [server] base_url in {folder / "config.toml"} to the https address of your tracking host.
  2. linkproxy{option} config check
  3. linkproxy{option} campaign add spring
  4. linkproxy{option} serve

Back up both key files. Without signing-keys.txt links of mail that was sent no longer work; without
privacy-key.txt, which must not change, the store does not open."""
