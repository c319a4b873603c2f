"""Asking the DNS for a domain's mail servers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import dns.asyncresolver
import dns.exception
import dns.nameserver
import dns.resolver

from linkproxy.config_values import name_server
from linkproxy.model import LinkproxyError
from linkproxy.store.gateways import LookupOutcome

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_SERVERS = 10
"""Mail servers of a domain that are kept; the first ones are what mail meets."""


@dataclass(frozen=True, slots=True)
class MxAnswer:
    """What the DNS says; ``mx`` in lower case without the last dot, the most preferred one first."""

    outcome: LookupOutcome
    mx: tuple[str, ...] = ()
    ttl_seconds: float = 0.0


def dns_resolver(nameservers: Sequence[str], timeout_seconds: float) -> dns.asyncresolver.Resolver:
    """Return what asks these name servers, else the machine's own; LinkproxyError if it has none."""
    try:
        resolver = dns.asyncresolver.Resolver(configure=not nameservers)
    except dns.resolver.NoResolverConfiguration:
        raise LinkproxyError(
            "[gateways] nameservers: this machine names no name server of its own; "
            'name one, such as ["192.0.2.53"]'
        ) from None
    if nameservers:
        resolver.nameservers = [dns.nameserver.Do53Nameserver(*name_server(text)) for text in nameservers]
    resolver.lifetime = timeout_seconds
    resolver.timeout = timeout_seconds / 2  # so that a second attempt fits in
    return resolver


class MxResolver:
    """Asks name servers: those that are configured, else those of the machine."""

    def __init__(self, nameservers: Sequence[str], timeout_seconds: float) -> None:
        self._resolver = dns_resolver(nameservers, timeout_seconds)

    async def ask(self, domain: str) -> MxAnswer:
        """Return a domain's mail servers; whatever goes wrong is an outcome."""
        if domain.startswith("["):
            return MxAnswer(LookupOutcome.NONE)  # an address literal (RFC 5321 section 4.1.3)
        try:
            answer = await self._resolver.resolve(f"{domain.rstrip('.')}.", "MX", search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return MxAnswer(LookupOutcome.NONE)
        except (dns.resolver.NoNameservers, dns.exception.Timeout, OSError):
            return MxAnswer(LookupOutcome.FAILED)
        except (dns.exception.DNSException, UnicodeError, ValueError):
            return MxAnswer(LookupOutcome.NONE)  # no name that the DNS could hold
        records = sorted((record.preference, record.exchange.to_text()) for record in answer)
        hosts = [host.lower().rstrip(".") for _, host in records[:MOST_SERVERS]]
        # "." alone says that a domain takes no mail (RFC 7505).
        kept = tuple(host for host in hosts if host)
        outcome = LookupOutcome.FOUND if kept else LookupOutcome.NONE
        return MxAnswer(outcome, kept, float(answer.rrset.ttl if answer.rrset else 0))
