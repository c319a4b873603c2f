"""What of an address is stored. Pure: the same text and key give the same result everywhere.

Three degrees, chosen apart for clients and for recipients:

- ``full``: as it came.
- ``truncated``: a client's /24 or /48; a recipient's first letter and domain.
- ``hashed``: keyed BLAKE2b (RFC 7693), 16 bytes as hex. Whoever has the key can test a guess,
  so the key belongs neither into the database nor into its backup.

Recipients are always looked up by their keyed hash, whatever is stored beside it. The domain
stays in the clear: it is what reports and profiles are about, and names no person.
"""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from linkproxy.model import LinkproxyError
from linkproxy.model.names import ascii_name, unicode_name

if TYPE_CHECKING:
    from collections.abc import Iterable

Degree = Literal["full", "truncated", "hashed"]

_HASH_BYTES = 16
_IPV4_PREFIX = 24
_IPV6_PREFIX = 48


@dataclass(frozen=True, slots=True)
class Privacy:
    """How addresses are stored; ``key`` is a secret of 16 to 64 bytes."""

    client_address: Degree
    recipient_address: Degree
    key: bytes

    def __post_init__(self) -> None:
        if not 16 <= len(self.key) <= 64:
            raise LinkproxyError(
                f"privacy.key has {len(self.key)} bytes; it must have 16 to 64 ('linkproxy init' makes one)"
            )

    def pseudonym(self, client: str, network: str) -> tuple[str, str]:
        """Return a client address and its network as they are stored; "" stays ""."""
        if self.client_address == "full":
            return client, network
        if self.client_address == "truncated":
            shortened = _truncated_client(client)
            return shortened, shortened or _truncated_client(network)
        return self._text(b"client", client), self._text(b"network", network)

    def address(self, address: str) -> str:
        """Return a mail address as it is stored."""
        address = address.strip()
        if self.recipient_address == "full" or not address:
            return address
        if self.recipient_address == "truncated":
            return f"{address[:1]}***@{domain_of(address)}"
        return self._text(b"address", normal_address(address))

    def reference(self, reference: str) -> str:
        """Return an outside reference as it is stored.

        Truncating leaves it whole: it has a meaning in the sender's own system alone.
        """
        if self.recipient_address == "hashed":
            return self._text(b"reference", reference)
        return reference

    def stray_target(self, target: str) -> str:
        """Return a stray's path as it is stored: what may be a reference in it as ``reference`` is.

        None begins with ``~``: that is a nonce.
        """
        link, behind = target.split("/")[:3], target.split("/")[3:]
        return "/".join([*link, *(part if part.startswith("~") else self.reference(part) for part in behind)])

    def address_hash(self, address: str) -> bytes | None:
        """Return what an address is stored under, None for an empty one."""
        return self._hash(b"address", normal_address(address)) if address.strip() else None

    def address_hashes(self, address: str) -> tuple[bytes, ...]:
        """Return what an address may be stored under, none for an empty one.

        In rows of earlier versions it is as it was spelt, so that spelling comes first.
        """
        if not address.strip():
            return ()
        return tuple(self._hash(b"address", spelling) for spelling in _address_spellings(address))

    def asked(self, addresses: Iterable[str]) -> dict[bytes, list[str]]:
        """Return which of some addresses may be stored under each hash."""
        found: dict[bytes, list[str]] = {}
        for address in addresses:
            for known_by in self.address_hashes(address):
                found.setdefault(known_by, []).append(address)
        return found

    def reference_hash(self, reference: str) -> bytes | None:
        """Return what a reference is looked up by, None for an empty one."""
        return self._hash(b"reference", reference) if reference else None

    def hashes_of(self, who: str) -> tuple[bytes, ...]:
        """Return what an address or a reference is looked up by, in this order; none for an empty one."""
        if is_address(who):
            return self.address_hashes(who)
        found = self.reference_hash(who)
        return () if found is None else (found,)

    def check(self) -> bytes:
        """Return a value that tells whether a store was made with the same key."""
        return self._hash(b"check", "linkproxy")

    def _hash(self, purpose: bytes, text: str) -> bytes:
        data = text.encode("utf-8", "surrogatepass")
        return hashlib.blake2b(data, digest_size=_HASH_BYTES, key=self.key, person=purpose).digest()

    def _text(self, purpose: bytes, text: str) -> str:
        return self._hash(purpose, text).hex() if text else ""


def normal_address(address: str) -> str:
    """Return a mail address as it is matched: trimmed, in lower case, its domain in A-labels.

    RFC 5321 section 2.3.11 leaves the local part's case to its host, but no mailbox provider of
    weight tells two cases apart, and a person who asks for erasure spells it as they like.
    """
    name, at, domain = _lowered(address).rpartition("@")
    return f"{name}{at}{ascii_name(domain)}".rstrip(".")


def _lowered(address: str) -> str:
    return address.strip().lower().rstrip(".")


def _address_spellings(address: str) -> Iterable[str]:
    """Return how an address may have been stored: as it is written, and its domain in either spelling."""
    name, at, domain = (normal := normal_address(address)).rpartition("@")
    return dict.fromkeys((_lowered(address), normal, f"{name}{at}{unicode_name(domain)}"))


def spellings(reference: str, *, verified: bool) -> tuple[str, ...]:
    """Return what the reference of a visit may stand for; that which is known counts, else the first.

    Behind a plain one may be the full stop of a sentence, which mail programs take into a link.
    """
    bare = "" if verified else reference.rstrip(".")
    return (reference, bare) if bare not in {"", reference} else (reference,)


def domain_of(address: str) -> str:
    """Return the mail domain of an address in lower case and ASCII (A-labels), "" without one."""
    return normal_address(address).rpartition("@")[2] if "@" in address else ""


def is_address(who: str) -> bool:
    """Tell a mail address from an outside reference, which never holds an at sign."""
    return "@" in who


def _truncated_client(client: str) -> str:
    if not client:
        return ""
    try:
        address = ipaddress.ip_address(client.partition("/")[0])
    except ValueError:
        return ""
    prefix = _IPV4_PREFIX if address.version == 4 else _IPV6_PREFIX
    return str(ipaddress.ip_network((address, prefix), strict=False))
