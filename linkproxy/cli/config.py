"""``linkproxy config``: what is in force, and what is wrong with it."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import click

from linkproxy.cli.group import Group
from linkproxy.cli.main import Invocation, pass_invocation
from linkproxy.cli.output import say
from linkproxy.config_values import POSTGRES
from linkproxy.model import LinkproxyError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from linkproxy.config import Config, ServerSection


_PORTS: Final = {"http": 80, "https": 443}


@click.group("config", cls=Group)
def config() -> None:
    """Check the settings, or show what is in force.

    \b
    Example:
      linkproxy config check
    """


@config.command("check")
@pass_invocation
def check(invocation: Invocation) -> None:
    """Name every mistake in the settings, and in the files that they name.

    Ends with 1 if there is one, so that a deployment can stop before it restarts the service.

    \b
    Examples:
      linkproxy config check
      linkproxy --config /etc/linkproxy/config.toml config check
    """
    from linkproxy.config_sound import load_sound

    sound = load_sound(invocation.config_path)
    faults = [*sound.faults, *(_faults(sound.config, sound.sections) if sound.config else ())]
    usable = sound.config and not sound.sections & {"server", "brand"}
    for warning in warnings(sound.config) if sound.config and usable else ():
        say(f"Warning: {warning}")
    if faults or sound.config is None:
        raise LinkproxyError("\n".join(faults))
    click.echo(f"OK: {sound.config.file or 'no config.toml here, defaults and environment'}")


@config.command("show")
@pass_invocation
def show(invocation: Invocation) -> None:
    """Print every setting in force as TOML, secrets hidden.

    Takes file, environment and defaults together; relative paths are shown whole.

    \b
    Example:
      linkproxy config show
    """
    from linkproxy.config_reference import as_toml, settings

    last = ""
    for section, _, key, _ in settings():
        if section != last:
            click.echo(f"\n[{section}]" if last else f"[{section}]")
            last = section
        click.echo(f"{key} = {as_toml(getattr(getattr(invocation.config, section), key))}")
    for host, domain in invocation.config.domains.items():
        click.echo(f'\n[domains."{host}"]')
        for key in sorted(domain.model_fields_set):
            click.echo(f"{key} = {as_toml(getattr(domain, key))}")


def _faults(settings: Config, faulty: frozenset[str]) -> list[str]:
    """Return what is wrong with the files that settings name, but for sections that are faulty themselves."""
    checks: tuple[tuple[str, Callable[[Config], object]], ...] = (
        ("signing", _signing_keys),
        ("privacy", _privacy_key),
        ("judge", _policy),
        ("networks", _databases),
        ("gateways", _name_servers),
        ("brand", _templates),
        ("store", _store),
        ("relay", _relay),
        ("inbound", _inbound),
    )
    faults: list[str] = []
    for section, one in checks:
        if section in faulty:
            continue
        try:
            one(settings)
        except LinkproxyError as error:
            faults += str(error).splitlines()
    return faults


def warnings(settings: Config) -> list[str]:
    """Return what is likely to be a mistake, and need not be one."""
    return [*_unheard_links(settings.server), *_trusted_world(settings.server), *_blocked_parts(settings)]


def _unheard_links(server: ServerSection) -> Iterator[str]:
    parts = urlsplit(server.base_url)
    named = parts.port or _PORTS[parts.scheme]
    if not server.public_port or named == server.public_port or server.trusted_proxies:
        return
    yield (
        f"[server] base_url: tracked links lead to port {named} of {parts.hostname}, and this server listens "
        f"on port {server.public_port}. If a proxy stands between, name it in trusted_proxies, else all "
        "visits seem to come from it; if not, set public_port."
    )


def _trusted_world(server: ServerSection) -> Iterator[str]:
    from linkproxy.visit.networks import plain_network

    for item in server.trusted_proxies:
        if plain_network(item).prefixlen == 0:
            yield (
                f"[server] trusted_proxies: {item} is everybody, so that any client can say it is another. "
                "Name the addresses of your own proxies."
            )


def _blocked_parts(settings: Config) -> Iterator[str]:
    if not any(section.templates_dir for section in (settings.brand, *settings.domains.values())):
        return
    from linkproxy.server.pages import domain_pages, pages

    # A template with a fault is told as one.
    with suppress(LinkproxyError):
        every = {"[brand]": pages(settings)}
        every |= {f'[domains."{host}"]': found for host, found in domain_pages(settings).items()}
        for where, found in every.items():
            for part in found.blocked():
                yield (
                    f"{where} {part} has no effect: browsers load and run nothing on these pages. Put "
                    "pictures in as data: URLs, and styles into style.css."
                )


def _signing_keys(settings: Config) -> None:
    from linkproxy.campaign.tokens import parse_keys

    parse_keys(*settings.signing.read())


def _privacy_key(settings: Config) -> None:
    settings.privacy.read_key()


def _inbound(settings: Config) -> None:
    settings.inbound.read_mailgun_signing_key()


def _policy(settings: Config) -> None:
    from linkproxy.server.wiring import policy, shadow_policy

    policy(settings)
    shadow_policy(settings)


def _databases(settings: Config) -> None:
    from linkproxy.server.wiring import systems

    systems(settings)


def _name_servers(settings: Config) -> None:
    from linkproxy.server.wiring import mx_resolver

    if settings.gateways.lookup:
        mx_resolver(settings)


def _templates(settings: Config) -> None:
    named = {"[brand]": settings.brand.templates_dir}
    named |= {f'[domains."{host}"]': domain.templates_dir for host, domain in settings.domains.items()}
    faults = [
        f"{where} templates_dir: {folder} is not a folder."
        for where, folder in named.items()
        if folder and not Path(folder).is_dir()
    ]
    if faults:
        raise LinkproxyError("\n".join(faults))
    from linkproxy.server.answers import brands

    brands(settings)  # reads every page of every domain


def _store(settings: Config) -> None:
    from linkproxy.server.spill import fault_of as spill_fault

    paths = {"spill_path": settings.store.spill_path}
    faults = []
    if settings.store.url.startswith(POSTGRES):
        faults += _database(settings)
    else:
        paths["url"] = settings.store.url.partition(":")[2]
    for key, path in paths.items():
        folder = Path(path).parent
        if not folder.is_dir():
            faults.append(f"[store] {key}: the folder {folder} is not there. Make it, or change the setting.")
        elif not os.access(folder, os.W_OK):
            faults.append(f"[store] {key}: you may not write in {folder}. Change its owner, or the setting.")
        elif Path(path).exists() and not os.access(path, os.R_OK | os.W_OK):
            faults.append(f"[store] {key}: you may not use {path}. Change its owner, or the setting.")
        elif fault := spill_fault(Path(path)) if key == "spill_path" else _folder_fault(Path(path)):
            faults.append(f"[store] {key}: {fault}")
    faults += _link_files(settings.store.link_files)
    if faults:
        raise LinkproxyError("\n".join(faults))


def _link_files(folder: str) -> list[str]:
    """Return what keeps link files from being written; the folder itself is made with the first."""
    path = Path(folder)
    place = path if path.exists() else path.parent
    if not folder or (place.is_dir() and os.access(place, os.W_OK)):
        return []
    return [f"[store] link_files: you may not write in a folder {place}. Make it, or change its owner."]


def _folder_fault(path: Path) -> str:
    return f"{path} is a folder. Name a file in it." if path.is_dir() else ""


def _database(settings: Config) -> list[str]:
    """Return what is missing to ask a PostgreSQL server: the driver, or a readable password file."""
    from linkproxy.store.connect import postgres_settings

    try:
        postgres_settings(settings.store.url, settings)
    except LinkproxyError as error:
        return str(error).splitlines()
    return []


def _relay(settings: Config) -> None:
    from linkproxy.server.relay.service import check as check_relay

    if settings.relay.model_fields_set:
        check_relay(settings.relay)
