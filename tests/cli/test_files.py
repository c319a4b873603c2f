import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkproxy.campaign.charsets import declared
from linkproxy.cli.files import FileNames, mail_fault, read_mail, whole_file, write_whole
from linkproxy.model import LinkproxyError


@given(st.lists(st.text(min_size=1, max_size=200), unique=True, max_size=30))
def test_recipients_never_share_a_file_whatever_they_are_called(people: list[str]) -> None:
    names = FileNames()
    given_names = [names.take(who) for who in people]
    assert len({name.casefold() for name in given_names}) == len(people)
    for name in given_names:
        assert Path(name).name == name
        assert len(name.encode()) < 200
        assert not name.startswith((".", "-"))


def test_an_ordinary_address_is_its_file_name() -> None:
    assert FileNames().take("anna+news@example.com") == "anna+news@example.com.html"


def test_addresses_that_differ_in_case_alone_get_files_that_do_not() -> None:
    names = FileNames()
    assert names.take("Anna@example.com").casefold() != names.take("anna@example.com").casefold()


def test_a_path_in_an_address_stays_inside_the_folder() -> None:
    name = FileNames().take("../../etc/passwd@example.com")
    assert "/" not in name
    assert not name.startswith(".")


def test_a_write_that_fails_midway_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "mail.html"
    path.write_bytes(b"old")

    def fail_midway() -> None:
        with whole_file(path) as file:
            file.write(b"half of the new")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_midway()
    assert path.read_bytes() == b"old"
    assert [item.name for item in tmp_path.iterdir()] == ["mail.html"]


def test_a_file_that_stands_where_a_folder_must_be_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_bytes(b"")
    for inside in ("list.csv/mail.html", "list.csv/mails/mail.html"):
        with pytest.raises(LinkproxyError, match="a part of the path is no folder; check the name"):
            write_whole(tmp_path / inside, b"new")


def test_a_secret_file_is_readable_by_its_owner_alone_from_the_start(tmp_path: Path) -> None:
    path = tmp_path / "keys.txt"
    with whole_file(path, mode=0o600, durable=True) as file:
        begun = next(tmp_path.iterdir())
        assert begun.stat().st_mode & 0o777 == 0o600
        file.write(b"secret")
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_pipe_or_device_is_written_to_and_stays_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    write_whole(path, b"a mail", durable=True)
    assert os.read(reader, 100) == b"a mail"
    os.close(reader)
    assert path.is_fifo()
    assert [item.name for item in tmp_path.iterdir()] == ["pipe"]


def test_a_file_is_written_where_a_link_leads_and_the_link_stays(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    link = tmp_path / "link"
    link.symlink_to("data/file")
    for content in (b"new", b"newer"):
        write_whole(link, content)
        assert link.is_symlink()
        assert (tmp_path / "data" / "file").read_bytes() == content


def test_folders_on_the_way_are_made(tmp_path: Path) -> None:
    write_whole(tmp_path / "a" / "b" / "mail.html", b"x")
    assert (tmp_path / "a" / "b" / "mail.html").read_bytes() == b"x"


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(LinkproxyError, match="nothing of it was written"):
        write_whole(tmp_path / "file" / "mail.html", b"x")


def test_a_mail_above_the_limit_is_refused_with_the_setting_to_change(tmp_path: Path) -> None:
    path = tmp_path / "mail.html"
    path.write_bytes(b"x" * 101)
    with pytest.raises(LinkproxyError, match=r"limits\.mail_bytes"):
        read_mail(path, 100)
    assert len(read_mail(path, 101)) == 101


@pytest.mark.parametrize(
    ("html", "charset"),
    [
        (b"<p>x", "utf-8"),
        (b'<meta charset="ISO-8859-1">', "iso-8859-1"),
        (b"<META CHARSET=shift_jis>", "shift_jis"),
        (b'<meta http-equiv="Content-Type" content="text/html; charset=windows-1252">', "windows-1252"),
        (b'<!-- <meta charset="koi8-r"> --><meta charset="utf-8">', "utf-8"),
        (b'<meta charset="utf-16">', "utf-8"),
        (b"\xef\xbb\xbf<meta charset=latin1>", "utf-8"),
        (b"\xff\xfe<\x00p\x00", "utf-16-le"),
        (b"<!-- never closed <meta charset=latin1>", "utf-8"),
        (b'<?xml version="1.0" encoding="ISO-8859-1"?><html>', "iso-8859-1"),
        (b'<?xml version="1.0" encoding="utf-8"?><meta charset=koi8-r>', "koi8-r"),
        (b'<p><?xml encoding="koi8-r"?>', "utf-8"),
    ],
)
def test_the_charset_is_what_the_mail_declares(html: bytes, charset: str) -> None:
    assert declared(html) == charset


@pytest.mark.parametrize(
    ("beginning", "what"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0", "an Outlook file"),
        (b"PK\x03\x04\x14", "unpack it and name the mail in it"),
        (b"%PDF-1.7", "a PDF"),
        (b"{\\rtf1\\ansi", "RTF"),
        (b"\n<mjml>\n<mj-body>", "render it to HTML first"),
    ],
)
def test_a_file_that_is_no_mail_says_what_it_is_and_what_to_do(tmp_path, beginning, what):
    path = tmp_path / "spring.html"
    path.write_bytes(beginning)
    assert what in mail_fault(path, 100)
    with pytest.raises(LinkproxyError, match=what):
        read_mail(path, 100)
