"""What was acknowledged is in the file, however the process ends."""

from __future__ import annotations

import asyncio
import random
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from store.world import settled

import linkproxy
from linkproxy.model import VerdictKind

ROOT = Path(linkproxy.__file__).parents[1]
KILLS = 10

WRITER = """
import asyncio, os, sys
sys.path.insert(0, "tests")
from pathlib import Path
from store.world import Mail, judge, send, settled
from linkproxy.store.privacy import Privacy
from linkproxy.store.sqlite import SqliteStore

async def write(mail, name):
    for number in range(100_000):
        judged = await mail.visited(*(mail.visit(number, who=mail.recipients[number % 2]) for _ in range(5)))
        os.write(1, ("".join(f"visit {item.visit_id}\\n" for item in judged)).encode())
        if number % 7 == 0:
            done = await mail.settle()
            os.write(1, ("".join(f"click {click.visit_id}\\n" for click in (done.clicks if done else ()))).encode())

async def main():
    store = SqliteStore(Path(sys.argv[1]), privacy=Privacy("full", "full", bytes(32)))
    await store.open()
    mail = await send(store, sys.argv[2])
    await asyncio.gather(*(write(mail, name) for name in "abc"))

asyncio.run(main())
"""


def acknowledged(path: Path, round_: int, lines: int) -> set[tuple[str, int]]:
    """Let a process write until it has acknowledged some lines, kill it, and return what it said."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), f"round {round_}"], cwd=ROOT, stdout=subprocess.PIPE
    )
    said = [process.stdout.readline() for _ in range(lines)]
    process.send_signal(signal.SIGKILL)
    rest = process.stdout.read()
    process.wait()
    process.stdout.close()
    whole = b"".join(said) + rest[: rest.rfind(b"\n") + 1]
    return {(kind.decode(), int(number)) for kind, number in (line.split() for line in whole.splitlines())}


def test_a_killed_writer_has_lost_nothing_that_it_acknowledged(tmp_path):
    path = tmp_path / "linkproxy.db"
    chance = random.Random(2)  # noqa: S311  (repeatable on purpose)
    said: set[tuple[str, int]] = set()
    for round_ in range(KILLS):
        said |= acknowledged(path, round_, chance.randint(1, 400))
        with closing(sqlite3.connect(path)) as db:
            kept = {("visit", row[0]) for row in db.execute("SELECT id FROM visit")}
            kept |= {("click", row[0]) for row in db.execute("SELECT visit_id FROM click")}
            half = db.execute(
                "SELECT count(*) FROM visit v WHERE (v.settled_at IS NULL) <> EXISTS "
                "(SELECT 1 FROM open_visit o WHERE o.visit_id = v.id AND o.recipient_id = v.recipient_id "
                "UNION SELECT 1 FROM meta WHERE name = 'indexed' AND value < v.id)"
            ).fetchone()
            (health,) = db.execute("PRAGMA integrity_check").fetchone()
        assert said <= kept
        assert half == (0,)
        assert health == "ok"
    assert len(said) > 500
    assert {kind for kind, _ in said} == {"visit", "click"}


async def test_a_kill_between_journal_and_settling_is_made_good_by_the_next_pass(
    open_store, tmp_path, privacy
):
    """The process dies inside the settling transaction; the message is still due afterwards."""
    script = (
        WRITER.split("async def write", maxsplit=1)[0]
        + """
async def main():
    store = SqliteStore(Path(sys.argv[1]), privacy=Privacy("full", "full", b"a key of thirty-two bytes, or so."))
    await store.open()
    mail = await send(store)
    await mail.visited(mail.visit())
    await mail.settle(lambda history: os._exit(7))

asyncio.run(main())
"""
    )
    path = tmp_path / "linkproxy.db"
    dying = await asyncio.create_subprocess_exec(sys.executable, "-c", script, str(path), cwd=ROOT)
    assert await dying.wait() == 7
    store = await open_store()
    (message,) = await store.list_due(last_before=1e12, first_before=0.0, limit=9)
    settlement = await store.settle(
        message.campaign_id, message.recipient_id, settled(VerdictKind.HUMAN), reach_seconds=60.0
    )
    assert len(settlement.clicks) == 1
