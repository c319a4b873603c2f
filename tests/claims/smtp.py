"""Mail servers and mailers for tests of the relay: real sockets, every byte in the test's hand."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiosmtpd.smtp import SMTP

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator

CUT = "cut"  # ends the connection instead of answering
SILENT = "silent"  # never answers
TAKEN = "taken"  # keeps the message, then ends the connection without saying so
STAGES = ("CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "END")

_USUAL = {
    "CONNECT": "220 upstream.example ESMTP",
    "EHLO": "250-upstream.example\r\n250-SIZE 10000000\r\n250-8BITMIME\r\n250 SMTPUTF8",
    "HELO": "250 upstream.example",
    "MAIL": "250 2.1.0 sender noted",
    "RCPT": "250 2.1.5 recipient noted",
    "DATA": "354 go on",
    "END": "250 2.0.0 taken as 4711",
    "RSET": "250 2.0.0 forgotten",
    "QUIT": "221 2.0.0 bye",
    "NOOP": "250 2.0.0 ok",
}


@dataclass
class Received:
    """A message that a server has taken, dots undone."""

    sender: str
    recipients: list[str]
    content: bytes


@dataclass
class Server:
    """A mail server that answers what it is told to, by stage; ``answers`` may change meanwhile.

    A dict instead of an answer has answers by what the command's line contains. EARLY is said while
    a message stalls.
    """

    answers: dict[str, str | dict[str, str]] = field(default_factory=dict)
    received: list[Received] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    connections: int = 0
    open_now: int = 0
    most_open: int = 0
    implicit_tls: ssl.SSLContext | None = None
    port: int = 0
    hold: asyncio.Event | None = None  # waited for before the last word on a message
    began_end: asyncio.Event = field(default_factory=asyncio.Event)
    stall: asyncio.Event | None = None  # waited for behind a message's first line
    began_stall: asyncio.Event = field(default_factory=asyncio.Event)
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def start(self) -> None:
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self.port, limit=1 << 26, ssl=self.implicit_tls
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        self.open_now += 1
        self.most_open = max(self.most_open, self.open_now)
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await self._talk(reader, writer)
        self.open_now -= 1
        self._tasks.discard(task)
        writer.close()

    async def _answer(self, stage: str, line: str, writer: asyncio.StreamWriter) -> str:
        given = self.answers.get(stage, _USUAL[stage])
        if isinstance(given, dict):
            given = next((answer for word, answer in given.items() if word in line), _USUAL[stage])
        if given == SILENT:
            await asyncio.sleep(3600)
        if given in {CUT, TAKEN}:
            raise ConnectionAbortedError
        writer.write(given.encode() + b"\r\n")
        await writer.drain()
        if given.startswith("421"):
            raise ConnectionAbortedError
        return given

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._answer("CONNECT", "", writer)
        mail = Received("", [], b"")
        while line := (await reader.readuntil(b"\r\n")).decode("utf-8", "surrogateescape").rstrip():
            self.commands.append(line)
            word = line.split(" ")[0].upper()
            answer = await self._answer(word, line, writer)
            if word == "QUIT":
                return
            if word in {"MAIL", "RSET"}:
                mail = Received(line, [], b"")
            elif word == "RCPT" and answer.startswith("2"):
                mail.recipients.append(line.partition("<")[2].partition(">")[0])
            elif word == "DATA" and answer.startswith("354"):
                first = await reader.readuntil(b"\r\n")
                await self._stalled(writer)
                mail.content = await self._content(first, reader)
                self.began_end.set()
                if self.hold is not None:
                    await self.hold.wait()
                if str(self.answers.get("END", "250")).startswith(("2", TAKEN)):
                    self.received.append(mail)
                await self._answer("END", "", writer)

    async def _stalled(self, writer: asyncio.StreamWriter) -> None:
        if self.stall is None:
            return
        transport = writer.transport
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()
        if "EARLY" in self.answers:
            writer.write(str(self.answers["EARLY"]).encode() + b"\r\n")
        self.began_stall.set()
        await self.stall.wait()
        transport.resume_reading()

    @staticmethod
    async def _content(first: bytes, reader: asyncio.StreamReader) -> bytes:
        text = bytearray(b"\r\n" + first)
        while not text.endswith(b"\r\n.\r\n"):
            text += await reader.readuntil(b"\r\n")
        return bytes(text[:-3].replace(b"\r\n.", b"\r\n")[2:])


class Mailer:
    """A client that says what it is told to say."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, port: int, *, greet: bool = True) -> Mailer:
        mailer = cls(*await asyncio.open_connection("127.0.0.1", port))
        if greet:
            await mailer.hear()
            await mailer.say("EHLO mailer.example")
        return mailer

    async def hear(self) -> str:
        """Return one reply, its lines joined, or "" when the other side has gone."""
        lines = []
        while line := await self.reader.readline():
            lines.append(line.decode().rstrip("\r\n"))
            if line[3:4] == b" ":
                break
        return "\n".join(lines)

    async def say(self, *lines: str | bytes) -> str:
        """Send lines and return the reply to the first."""
        for line in lines:
            self.writer.write((line if isinstance(line, bytes) else line.encode()) + b"\r\n")
        await self.writer.drain()
        return await self.hear()

    async def begin(self, sender: str = "news@brand.example", to: str = "anna@example.com") -> str:
        """Say MAIL and RCPT; return the reply to the one that was refused, else to RCPT."""
        reply = await self.say(f"MAIL FROM:<{sender}>")
        return await self.say(f"RCPT TO:<{to}>") if reply.startswith("2") else reply

    async def data(self, content: bytes) -> str:
        """Say DATA and the message, dots doubled; return the last word on it."""
        reply = await self.say("DATA")
        if not reply.startswith("354"):
            return reply
        stuffed = (b"\r\n" + content).replace(b"\r\n.", b"\r\n..")[2:]
        self.writer.write(stuffed + b".\r\n")
        await self.writer.drain()
        return await self.hear()

    async def send(
        self, content: bytes, sender: str = "news@brand.example", to: str = "anna@example.com"
    ) -> str:
        """Send a message and return the last word on it."""
        reply = await self.begin(sender, to)
        return await self.data(content) if reply.startswith("2") else reply

    def close(self) -> None:
        self.writer.close()

    def cut(self) -> None:
        """Go away as a crashed program does."""
        self.writer.transport.abort()


class Mailbox:
    """What aiosmtpd does with mail: keep it, and note whether it came by TLS and from which user."""

    def __init__(self, *, without: tuple[str, ...] = ()) -> None:
        self.received: list[Received] = []
        self.options: list[list[str]] = []
        self.by_tls: list[bool] = []
        self.logged_in: list[bool] = []
        self._without = without

    async def handle_EHLO(self, _server, session, _envelope, hostname, lines):  # noqa: N802  (aiosmtpd's name)
        session.host_name = hostname
        return [line for line in lines if not any(word in line for word in self._without)]

    async def handle_DATA(self, _server, session, envelope):  # noqa: N802
        self.received.append(Received(envelope.mail_from, list(envelope.rcpt_tos), envelope.content))
        self.options.append(list(envelope.mail_options))
        self.by_tls.append(session.ssl is not None)
        self.logged_in.append(bool(session.authenticated))
        return "250 2.0.0 kept"


@asynccontextmanager
async def mail_server(mailbox: Mailbox, **options: object) -> AsyncIterator[int]:
    """Run aiosmtpd on a free port inside the context; give the port."""
    loop = asyncio.get_running_loop()
    usual = {"enable_SMTPUTF8": True, "loop": loop, "hostname": "upstream.example", **options}
    server = await loop.create_server(lambda: SMTP(mailbox, **usual), "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
