"""Autonomous systems from network databases that the operator supplies (MaxMind DB files).

A file is read into memory as a whole: one that is overwritten in place would take a server down
that had it mapped. What was loaded stays in force until a changed file has been read and is sound.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import maxminddb

from linkproxy.logs import Event, get_logger
from linkproxy.model import LinkproxyError
from linkproxy.server.loop import Loop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from linkproxy.telemetry import Metrics

MOST_REMEMBERED = 20_000
"""Addresses whose system is remembered; a look-up in the file itself takes tens of microseconds."""

BLANK_LOOKUPS = 500
"""After so many look-ups without one result, something is wrong with the files or the addresses."""

RELOAD_SECONDS = 60.0

_NUMBERS = ("autonomous_system_number", "asn")
_NAMES = ("autonomous_system_organization", "as_name", "name")
_ADVICE = (
    "Give it an ASN database in MaxMind's format (GeoLite2-ASN, DB-IP ASN Lite, IPinfo Lite), "
    "or take it out of the list."
)

Stamp = tuple[int, int, int]
"""What changes with a file: inode, size, time of change in nanoseconds."""


@dataclass(frozen=True, slots=True)
class System:
    """An autonomous system as a file describes it."""

    number: int
    organisation: str = ""
    file: str = ""


@dataclass(frozen=True, slots=True)
class _Loaded:
    path: Path
    stamp: Stamp
    reader: maxminddb.Reader


class SystemFiles:
    """Which system an address belongs to, by the first file that knows it."""

    def __init__(self, paths: Sequence[str], metrics: Metrics | None = None) -> None:
        self._paths = [Path(path) for path in paths]
        self._metrics = metrics
        self._loaded: tuple[_Loaded, ...] = ()
        self._faulty: dict[Path, Stamp] = {}
        self._use(())

    def load(self) -> None:
        """Read all files; raise LinkproxyError that names every one that cannot be used."""
        loaded, faults = [], []
        for path in self._paths:
            try:
                loaded.append(_load(path))
            except LinkproxyError as error:
                faults.append(str(error))
        if faults:
            raise LinkproxyError("\n".join(faults))
        self._use(tuple(loaded))

    def refresh(self) -> None:
        """Read files again that have changed; one that cannot be used is logged, and the old one holds."""
        loaded = tuple(self._refreshed(item) for item in self._loaded)
        if any(new is not old for new, old in zip(loaded, self._loaded, strict=True)):
            self._use(loaded)

    def _refreshed(self, item: _Loaded) -> _Loaded:
        stamp = _stamp(item.path)
        if stamp == item.stamp or self._faulty.get(item.path) == stamp:
            return item
        try:
            fresh = _load(item.path)
        except LinkproxyError as error:
            self._faulty[item.path] = stamp
            self._count_reload("failed")
            get_logger().warning(Event.ASN_FAILED, path=str(item.path), error=str(error))
            return item
        self._faulty.pop(item.path, None)
        self._count_reload("loaded")
        get_logger().info(Event.ASN_LOADED, path=str(item.path))
        return fresh

    def _use(self, loaded: tuple[_Loaded, ...]) -> None:
        # Not closed: the writer's thread may be in the middle of a look-up in what goes.
        self._loaded = loaded
        self._blank = 0
        self._resolved = False
        readers = [item.reader for item in loaded]
        self._remembered: Callable[[str], int] = lru_cache(MOST_REMEMBERED)(
            lambda client: next(
                (found for reader in readers if (found := _number(_record(reader, client)))), 0
            )
        )

    def asn(self, client: str) -> int:
        """Return the number of an address's system, 0 when it is not known. Never raises."""
        if not self._loaded or not client:
            return 0
        found = self._remembered(client)
        if self._metrics is not None:
            self._metrics.asn_lookups.labels(outcome="found" if found else "none").inc()
        if not self._resolved:
            self._watch(found)
        return found

    def find(self, client: str) -> System | None:
        """Return the system of an address with its name and the file that knows it."""
        for item in self._loaded:
            record = _record(item.reader, client)
            if number := _number(record):
                name = next((str(record[key]) for key in _NAMES if record.get(key)), "")
                return System(number, name, str(item.path))
        return None

    def _watch(self, found: int) -> None:
        self._resolved = bool(found)
        self._blank += 1
        if not found and self._blank == BLANK_LOOKUPS:
            get_logger().warning(Event.ASN_BLANK, lookups=BLANK_LOOKUPS)

    def _count_reload(self, outcome: str) -> None:
        if self._metrics is not None:
            self._metrics.asn_reloads.labels(outcome=outcome).inc()


class SystemReloader(Loop):
    """Looks for changed files every minute, off the click path, until it is stopped."""

    def __init__(
        self, systems: SystemFiles, wait: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        super().__init__(RELOAD_SECONDS, wait, at_once=False)
        self._systems = systems

    async def once(self) -> None:
        await asyncio.to_thread(self._systems.refresh)


def _load(path: Path) -> _Loaded:
    try:
        stamp = _stamp(path)
        with path.open("rb") as file:
            reader = maxminddb.open_database(file, maxminddb.MODE_FD)
    except FileNotFoundError:
        raise LinkproxyError(f"[networks] asn_files: there is no file {path}. {_ADVICE}") from None
    except OSError as error:
        raise LinkproxyError(f"[networks] asn_files: {path} cannot be read: {error.strerror}.") from None
    except Exception as error:  # noqa: BLE001  (a broken file raises whatever its first wrong byte leads to)
        reason = (str(error).splitlines() or [type(error).__name__])[0].removesuffix(".")
        raise LinkproxyError(f"[networks] asn_files: {path} is not sound: {reason}. {_ADVICE}") from None
    return _Loaded(path, stamp, reader)


def _stamp(path: Path) -> Stamp:
    """Return what changes with a file; zeros for one that is gone, which is a change too."""
    try:
        found = path.stat()
    except OSError:
        return (0, 0, 0)
    return (found.st_ino, found.st_size, found.st_mtime_ns)


def _record(reader: maxminddb.Reader, client: str) -> Mapping[str, Any]:
    """Return what a file says of an address; nothing for what is none, or where the file is broken."""
    try:
        found = reader.get(client)
    except Exception:  # noqa: BLE001  (a database with a broken spot is no evidence, and stops nobody)
        return {}
    return found if isinstance(found, dict) else {}


def _number(record: Mapping[str, Any]) -> int:
    """Return a system's number: an integer with MaxMind and DB-IP, a text "AS15169" with IPinfo."""
    for key in _NUMBERS:
        value = record.get(key)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        digits = value.upper().removeprefix("AS") if isinstance(value, str) else ""
        if digits.isascii() and digits.isdigit():
            return int(digits)
    return 0
