"""Where clients come from: addresses drawn from the space that each kind of client really has.

Nothing is sent there: the bench's requests carry them in X-Forwarded-For, as a front would.
Ranges are allocations as registered and routed in 2026; unlisted clouds are hosting providers that
no catalogue of scanners names.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

HOME = ("78.32.0.0/12", "84.128.0.0/11", "90.192.0.0/11", "71.192.0.0/12", "24.16.0.0/13")
HOME_SIX = ("2a02:8100::/28", "2003:c0::/27", "2601::/24")
MOBILE = ("80.187.64.0/18", "172.56.0.0/15", "92.40.0.0/14")
OFFICE = ("62.96.0.0/16", "213.61.0.0/16", "12.130.0.0/16", "50.200.0.0/13")
UNLISTED_CLOUDS = ("65.108.0.0/15", "51.68.0.0/14", "164.90.0.0/16", "139.162.0.0/16", "144.202.0.0/16")
AZURE = ("20.49.128.0/17", "20.72.0.0/14", "51.141.0.0/16", "23.100.0.0/16")
AWS = ("18.133.0.0/16", "3.8.0.0/14", "34.240.0.0/13")
PROTECTION = ("40.94.0.0/16", "40.107.128.0/17")  # Exchange Online Protection, detonation
PROTECTION_MAIL = ("104.47.11.0/24", "104.47.30.0/24", "104.47.2.0/24")
TREND = ("150.70.160.0/20", "216.104.0.0/19")
PROXY = ("165.225.16.0/20", "136.226.0.0/16", "163.116.128.0/17")  # Zscaler, Netskope
ISOLATION = ("104.30.0.0/17", "34.98.200.0/21")  # Cloudflare's, Menlo's
RELAY = ("172.224.224.0/20", "104.28.0.0/17", "146.75.128.0/17")  # iCloud Private Relay
VPN = (
    "185.159.156.0/22", "146.70.0.0/16", "193.138.218.0/24", "159.89.0.0/16",
    "65.108.0.0/15", "51.68.0.0/14", "139.162.0.0/16",  # rented to scanners too
)  # fmt: skip
OPERA = ("82.145.208.0/20", "141.0.8.0/21")


def one(chance: Random, ranges: tuple[str, ...]) -> str:
    """Return one address out of some ranges."""
    network = ipaddress.ip_network(chance.choice(ranges))
    return str(network[chance.randrange(1, min(network.num_addresses - 1, 1 << 62))])


def home(chance: Random) -> str:
    """Return a home's or a phone's address; a third speak IPv6."""
    return one(chance, chance.choice((HOME, HOME_SIX, MOBILE)))


def fixed(chance: Random, ranges: tuple[str, ...]) -> Callable[[], str]:
    """Return a client that keeps its address."""
    address = one(chance, ranges)
    return lambda: address


def rotating(chance: Random, ranges: tuple[str, ...]) -> Callable[[], str]:
    """Return a client that comes from anywhere in its cloud, request by request."""
    return lambda: one(chance, ranges)


def neighbours(chance: Random, ranges: tuple[str, ...]) -> Callable[[], str]:
    """Return a client that rotates inside one /24, as Microsoft's do (gophish issue 2646)."""
    network = ipaddress.ip_network((one(chance, ranges), 24), strict=False)
    return lambda: str(network[chance.randrange(1, 255)])
