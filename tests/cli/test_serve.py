from __future__ import annotations

import re
import resource
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from contextlib import ExitStack, contextmanager
from typing import IO, TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.conftest import Installation


@contextmanager
def serving(here: Installation) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the server as a user does, on free ports; give the process and its public address."""
    environ = {"LINKPROXY__SERVER__PUBLIC_PORT": "0", "LINKPROXY__SERVER__PRIVATE_PORT": "0"}
    process = here.start("serve", environ=environ, stderr=subprocess.PIPE)
    try:
        assert process.stderr is not None
        yield process, _announced(process.stderr)
    finally:
        process.kill()
        process.communicate()


def _announced(stderr: IO[str]) -> str:
    for line in stderr:
        if found := re.search(r"Tracked links at (http://\S+),", line):
            return found[1].replace("0.0.0.0", "127.0.0.1")  # noqa: S104  (the address is read, not bound)
    raise AssertionError("the server said nothing of its addresses")


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


def test_a_served_link_leads_to_its_target_and_a_stop_is_clean(here: Installation) -> None:
    html = here.mail()
    path = here.path_to("https://www.brand.example/spring", html)
    with serving(here) as (process, address):
        request = urllib.request.Request(address + path, headers=dict(here.person))  # noqa: S310  (an address of our own)
        try:
            urllib.request.build_opener(_Stay).open(request)
        except urllib.error.HTTPError as answer:
            status, target = answer.code, answer.headers["Location"]
            answer.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
    assert (status, target) == (302, "https://www.brand.example/spring")
    (visit,) = here.ok("visits", "--format", "jsonl").lines
    assert visit["answer"] == "redirect"


@pytest.mark.parametrize("server", [("serve",), ("serve", "--workers", "1"), ("relay",)])
def test_a_server_with_the_keys_of_another_installation_does_not_start(
    here: Installation, server: tuple[str, ...]
) -> None:
    """All links of the store's mail would answer 404. A key that did not sign for long matters as well."""
    here.mail()
    here.write("signing-keys.txt", f"2:{'B' * 43}\n1:{'A' * 43}\n")
    environ = {"LINKPROXY__SERVER__PUBLIC_PORT": "0", "LINKPROXY__SERVER__PRIVATE_PORT": "0"}
    environ |= {"LINKPROXY__RELAY__UPSTREAM_HOST": "127.0.0.1", "LINKPROXY__RELAY__PORT": "0"}
    environ |= {"LINKPROXY__RELAY__PRIVATE_PORT": "0"}
    process = here.start(*server, environ=environ, stderr=subprocess.PIPE)
    try:
        _, told = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 1
    assert "signing key 1 is not the key of that id which signed mail of this store" in told
    assert "signing-keys remove 1 --force" in told


@pytest.mark.parametrize("workers", ["0", "1"])
def test_more_visitors_than_a_shell_lets_a_program_have_files_are_answered(
    here: Installation, workers: str
) -> None:
    environ = {"LINKPROXY__SERVER__PUBLIC_PORT": "0", "LINKPROXY__SERVER__PRIVATE_PORT": "0"}
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    process = here.start(
        "serve", "--workers", workers, environ=environ, stderr=subprocess.PIPE,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard)),
    )  # fmt: skip
    try:
        assert process.stderr is not None
        port = int(_announced(process.stderr).rpartition(":")[2])
        with ExitStack() as open_:
            visitors = [
                open_.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(100)
            ]
            for visitor in visitors:
                visitor.settimeout(30)
                visitor.sendall(b"GET /healthz HTTP/1.1\r\nHost: click.brand.example\r\n\r\n")
            assert all(visitor.recv(15) == b"HTTP/1.1 200 OK" for visitor in visitors)
    finally:
        process.terminate()
        process.communicate()


def test_settings_that_are_gone_when_they_are_read_again_are_not_taken_for_the_defaults(
    here: Installation,
) -> None:
    environ = {"LINKPROXY__SERVER__PUBLIC_PORT": "0", "LINKPROXY__SERVER__PRIVATE_PORT": "0"}
    process = here.start("serve", "--workers", "1", environ=environ, stderr=subprocess.PIPE)
    try:
        assert process.stderr is not None
        _announced(process.stderr)
        (here.folder / "config.toml").unlink()
        process.send_signal(signal.SIGHUP)
        told = next(line for line in process.stderr if "server.reload" in line)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    finally:
        process.kill()
    assert "server.reload_failed" in told
    assert "config.toml: there is no such file" in told


def test_a_port_in_use_is_told_in_one_line(here: Installation) -> None:
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))  # noqa: S104  (so that the server's own wildcard meets it)
        taken.listen()
        port = str(taken.getsockname()[1])
        environ = {"LINKPROXY__SERVER__PUBLIC_PORT": port}
        process = here.start("serve", environ=environ, stderr=subprocess.PIPE)
        _, told = process.communicate()
    assert process.returncode == 1
    assert port in told
    assert "Traceback" not in told


def test_it_says_where_it_can_be_reached_and_what_it_listens_on(here: Installation) -> None:
    environ = {"LINKPROXY__SERVER__PUBLIC_PORT": "0", "LINKPROXY__SERVER__PRIVATE_PORT": "0"}
    process = here.start("serve", environ=environ, stderr=subprocess.PIPE)
    try:
        assert process.stderr is not None
        said = next(line for line in process.stderr if "Tracked links at" in line)
    finally:
        process.kill()
        process.communicate()
    assert re.search(r"at http://127\.0\.0\.1:[1-9]\d*, listening on 0\.0\.0\.0; API", said)
