"""A go-between before a PostgreSQL server: it loses the answer to a commit and then stays shut, or hangs."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

_SOCKET = ".s.PGSQL.5432"
_COMMIT = b"Q\0\0\0\x0bCOMMIT\0"
_PIECE = 1 << 16


@dataclass(eq=False)
class Front:
    """Passes everything on; when told to, it loses the answer to the next commit, and all connections.

    While it ``hangs``, connections stay open and nothing comes through, as when a host is gone.
    """

    folder: Path
    behind: Path
    losing: bool = False
    shut: bool = False
    hangs: asyncio.Event = field(default_factory=asyncio.Event)
    lost: asyncio.Event = field(default_factory=asyncio.Event)
    open: set[asyncio.StreamWriter] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open.add(writer)
        with suppress(ConnectionError):
            if not self.shut:
                server_reader, server_writer = await asyncio.open_unix_connection(self.behind / _SOCKET)
                back = asyncio.create_task(_pass_on(server_reader, writer))
                await self._forth(reader, server_reader, server_writer, back)
                back.cancel()
                server_writer.close()
        self.open.discard(writer)
        writer.close()

    async def _forth(
        self,
        reader: asyncio.StreamReader,
        server_reader: asyncio.StreamReader,
        server_writer: asyncio.StreamWriter,
        back: asyncio.Task[None],
    ) -> None:
        while said := await reader.read(_PIECE):
            if self.hangs.is_set():
                continue
            lost = self.losing and said.endswith(_COMMIT)
            if lost:
                back.cancel()
                await asyncio.wait({back})
                self.losing, self.shut = False, True
            server_writer.write(said)
            if lost:
                await server_reader.read(_PIECE)  # so it is committed; nobody will hear of it
                for other in self.open:
                    other.close()
                self.lost.set()
                return


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while said := await reader.read(_PIECE):
            writer.write(said)
        writer.close()


@asynccontextmanager
async def front(folder: Path, behind: Path) -> AsyncIterator[Front]:
    """Listen in a folder, for a server that listens in another one."""
    made = Front(folder, behind)
    listening = await asyncio.start_unix_server(made.serve, folder / _SOCKET)
    try:
        yield made
    finally:
        listening.close()
