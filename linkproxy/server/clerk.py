"""A clerk: a process that works out what takes long, one order at a time, for the server that started it.

Orders and answers are pickles on standard input and output, each behind its length in eight bytes.
Only the server that started the clerk holds the other ends.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from linkproxy.logs import Event, configure_logging, get_logger
from linkproxy.store.connect import connect

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from linkproxy.config import Config
    from linkproxy.store.api import Store
    from linkproxy.visit.policy import Policy

    Office = tuple[Config, Policy]
    """What the first order of each clerk is: the settings and the policy of its server."""

LENGTH_BYTES: Final = 8
_POLITENESS: Final = 10
"""Steps of nice(2): who clicks goes first."""


def frame(value: object) -> bytes:
    """Return a value as it is sent."""
    data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    return len(data).to_bytes(LENGTH_BYTES, "big") + data


def length(head: bytes) -> int:
    """Return how many bytes follow the head of a value."""
    return int.from_bytes(head, "big")


def main() -> None:
    """Work until the server hangs up."""
    with suppress(OSError):  # a unit of systemd may forbid it
        os.nice(_POLITENESS)
    # What anybody prints would else come between the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    office = _read(sys.stdin.buffer)
    configure_logging(office[0].log.level, office[0].log.format, worker="clerk")
    asyncio.run(_serve(office, answers))


def _read(stream: BinaryIO) -> Any:
    size = length(_exactly(stream, LENGTH_BYTES))
    return pickle.loads(_exactly(stream, size))  # noqa: S301  (of the server that started this process)


def _exactly(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        os._exit(0)  # the server is gone, and nobody waits for what is being worked out
    return data


async def _serve(office: Office, answers: BinaryIO) -> None:
    loop = asyncio.get_running_loop()
    orders: asyncio.Queue[tuple[Callable[..., Any], tuple[Any, ...], bool]] = asyncio.Queue()

    def listen() -> None:
        try:
            while True:
                loop.call_soon_threadsafe(orders.put_nowait, _read(sys.stdin.buffer))
        except Exception as error:  # noqa: BLE001  (an order of another version, perhaps: its server is told by our end)
            get_logger().error(Event.REQUEST_FAILED, listener="private", error=repr(error))
            os._exit(1)

    threading.Thread(target=listen, daemon=True).start()
    store: Store | None = None
    while True:
        work, given, reads = await orders.get()
        try:
            if reads and store is None:
                opened = connect(office[0])
                await opened.open()
                store = opened
            found = await work(store, *given, office[1]) if reads else work(*given)
            answer = frame((True, found))
        except Exception as error:  # noqa: BLE001  (whatever it is, who asked is told)
            answer = frame((False, _fit(error)))
        answers.write(answer)
        answers.flush()


def _fit(error: Exception) -> Exception:
    """Return an error as it can be sent."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301  (our own)
    except Exception:  # noqa: BLE001  (whatever its making needs)
        return RuntimeError(repr(error))
    return error


if __name__ == "__main__":
    main()
