"""JSON Lines over HTTP: lines are read as they come, and answered one by one.

Nothing is gathered: a line is held while it is worked on, and the next is read when its answer
has been taken. A client that does not read its answers is not read from either.
"""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from aiohttp import ClientPayloadError, web

from linkproxy.logs import Event, get_logger
from linkproxy.query.export import to_json
from linkproxy.server.answers import NOT_STORED
from linkproxy.server.body import fault_record, refusal
from linkproxy.server.click import SERVER

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable

JSON_LINES: Final = frozenset(
    {"application/jsonl", "application/x-ndjson", "application/ndjson", "application/x-jsonlines"}
)
"""The types by which a body says that it is JSON Lines; none of them is registered."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line and its number from 1; ``data`` is None for one that is too long to be read."""

    number: int
    data: bytes | None


async def lines_of(chunks: AsyncIterable[bytes], most_bytes: int) -> AsyncGenerator[Line]:
    """Yield the lines of a body that are not blank; at most ``most_bytes`` and a chunk are held."""
    number, held, dropped = 1, bytearray(), False
    async for chunk in chunks:
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            if dropped or len(held) + len(end) > most_bytes:
                yield Line(number, None)
            elif data := bytes(held + end).strip():
                yield Line(number, data)
            number, dropped = number + 1, False
            held.clear()
        if not dropped:
            held += rest
        if len(held) > most_bytes:
            held.clear()
            dropped = True
    if dropped:
        yield Line(number, None)
    elif data := bytes(held).strip():
        yield Line(number, data)


async def answers_to(
    lines: AsyncGenerator[Line], answer: Callable[[bytes], Awaitable[dict[str, Any]]], most_bytes: int
) -> AsyncGenerator[dict[str, Any]]:
    """Yield one answer a line, with its number; whatever is wrong with a line ends no other."""
    async with aclosing(lines):
        async for line in lines:
            if line.data is None:
                fault = fault_record(
                    413, f"the line is longer than {most_bytes:,} bytes; [limits] mail_bytes"
                )
                yield {"line": line.number, **fault}
                continue
            try:
                yield {"line": line.number, "ok": True, **await answer(line.data)}
            except Exception as error:  # noqa: BLE001  (no line ends the others)
                yield {"line": line.number, **_fault(error)}


def _fault(error: Exception) -> dict[str, Any]:
    if (told := refusal(error)) is not None:
        return fault_record(told.status, *told.errors)
    get_logger().error(Event.REQUEST_FAILED, listener="private", error=repr(error))
    return fault_record(500, "a fault of linkproxy; its log says more")


async def stream(
    request: web.Request, answer: Callable[[bytes], Awaitable[dict[str, Any]]], most_bytes: int
) -> web.StreamResponse:
    """Answer a request line by line, until it ends or its client is gone."""
    headers = {**dict((SERVER, *NOT_STORED)), "X-Content-Type-Options": "nosniff"}
    response = web.StreamResponse(headers={**headers, "Content-Type": request.content_type})
    await response.prepare(request)
    lines = lines_of(request.content.iter_any(), most_bytes)
    async with aclosing(answers_to(lines, answer, most_bytes)) as answers:
        try:
            async for record in answers:
                await response.write(to_json(record).encode("utf-8", "backslashreplace") + b"\n")
            await response.write_eof()
        except (ConnectionError, ClientPayloadError):
            pass  # What was answered is done, and a line whose answer was lost may be sent again.
    return response
