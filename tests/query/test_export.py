import csv
import io
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkproxy.model import LinkKey
from linkproxy.query import export
from linkproxy.store.api import ClickRow

TEXT = st.text(st.characters(exclude_categories=()))  # with halves of surrogate pairs

CLICK = ClickRow(
    visit_id=7,
    at=1777713000.5,
    campaign="spring",
    key=LinkKey("aB3x"),
    target="https://www.example.com/offer?a=1,2",
    role="body",
    recipient="anna@example.com",
    domain="example.com",
    score=-14.25,
    reasons=("reading_delay", "coherent_browser"),
    verified=True,
    settled=False,
)


def test_a_click_is_the_same_in_every_format() -> None:
    header = export.csv_header(export.CLICK_COLUMNS).split(",")
    cells = next(csv.reader([export.csv_row(CLICK, export.CLICK_COLUMNS)]))
    fields = json.loads(export.json_line(CLICK, export.CLICK_COLUMNS))
    assert header == list(fields)
    assert dict(zip(header, cells, strict=True)) == {
        "visit_id": "7",
        "at": "2026-05-02T09:10:00.500Z",
        "campaign": "spring",
        "key": "aB3x",
        "target": "https://www.example.com/offer?a=1,2",
        "role": "body",
        "recipient": "anna@example.com",
        "domain": "example.com",
        "score": "-14.25",
        "reasons": "reading_delay, coherent_browser",
        "verified": "yes",
        "settled": "no",
    }
    assert fields["reasons"] == ["reading_delay", "coherent_browser"]
    assert fields["settled"] is False
    assert fields["score"] == -14.25


@pytest.mark.parametrize("text", ["=1+1", "+49", "-cmd", "@SUM(A1)"])
def test_text_that_a_spreadsheet_would_run_is_made_text_again(text: str) -> None:
    assert export.safe_cell(text) == f"'{text}"
    assert export.safe_cell((text, "more")).startswith("'")


@pytest.mark.parametrize("text", ["x;=1+1;y", 'x;"=1+1', 'x;""@SUM(A1)', "=1;+2", ";;-3"])
def test_text_that_is_a_formula_where_files_are_opened_by_semicolons_is_made_text_too(text: str) -> None:
    cells = export.csv_line(["before", text]).split(";")
    assert not any(re.match('"*[=+@-]', cell) for cell in cells)
    assert export.safe_cell(text).replace("'", "") == text


def test_agents_as_crawlers_write_them_stay_as_they_are() -> None:
    agent = "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)"
    assert export.safe_cell(agent) == agent


def test_a_negative_number_stays_a_number() -> None:
    assert export.safe_cell(-14.2) == "-14.2"


@given(st.lists(TEXT, min_size=1))
def test_whatever_text_is_in_it_a_csv_line_is_one_row_that_reads_back(texts: list[str]) -> None:
    line = export.csv_line(texts)
    rows = list(csv.reader(io.StringIO(line + "\r\n", newline="")))
    assert rows == [[export.safe_cell(text) for text in texts]]


@given(TEXT)
def test_no_cell_of_csv_begins_as_a_formula_does(text: str) -> None:
    assert not export.safe_cell(text).startswith(("=", "+", "-", "@", "\t", "\r"))


@given(st.recursive(TEXT, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner)))
def test_json_can_be_written_anywhere_and_reads_back_as_it_was(value: object) -> None:
    for indent in (None, 2):
        text = export.to_json(value, indent=indent)
        text.encode()
        assert json.loads(text) == value
        assert export.printable(text.replace("\n", "")) == text.replace("\n", "")


@pytest.mark.parametrize(
    ("probability", "shown"),
    [(0.5, "50.00%"), (0.99995, "99.99%"), (1.0, "99.99%"), (0.0, "0.01%"), (0.99984, "99.98%")],
)
def test_no_probability_reads_as_certainty(probability: float, shown: str) -> None:
    assert export.likelihood(probability) == shown
