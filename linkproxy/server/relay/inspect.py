"""What ``linkproxy relay --check`` looks at: settings, campaigns of the rules, the upstream server."""

from __future__ import annotations

import socket
import ssl
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aiosmtplib.errors import SMTPAuthenticationError, SMTPResponseException

from linkproxy.model import LinkproxyError
from linkproxy.server.relay.certificate import ends_at
from linkproxy.server.relay.service import check, own_name
from linkproxy.server.relay.treatment import wants_header
from linkproxy.server.relay.upstream import UpstreamError, connect, route
from linkproxy.server.wiring import own_keyring
from linkproxy.store.api import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from linkproxy.config import Config
    from linkproxy.config_relay import RelaySection
    from linkproxy.model import Campaign
    from linkproxy.server.relay.upstream import Upstream
    from linkproxy.store.api import Store


_REMEDIES: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (SMTPAuthenticationError, "See [relay] upstream_user and upstream_password_file."),
    (
        ssl.SSLCertVerificationError,
        "Set [relay] upstream_host to a name in its certificate; name its authority in upstream_ca_file.",
    ),
    (
        ssl.SSLError,
        'See [relay] upstream_tls and upstream_port: "implicit" goes with 465, "starttls" with 587 and 25.',
    ),
    (socket.gaierror, "See [relay] upstream_host."),
    (SMTPResponseException, "It does not want this machine: ask who runs it, or see [relay] upstream_host."),
    (OSError, "See [relay] upstream_host and upstream_port; does the server run, and a firewall let us by?"),
    (Exception, "See [relay] upstream_tls, and upstream_user if the server wants no login."),
)
"""What to do about a server that cannot be used; the first that fits counts."""


@dataclass(frozen=True, slots=True)
class Found:
    """One finding: what was looked at, what was seen, and whether mail can go that way."""

    about: str  # settings, certificate, campaigns or upstream
    good: bool
    seen: str


async def inspect(config: Config, store: Store) -> list[Found]:
    """Return findings in order; what cannot be asked after an earlier fault is left out."""
    try:
        check(config.relay)
        await own_keyring(config, store)
    except LinkproxyError as error:
        return [Found("settings", good=False, seen=line) for line in str(error).splitlines()]
    return [
        Found("settings", good=True, seen=_admitted(config)),
        *_certificate(config.relay),
        await _campaigns(config, store),
        *await _upstream(config),
    ]


def _admitted(config: Config) -> str:
    section = config.relay
    networks = ", ".join(section.client_networks) or "nowhere"
    return {
        "address": f"mailers at {networks} may send",
        "auth": "whoever logs in may send",
        "either": f"mailers at {networks}, and whoever logs in, may send",
        "both": f"mailers at {networks} may send when they log in",
    }[section.clients]


def _certificate(section: RelaySection) -> list[Found]:
    """Look at what STARTTLS offers; that it can be used was seen with the settings."""
    ends = ends_at(Path(section.tls_cert_file)) if section.tls_cert_file else 0.0
    if not ends:
        return []
    shown = datetime.fromtimestamp(ends, UTC).date().isoformat()
    if ends > time.time():
        return [Found("certificate", good=True, seen=f"mailers may use STARTTLS; it ends on {shown}")]
    seen = f"[relay] tls_cert_file: it ended on {shown}; mailers that check it break off STARTTLS. Renew it."
    return [Found("certificate", good=False, seen=seen)]


async def _campaigns(config: Config, store: Store) -> Found:
    named = dict.fromkeys(rule.campaign for rule in config.relay.rules if rule.campaign)
    try:
        campaigns = {campaign.name: campaign for campaign in await store.list_campaigns()}
    except StoreError as error:
        return Found("campaigns", good=False, seen=str(error))
    if missing := _list(name for name in named if name not in campaigns):
        return Found(
            "campaigns", good=False, seen=f"[[relay.rules]] name campaigns that are not there: {missing}"
        )
    seen = f"{len(named)} named by rules, all there"
    if bare := _list(name for name, campaign in campaigns.items() if _lacks_header(config, campaign)):
        seen += f"; List-Unsubscribe is left out, since their base URLs are not https: {bare}"
    return Found("campaigns", good=True, seen=seen)


def _lacks_header(config: Config, campaign: Campaign) -> bool:
    bare = wants_header(config.relay, campaign) and not campaign.base_url.startswith("https://")
    return bare and campaign.archived_at is None


def _list(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names))


async def _upstream(config: Config) -> list[Found]:
    try:
        upstream = await connect(route(config.relay), own_name(config.relay))
    except UpstreamError as error:
        seen = f"{error.reply.text.partition(' ')[2].rstrip('.')}. {_remedy(error)}"
        return [Found("upstream", good=False, seen=seen)]
    try:
        return [Found("upstream", good=True, seen=text) for text in _seen(config, upstream)]
    finally:
        await upstream.quit()


def _remedy(error: UpstreamError) -> str:
    cause = error.__cause__
    causes = (cause, cause and cause.__cause__)
    return next(text for kind, text in _REMEDIES if any(isinstance(one, kind) for one in causes))


def _seen(config: Config, upstream: Upstream) -> list[str]:
    section = config.relay
    checked = "its certificate is trusted" if section.upstream_verify else "its certificate is not checked"
    secrecy = f"TLS, {checked}" if upstream.encrypted else "no TLS"
    login = f"logged in as {section.upstream_user}" if section.upstream_user else "no login"
    offered = sorted(name.upper() for name in upstream.extensions)
    return [
        f"{section.upstream_host}:{section.upstream_port} answers: {secrecy}, {login}",
        f"it offers {', '.join(offered) or 'nothing beyond plain SMTP'}",
    ]
