"""The command's frame: one line for every fault, the right exit code, and a fast start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from linkproxy.cli import main as frame
from linkproxy.model import LinkproxyError

if TYPE_CHECKING:
    from tests.cli.conftest import Installation

ROOT = Path(__file__).parents[2]
FAULT = "this is a fault of linkproxy, please report it"


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> dict[str, BaseException]:
    """A command ``fail`` that raises what the test puts under "error"."""
    raises: dict[str, BaseException] = {}

    @click.command("fail")
    def fail() -> None:
        raise raises["error"]

    monkeypatch.setattr(frame, "COMMANDS", {"fail": "Fail."})
    monkeypatch.setattr(frame.Table, "get_command", lambda *_: fail)
    monkeypatch.delenv(frame.DEBUG, raising=False)
    return raises


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (LinkproxyError("no such thing"), 1, "linkproxy: no such thing\n"),
        (LinkproxyError("first\nsecond"), 1, "linkproxy: first\nlinkproxy: second\n"),
        (LinkproxyError("it has: \x1b]0;owned\x07"), 1, "linkproxy: it has: \ufffd]0;owned\ufffd\n"),
        (KeyboardInterrupt(), 130, "linkproxy: interrupted.\n"),
        (click.Abort(), 130, "linkproxy: interrupted.\n"),
        (
            OSError(28, "No space left on device", "out.html"),
            1,
            "linkproxy: out.html: the disk is full; make room and try again.\n",
        ),
        (
            OSError(28, "No space left on device"),
            1,
            "linkproxy: input or output: the disk is full; make room and try again.\n",
        ),
        (
            UnicodeEncodeError("utf-8", "\udcff", 0, 1, "surrogates not allowed"),
            1,
            "linkproxy: the command line has bytes that are not UTF-8; only names of files may have such.\n",
        ),
        (
            ValueError("a\nb"),
            1,
            f"linkproxy: {FAULT}: ValueError: a b (set LINKPROXY_DEBUG=1 for the full trace)\n",
        ),
    ],
)
def test_every_fault_is_one_line_and_an_exit_code(
    failing: dict[str, BaseException],
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    text: str,
) -> None:
    failing["error"] = error
    assert frame.run(["fail"]) == code
    output = capsys.readouterr()
    assert (output.out, output.err.lstrip("\n")) == ("", text)  # click ends the line that shows ^C


def test_the_full_trace_is_there_for_the_asking(
    failing: dict[str, BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(frame.DEBUG, "1")
    failing["error"] = ValueError("a")
    with pytest.raises(ValueError, match="a"):
        frame.run(["fail"])


def test_what_is_not_understood_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert frame.run(["no-such-command"]) == 2
    assert frame.run(["init", "--no-such-option"]) == 2
    assert frame.run([]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_help_and_version_end_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert frame.run(["--version"]) == 0
    assert frame.run(["--help"]) == 0
    assert frame.run(["init", "--help"]) == 0
    assert capsys.readouterr().out.startswith("linkproxy 0.")


def linkproxy(*arguments: str, folder: Path, stdout: int = subprocess.PIPE) -> tuple[int, str, str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "linkproxy", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
    )
    out, err = process.communicate()
    return process.returncode, out, err


def test_who_interrupts_while_the_program_is_read_sees_no_trace(tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("raise KeyboardInterrupt\n")
    done = subprocess.run(
        [sys.executable, "-m", "linkproxy", "--help"],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (130, "linkproxy: interrupted.\n")


@pytest.mark.parametrize("group", ["campaign", "store", "recipients", "link"])
def test_the_commands_of_a_group_are_told_in_whole_sentences(here: Installation, group: str) -> None:
    listed = here.ok(group, "--help").text.split("Commands:\n")[1]
    assert "..." not in listed
    first = here.ok(group, listed.split()[0], "--help").text.split("\n\n")[1]
    assert " ".join(first.split()).split(". ")[0].rstrip(".") in " ".join(listed.split())


def test_a_reader_that_leaves_early_sees_no_complaint(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    code, _, complaint = linkproxy("config", "show", folder=tmp_path, stdout=writing)
    os.close(writing)
    assert (code, complaint) == (1, "")


def test_a_command_that_needs_no_settings_starts_without_reading_them(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("not toml")
    code, out, _ = linkproxy("init", "--help", folder=tmp_path)
    assert code == 0
    assert "signing keys" in out


SLOW = {
    *("aiohttp", "asyncio", "jinja2", "linkproxy.model", "prometheus_client", "pydantic"),
    *("pydantic_settings", "rich", "structlog"),
}
"""Modules that take long to import."""


def imported(*arguments: str, folder: Path) -> set[str]:
    """Run a command that must succeed; return which of the slow modules it has imported."""
    code = (
        f"import sys; from linkproxy.cli.main import run; assert run({list(arguments)}) == 0; "
        "print(*sys.modules, file=sys.stderr)"
    )
    environ = {name: value for name, value in os.environ.items() if not name.startswith("LINKPROXY")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return SLOW & set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_the_list_of_commands_is_shown_without_importing_any_of_them(tmp_path: Path, option: str) -> None:
    assert imported(option, folder=tmp_path) == set()


def test_a_command_that_asks_the_store_imports_nothing_of_the_server(here: Installation) -> None:
    here.mail()
    needed = {"asyncio", "linkproxy.model", "pydantic"}
    for arguments in (("clicks",), ("report", "spring"), ("campaign", "list")):
        assert imported(*arguments, folder=here.folder) == needed
    assert imported("lint", "newsletter.html", folder=here.folder) == needed - {"asyncio"}


@pytest.mark.parametrize("stream", ["0<&-", ">&-", "2>&-"])
def test_a_command_whose_caller_has_closed_a_stream_does_its_work(here: Installation, stream: str) -> None:
    shell = f'"$0" -m linkproxy campaign add spring --html newsletter.html {stream}'
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["sh", "-c", shell, sys.executable],
        cwd=here.folder,
        env=environ,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "linkproxy:" not in done.stderr
    assert "spring" in here.ok("campaign", "list").text


def test_notes_that_cannot_be_told_make_no_failure(here: Installation) -> None:
    with Path("/dev/full").open("wb", buffering=0) as full:
        done = subprocess.run(
            [sys.executable, "-m", "linkproxy", "campaign", "add", "spring", "--html", "newsletter.html"],
            cwd=here.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=full,
            check=False,
        )
    assert done.returncode == 0
    assert done.stdout.startswith(b"Campaign spring: ")


def in_locale(
    here: Installation, environ: dict[str, str], *arguments: str, stdout: int = subprocess.PIPE
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "linkproxy", *arguments],
        cwd=here.folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
        stdout=stdout,
        stderr=subprocess.PIPE,
        check=False,
    )


def test_a_file_or_pipe_gets_utf_8_whatever_the_locale(here: Installation) -> None:
    here.ok("campaign", "add", "sun ☀")
    done = in_locale(here, {"PYTHONIOENCODING": "latin-1"}, "campaign", "list")
    assert (done.returncode, done.stderr) == (0, b"")
    assert "sun ☀" in done.stdout.decode()


def test_a_terminal_shows_a_question_mark_for_what_its_charset_lacks(here: Installation) -> None:
    here.ok("campaign", "add", "sun ☀")
    reading, writing = os.openpty()
    done = in_locale(here, {"PYTHONIOENCODING": "latin-1"}, "campaign", "list", stdout=writing)
    os.close(writing)
    shown = os.read(reading, 65536)
    os.close(reading)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"sun ?" in shown


def test_a_locale_in_which_a_package_cannot_be_read_is_told_with_what_to_set(here: Installation) -> None:
    done = in_locale(here, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, "settle")
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.startswith(b"linkproxy: a package's file cannot be read in ascii, ")
    assert b"Set PYTHONUTF8=1" in done.stderr


@pytest.mark.parametrize(("written", "meant"), [("clcks", "'clicks'"), ("rewrit", "'rewrite'")])
def test_a_command_that_is_nearly_right_is_told_what_was_meant(
    capsys: pytest.CaptureFixture[str], written: str, meant: str
) -> None:
    assert frame.run([written]) == 2
    told = capsys.readouterr().err
    assert f"No such command '{written}'" in told
    assert meant in told
