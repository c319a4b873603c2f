"""Requests that were never received, and the collection of labelled ones beside the project."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import pytest
from claims.browsers import CHROME, replaced
from hypothesis import given
from hypothesis import strategies as st

from linkproxy.model import VerdictKind
from linkproxy.visit import hypothetical, policy
from linkproxy.visit.hypothetical import RequestError

NOW = 1_795_000_000.0
POLICY = policy.load()
SAMPLES = Path(__file__).parents[3] / "shared" / "samples" / "requests.jsonl"


def verdict(**row):
    request = hypothetical.read(json.dumps(row), "line 1", policy=POLICY, now=NOW)
    return hypothetical.judge(request, POLICY)


def test_nothing_known_is_no_evidence():
    found = verdict(id="x")
    assert (found.evidence, found.score) == ((), found.prior)


@pytest.mark.parametrize(
    "row", [{"method": None}, {"headers": []}, {"ip": None, "asn": None}, {"seconds_after_delivery": None}]
)
def test_null_is_not_known(row):
    assert verdict(**row).evidence == ()


def test_unknown_keys_are_ignored():
    assert verdict(note="x", colour=["red"]).evidence == ()


def test_a_partial_header_list_is_not_blamed_for_what_it_lacks():
    headers = [list(pair) for pair in CHROME if pair[0] in {"User-Agent", "Accept", "Accept-Encoding"}]
    names = {item.name for item in verdict(headers=headers, partial=True, http_version="2").evidence}
    assert "request.contradiction" not in names
    assert "request.contradiction" in {item.name for item in verdict(headers=headers, partial=False).evidence}


def test_a_whole_browser_request_ten_minutes_after_delivery_is_human():
    found = verdict(
        headers=[list(pair) for pair in CHROME],
        ip="203.0.113.9",
        seconds_after_delivery=600,
        http_version="2",
    )
    assert found.kind is VerdictKind.HUMAN


def names_of(**row):
    return {item.name for item in verdict(**row).evidence}


@pytest.mark.parametrize("version", ["2", "2.0", 2, 2.0, "3", "HTTP/2.0", "HTTP/3", "h2", "http/2"])
def test_later_versions_of_http_are_spoken_over_tls_alone_however_they_are_written(version):
    plain = replaced(CHROME, Accept_Encoding="gzip, deflate")
    without_hints = [list(pair) for pair in plain if not pair[0].lower().startswith("sec-")]
    assert "request.contradiction" in names_of(headers=without_hints, http_version=version)
    assert "request.contradiction" not in names_of(headers=without_hints, http_version="HTTP/1.1")


@pytest.mark.parametrize("version", ["1.0", 1.0, "HTTP/1.0", "HTTP/0.9"])
def test_old_versions_of_http_are_known_however_they_are_written(version):
    assert "request.http-1.0" in names_of(http_version=version)
    assert "request.http-1.0" not in names_of(http_version="HTTP/1.1")


@pytest.mark.parametrize("key", ["ja4", "fingerprint"])
def test_a_fingerprint_goes_by_either_name(key):
    headers = [list(pair) for pair in CHROME]
    program = "t13d311200_e8f1e7e78f70_b26ce05bbdd6"  # speaks TLS and no HTTP version, as no browser does
    assert "request.tls-fingerprint" in names_of(headers=headers, **{key: f" {program} "})


@pytest.mark.parametrize("key", ["asn", "asn_derived"])
def test_a_system_goes_by_either_name(key):
    assert "network.scanner" in names_of(**{key: 26211})


def test_a_row_of_the_operator_may_be_about_the_recipients_domain():
    mine = policy.load('[operator.mine]\nsays = "machine"\ndomains = ["brand.example"]')
    for domain, listed in (("Brand.example", ("mine",)), ("shop.example", ()), (None, ())):
        request = hypothetical.read(json.dumps({"domain": domain}), "line 1", policy=mine, now=NOW)
        assert request.facts.listed == listed


def test_an_address_is_looked_up_and_a_network_is_no_address():
    assert "network.scanner" in {item.name for item in verdict(ip="40.107.218.12").evidence}
    assert verdict(ip="40.0.0.0/8").evidence == ()


def test_all_faults_of_a_line_are_named_at_once():
    with pytest.raises(RequestError) as caught:
        verdict(method=3, headers="Accept", seconds_after_delivery="soon", kind="spam")
    assert str(caught.value).splitlines() == [
        "line 1: method must be a text, not 3",
        'line 1: headers must be a list of [name, value] pairs, not "Accept"',
        'line 1: seconds_after_delivery must be a number of seconds, not "soon"',
        'line 1: kind must be marketing or transactional, not "spam"',
    ]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("{", "is not JSON"),
        ("[]", "must be an object"),
        ("3", "must be an object"),
        ("[" * 100_000, "is not JSON"),
        ('{"id": NaN}', "is not JSON"),
        ('{"seconds_after_delivery": 1%s}' % ("0" * 400), "seconds_after_delivery must be"),
        ('{"at": -1e999}', "at must be"),
        ('{"asn": 1%s}' % ("0" * 20), "asn must be"),
    ],
)
def test_a_line_that_is_no_request_is_named(line, fault):
    with pytest.raises(RequestError, match=f"line 7: .*{fault}"):
        hypothetical.read(line, "line 7", policy=POLICY, now=NOW)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
keys = st.sampled_from(
    [
        "id",
        "method",
        "headers",
        "ip",
        "asn",
        "http_version",
        "seconds_after_delivery",
        "partial",
        "at",
        "kind",
    ]
)


@given(st.dictionaries(keys, json_values, max_size=8))
def test_any_object_is_judged_or_its_faults_are_named(row):
    try:
        found = verdict(**row)
    except RequestError as error:
        assert str(error).startswith("line 1: ")  # noqa: PT017  (either way is right; nothing else is)
    else:
        assert found.broken == ()


@pytest.mark.skipif(not SAMPLES.exists(), reason="the collection of labelled requests is not here")
def test_no_person_of_the_collection_reaches_the_machine_threshold_and_browsers_are_human():
    scores = defaultdict(list)
    for number, line in enumerate(SAMPLES.read_text("utf-8").splitlines(), start=1):
        row = json.loads(line)
        found = hypothetical.judge(hypothetical.read(line, f"line {number}", policy=POLICY, now=NOW), POLICY)
        scores[row["label"], row["evidence"]].append(found.score)
        if row["label"] == "human":
            assert found.score < POLICY.machine, row["id"]
        if row["evidence"] == "browser-capture":
            usual = verdict(**row | {"ip": "203.0.113.9", "seconds_after_delivery": 600})
            assert usual.kind is VerdictKind.HUMAN, (row["id"], usual)
    for (label, evidence), found in sorted(scores.items()):
        ordered = sorted(found)
        print(  # noqa: T201  (the table is the point)
            f"{label:8} {evidence:28} {len(found):3}  {ordered[0]:+6.1f} {ordered[len(found) // 2]:+6.1f} {ordered[-1]:+6.1f}"
        )
    machines = [
        score
        for (label, evidence), found in scores.items()
        for score in found
        if label == "machine" and evidence.startswith("incident")
    ]
    assert sum(score >= 10 for score in machines) / len(machines) >= 0.5
