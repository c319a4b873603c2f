"""``recipients sign``: a column of signed references, and what they are good for."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import pytest

from linkproxy.config import load
from linkproxy.server.wiring import keyring

if TYPE_CHECKING:
    from tests.cli.conftest import Installation


def column(out: bytes, name: str = "linkproxy", delimiter: str = ",") -> list[str]:
    reader = csv.DictReader(io.StringIO(out.decode("utf-8-sig"), newline=""), delimiter=delimiter)
    return [row[name] for row in reader]


def test_every_reference_is_signed_and_reads_back_as_verified(here: Installation) -> None:
    here.write("list.csv", "email,id\nada@brand.example,K-1\nben@brand.example,K-2\n")
    ran = here.ok("recipients", "sign", "list.csv")
    assert [keyring(load()).check_reference(text) for text in column(ran.out)] == [
        ("K-1", True),
        ("K-2", True),
    ]
    assert "2 references signed" in ran.err


def test_what_is_in_the_file_stays_byte_for_byte(here: Installation) -> None:
    given = b'\xef\xbb\xbfName;ID;Note\r\n"Ada; ""A""";K-1;"two\r\nlines"\r\nB\xe9n;K-2;latin-1\r\n'
    here.write("list.csv", given)
    here.ok("recipients", "sign", "list.csv", "--out", "signed.csv")
    signed = (here.folder / "signed.csv").read_bytes()
    ring = keyring(load())
    for reference in ("K-1", "K-2"):
        signed = signed.replace(f";{ring.sign_reference(reference)}".encode(), b"")
    assert signed.replace(b";linkproxy\r\n", b"\r\n") == given


def test_the_column_and_the_new_ones_name_can_be_chosen(here: Installation) -> None:
    here.write("list.csv", "Subscriber_ID\tname\n77\tAda\n")
    ran = here.ok(
        "recipients",
        "sign",
        "-",
        "--column",
        "subscriber_id",
        "--as",
        "lp",
        stdin=(here.folder / "list.csv").read_bytes(),
    )
    assert keyring(load()).check_reference(column(ran.out, "lp", "\t")[0]) == ("77", True)


def test_bad_lines_are_named_and_nothing_is_written(here: Installation) -> None:
    here.write("list.csv", 'id,name\nada@brand.example,Ada\nK-2,"open\nK-3,Ben\nK-4\n\nK-5,Eve\n')
    told = here.fails("recipients", "sign", "list.csv", "--out", "signed.csv")
    assert "line 2: reference 'ada@brand.example' cannot stand in a link" in told
    assert "line 3: not CSV: unexpected end of data" in told
    assert "line 5: 1 columns where the first line has 2" in told
    assert "line 4" not in told
    assert not (here.folder / "signed.csv").exists()


def test_bad_lines_can_be_left_out(here: Installation) -> None:
    here.write("list.csv", "id\nK-1\na b\nK-3")
    ran = here.run("recipients", "sign", "list.csv", "--on-error", "skip")
    assert ran.code == 1
    assert "line 3" in ran.err
    assert [text.split(".")[0] for text in column(ran.out)] == ["K-1", "K-3"]


def test_with_a_bad_line_nothing_goes_to_standard_output_either(here: Installation) -> None:
    here.write("list.csv", "id\nK-1\na b\n")
    assert here.run("recipients", "sign", "list.csv").out == b""


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "line 1: there is no header line"),
        (
            b"email\nada@brand.example\n",
            "no column id or reference or ref; name one with --column. It has: email",
        ),
        (b"id,linkproxy\n1,2\n", "there is a column 'linkproxy' already"),
        (b"\xff\xfei\0d\0", "is UTF-16; save it as CSV in UTF-8"),
        (b'"id\n1\n', "line 1: not CSV"),
        (
            b"id\rK-1\r",
            "line 1: not CSV: a line ends in CR alone; save the file with line ends of LF or CRLF",
        ),
    ],
)
def test_a_file_that_cannot_be_signed_says_why(here: Installation, content: bytes, words: str) -> None:
    here.write("list.csv", content)
    assert words in here.fails("recipients", "sign", "list.csv")


def test_a_missing_file_is_one_line(here: Installation) -> None:
    assert (
        here.fails("recipients", "sign", "none.csv")
        == "linkproxy: none.csv: there is no such file; check the name\n"
    )


def test_many_bad_lines_are_counted_and_not_all_shown(here: Installation) -> None:
    here.write("list.csv", "id\n" + "a b\n" * 1000)
    told = here.fails("recipients", "sign", "list.csv")
    assert "... and 980 more" in told
    assert "1,000 bad line(s)" in told


def test_the_file_itself_is_not_written_over(here: Installation) -> None:
    """With --on-error skip it would lose lines."""
    here.write("list.csv", "id\n1\na b\n")
    told = here.fails("recipients", "sign", "list.csv", "--out", "./list.csv", "--on-error", "skip")
    assert "list.csv would be overwritten by its result" in told
    assert (here.folder / "list.csv").read_text() == "id\n1\na b\n"
