"""What the SMTP relay costs: the same mail straight to a mail server, through the relay, and tracked.

The server behind takes mail at once and keeps nothing, so what is measured is the relay and its
store. Mailers, relay and server are processes of their own on one machine. A mailer sends one
message after the other over a connection of its own; the ways take turns.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import aiosmtplib
from aiosmtpd.smtp import SMTP

from bench import newsletters, report

if TYPE_CHECKING:
    from collections.abc import Iterator

BASE = "https://click.brand.example"
CAMPAIGN = b"X-LinkProxy-Campaign: bench\r\n"
BEHIND = "--behind"
MAILERS = 8


class Takes:
    """Takes every message and keeps none."""

    async def handle_DATA(self, _server: object, _session: object, _envelope: object) -> str:  # noqa: N802  (aiosmtpd's name)
        """Say yes."""
        return "250 2.0.0 taken"


async def behind() -> None:
    """Be the mail server behind; say on which port."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Takes(), loop=loop), "127.0.0.1", 0)
    print(f"at 127.0.0.1:{server.sockets[0].getsockname()[1]},", file=sys.stderr, flush=True)
    await server.serve_forever()


@contextmanager
def _process(*arguments: str) -> Iterator[int]:
    """Run a program that says on which port it is; give the port."""
    with subprocess.Popen([sys.executable, "-m", *arguments], stderr=subprocess.PIPE) as process:
        try:
            for line in process.stderr or ():
                if found := re.search(rb"at 127\.0\.0\.1:(\d+),", line):
                    yield int(found[1])
                    return
            raise SystemExit(f"{' '.join(arguments)} ended before it was up")
        finally:
            process.terminate()


def _installed(folder: Path, upstream_port: int) -> Path:
    """Make an installation with a campaign; return its configuration."""
    file = folder / "config.toml"
    subprocess.run(
        [sys.executable, "-m", "linkproxy", "init", "--folder", str(folder)],
        check=True,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    file.write_text(
        '[relay]\nport = 0\nprivate_port = 0\nupstream_host = "127.0.0.1"\nupstream_tls = "none"\n'
        f'upstream_port = {upstream_port}\n[server]\nbase_url = "{BASE}"\n[log]\nlevel = "warning"\n'
    )
    add = ["--config", str(file), "campaign", "add", "bench"]
    subprocess.run([sys.executable, "-m", "linkproxy", *add], check=True, stdout=subprocess.DEVNULL)
    return file


@dataclass
class Figures:
    """Messages a second and median milliseconds a message, by round."""

    rates: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)


async def _mailer(port: int, message: bytes, count: int, start: int) -> list[float]:
    waits = []
    async with aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False) as mailer:
        for number in range(start, start + count):
            begun = time.perf_counter()
            await mailer.sendmail("news@brand.example", [f"person{number}@example.com"], message)
            waits.append(time.perf_counter() - begun)
    return waits


async def _round(port: int, message: bytes, count: int, first: int, figures: Figures) -> None:
    """Send from all mailers at once, to people who had no mail yet."""
    each = count // MAILERS
    begun = time.perf_counter()
    parts = await asyncio.gather(
        *(_mailer(port, message, each, first + number * each) for number in range(MAILERS))
    )
    figures.rates.append(each * MAILERS / (time.perf_counter() - begun))
    figures.waits.append(median(wait for part in parts for wait in part) * 1000)


def measure(count: int, rounds: int) -> dict[str, Figures]:
    """Return figures by way."""
    plain = newsletters.message(newsletters.plain(), "quoted-printable").replace(b"\r\n", b"\n")
    plain = plain.replace(b"\n", b"\r\n")
    found = {"direct": Figures(), "relay, untracked": Figures(), "relay, tracked": Figures()}
    with tempfile.TemporaryDirectory() as name, _process("bench.relay", BEHIND) as direct:
        config = _installed(Path(name), direct)
        with _process("linkproxy", "--config", str(config), "relay") as relayed:
            ports = (direct, relayed, relayed)
            mails = (plain, plain, CAMPAIGN + plain)
            for turn in range(rounds):
                for port, mail, figures in zip(ports, mails, found.values(), strict=True):
                    asyncio.run(_round(port, mail, count, turn * count, figures))
    return found


def main() -> None:
    """Measure, print, and write the figures."""
    if sys.argv[1:] == [BEHIND]:
        asyncio.run(behind())
        return
    chosen = report.options("relay", "Messages through the SMTP relay, beside the way without it.")
    count, rounds = (160, 3) if chosen.quick else (400, 7)
    found = measure(count, rounds)
    direct = found["direct"].rates
    rows = {
        way: {
            "messages_per_second": median(figures.rates),
            "milliseconds": median(figures.waits),
            "share_of_direct": report.paired_ratio(figures.rates, direct),
        }
        for way, figures in found.items()
    }
    title = f"17.5 kB with 40 links, {MAILERS} mailers, {os.cpu_count()} cores, SQLite synchronous=full"
    heads = ["way", "messages/s", "ms each", "of direct"]
    report.table(title, heads, [[way, *row.values()] for way, row in rows.items()])
    report.finish("relay", rows, chosen.json)


if __name__ == "__main__":
    main()
