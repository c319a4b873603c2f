"""Whose a mail is: the addresses of From, To and the like."""

import pytest

from linkproxy.campaign.mime_headers import mailboxes


@pytest.mark.parametrize(
    ("value", "addresses"),
    [
        ("ann@a.example", ["ann@a.example"]),
        ("Ann <ann@a.example>", ["ann@a.example"]),
        ("ann@a.example <list@b.example>", ["list@b.example"]),
        ("Ann [x] <ann@a.example> (at work)", ["ann@a.example"]),
        ('"Berg, Ann" <ann@a.example>', ["ann@a.example"]),
        ("Ann <ann@a.example>, bob@b.example", ["ann@a.example", "bob@b.example"]),
        ("Team: ann@a.example, Bob <bob@b.example>;", ["ann@a.example", "bob@b.example"]),
    ],
)
def test_the_addresses_of_a_field_are_the_same_with_every_python(value, addresses):
    assert mailboxes([value]) == addresses


@pytest.mark.parametrize(
    "value", ["", "undisclosed-recipients:;", "<", "Ann <>", "@", "ann", "(" * 2000, ":" * 2000]
)
def test_what_is_no_address_stops_nothing(value):
    assert mailboxes([value, "Bob <bob@b.example>"])[-1] == "bob@b.example"


def test_of_a_list_without_end_the_first_addresses_are_read():
    found = mailboxes(["ann@a.example, " * 100_000])
    assert found[0] == "ann@a.example"
    assert len(found) < 2000
