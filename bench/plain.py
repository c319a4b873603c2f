"""A plain server that stores clicks and judges nothing, to hold linkproxy's rates against.

One process on uvloop: httptools reads each request, a keyed hash is taken, one narrow row is written and
made durable (synchronous full) by a group commit in a thread of its own, and everybody gets the same
redirect. No campaigns, recipients, networks, verdicts, metrics or failures. It is no lower bound: a
parser is made for each request, and nothing is remembered.

    python -m bench.plain PORT FILE
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import sys
import threading
import time
from hashlib import blake2b
from typing import Any

import httptools
import uvloop

_HEAD = (
    b"HTTP/1.1 302 Found\r\nLocation: https://shop.example/article/1\r\nContent-Length: 0\r\n"
    b"Cache-Control: no-store\r\n"
)
_ANSWER = {False: _HEAD + b"\r\n", True: _HEAD + b"Connection: close\r\n\r\n"}
_KEY = bytes(32)
_TABLE = """CREATE TABLE visit (id INTEGER PRIMARY KEY, at REAL NOT NULL, token TEXT NOT NULL,
client TEXT NOT NULL, agent TEXT NOT NULL)"""
_CHECKPOINT_EVERY = 64

Row = tuple[float, str, str, str]


class Journal:
    """Group commit without linger: what comes while one commit runs is the next."""

    def __init__(self, path: str) -> None:
        self._batches: queue.SimpleQueue[list[tuple[Row, Client]]] = queue.SimpleQueue()
        self._waiting: list[tuple[Row, Client]] = []
        self._busy = False
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._write, args=(path,), daemon=True).start()

    def enter(self, row: Row, client: Client) -> None:
        self._waiting.append((row, client))
        if not self._busy:
            self._busy = True
            self._loop.call_soon(self._begin)

    def _begin(self) -> None:
        self._batches.put(self._waiting)
        self._waiting = []

    def _done(self, batch: list[tuple[Row, Client]]) -> None:
        for _, client in batch:
            client.answer()
        if self._waiting:
            self._begin()
        else:
            self._busy = False

    def _write(self, path: str) -> None:
        db = sqlite3.connect(path, isolation_level=None)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = full")
        db.execute("PRAGMA wal_autocheckpoint = 0")
        db.execute(_TABLE)
        for number in range(sys.maxsize):
            batch = self._batches.get()
            db.execute("BEGIN IMMEDIATE")
            db.executemany(
                "INSERT INTO visit (at, token, client, agent) VALUES (?, ?, ?, ?)", [row for row, _ in batch]
            )
            db.execute("COMMIT")
            self._loop.call_soon_threadsafe(self._done, batch)
            if number % _CHECKPOINT_EVERY == 0:
                db.execute("PRAGMA wal_checkpoint(PASSIVE)")


class Client(asyncio.Protocol):
    """One connection."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._transport: Any = None
        self._close = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._peer = transport.get_extra_info("peername")[0]

    def data_received(self, data: bytes) -> None:
        self._agent = ""
        parser = httptools.HttpRequestParser(self)
        parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._path = url

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"user-agent":
            self._agent = value.decode("latin-1")
        elif name.lower() == b"connection":
            self._close = value.lower() == b"close"

    def on_message_complete(self) -> None:
        token = blake2b(self._path, key=_KEY, digest_size=8).hexdigest()
        self._journal.enter((time.time(), token, self._peer, self._agent), self)

    def answer(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(_ANSWER[self._close])
            if self._close:
                self._transport.close()


async def _serve(port: int, path: str) -> None:
    journal = Journal(path)
    server = await asyncio.get_running_loop().create_server(lambda: Client(journal), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1]), sys.argv[2]))
