"""From the configuration to the things it stands for; the commands use these too."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import TYPE_CHECKING

from linkproxy.campaign.tokens import Keyring, parse_keys
from linkproxy.model import LinkproxyError
from linkproxy.visit import policy as policies
from linkproxy.visit.intake import Gate

if TYPE_CHECKING:
    from linkproxy.config import Config
    from linkproxy.visit.policy import Policy


def keyring(config: Config) -> Keyring:
    """Return the signing keys; raise LinkproxyError that names each bad line."""
    text, where = config.signing.read()
    return Keyring(parse_keys(text, where))


def policy(config: Config) -> Policy:
    """Return the shipped rules with the operator's file over them; raise LinkproxyError."""
    name = config.judge.policy_file
    if not name:
        return policies.load()
    try:
        text = Path(name).read_text("utf-8-sig")
    except FileNotFoundError:
        raise LinkproxyError(
            f"[judge] policy_file: there is no file {name}. Make it, or leave the setting empty."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise LinkproxyError(f"[judge] policy_file: cannot read {name}: {error}") from None
    return policies.load(text, name)


def gate(config: Config) -> Gate:
    """Return what intake must know: the keys, whom to believe about clients, and whether it is TLS."""
    trusted = tuple(ipaddress.ip_network(item, strict=False) for item in config.server.trusted_proxies)
    secure = config.server.base_url.startswith("https://")
    return Gate(keyring(config), trusted, secure, config.server.client_header)
