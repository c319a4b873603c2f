"""From the configuration to the things it stands for; the commands use these too."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING

from linkproxy.campaign.click_ids import ClickIds
from linkproxy.campaign.tokens import Keyring, parse_keys
from linkproxy.model import LinkproxyError
from linkproxy.server.own_keys import check_own
from linkproxy.visit import policy as policies
from linkproxy.visit.intake import Gate
from linkproxy.visit.networks import plain_network

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from linkproxy.campaign.compile import Compiled
    from linkproxy.config import Config
    from linkproxy.server.mx import MxResolver
    from linkproxy.server.rewriter import Rewriter
    from linkproxy.server.systems import SystemFiles
    from linkproxy.store.api import Store
    from linkproxy.telemetry import Metrics
    from linkproxy.visit.policy import Policy


def keyring(config: Config) -> Keyring:
    """Return the signing keys; raise LinkproxyError that names each bad line."""
    text, where = config.signing.read()
    return Keyring(parse_keys(text, where))


async def own_keyring(config: Config, store: Store) -> Keyring:
    """Return the signing keys; raise LinkproxyError also for those that are not the store's own."""
    found = keyring(config)
    await check_own(store, found)
    return found


async def rewriter(
    config: Config,
    store: Store,
    clock: Callable[[], float] = time.time,
    work: Callable[..., Awaitable[Compiled]] = asyncio.to_thread,
) -> Rewriter:
    """Return what rewrites mail for a store, as the configuration says; raises as ``own_keyring`` does."""
    from linkproxy.server.rewriter import Rewriter

    keys = await own_keyring(config, store)
    return Rewriter(store, keys, clock, refuse_signed=config.mail.signed == "refuse", work=work)


def click_ids(config: Config) -> ClickIds:
    """Return what makes and reads click ids; raises as ``keyring`` does."""
    text, where = config.signing.read()
    return ClickIds(parse_keys(text, where))


def policy(config: Config) -> Policy:
    """Return the shipped rules with the operator's file over them; raise LinkproxyError."""
    return _policy(config.judge.policy_file, "policy_file") or policies.load()


def shadow_policy(config: Config) -> Policy | None:
    """Return the policy that judges silently beside the live one, if any; raise LinkproxyError."""
    return _policy(config.judge.shadow_policy_file, "shadow_policy_file")


def _policy(name: str, setting: str) -> Policy | None:
    if not name:
        return None
    try:
        text = Path(name).read_text("utf-8-sig")
    except FileNotFoundError:
        raise LinkproxyError(
            f"[judge] {setting}: there is no file {name}. Make it, or leave the setting empty."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise LinkproxyError(f"[judge] {setting}: cannot read {name}: {error}") from None
    return policies.load(text, name)


def systems(config: Config, metrics: Metrics | None = None) -> SystemFiles:
    """Return the network databases, read; raise LinkproxyError that names each bad file."""
    from linkproxy.server.systems import SystemFiles

    files = SystemFiles(config.networks.asn_files, metrics)
    files.load()
    return files


def mx_resolver(config: Config) -> MxResolver:
    """Return what asks the DNS for mail servers; raise LinkproxyError when there is nobody to ask."""
    from linkproxy.server.mx import MxResolver

    return MxResolver(config.gateways.nameservers, config.gateways.timeout_seconds)


def gate(config: Config) -> Gate:
    """Return what intake must know: the keys, whom to believe about clients, and whether it is TLS."""
    trusted = tuple(map(plain_network, config.server.trusted_proxies))
    secure = config.server.base_url.startswith("https://")
    section = config.server
    return Gate(keyring(config), trusted, secure, section.client_header, section.fingerprint_header)
