"""Mboxes and maildirs: what goes in comes out, but for the links of its messages."""

from __future__ import annotations

import mailbox
import os
import re
import sqlite3
from contextlib import closing
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkproxy.cli.mbox import enclosed, pieces_of
from linkproxy.cli.sinks import Mbox
from linkproxy.model import LinkproxyError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Installation

LINK = "https://www.brand.example/account?u="
_TRACKED = re.compile(rb"http://localhost:8080/[A-Za-z0-9_-]{24}/[A-Za-z0-9]{4}")


def letter(who: str, eol: str = "\n") -> str:
    lines = ["From: Brand <us@brand.example>", f'To: "A, reader" <{who}>', "Subject: Yours", ""]
    lines += ["Hello,", ">From the team: see", f"{LINK}{who}", "", "From now on, weekly.", "Bye", ""]
    return eol.join(lines)


def outbox(*people: str, eol: str = "\n") -> str:
    envelope = f"From us@brand.example Fri May  1 09:30:0{len(people)} 2026{eol}"
    return "".join(f"{envelope}{letter(who, eol).replace('From now', '>From now')}{eol}" for who in people)


@pytest.fixture
def spring(here: Installation) -> Installation:
    here.ok("campaign", "add", "spring", "--html", "newsletter.html", "--quiet")
    return here


def rewrite(here: Installation, source: str, *options: str) -> bytes:
    return here.ok("rewrite", source, "--campaign", "spring", "--quiet", *options).out


@pytest.mark.parametrize("eol", ["\n", "\r\n"])
def test_an_mbox_comes_out_as_it_was_but_for_the_links_of_each_messages_own_recipient(
    spring: Installation, eol: str
) -> None:
    people = ("anna@example.com", "ben@other.example", "cleo@example.com")
    given_ = outbox(*people, eol=eol).encode()
    spring.write("outbox.mbox", given_)
    rewrite(spring, "outbox.mbox", "--recipient-header", "To", "--out", "ready.mbox")
    ready = (spring.folder / "ready.mbox").read_bytes()
    targets = iter(f"{LINK}{who}".encode() for who in people)
    assert _TRACKED.sub(lambda _: next(targets), ready) == given_
    tokens = {path.split("/")[1] for path in spring.paths(ready)}
    assert len(tokens) == 3
    box = mailbox.mbox(spring.folder / "ready.mbox", create=False)
    assert [message["To"] for message in box] == [f'"A, reader" <{who}>' for who in people]
    box.close()


def test_an_mbox_goes_to_standard_output_as_one(spring: Installation) -> None:
    spring.write("outbox.mbox", outbox("anna@example.com", "ben@example.com"))
    rewrite(spring, "outbox.mbox", "--recipient-header", "to", "--out", "ready.mbox")
    piped = rewrite(spring, "outbox.mbox", "--recipient-header", "to")
    assert piped == (spring.folder / "ready.mbox").read_bytes()


def test_an_mbox_is_known_by_its_first_line_too(spring: Installation) -> None:
    spring.write("outbox", outbox("anna@example.com", "ben@example.com"))
    assert rewrite(spring, "outbox", "--merge-tag", "{{id}}").count(b"/{{id}}\n") == 2


def test_a_message_for_many_can_be_written_into_one_mbox(spring: Installation) -> None:
    spring.write("letter.eml", letter("list@brand.example"))
    spring.write("list.csv", "email\nanna@example.com\nben@example.com\n")
    rewrite(spring, "letter.eml", "--recipients", "list.csv", "--out", "ready.mbox")
    box = mailbox.mbox(spring.folder / "ready.mbox", create=False)
    bodies = [message.get_payload() for message in box]
    box.close()
    assert len(bodies) == 2
    assert bodies[0] != bodies[1]
    assert all("\n>>From the team" in body for body in bodies)
    assert all("\n>From now on" in body for body in bodies)
    index = (spring.folder / "ready.mbox.csv").read_text().splitlines()
    assert [line.split(",")[:2] for line in index[1:]] == [
        ["anna@example.com", "ready.mbox"],
        ["ben@example.com", "ready.mbox"],
    ]


def test_a_maildir_comes_out_as_one_with_the_same_names(spring: Installation) -> None:
    for name in ("cur", "new", "tmp"):
        (spring.folder / "box" / name).mkdir(parents=True)
    spring.write("box/cur/1.a.host:2,S", letter("anna@example.com"))
    spring.write("box/new/2.b.host", letter("ben@example.com"))
    rewrite(spring, "box", "--recipient-header", "To", "--out", "ready")
    found = {
        str(path.relative_to(spring.folder / "ready"))
        for path in (spring.folder / "ready").rglob("*")
        if path.is_file()
    }
    assert found == {"cur/1.a.host:2,S", "new/2.b.host"}
    box = mailbox.Maildir(spring.folder / "ready", create=False)
    assert sorted(message["To"] for message in box) == [
        '"A, reader" <anna@example.com>',
        '"A, reader" <ben@example.com>',
    ]
    alone = rewrite(spring, "box/new/2.b.host", "--recipient", "ben@example.com")
    assert (spring.folder / "ready/new/2.b.host").read_bytes() == alone


def test_every_message_that_names_no_one_recipient_is_told_before_anything_is_written(
    spring: Installation,
) -> None:
    two = letter("anna@example.com").replace("<anna@example.com>", "<anna@example.com>, ben@example.com")
    none = letter("x").replace("To:", "X-To:")
    good = letter("cleo@example.com")
    spring.write("outbox.mbox", "".join(enclosed(text.encode()).decode() for text in (two, none, good)))
    options = ("rewrite", "outbox.mbox", "--campaign", "spring", "--recipient-header", "To")
    told = spring.fails(*options, "--out", "ready.mbox")
    assert "outbox.mbox: message 1: its To names 2 addresses" in told
    assert "outbox.mbox: message 2: its To names nobody" in told
    assert "message 3: its  names nobody" in spring.fails(*options[:-1], "")
    assert not (spring.folder / "ready.mbox").exists()
    told = spring.fails(*options, "--out", "ready.mbox", "--on-error", "skip")
    assert "2 were skipped" in told
    assert len(list(pieces_of(spring.folder / "ready.mbox"))) == 1


def test_a_mailbox_and_a_list_of_recipients_do_not_go_together(spring: Installation) -> None:
    spring.write("outbox.mbox", outbox("anna@example.com"))
    spring.write("list.csv", "email\nanna@example.com\n")
    told = spring.fails(
        "rewrite", "outbox.mbox", "--campaign", "spring", "--recipients", "list.csv", "--out", "r.mbox"
    )
    assert "--recipient-header To" in told


def test_html_does_not_go_into_an_mbox(spring: Installation) -> None:
    told = spring.fails(
        "rewrite", "newsletter.html", "--campaign", "spring", "--recipient", "a@b.example", "--out", "r.mbox"
    )
    assert "newsletter.html: an mbox holds whole messages, and this is HTML" in told


def test_a_pipe_or_device_is_not_replaced_by_an_mbox(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(LinkproxyError, match="is a device or a pipe"):
        Mbox(tmp_path / "pipe")
    assert [item.is_fifo() for item in tmp_path.iterdir()] == [True]


def test_what_is_no_mbox_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.mbox"
    path.write_bytes(b"Subject: x\n\nbody\n")
    with pytest.raises(LinkproxyError, match="is no mbox"):
        list(pieces_of(path))


LINES = st.sampled_from(
    [b"", b"x", b">From y", b"From now on", b"From a@b.example Fri May  1 09:30:00 2026", b"To: x", b"\xff"]
)


@settings(max_examples=200)
@given(st.lists(LINES, max_size=12), st.sampled_from([b"\n", b"\r\n"]), st.sampled_from([0, 1]))
def test_the_pieces_of_an_mbox_are_all_of_it(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], eol: bytes, ends: int
) -> None:
    data = eol.join([b"From me", *lines]) + eol * ends
    path = tmp_path_factory.mktemp("mbox") / "x"
    path.write_bytes(data)
    pieces = list(pieces_of(path))
    edges = [edge for piece in pieces for edge in (piece.envelope, piece.start, piece.end, piece.after)]
    assert edges == sorted(edges)
    assert edges[0] == 0
    assert edges[-1] == len(data)
    assert all(one.after == other.envelope for one, other in pairwise(pieces))
    assert all(data[piece.end : piece.after] in {b"", eol} for piece in pieces)


@given(st.lists(LINES, min_size=1, max_size=8))
def test_a_message_in_an_mbox_is_one_message_that_reads_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]
) -> None:
    message = b"Subject: x\n\n" + b"\n".join(lines) + b"\n"
    path = tmp_path_factory.mktemp("mbox") / "x"
    path.write_bytes(enclosed(message) * 2)
    data = path.read_bytes()
    first, second = list(pieces_of(path))
    held = data[first.start : first.end]
    assert held == data[second.start : second.end]
    assert re.sub(rb"^>(>*From )", rb"\1", held, flags=re.MULTILINE) == message


def test_an_mbox_that_is_not_there_or_comes_by_standard_input_is_told(spring: Installation) -> None:
    options = ("--campaign", "spring", "--recipient-header", "To")
    assert "gone.mbox: there is no such file; check the name" in spring.fails(
        "rewrite", "gone.mbox", *options
    )
    told = spring.fails("rewrite", "-", *options, stdin=outbox("anna@example.com").encode())
    assert "standard input is an mbox" in told
    spring.write("empty.mbox", b"")
    assert "empty.mbox: no message in it" in spring.fails("rewrite", "empty.mbox", *options)


def test_a_recipient_beyond_ascii_is_who_the_message_names(spring: Installation) -> None:
    (spring.folder / "outbox.mbox").write_text(outbox("jörg@example.com"), "utf-8")
    rewrite(spring, "outbox.mbox", "--recipient-header", "To", "--out", "ready.mbox")
    with closing(sqlite3.connect(spring.folder / "linkproxy.db")) as db:
        assert db.execute("SELECT address FROM recipient").fetchall() == [("jörg@example.com",)]


def test_two_runs_do_not_write_one_mbox_at_a_time(tmp_path: Path) -> None:
    first = Mbox(tmp_path / "ready.mbox")
    with pytest.raises(LinkproxyError, match="another run is writing it"):
        Mbox(tmp_path / "ready.mbox")
    first.close()
    Mbox(tmp_path / "ready.mbox").close()


def test_an_mbox_with_a_monstrous_line_is_read_in_time(tmp_path: Path) -> None:
    path = tmp_path / "outbox.mbox"
    path.write_bytes(b"From a Thu Jan  1 00:00:00 1970\n\nx\n\nFrom " + b"1:11" * 200_000 + b"\n")
    assert len(list(pieces_of(path))) == 1
