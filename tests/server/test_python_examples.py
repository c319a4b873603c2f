"""What docs/python.md shows is what happens."""

from __future__ import annotations

import asyncio
import re
from email import message_from_bytes, policy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiosmtpd.controller import UnthreadedController

from linkproxy.client import Client, ClientError
from linkproxy.model import Campaign, CampaignId, CampaignKind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.server.conftest import Site

PAGE = Path(__file__).parents[2] / "docs" / "python.md"
TARGET = "https://www.brand.example/orders?id=8347"


class Mailbox:
    """Keeps what a mail server was given."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.port = 0

    async def handle_DATA(self, _server: object, _session: object, envelope: Any) -> str:  # noqa: N802  (aiosmtpd's name)
        self.taken.append(envelope.content)
        return "250 ok"


@pytest.fixture
async def smtp() -> AsyncIterator[Mailbox]:
    box = Mailbox()
    controller = UnthreadedController(box, "127.0.0.1", 0, loop=asyncio.get_running_loop())
    server = await controller._create_server()
    box.port = server.sockets[0].getsockname()[1]
    yield box
    server.close()


async def test_the_example_for_smtplib_sends_a_message_with_tracked_links(
    site: Site, key: str, smtp: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    await site.store.add_campaign(
        Campaign(CampaignId(0), "receipts", CampaignKind.TRANSACTIONAL, base_url="http://click.example")
    )
    monkeypatch.setenv("LINKPROXY_KEY", key)
    [example] = re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    for there, here in {
        '"http://127.0.0.1:8081"': repr(site.server.addresses.private),
        '"localhost", 25': f'"127.0.0.1", {smtp.port}',
    }.items():
        assert there in example
        example = example.replace(there, here)
    code = compile(example, str(PAGE), "exec")
    await asyncio.to_thread(exec, code, {"__name__": "example"})
    (raw,) = smtp.taken
    got = message_from_bytes(raw, policy=policy.default)
    for kind in ("plain", "html"):
        text = got.get_body((kind,)).get_content()
        assert TARGET not in text
        path = re.findall(r"http://click\.example(/[A-Za-z0-9_-]{24}/[A-Za-z0-9]{4})", text)
        places = {
            (await site.ask(site.server.addresses.public + one)).headers.get("Location") for one in path
        }
        assert TARGET in places


async def test_the_clients_errors_are_the_servers_own_words(site: Site, key: str) -> None:
    def refused(used: str, url: str = site.server.addresses.private, **fields: str) -> ClientError:
        with Client(url, used) as client, pytest.raises(ClientError) as caught:
            client.rewrite_html("<p>", **{"campaign": "spring", "recipient": "a@b.example", **fields})
        return caught.value

    unknown = await asyncio.to_thread(refused, key, campaign="nowhere")
    assert (unknown.status, "there is none named 'nowhere'" in str(unknown)) == (400, True)
    wrong = await asyncio.to_thread(refused, "wrong")
    assert (wrong.status, "keys add" in str(wrong)) == (401, True)
    away = await asyncio.to_thread(refused, key, "http://127.0.0.1:9")
    assert (away.status, "cannot be reached" in str(away)) == (0, True)
    for url in ("localhost:8081", "http://[::1", "http://127.0.0.1:0", "http://a b.example", "https://"):
        with pytest.raises(ClientError, match="is not the address of a server"):
            Client(url, key)


async def test_a_connection_that_the_server_has_closed_is_opened_again(site: Site, key: str) -> None:
    def twice() -> tuple[str, str]:
        with Client(site.server.addresses.private, key) as client:
            first = client.rewrite_text("https://x.example/", campaign="spring", recipient="a@b.example")
            client._connection.sock.shutdown(2)
            return first, client.rewrite_text(
                "https://x.example/", campaign="spring", recipient="a@b.example"
            )

    first, second = await asyncio.to_thread(twice)
    assert first == second


@pytest.mark.parametrize(
    ("url", "key"),
    [("http://127.0.0.1:99999", "k"), ("http://127.0.0.1:1", "s\necret"), ("http://h:1", "k€y")],
)
def test_a_port_or_key_that_cannot_be_is_told_without_the_key(url: str, key: str) -> None:
    with pytest.raises(ClientError) as caught:
        Client(url, key)
    assert key not in str(caught.value) or key == "k"


def test_an_address_with_a_password_is_refused_and_the_password_not_told() -> None:
    with pytest.raises(ClientError, match="has a user in it") as caught:
        Client("http://shop:hunter2@127.0.0.1:8081", "k")
    assert "hunter2" not in str(caught.value)
