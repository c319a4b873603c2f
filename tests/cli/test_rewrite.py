from __future__ import annotations

import base64
import csv
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Installation

SAMPLES = Path(__file__).parents[2].parent / "shared" / "samples" / "mail" / "html"


@pytest.fixture
def spring(here: Installation) -> Installation:
    here.ok("campaign", "add", "spring", "--html", "newsletter.html", "--quiet")
    return here


def rewrite(here: Installation, *options: str, source: str = "newsletter.html") -> bytes:
    return here.ok("rewrite", source, "--campaign", "spring", *options).out


def links(here: Installation) -> list[dict[str, str]]:
    found: list[dict[str, str]] = here.ok("campaign", "show", "spring", "--json").json["links"]
    return found


def test_one_mail_goes_from_file_to_standard_output_with_its_links_tracked(spring: Installation) -> None:
    html = rewrite(spring, "--recipient", "anna@example.com")
    assert len(spring.paths(html)) == len(links(spring))
    assert b"https://www.brand.example" not in html
    assert b'href="mailto:us@brand.example"' in html


def test_a_mail_is_read_from_standard_input(spring: Installation) -> None:
    mail = (spring.folder / "newsletter.html").read_bytes()
    piped = spring.ok("rewrite", "-", "--campaign", "spring", "--recipient", "anna@example.com", stdin=mail)
    assert piped.out == rewrite(spring, "--recipient", "anna@example.com")


@pytest.mark.parametrize("is_message", [False, True])
def test_a_mail_is_read_from_a_pipe(spring: Installation, *, is_message: bool) -> None:
    """`rewrite <(make-mail)`: what was looked at to tell HTML from a message cannot be read again."""
    name = message(spring) if is_message else "newsletter.html"
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as pipe:
        pipe.write((spring.folder / name).read_bytes())
    piped = rewrite(spring, "--recipient", "anna@example.com", source=f"/dev/fd/{reading}")
    os.close(reading)
    assert piped == rewrite(spring, "--recipient", "anna@example.com", source=name) != b""


def test_what_never_ends_is_read_up_to_the_limit(spring: Installation) -> None:
    told = spring.fails("rewrite", "/dev/zero", "--campaign", "spring", "--recipient", "anna@example.com")
    assert "/dev/zero has more than" in told


def test_the_same_mail_for_the_same_recipient_is_the_same_bytes_again(spring: Installation) -> None:
    assert rewrite(spring, "--recipient", "anna@example.com") == rewrite(
        spring, "--recipient", "anna@example.com"
    )


def test_a_merge_tag_stands_at_the_end_of_every_content_link(spring: Installation) -> None:
    html = rewrite(spring, "--merge-tag", "*|UNIQID|*")
    assert html.count(b"/*|UNIQID|*") >= 3


def message(spring: Installation) -> str:
    html = (spring.folder / "newsletter.html").read_bytes()
    head = b"From: us@brand.example\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    spring.write("letter.eml", (head + base64.encodebytes(html)).decode())
    return "letter.eml"


def test_a_file_named_eml_is_a_whole_message(spring: Installation) -> None:
    ready = rewrite(spring, "--recipient", "anna@example.com", source=message(spring))
    head, _, body = ready.partition(b"\r\n\r\n")
    assert head == b"From: us@brand.example\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: base64"
    assert base64.b64decode(body) == rewrite(spring, "--recipient", "anna@example.com")


def test_a_file_named_txt_is_a_plain_text_unless_it_begins_as_a_message(spring: Installation) -> None:
    text = b"Spring, at https://www.brand.example/spring.\r\nAnd <b>no markup</b>.\r\n"
    (spring.folder / "plain.txt").write_bytes(text)
    plain = rewrite(spring, "--recipient", "anna@example.com", source="plain.txt")
    [path] = spring.paths(plain)
    assert plain == text.replace(
        b"https://www.brand.example/spring", b"http://localhost:8080" + path.encode()
    )
    (spring.folder / "saved.txt").write_bytes((spring.folder / message(spring)).read_bytes())
    saved = rewrite(spring, "--recipient", "anna@example.com", source="saved.txt")
    assert saved == rewrite(spring, "--recipient", "anna@example.com", source=message(spring))


def test_every_recipient_of_a_csv_gets_a_message(spring: Installation) -> None:
    spring.write("list.csv", "email\nanna@example.com\n")
    out = ("--recipients", "list.csv", "--out", "ready")
    spring.ok("rewrite", message(spring), "--campaign", "spring", *out)
    written = (spring.folder / "ready" / "anna@example.com.eml").read_bytes()
    assert written == rewrite(spring, "--recipient", "anna@example.com", source="letter.eml")


def test_why_list_unsubscribe_could_not_be_added_is_told(spring: Installation) -> None:
    options = ("--campaign", "spring", "--recipient", "anna@example.com", "--list-unsubscribe")
    told = spring.ok("rewrite", message(spring), *options).err
    assert "list unsubscribe" in told
    assert "the base URL is not https" in told


def test_list_unsubscribe_is_the_campaigns_choice_unless_the_call_has_its_own(here: Installation) -> None:
    here.ok("campaign", "add", "spring", "--list-unsubscribe", "--base-url", "https://click.brand.example")
    assert "messages get List-Unsubscribe" in here.ok("campaign", "show", "spring").text
    assert here.ok("campaign", "show", "spring", "--json").json["list_unsubscribe"] is True
    options, header = ("--recipient", "anna@example.com"), b"List-Unsubscribe: <https://click.brand.example/"
    assert header in rewrite(here, *options, source=message(here))
    assert header not in rewrite(here, *options, "--no-list-unsubscribe", source="letter.eml")
    assert b"List-Unsubscribe" not in rewrite(here, *options)


def test_every_recipient_of_a_csv_gets_a_file_and_a_line_in_the_index(spring: Installation) -> None:
    spring.write("list.csv", "email;id\nanna@example.com;\nben@other.example;\n;K-4711\n")
    ran = spring.ok(
        "rewrite",
        "newsletter.html",
        "--campaign",
        "spring",
        "--recipients",
        "list.csv",
        "--out",
        "ready",
        "--quiet",
    )
    assert ran.out == b""
    assert ran.err == ""
    with (spring.folder / "ready" / "index.csv").open(encoding="utf-8", newline="") as file:
        index = {row["recipient"]: row for row in csv.DictReader(file)}
    assert list(index) == ["anna@example.com", "ben@other.example", "K-4711"]
    for row in index.values():
        html = (spring.folder / "ready" / row["file"]).read_bytes()
        assert {path.split("/")[1] for path in spring.paths(html)} == {row["token"]}
    assert len({row["token"] for row in index.values()}) == 3


def test_a_recipient_gets_the_same_links_alone_as_in_a_list(spring: Installation) -> None:
    spring.write("list.csv", "email\nanna@example.com\n")
    rewrite(spring, "--recipients", "list.csv", "--out", "ready")
    alone = rewrite(spring, "--recipient", "anna@example.com")
    assert (spring.folder / "ready" / "anna@example.com.html").read_bytes() == alone


@pytest.fixture
def bad_list(spring: Installation) -> tuple[str, ...]:
    """Return a command whose list has a bad line."""
    spring.write("list.csv", "email\nanna@example.com\nnot an address\n")
    return "rewrite", "newsletter.html", "--campaign", "spring", "--recipients", "list.csv", "--out", "ready"


def test_nothing_is_done_when_a_line_is_bad_and_nothing_else_was_said(
    spring: Installation, bad_list: tuple[str, ...]
) -> None:
    told = spring.fails(*bad_list)
    assert "list.csv: line 3: 'not an address' is not a mail address" in told
    assert "nothing was written" in told
    assert not (spring.folder / "ready").exists()
    assert "no recipient" in spring.fails("recipients", "export", "anna@example.com")


def test_the_rest_is_done_when_bad_lines_are_to_be_skipped(
    spring: Installation, bad_list: tuple[str, ...]
) -> None:
    told = spring.fails(*bad_list, "--on-error", "skip")
    assert "line 3" in told
    assert sorted(path.name for path in (spring.folder / "ready").iterdir()) == [
        "anna@example.com.html",
        "index.csv",
    ]


def test_targets_of_a_merged_mail_belong_to_its_message_alone(spring: Installation) -> None:
    before = links(spring)
    merged = (
        b'<a href="https://www.brand.example/spring">x</a><a href="https://www.brand.example/u?id=8347">y</a>'
    )
    spring.write("anna.html", merged)
    html = rewrite(spring, "--recipient", "anna@example.com", source="anna.html")
    assert b"id=8347" not in html
    assert links(spring) == before


def test_each_line_pairs_a_merged_mail_with_its_recipient(spring: Installation) -> None:
    before = links(spring)
    for name in ("anna", "ben"):
        spring.write(f"merged/{name}.html", f'<a href="https://www.brand.example/account?u={name}">Yours</a>')
    spring.write("pairs.csv", "file,email\nanna.html,anna@example.com\nben.html,ben@example.com\n")
    rewrite(spring, "--recipients", "pairs.csv", "--out", "ready", source="merged")
    anna, ben = ((spring.folder / "ready" / f"{name}.html").read_bytes() for name in ("anna", "ben"))
    assert b"u=anna" not in anna
    assert b"u=ben" not in ben
    assert set(spring.paths(anna)).isdisjoint(spring.paths(ben))
    assert links(spring) == before


def test_a_folder_of_templates_makes_one_link_table(spring: Installation) -> None:
    spring.write("mails/one.html", '<a href="https://one.example/">1</a>')
    spring.write("mails/deep/two.html", '<a href="https://two.example/">2</a>')
    rewrite(spring, "--merge-tag", "{{id}}", "--out", "ready", source="mails")
    targets = {link["target"] for link in links(spring)}
    assert {"https://one.example/", "https://two.example/"} <= targets
    assert b"{{id}}" in (spring.folder / "ready" / "deep" / "two.html").read_bytes()


def test_a_campaign_that_is_not_there_is_told_and_nothing_is_written(here: Installation) -> None:
    here.ok("campaign", "add", "spring")
    told = here.fails(
        "rewrite", "newsletter.html", "--campaign", "sprin", "--recipient", "a@b.example", "--out", "o.html"
    )
    assert "Did you mean spring?" in told
    assert not (here.folder / "o.html").exists()


@pytest.mark.parametrize("options", [[], ["--recipient", "a@b.example", "--merge-tag", "{{id}}"]])
def test_for_whom_must_be_said_once(spring: Installation, options: list[str]) -> None:
    assert "give one of" in spring.fails(
        "rewrite", "newsletter.html", "--campaign", "spring", *options, code=2
    )


def test_a_mail_above_the_limit_is_refused_before_anything_happens(spring: Installation) -> None:
    spring.write("large.html", b"x" * 26_214_401)
    told = spring.fails("rewrite", "large.html", "--campaign", "spring", "--recipient", "anna@example.com")
    assert "limits.mail_bytes" in told


def test_mails_without_any_link_are_told(spring: Installation) -> None:
    """What another program still has to make HTML of went out untracked, without a word."""
    (spring.folder / "letters").mkdir()
    for name in ("a.html", "b.html"):
        spring.write(f"letters/{name}", '<button href="https://www.brand.example/">Shop</button>')
    options = ("--campaign", "spring", "--recipient", "anna@example.com")
    one = spring.ok("rewrite", "letters/a.html", *options)
    assert one.err == "letters/a.html has no link, so nothing is tracked there.\n"
    both = spring.ok("rewrite", "letters", *options, "--out", "ready").err
    assert "letters/a.html and 1 more have no link, so nothing is tracked there.\n" in both
    assert spring.ok("rewrite", "letters/a.html", *options, "--quiet").err == ""
    assert spring.ok("rewrite", "letters/a.html", *options, "--notes", "json").err == ""


def test_notes_can_be_read_by_a_program(spring: Installation) -> None:
    ran = spring.ok(
        "rewrite",
        "newsletter.html",
        "--campaign",
        "spring",
        "--recipient",
        "anna@example.com",
        "--notes",
        "json",
    )
    notes = [json.loads(line) for line in ran.err.splitlines()]
    assert any(note["value"] == "mailto:us@brand.example" for note in notes)
    assert all(note["file"] == "newsletter.html" for note in notes)


def test_the_charset_that_a_mail_declares_is_kept(spring: Installation) -> None:
    mail = '<meta charset="iso-8859-1"><p>Grüße <a href="https://www.brand.example/spring">x</a>'.encode(
        "latin-1"
    )
    spring.write("latin.html", mail)
    assert "Grüße".encode("latin-1") in rewrite(
        spring, "--recipient", "anna@example.com", source="latin.html"
    )


def test_a_terminal_shows_a_progress_bar_for_many(spring: Installation) -> None:
    spring.write("list.csv", "email\n" + "".join(f"r{number}@example.com\n" for number in range(50)))
    options = ("--campaign", "spring", "--recipients", "list.csv", "--out", "ready")
    seen = spring.on_terminal("stderr", "rewrite", "newsletter.html", *options)
    assert "/50" in seen
    assert "50 mails written to ready." in seen


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the sample mails are not here")
def test_every_sample_mail_is_rewritten_or_left_alone_and_never_half_written(spring: Installation) -> None:
    spring.ok(
        "rewrite",
        SAMPLES,
        "--campaign",
        "spring",
        "--recipient",
        "anna@example.com",
        "--out",
        "ready",
        "--quiet",
    )
    sources = [path for path in SAMPLES.rglob("*") if path.suffix.lower() in {".html", ".htm"}]
    for source in sources:
        assert (spring.folder / "ready" / source.relative_to(SAMPLES)).stat().st_size > 0
    assert not list((spring.folder / "ready").rglob("*.part"))


def test_a_whole_message_on_standard_input_is_known_by_its_header(spring: Installation) -> None:
    name = message(spring)
    whole = (spring.folder / name).read_bytes()
    piped = spring.ok("rewrite", "-", "--campaign", "spring", "--recipient", "anna@example.com", stdin=whole)
    assert piped.out == rewrite(spring, "--recipient", "anna@example.com", source=name)


def test_what_is_of_messages_alone_is_refused_for_html(spring: Installation) -> None:
    base = ("rewrite", "newsletter.html", "--campaign", "spring")
    told = spring.fails(*base, "--recipient", "anna@example.com", "--list-unsubscribe")
    assert "newsletter.html: --list-unsubscribe is of whole messages, and this is HTML" in told
    told = spring.fails(*base, "--recipient-header", "To")
    assert "To names nobody" in told or "--recipient-header is of whole messages" in told


@pytest.mark.parametrize("command", ["rewrite", "add", "lint"])
def test_a_charset_that_nobody_knows_is_named(spring: Installation, command: str) -> None:
    arguments = {
        "rewrite": ["rewrite", "newsletter.html", "--campaign", "spring", "--recipient", "a@b.example"],
        "add": ["campaign", "add", "summer", "--html", "newsletter.html"],
        "lint": ["lint", "newsletter.html"],
    }
    told = spring.fails(*arguments[command], "--charset", "nosuch", code=2)
    assert "--charset: 'nosuch' is no charset" in told


def signed(spring: Installation) -> str:
    letter = (spring.folder / message(spring)).read_bytes()
    spring.write("signed.eml", b"DKIM-Signature: v=1; d=brand.example\r\n" + letter)
    return "signed.eml"


def test_a_message_that_is_signed_already_comes_out_as_it_came_and_that_is_told(
    spring: Installation,
) -> None:
    name = signed(spring)
    ran = spring.ok("rewrite", name, "--campaign", "spring", "--recipient", "anna@example.com")
    assert ran.out == (spring.folder / name).read_bytes()
    assert "signed" in ran.err
    assert "DKIM-Signature" in ran.err


def test_a_message_that_is_signed_already_is_refused_where_the_configuration_says_so(
    spring: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LINKPROXY__MAIL__SIGNED", "refuse")
    told = spring.fails("rewrite", signed(spring), "--campaign", "spring", "--recipient", "a@b.example")
    assert "signed.eml: the message is signed already (DKIM-Signature)" in told
    assert "[mail] signed" in told


def test_the_keys_of_another_installation_sign_nothing_here(spring: Installation) -> None:
    """Every installation's first key has the id 1, so the id alone does not tell."""
    own = (spring.folder / "signing-keys.txt").read_text()
    spring.write("signing-keys.txt", f"1:{'A' * 43}\n")
    told = spring.fails(
        "rewrite", "newsletter.html", "--campaign", "spring", "--recipient", "anna@example.com"
    )
    assert "signing key 1 is not the key of that id which signed mail of this store" in told
    assert "[signing] keys_file" in told
    spring.ok("signing-keys", "rotate")
    spring.ok("signing-keys", "remove", "1", "--force")
    assert rewrite(spring, "--recipient", "anna@example.com")
    spring.write("signing-keys.txt", own)
    assert rewrite(spring, "--recipient", "anna@example.com")


def test_mails_of_a_run_before_in_the_folder_are_told_of(spring: Installation) -> None:
    spring.write("list.csv", "email\nanna@example.com\nben@other.example\n")
    spring.write("cleo.csv", "email\ncleo@example.com\n")

    def told(table: str) -> str:
        ran = spring.run(
            "rewrite", "newsletter.html", "--campaign", "spring", "--recipients", table, "--out", "ready"
        )
        return ran.err

    for _ in range(2):
        assert "It holds" not in told("list.csv")
    assert "It holds 2 other files, too: send what ready/index.csv names." in told("cleo.csv")


def test_links_that_lead_to_themselves_are_told_as_such_where_a_file_is_read_or_written(
    here: Installation,
) -> None:
    (here.folder / "round").symlink_to("round")
    here.write("mail.html", "<p>Hello")
    here.ok("campaign", "add", "spring")
    words = (
        "rewrite",
        "mail.html",
        "--campaign",
        "spring",
        "--recipient",
        "a@x.example",
        "--out",
        "round/mail",
    )
    assert "symbolic links lead in a circle" in here.fails(*words)
    assert "symbolic links lead in a circle" in here.fails("recipients", "sign", "round", "--out", "new.csv")
