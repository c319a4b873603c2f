from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Installation

REQUESTS = Path(__file__).parents[2].parent / "shared" / "samples" / "requests.jsonl"
SCANNER = (("User-Agent", "python-requests/2.32.3"), ("Accept", "*/*"))


def test_a_visit_is_explained_by_every_signal_that_spoke(here: Installation) -> None:
    html = here.mail()
    here.visit(here.paths(html)[:3], time.time() - 7200, SCANNER)
    told = here.ok("explain", "1", "--json").json
    assert told["visit_id"] == 1
    assert told["settled"] is None
    first = told["first"]
    counted = sum(signal["weight"] for signal in first["signals"] if signal["counted"])
    assert first["score"] == pytest.approx(first["prior"] + counted, abs=0.1)
    assert {"name", "family", "weight", "counted", "source"} <= set(first["signals"][0])
    assert 0 <= first["probability"] <= 1


def test_a_settled_visit_is_explained_as_it_was_and_as_it_is(here: Installation) -> None:
    html = here.mail()
    here.visit(here.paths(html)[:3], time.time() - 7200, SCANNER)
    here.ok("settle")
    told = here.ok("explain", "1", "--json").json
    assert told["settled"]["verdict"] == "machine"
    assert told["settled_at"].endswith("Z")
    shown = here.ok("explain", "1").text
    assert "When it came:" in shown
    assert "Settled " in shown
    for signal in told["settled"]["signals"]:
        assert signal["name"] in shown


def test_a_visit_that_is_not_there_is_told(here: Installation) -> None:
    assert "linkproxy visits" in here.fails("explain", "4711")
    assert "is not in the range" in here.fails("explain", "9" * 30, code=2)


@pytest.mark.parametrize("arguments", [[], ["1", "--requests", "-"]])
def test_one_thing_is_explained(here: Installation, arguments: list[str]) -> None:
    here.fails("explain", *arguments, code=2)


def test_a_request_that_never_came_is_judged_without_configuration_or_store(
    here: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    request = {"id": "r1", "method": "HEAD", "headers": [["User-Agent", "curl/8.9"]], "unknown": {"a": 1}}
    (told,) = here.ok("explain", "--requests", "-", "--json", stdin=json.dumps(request).encode()).lines
    assert told["id"] == "r1"
    assert told["verdict"] == "machine"
    assert list(empty.iterdir()) == []
    assert any(signal["counted"] for signal in told["signals"])


def test_a_bad_line_is_named_and_the_others_are_judged(here: Installation) -> None:
    here.write("requests.jsonl", b'{"id": "a"}\n\nnot json\n{"id": "b", "headers": 5}\n\xff\n{"id": "c"}\n')
    ran = here.run("explain", "--requests", "requests.jsonl", "--json")
    assert ran.code == 1
    assert [line["id"] for line in ran.lines] == ["a", "c"]
    for number in (3, 4, 5):
        assert f"requests.jsonl: line {number}: " in ran.err


def test_missing_facts_are_no_evidence(here: Installation) -> None:
    (told,) = here.ok("explain", "--requests", "-", "--json", stdin=b"{}").lines
    assert told["signals"] == []
    assert told["score"] == told["prior"]
    assert told["id"] == "1"


def test_a_file_without_a_request_is_told(here: Installation) -> None:
    here.write("none.jsonl", "\n")
    assert here.ok("explain", "--requests", "none.jsonl").err == "none.jsonl: there is no request in it.\n"
    assert "standard input: there is no request" in here.ok("explain", "--requests", "-").err


def test_requests_are_explained_to_people_too(here: Installation) -> None:
    shown = here.ok("explain", "--requests", "-", stdin=b'{"id": "r1", "method": "HEAD"}').text
    assert "r1" in shown
    assert "Signal" in shown


@pytest.mark.skipif(not REQUESTS.is_file(), reason="the sample requests are not here")
def test_every_sample_request_is_judged(here: Installation) -> None:
    told = here.ok("explain", "--requests", REQUESTS, "--json").lines
    assert len(told) == sum(1 for line in REQUESTS.read_text().splitlines() if line.strip())


def test_an_id_is_given_back_as_it_was(here: Installation) -> None:
    lines = b'{"id": 4711}\n{"id": 0}\n{"id": "r1"}\n{"id": 1.5}\n{"id": null}\n'
    told = here.ok("explain", "--requests", "-", "--json", stdin=lines).lines
    assert [line["id"] for line in told] == [4711, 0, "r1", 1.5, "5"]


@pytest.mark.parametrize("key", ["ja4", "fingerprint"])
def test_a_tls_fingerprint_can_be_given_with_a_request(here: Installation, key: str) -> None:
    agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"
    plain = {"headers": [["User-Agent", agent]], "partial": True}
    lines = json.dumps(plain) + "\n" + json.dumps({**plain, key: "t13d1715h2_5b57614c22b0_3d5424432f57"})
    without, with_it = here.ok("explain", "--requests", "-", "--json", stdin=lines.encode()).lines
    names = [{signal["name"] for signal in line["signals"]} for line in (without, with_it)]
    assert names[1] - names[0] == {"request.tls-fingerprint"}
