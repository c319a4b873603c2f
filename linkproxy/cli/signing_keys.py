"""``linkproxy signing-keys``: the keys that sign tracked links."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from linkproxy.campaign.tokens import SigningKey, format_keys, new_key, parse_keys
from linkproxy.cli.files import write_whole
from linkproxy.cli.group import Group
from linkproxy.cli.output import print_table
from linkproxy.cli.session import current_config, with_store
from linkproxy.model import LinkproxyError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from linkproxy.config import Config
    from linkproxy.store.api import Store

_SHOWN_CAMPAIGNS = 5


@click.group("signing-keys", cls=Group)
def signing_keys() -> None:
    """List, rotate and remove the keys that sign tracked links.

    \b
    Example:
      linkproxy signing-keys rotate
    """


@signing_keys.command("list")
def list_() -> None:
    """List the keys: the first one signs, all of them are read.

    \b
    Example:
      linkproxy signing-keys list
    """
    known = parse_keys(*current_config().signing.read())

    async def work(_config: Config, store: Store) -> list[list[str]]:
        return [await store.list_signing_key_campaigns(key.id) for key in known]

    used = with_store(work)
    print_table(
        ["Id", "Use", "Campaigns"],
        [
            [str(key.id), "signs" if key is known[0] else "is read", _some(names)]
            for key, names in zip(known, used, strict=True)
        ],
    )


@signing_keys.command("rotate")
def rotate() -> None:
    """Add a new key that signs from now on; links of the older ones still work.

    Restart every running server before mail signed with the new key goes out.

    \b
    Example:
      linkproxy signing-keys rotate
    """
    path, known = _read_file(current_config())
    key = new_key(item.id for item in known)
    _write_file(path, [key, *known])
    click.echo(
        f"Key {key.id} signs from now on. Restart running servers before you send: "
        "until then they answer 404 to its links."
    )


@signing_keys.command("remove")
@click.argument("key_id", metavar="ID", type=click.IntRange(0, 255))
@click.option("--force", is_flag=True, help="Also if sent mail carries links of this key: they all break.")
def remove(key_id: int, *, force: bool) -> None:
    """Remove a key. All links that it signed answer 404 from then on.

    \b
    Example:
      linkproxy signing-keys remove 1
    """
    path, known = _read_file(current_config())
    left = [key for key in known if key.id != key_id]
    if len(left) == len(known):
        there = ", ".join(str(key.id) for key in known)
        raise LinkproxyError(f"{path}: there is no signing key {key_id}; there are: {there}")
    if not left:
        raise LinkproxyError(f"{path}: key {key_id} is the only one; `linkproxy signing-keys rotate` first")
    campaigns = with_store(lambda _config, store: store.list_signing_key_campaigns(key_id))
    if campaigns and not force:
        raise LinkproxyError(
            f"signing key {key_id} has signed links of {_some(campaigns)}; without it they all answer 404. "
            "If that mail is no longer read, repeat with --force"
        )
    _write_file(path, left)
    click.echo(f"Removed key {key_id}. Restart running servers.")


def _read_file(config: Config) -> tuple[Path, list[SigningKey]]:
    if config.signing.keys.get_secret_value():
        raise LinkproxyError(
            "the signing keys stand in the configuration itself (signing.keys), which is not rewritten; "
            "move them to a file and name it in signing.keys_file"
        )
    text, _ = config.signing.read()
    path = Path(config.signing.keys_file)
    return path, parse_keys(text, str(path))


def _write_file(path: Path, keys: Sequence[SigningKey]) -> None:
    # A link (as secret stores make them) stays a link: what it points to is replaced.
    write_whole(path.resolve(), format_keys(keys).encode("ascii"), mode=0o600, durable=True)


def _some(names: Sequence[str]) -> str:
    if not names:
        return "none"
    more = len(names) - _SHOWN_CAMPAIGNS
    return ", ".join(names[:_SHOWN_CAMPAIGNS]) + (f" and {more} more" if more > 0 else "")
