"""Writes small databases in MaxMind's format (maxmind.github.io/MaxMind-DB), to be read in tests."""

from __future__ import annotations

import ipaddress
import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_MARKER = b"\xab\xcd\xefMaxMind.com"
_STRING, _UINT32, _MAP, _UINT64, _ARRAY = 2, 6, 7, 9, 11

GEOLITE2 = {
    "1.128.0.0/11": {"autonomous_system_number": 1221, "autonomous_system_organization": "Telstra Pty Ltd"},
    "12.81.96.0/19": {"autonomous_system_number": 7018},
    "198.51.100.0/24": {
        "autonomous_system_number": 26211,
        "autonomous_system_organization": "Proofpoint, Inc.",
    },
    "2001:db8::/32": {"autonomous_system_number": 64496},
}
"""As MaxMind GeoLite2-ASN and DB-IP ASN Lite shape it; the organisation may be absent."""

IPINFO = {
    "203.0.113.0/24": {
        "asn": "AS8075",
        "as_name": "Microsoft Corporation",
        "as_domain": "microsoft.com",
        "country_code": "US",
    },
    "192.0.2.0/24": {"country_code": "DE"},
}
"""As IPinfo Lite shapes it: the number is a text, and may be absent."""


def mmdb(records: Mapping[str, Any], kind: str = "GeoLite2-ASN") -> bytes:
    """Return a database file with a record for each network; IPv4 lies at ::/96, as the format has it."""
    root: list[Any] = [None, None]
    data = b""
    for text, record in records.items():
        network = ipaddress.ip_network(text)
        number = int(network.network_address)
        depth = network.prefixlen + (96 if network.version == 4 else 0)
        node = root
        for level in range(depth - 1):
            bit = number >> (127 - level) & 1
            node[bit] = node[bit] or [None, None]
            node = node[bit]
        node[number >> (128 - depth) & 1] = len(data)
        data += _encode(record)
    nodes: list[list[Any]] = []
    _number(root, nodes)
    tree = b"".join(_record(child, nodes) for node in nodes for child in node)
    metadata = {
        "binary_format_major_version": 2, "binary_format_minor_version": 0, "build_epoch": 1_790_000_000,
        "database_type": kind, "description": {"en": "A test"}, "ip_version": 6, "languages": [],
        "node_count": len(nodes), "record_size": 32,
    }  # fmt: skip
    return tree + bytes(16) + data + _MARKER + _encode(metadata)


def _number(node: list[Any], nodes: list[list[Any]]) -> None:
    nodes.append(node)
    for child in node:
        if isinstance(child, list):
            _number(child, nodes)


def _record(child: Any, nodes: list[list[Any]]) -> bytes:
    if child is None:
        return struct.pack(">I", len(nodes))
    if isinstance(child, list):
        return struct.pack(">I", next(place for place, node in enumerate(nodes) if node is child))
    return struct.pack(">I", len(nodes) + 16 + child)


def _encode(value: Any) -> bytes:
    if isinstance(value, str):
        return _control(_STRING, len(value.encode())) + value.encode()
    if isinstance(value, int):
        kind, size = (_UINT32, 4) if value < 1 << 32 else (_UINT64, 8)
        return _control(kind, size) + value.to_bytes(size, "big")
    if isinstance(value, dict):
        pairs = b"".join(_encode(key) + _encode(item) for key, item in value.items())
        return _control(_MAP, len(value)) + pairs
    return _control(_ARRAY, len(value)) + b"".join(map(_encode, value))


def _control(kind: int, size: int) -> bytes:
    length, more = (size, b"") if size < 29 else (29, bytes([size - 29]))
    return bytes([kind << 5 | length]) + more if kind < 8 else bytes([length, kind - 7]) + more
