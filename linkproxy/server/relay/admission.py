"""Who may send through the relay: never the whole world."""

from __future__ import annotations

import ipaddress
import re
from hashlib import blake2b
from hmac import compare_digest
from pathlib import Path
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Any, Final

from linkproxy.config_faults import ConfigError
from linkproxy.config_sources import read_text
from linkproxy.server.relay.replies import NEEDS_AUTH, NOT_ADMITTED, Reply
from linkproxy.visit.networks import plain_network

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from linkproxy.config_relay import RelaySection

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_WORLD: Final = {4: 8, 6: 16}
"""Prefixes shorter than these span more than any one owner has (RFC 1918's largest is a /8)."""

_REFUSALS: Final[Mapping[tuple[str, bool, bool], Reply | None]] = {
    (mode, known, logged_in): refusal
    for mode, answers in {
        "address": (NOT_ADMITTED, NOT_ADMITTED, None, None),
        "auth": (NEEDS_AUTH, None, NEEDS_AUTH, None),
        "either": (NEEDS_AUTH, None, None, None),
        "both": (NOT_ADMITTED, NOT_ADMITTED, NEEDS_AUTH, None),
    }.items()
    for (known, logged_in), refusal in zip(
        ((False, False), (False, True), (True, False), (True, True)), answers, strict=True
    )
}
"""By [relay] clients, whether the address is in client_networks, whether a user has logged in."""


class Admission:
    """Tells who may send."""

    def __init__(self, section: RelaySection) -> None:
        self._mode = section.clients
        self._networks = [plain_network(item) for item in section.client_networks]

    def refusal(self, client: str, *, logged_in: bool) -> Reply | None:
        """Return why a client may not send; None when it may."""
        address = read_address(client)
        known = address is not None and any(address in network for network in self._networks)
        return _REFUSALS[self._mode, known, logged_in]


def read_address(text: str) -> Address | None:
    """Return an address, of IPv4 also when a socket for both wrote it as IPv6; None for anything else."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def client_address(peer: Any) -> str:
    """Return a peer's address as text; "" when the system does not say it."""
    return str(peer[0]) if isinstance(peer, tuple) and peer else ""


def is_loopback(text: str) -> bool:
    """Tell whether an address, or the name localhost, is this machine alone."""
    address = read_address(text)
    return text == "localhost" if address is None else address.is_loopback


def faults(section: RelaySection) -> list[str]:
    """Return what would let strangers send, or nobody log in, one line each."""
    found = []
    if section.clients in {"address", "either"}:
        found += [
            f"[relay] client_networks: {item} would make this an open relay, which spammers find within "
            "hours. Name the networks of your own mailers, or let them log in: clients."
            for item in section.client_networks
            if (network := plain_network(item)).prefixlen < _WORLD[network.version]
        ]
    if section.clients != "address":
        if not section.users_file:
            found.append(
                "[relay] clients: nobody can log in without users_file. Name one, and add "
                "users to it with: linkproxy relay --new-user NAME"
            )
        if not section.tls_cert_file and not is_loopback(section.host):
            found.append(
                f'[relay] clients: "{section.clients}" would take passwords in the clear from other '
                "machines. Name a certificate in tls_cert_file."
            )
    if section.tls_required and not section.tls_cert_file:
        found.append("[relay] tls_required: there is no TLS without a certificate. Name it in tls_cert_file.")
    return found


# --- users -------------------------------------------------------------------------------------

_USER: Final = re.compile(r"([A-Za-z0-9._@+-]{1,100}):([0-9a-f]{64})")
_FILE_HEAD: Final = "# linkproxy relay users, name:hash. Remove a line, and that user is refused at once.\n"


class Users:
    """The users of a file, which is read for every login: a line removed is a user refused."""

    def __init__(self, path: str) -> None:
        self._path = path

    def read(self) -> dict[str, bytes]:
        """Return hashes by name; raise ConfigError that names every bad line."""
        text = read_text(Path(self._path), "Write one with: linkproxy relay --new-user NAME")
        users: dict[str, bytes] = {}
        bad: list[str] = []
        for number, line in enumerate(text.splitlines(), start=1):
            if not line.strip() or line.startswith("#"):
                continue
            match = _USER.fullmatch(line.strip())
            if match is None:
                bad.append(f"{self._path}: line {number}: is not name:hash.")
            else:
                users[match[1]] = bytes.fromhex(match[2])
        if bad:
            raise ConfigError(bad)
        return users

    def knows(self, name: bytes, password: bytes) -> bool:
        """Tell whether this is a user's password, in a time that does not depend on which user's."""
        hashed = _hash(password)
        found = False
        for known, expected in self.read().items():
            same = compare_digest(expected, hashed)
            found |= same and compare_digest(known.encode(), name)
        return found


def new_user(path: str, name: str) -> str:
    """Add a user to a file, made for its owner alone if it is not there, and return the new password.

    Raises ConfigError for a name that cannot be one, or is there already.
    """
    password = token_urlsafe(24)
    if not _USER.fullmatch(f"{name}:{_hash(password.encode()).hex()}"):
        raise ConfigError([f"{name[:100]!r} cannot be a user's name: use A-Z a-z 0-9 . _ @ + -"])
    file = Path(path)
    known: Sequence[str] = tuple(Users(path).read()) if file.exists() else ()
    if name in known:
        raise ConfigError([f"{path}: {name} is there already. Remove that line for a new password."])
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(_FILE_HEAD, "utf-8")
    with file.open("a", encoding="utf-8") as lines:
        lines.write(f"{name}:{_hash(password.encode()).hex()}\n")
    return password


def _hash(password: bytes) -> bytes:
    # A password is drawn at random with 192 bits, so one plain hash hides it.
    return blake2b(password, digest_size=32, person=b"linkproxy:relay").digest()
