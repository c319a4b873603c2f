"""A run that was stopped goes on where it was, and its results are those of one that was not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from linkproxy.cli.mailing import Copy
from linkproxy.cli.resume import Run
from linkproxy.cli.sinks import Files, Mbox
from linkproxy.cli.spots import MESSAGE, Spot
from linkproxy.model import LinkproxyError

if TYPE_CHECKING:
    from tests.cli.conftest import Installation

PEOPLE = 1000
MESSAGES = 200
ROOT = Path(__file__).parents[2]


@pytest.fixture
def spring(here: Installation) -> Installation:
    here.ok("campaign", "add", "spring", "--html", "newsletter.html", "--quiet")
    here.write("list.csv", "email\n" + "".join(f"r{number}@example.com\n" for number in range(PEOPLE)))
    lines = ["From: us@brand.example", "To: {}", "", "https://www.brand.example/account?u={}", ""]
    message = "\n".join(lines)
    envelope = "From us@brand.example Fri May  1 09:30:00 2026\n"
    people = [f"r{number}@example.com" for number in range(MESSAGES)]
    here.write("outbox.mbox", "".join(f"{envelope}{message.format(who, who)}\n" for who in people))
    return here


def tree(folder: Path) -> dict[str, bytes]:
    if folder.is_file():
        return {"": folder.read_bytes()}
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


KILLED = """
import os, signal, sys
left = int(sys.argv.pop(1))
def end(event, _arguments):
    global left
    left -= event == "os.rename"
    if event == "os.rename" and not left:
        os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(end)
from linkproxy.cli.main import main
main()
"""


def killed(here: Installation, renames: int, *arguments: str) -> None:
    """Run a command that is killed, as no program can foresee, before its so-manieth file takes its place."""
    process = subprocess.run(
        [sys.executable, "-c", KILLED, str(renames), *arguments],
        cwd=here.folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.DEVNULL,
        check=False,
    )
    assert process.returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    ("options", "out", "renames", "total"),
    [
        (["newsletter.html", "--recipients", "list.csv"], "ready", 700, PEOPLE),
        (["outbox.mbox", "--recipient-header", "To"], "ready.mbox", 3, MESSAGES),  # of its notes
    ],
)
def test_a_run_that_was_killed_goes_on_and_ends_as_one_that_was_not(
    spring: Installation, options: list[str], out: str, renames: int, total: int
) -> None:
    command = ["rewrite", *options, "--campaign", "spring", "--out"]
    killed(spring, renames, *command, out)
    assert not (spring.folder / "ready.mbox").exists()
    ran = spring.ok(*command, out)
    assert "Going on behind " in ran.err
    assert f"{total:,} mails written to {out}." in ran.err
    assert not list(spring.folder.rglob("*linkproxy-rewrite.json"))
    spring.ok(*command, f"whole-{out}")
    assert tree(spring.folder / out).keys() == tree(spring.folder / f"whole-{out}").keys()
    assert tree(spring.folder / out) == tree(spring.folder / f"whole-{out}")


def test_another_input_is_not_mixed_with_the_results_of_a_run_that_was_stopped(spring: Installation) -> None:
    command = ["rewrite", "newsletter.html", "--campaign", "spring", "--recipients", "list.csv"]
    killed(spring, 200, *command, "--out", "ready")
    there = tree(spring.folder / "ready")
    for name, content in (
        ("newsletter.html", b"<a href='https://x.example/'>x</a>"),
        ("list.csv", b"id\n1\n2\n"),
    ):
        before = (spring.folder / name).read_bytes()
        spring.write(name, content)
        assert "another run's results" in spring.fails(*command, "--out", "ready")
        spring.write(name, before)
    assert "another run's results" in spring.fails(*command, "--charset", "latin-1", "--out", "ready")
    assert tree(spring.folder / "ready") == there
    spring.ok(*command, "--out", "ready")


def test_two_runs_are_never_at_one_folder(spring: Installation) -> None:
    command = ["rewrite", "newsletter.html", "--campaign", "spring", "--recipients", "list.csv"]
    killed(spring, 200, *command, "--out", "ready")
    first = Files([], own=spring.folder / "ready")
    for another in (command, [*command, "--charset", "latin-1"]):
        told = spring.fails(*another, "--out", "ready")
        assert "ready: another run is writing it; wait for that one" in told
    first.close()
    spring.ok(*command, "--out", "ready")
    assert len(tree(spring.folder / "ready")) == PEOPLE + 1


def test_two_runs_are_never_at_one_folder_that_neither_has_found_there(spring: Installation) -> None:
    command = ["rewrite", "newsletter.html", "--campaign", "spring", "--recipients", "list.csv"]
    first = Files([], own=spring.folder / "new" / "ready")
    assert "another run is writing it" in spring.fails(*command, "--out", "new/ready")
    first.close()
    spring.ok(*command, "--out", "new/ready")
    assert len(tree(spring.folder / "new" / "ready")) == PEOPLE + 1


def test_a_result_that_has_gone_meanwhile_is_written_again(spring: Installation) -> None:
    command = ["rewrite", "newsletter.html", "--campaign", "spring", "--recipients", "list.csv"]
    killed(spring, 200, *command, "--out", "ready")
    (spring.folder / "ready" / "r7@example.com.html").unlink()
    spring.ok(*command, "--out", "ready")
    assert (spring.folder / "ready" / "r7@example.com.html").exists()
    assert len(tree(spring.folder / "ready")) == PEOPLE + 1


def test_a_note_that_cannot_be_read_is_another_runs(tmp_path: Path) -> None:
    note = tmp_path / "note"
    note.write_text('{"run": "a", "do')
    with pytest.raises(LinkproxyError, match="another run's results"):
        Run(note, "a")
    note.unlink()
    sink = Mbox(tmp_path / "ready.mbox")
    first = Run(note, "a")
    sink.write(Spot(tmp_path, MESSAGE), Copy(None, None), b"Subject: x\n\nx\n")
    first.add(sink)
    first.save(sink)
    again = Run(note, "a")
    assert (again.done, again.size) == (1, sink.size)
    sink.close()
    again.end()
    assert not note.exists()


def test_a_run_that_was_killed_before_its_mbox_took_its_place_is_done_again(spring: Installation) -> None:
    command = ["rewrite", "outbox.mbox", "--recipient-header", "To", "--campaign", "spring", "--out"]
    killed(spring, 5, *command, "ready.mbox")  # four notes come first
    assert not (spring.folder / "ready.mbox").exists()
    spring.ok(*command, "ready.mbox")
    spring.ok(*command, "whole.mbox")
    assert (spring.folder / "ready.mbox").read_bytes() == (spring.folder / "whole.mbox").read_bytes()


@pytest.mark.parametrize(("name", "synced"), [("ready.mbox", 1), ("ready", 64)])
def test_what_is_noted_as_written_is_on_the_disk_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, synced: int
) -> None:
    on_disk: list[tuple[str, int]] = []
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        on_disk.append((path.suffixes[0], path.stat().st_size))
        fsync(descriptor)

    results = tmp_path / name
    sink = Mbox(results) if results.suffix else Files([results])
    run, mail = Run(tmp_path / "note", "a"), b"Subject: x\n"
    monkeypatch.setattr(os, "fsync", noted)
    for number in range(64):
        sink.write(Spot(tmp_path, MESSAGE), Copy(None, results / f"{number}.mbox"), mail)
        run.add(sink)
    sink.close()
    assert [suffix for suffix, _ in on_disk] == [".mbox"] * synced + [".part"]
    assert {size for _, size in on_disk[:-1]} == {sink.size or len(mail)}
    assert run.size == sink.size
