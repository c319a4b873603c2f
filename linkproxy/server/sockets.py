"""The listening sockets: bound here, or handed over by systemd; several processes may accept on one.

The sockets outlive whoever accepts on them, so that a connection that comes while a worker is
replaced waits in the kernel's queue instead of being refused or reset (docs/adr/0006).
"""

from __future__ import annotations

import errno
import os
import resource
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from linkproxy.model import LinkproxyError

if TYPE_CHECKING:
    from collections.abc import MutableMapping, Sequence

    from linkproxy.config import ServerSection

BACKLOG: Final = 4096
"""Connections that wait to be accepted; the kernel takes the lesser of this and net.core.somaxconn."""

FILES: Final = 65_536

_FIRST_FD: Final = 3  # SD_LISTEN_FDS_START, sd_listen_fds(3)
_PUBLIC, _PRIVATE = "public", "private"
_WILDCARDS: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  (names to show, not to bind)


@dataclass(frozen=True, slots=True)
class Sockets:
    """The sockets of both listeners; a name of a host may stand for several addresses."""

    public: tuple[socket.socket, ...]
    private: tuple[socket.socket, ...]

    def close(self) -> None:
        """Let go of them; who shares them keeps them open."""
        for item in (*self.public, *self.private):
            item.close()


NO_SOCKETS: Final = Sockets((), ())


def bind(section: ServerSection, given: Sockets) -> Sockets:
    """Return listening sockets, those that were handed over first; raise LinkproxyError."""
    public = given.public or _bound(section.public_host, section.public_port, _PUBLIC)
    try:
        private = given.private or _bound(section.private_host, section.private_port, _PRIVATE)
    except LinkproxyError:
        if not given.public:
            Sockets(public, ()).close()
        raise
    return Sockets(public, private)


def raise_file_limit() -> None:
    """Let this process and those it starts have as many connections as the system allows, within reason.

    A connection is a file. Beyond the soft limit, 1,024 in a shell, visitors are cut off without a word.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def inherited(environ: MutableMapping[str, str] = os.environ) -> Sockets:
    """Return what systemd has handed over (sd_listen_fds(3)), maybe nothing; raise LinkproxyError.

    Sockets are told apart by FileDescriptorName, ``public`` or ``private``; without names the first
    one is public and the second private. The variables are taken away, so that no child sees them.
    """
    pid, count = environ.pop("LISTEN_PID", ""), environ.pop("LISTEN_FDS", "")
    names = environ.pop("LISTEN_FDNAMES", "").split(":")
    if pid != str(os.getpid()) or not count.isdigit():
        return NO_SOCKETS
    found: dict[str, list[socket.socket]] = {_PUBLIC: [], _PRIVATE: []}
    for place in range(int(count)):
        item = _handed_over(_FIRST_FD + place)
        name = names[place] if place < len(names) and names[place] in found else _by_place(place)
        found[name].append(item)
    return Sockets(tuple(found[_PUBLIC]), tuple(found[_PRIVATE]))


def address_of(sockets: Sequence[socket.socket]) -> str:
    """Return where the first socket can be reached from this machine, as ``http://host:port``."""
    host, port = sockets[0].getsockname()[:2]
    name = _WILDCARDS.get(host, host)
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def _by_place(place: int) -> str:
    return _PRIVATE if place == 1 else _PUBLIC


def _handed_over(number: int) -> socket.socket:
    try:
        os.set_inheritable(number, False)
        item = socket.socket(fileno=number)
        listens = item.type == socket.SOCK_STREAM and item.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise LinkproxyError(f"LISTEN_FDS: file {number} is no socket: {error.strerror}.") from None
    if not listens or item.family not in {socket.AF_INET, socket.AF_INET6}:
        raise LinkproxyError(
            f"LISTEN_FDS: file {number} is no listening TCP socket. Use ListenStream=PORT in the socket unit."
        )
    item.setblocking(False)
    return item


def _bound(host: str, port: int, listener: str) -> tuple[socket.socket, ...]:
    """Return a socket for every address of a host, all at one port."""
    made: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, address in dict.fromkeys(found):
            item = socket.socket(family, kind, protocol)
            made.append(item)
            item.setblocking(False)
            item.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                item.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            item.bind((address[0], made[0].getsockname()[1] if len(made) > 1 else port, *address[2:]))
            item.listen(BACKLOG)
    except OSError as error:
        for item in made:
            item.close()
        where = f"[server] {listener}_host and {listener}_port: {host}:{port}"
        raise LinkproxyError(bind_fault(error, where)) from None
    return tuple(made)


def bind_fault(error: OSError, where: str) -> str:
    """Return why an address cannot be listened on; ``where`` names the settings and the address."""
    if error.errno == errno.EADDRINUSE:
        return f"{where} is in use by another program. Stop that one, or set another port."
    if error.errno == errno.EACCES:
        return f"{where} needs rights that this user does not have. Set a port from 1024 up."
    if error.errno == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror):
        return f"{where} is no address of this machine. Set one that is, or 127.0.0.1."
    return f"{where} cannot be listened on: {error.strerror or error}"
