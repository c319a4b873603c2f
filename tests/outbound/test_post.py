"""Claims about what a message that cannot be sent is said to have met."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack

from linkproxy.outbound.post import Poster


async def test_a_host_that_takes_no_connection_is_not_said_to_give_no_answer() -> None:
    with ExitStack() as stack:
        silent = stack.enter_context(socket.socket())
        silent.bind(("127.0.0.1", 0))
        silent.listen(0)
        for _ in range(3):  # nobody accepts, so others get no word, as behind a firewall
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(silent.getsockname())
        poster = Poster(time.time, connect_seconds=0.1)
        answer = await poster.post(f"http://127.0.0.1:{silent.getsockname()[1]}/", {}, b"{}")
        await poster.close()
    assert (answer.status, answer.told) == (None, "no connection with it within 0.1 s")
