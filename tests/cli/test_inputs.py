import io
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkproxy.cli.inputs import People, read_people
from linkproxy.model import LinkproxyError
from linkproxy.query.export import csv_line
from linkproxy.store.api import RecipientDraft


def read(folder: Path, content: bytes | str, *, unique: bool = False) -> People:
    path = folder / "list.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_people(path, unique=unique)


def drafts(people: People) -> list[RecipientDraft]:
    return [person.draft for person in people.rows]


def test_a_column_recipient_holds_addresses_and_references(tmp_path: Path) -> None:
    """So the index.csv of `rewrite` can be given to `deliveries add`."""
    people = read(tmp_path, "recipient,file,token\nanna@example.com,a.html,T\nK-4711,b.html,T\n,c.html,T\n")
    assert drafts(people) == [RecipientDraft(address="anna@example.com"), RecipientDraft(reference="K-4711")]
    assert "line 4: neither an address nor a reference" in people.faults[0]


def test_a_recipient_whom_a_spreadsheet_would_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Our files have a ' before such text; an address of an SMS gateway begins with +."""
    people = read(
        tmp_path, f"{csv_line(['recipient'])}\n{csv_line(['+43664@sms.example'])}\n'tis@example.com\n"
    )
    assert drafts(people) == [
        RecipientDraft(address="+43664@sms.example"),
        RecipientDraft(address="'tis@example.com"),
    ]


def test_beside_an_address_a_column_recipient_says_nothing(tmp_path: Path) -> None:
    people = read(tmp_path, "recipient,email\nAnna Maria,anna@example.com\n")
    assert drafts(people) == [RecipientDraft(address="anna@example.com")]


@pytest.mark.parametrize("heading", ["address", "email", "E-Mail", " Email Address ", "mail"])
def test_an_address_column_is_known_by_any_of_its_names(tmp_path: Path, heading: str) -> None:
    people = read(tmp_path, f"{heading},name\nanna@example.com,Anna\n")
    assert drafts(people) == [RecipientDraft(address="anna@example.com")]


def test_a_line_may_carry_an_address_and_a_reference(tmp_path: Path) -> None:
    people = read(tmp_path, "id,email\n4711,anna@example.com\n4712,\n,ben@example.com\n")
    assert drafts(people) == [
        RecipientDraft(address="anna@example.com", reference="4711"),
        RecipientDraft(reference="4712"),
        RecipientDraft(address="ben@example.com"),
    ]
    assert people.faults == ()


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_what_spreadsheets_write_is_read(tmp_path: Path, delimiter: str, line_end: str, bom: str) -> None:
    lines = [f"email{delimiter}name", f'anna@example.com{delimiter}"Anna, {delimiter} and ""co"""', ""]
    people = read(tmp_path, bom + line_end.join(lines))
    assert drafts(people) == [RecipientDraft(address="anna@example.com")]
    assert people.faults == ()


def test_each_bad_line_is_named_and_the_good_ones_are_kept(tmp_path: Path) -> None:
    lines = ["email,name", "anna@example.com,Anna", "no address,Ben", "carla@example.com", ""]
    lines += ['"dora@example.com,Dora', "emil@example.com,Emil", "ANNA@example.com,Anna again", ",Nobody"]
    people = read(tmp_path, "\n".join(lines), unique=True)
    assert [person.who for person in people.rows] == ["anna@example.com", "emil@example.com"]
    path = tmp_path / "list.csv"
    assert [fault.partition(": line ")[0] for fault in people.faults] == [str(path)] * 5
    found = {fault.partition(": line ")[2] for fault in people.faults}
    assert "3: 'no address' is not a mail address such as anna@example.com" in found
    assert "4: 1 columns where the first line has 2" in found
    assert "8: ANNA@example.com is there already, on line 2" in found
    assert "9: neither an address nor a reference" in found
    assert any(fault.startswith("6: not CSV") for fault in found)


def test_an_address_in_the_other_spelling_of_its_domain_is_there_already(tmp_path: Path) -> None:
    text = "email\nanna@m\u00fcnchen.example\nAnna@xn--mnchen-3ya.example\n"
    (fault,) = read(tmp_path, text, unique=True).faults
    assert "is there already, on line 2" in fault


def test_a_cell_with_line_breaks_does_not_shift_the_line_numbers(tmp_path: Path) -> None:
    people = read(tmp_path, 'email,note\nanna@example.com,"one\ntwo\nthree"\nbad,x\n')
    assert drafts(people) == [RecipientDraft(address="anna@example.com")]
    assert "line 5" in people.faults[0]


def test_a_line_that_is_not_utf8_is_a_fault_of_that_line_alone(tmp_path: Path) -> None:
    people = read(tmp_path, b"email\nj\xf6rg@example.com\nanna@example.com\n")
    assert drafts(people) == [RecipientDraft(address="anna@example.com")]
    assert "line 2: not UTF-8" in people.faults[0]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "it has: nothing"),
        ("name,city\nAnna,Graz\n", "it has: name, city"),
        ("email,mail\na@example.com,b@example.com\n", "two columns for address"),
        ('"email\n', "line 1"),
    ],
)
def test_a_file_without_a_usable_first_line_is_refused(tmp_path: Path, content: str, told: str) -> None:
    with pytest.raises(LinkproxyError, match=told):
        read(tmp_path, content)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(LinkproxyError, match=r"nowhere\.csv: there is no such file"):
        read_people(tmp_path / "nowhere.csv")


def test_a_dash_reads_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(b"email\nanna@example.com\n")))
    assert drafts(read_people(Path("-"))) == [RecipientDraft(address="anna@example.com")]


@given(st.binary(max_size=300))
def test_any_bytes_are_people_faults_or_one_clear_error(
    tmp_path_factory: pytest.TempPathFactory, rest: bytes
) -> None:
    path = tmp_path_factory.mktemp("csv") / "list.csv"
    path.write_bytes(b"email,x\n" + rest)
    people = read_people(path)
    assert all(person.draft.address for person in people.rows)
    assert all(": line " in fault for fault in people.faults)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_a_list_in_utf_16_is_told_for_what_it_is(tmp_path: Path, encoding: str) -> None:
    with pytest.raises(LinkproxyError, match=r"is UTF-16, .* save it as CSV in UTF-8"):
        read(tmp_path, "email\nanna@example.com\n".encode(encoding))
