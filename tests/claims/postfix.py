"""A Postfix of a test's own: configuration, queue and mailboxes in one folder, no service of the system."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

_POSTCONF = shutil.which("postconf", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
_QUEUE = "active bounce corrupt defer deferred flush hold incoming maildrop pid private public saved trace"
_SERVICES = """\
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


def missing() -> str:
    """Return why no Postfix can be run here; "" when one can."""
    if _POSTCONF is None:
        return "Postfix is not installed"
    if os.geteuid():
        return "Postfix needs root"
    try:
        pwd.getpwnam("postfix")
    except KeyError:
        return "Postfix has no user"
    return ""


def _settings(folder: Path) -> dict[str, str]:
    own = pwd.getpwnam("postfix")
    return {
        "compatibility_level": "3.6",
        "queue_directory": f"{folder}/queue",
        "data_directory": f"{folder}/data",
        "maillog_file": f"{folder}/log",
        "maillog_file_prefixes": str(folder),
        "myhostname": "post.example",
        "mydestination": "",
        "inet_protocols": "ipv4",
        "alias_maps": "",
        "local_recipient_maps": "",
        "mynetworks": "127.0.0.0/8",
        "smtpd_peername_lookup": "no",
        "smtpd_error_sleep_time": "0",
        "disable_dns_lookups": "yes",
        "smtp_host_lookup": "native",
        "virtual_mailbox_base": f"{folder}/box",
        "virtual_uid_maps": f"static:{own.pw_uid}",
        "virtual_gid_maps": f"static:{own.pw_gid}",
        "virtual_minimum_uid": "1",
    }


@dataclass
class Postfix:
    """One that runs."""

    port: int
    folder: Path
    process: asyncio.subprocess.Process

    def mails(self, who: str) -> list[bytes]:
        """Return what a recipient's mailbox has."""
        return sorted(path.read_bytes() for path in (self.folder / "box" / who / "new").glob("*"))

    async def arrived(self, who: str, count: int = 1) -> list[bytes]:
        """Return what a recipient's mailbox has, once it is so many mails."""
        return await _once(lambda: len(found := self.mails(who)) >= count and found)

    async def logged(self, *words: str, times: int = 1) -> list[str]:
        """Return the log's lines that have all these words, once they are so many."""

        def lines() -> list[str] | bool:
            text = (self.folder / "log").read_text("utf-8", "replace")
            found = [line for line in text.splitlines() if all(word in line for word in words)]
            return len(found) >= times and found

        return await _once(lines)

    async def empty(self) -> None:
        """Return when nothing is queued."""
        queues = [self.folder / "queue" / name for name in ("incoming", "active", "deferred")]
        await _once(lambda: not any(path.is_file() for queue in queues for path in queue.rglob("*")))

    def kill_sessions(self) -> None:
        """Kill the processes that hold conversations, as a crash would; others take their place."""
        own = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for number in own:
            with suppress(OSError):
                if Path(f"/proc/{number}/comm").read_text().strip() == "smtpd":
                    os.kill(int(number), signal.SIGKILL)


async def _once(look: Callable[[], Any]) -> Any:
    """Return what is seen as soon as there is something: another program works meanwhile."""
    while not (found := look()):  # noqa: ASYNC110  (that program sets no event of ours)
        await asyncio.sleep(0.05)
    return found


def _master() -> Path:
    """Return the program that starts the others."""
    asked = subprocess.run([_POSTCONF, "-dh", "daemon_directory"], capture_output=True, text=True, check=True)
    return Path(asked.stdout.strip()) / "master"


def _write(settings: dict[str, str], port: int) -> Path:
    """Return a new folder with the configuration and the places that Postfix works in."""
    folder = Path(tempfile.mkdtemp(prefix="postfix-"))
    folder.chmod(0o755)
    values = _settings(folder) | settings
    (folder / "main.cf").write_text("".join(f"{name} = {value}\n" for name, value in values.items()))
    (folder / "master.cf").write_text(_SERVICES.format(port=port))
    (folder / "log").touch()
    for name in ("data", "box", *(f"queue/{part}" for part in _QUEUE.split())):
        (folder / name).mkdir(parents=True)
        if name != "queue/pid":
            shutil.chown(folder / name, "postfix")
    return folder


def free_port() -> int:
    """Return a port of this machine that nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


async def listening(process: asyncio.subprocess.Process, port: int) -> None:
    """Return when somebody listens at the port, or when the process that was to do so has ended."""
    while process.returncode is None:
        with suppress(OSError):
            (await asyncio.open_connection("127.0.0.1", port))[1].close()
            break
        await asyncio.sleep(0.05)


@asynccontextmanager
async def running(**settings: str) -> AsyncIterator[Postfix]:
    """Run a Postfix with these settings of main.cf beside the usual ones."""
    port = free_port()
    folder = _write(settings, port)
    process = await asyncio.create_subprocess_exec(_master(), "-c", folder, "-d", start_new_session=True)
    try:
        await listening(process, port)
        yield Postfix(port, folder, process)
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
        shutil.rmtree(folder, ignore_errors=True)
