"""The receiver that docs/webhooks.md shows does what the page says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from linkproxy.outbound.signature import new_secret, signature_header

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parents[2] / "docs" / "webhooks.md"
SECRET = new_secret()


@pytest.fixture
def receiver() -> Iterator[subprocess.Popen[str]]:
    (program,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    last = 'http.server.HTTPServer(("127.0.0.1", 9000), Receiver).serve_forever()'
    assert program.endswith(f"{last}\n")
    anywhere = 'server = http.server.HTTPServer(("127.0.0.1", 0), Receiver)'
    program = program.replace(
        last, f"{anywhere}\nprint(server.server_port, flush=True)\nserver.serve_forever()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        env=os.environ | {"WEBHOOK_SECRET": SECRET},
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as process:  # fmt: skip
        yield process
        process.terminate()


def post(url: str, body: bytes, headers: dict[str, str]) -> int:
    request = urllib.request.Request(url, body, headers)  # noqa: S310  (an address of our own)
    try:
        with urllib.request.urlopen(request) as answer:  # noqa: S310  (likewise)
            return answer.status
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def test_the_receiver_of_the_page_takes_what_is_signed_now_and_nothing_else(
    receiver: subprocess.Popen[str],
) -> None:
    url = f"http://127.0.0.1:{receiver.stdout.readline().strip()}/"
    (message,) = re.findall(r"^```json\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    body = json.dumps(json.loads(message)).encode()

    def headers(at: float, *keys: str) -> dict[str, str]:
        signature = signature_header(keys, "msg_1", int(at), body)
        return {"webhook-id": "msg_1", "webhook-timestamp": str(int(at)), "webhook-signature": signature}

    now = time.time()
    assert post(url, body.replace(b"click", b"clack"), headers(now, SECRET)) == 401
    assert post(url, body, headers(now, new_secret())) == 401
    assert post(url, body, headers(now - 3600, SECRET)) == 401
    assert post(url, body, {**headers(now, SECRET), "webhook-id": "msg_2"}) == 401
    assert post(url, body, headers(now, SECRET, new_secret())) == 204
    assert receiver.stdout.readline() == "click 12 anna@example.com https://shop.example/\n"
