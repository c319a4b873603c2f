"""A name server on loopback that answers questions for MX, A and AAAA from a table."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SILENT = "silent"  # never answered
BROKEN = "broken"  # SERVFAIL
EMPTY = "empty"  # the domain is there and has no mail servers


@dataclass
class NameServer:
    """What it says, what it was asked, and how many questions were open at once at most."""

    address: str
    records: dict[str, list[str] | str]  # "10 mx.filter.example." or one of the words above
    ttl_seconds: int = 300
    asked: list[str] = field(default_factory=list)


class _Protocol(asyncio.DatagramProtocol):
    def __init__(self, server: NameServer) -> None:
        self.server = server

    def connection_made(self, transport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr) -> None:
        query = dns.message.from_wire(data)
        name = query.question[0].name
        domain = name.to_text(omit_final_dot=True).lower()
        self.server.asked.append(domain)
        says = self.server.records.get(domain)
        if says == SILENT:
            return
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.RA
        if says is None:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        elif says == BROKEN:
            reply.set_rcode(dns.rcode.SERVFAIL)
        elif says != EMPTY and (told := self._told(query.question[0].rdtype.name, says)):
            reply.answer.append(dns.rrset.from_text(name, self.server.ttl_seconds, "IN", *told))
        self.transport.sendto(reply.to_wire(), addr)

    @staticmethod
    def _told(kind: str, says: list[str]) -> list[str]:
        """Return the question's type and its records: an address is written without a blank."""
        wanted = {"A": lambda text: "." in text, "AAAA": lambda text: ":" in text}.get(kind)
        found = [
            text for text in says if (" " in text if wanted is None else " " not in text and wanted(text))
        ]
        return [kind, *found] if found else []


@asynccontextmanager
async def name_server(records: dict[str, list[str] | str]) -> AsyncIterator[NameServer]:
    """Answer on a free UDP port of 127.0.0.1 inside the context."""
    server = NameServer("", records)
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _Protocol(server), local_addr=("127.0.0.1", 0)
    )
    host, port = transport.get_extra_info("sockname")
    server.address = f"{host}:{port}"
    try:
        yield server
    finally:
        transport.close()
