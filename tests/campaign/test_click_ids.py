"""Click ids: a target can name the visit that brought somebody, and nothing else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from linkproxy.campaign.click_ids import ClickIds
from linkproxy.campaign.links import add_parameters
from linkproxy.campaign.tokens import SigningKey

OLD, NEW = SigningKey(1, b"o" * 32), SigningKey(2, b"n" * 32)
IDS = ClickIds([NEW, OLD])
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@given(st.integers(0, 2**48 - 1))
def test_a_click_id_names_its_visit_again(visit_id: int) -> None:
    signed = IDS.sign(visit_id)
    assert IDS.read(signed) == visit_id
    assert len(signed) == 19


@given(st.integers(0, 2**48 - 1), st.integers(0, 18), st.sampled_from(ALPHABET))
def test_a_changed_click_id_names_nothing(visit_id: int, place: int, other: str) -> None:
    signed = IDS.sign(visit_id)
    changed = signed[:place] + other + signed[place + 1 :]
    assert IDS.read(changed) == (visit_id if changed == signed else None)


def test_click_ids_of_a_key_that_signs_no_more_are_still_read() -> None:
    assert IDS.read(ClickIds([OLD]).sign(7)) == 7
    assert ClickIds([OLD]).read(IDS.sign(7)) is None


def test_click_ids_do_not_show_how_many_visits_there_are() -> None:
    signed = [IDS.sign(number) for number in range(1, 200)]
    assert len({text[:4] for text in signed}) > 190
    assert signed != sorted(signed)


def test_what_is_no_click_id_names_nothing() -> None:
    assert [IDS.read(text) for text in ("", "x", "é" * 19, "a" * 20, "a" * 18 + "\n")] == [None] * 5


def test_a_parameter_goes_before_the_fragment() -> None:
    assert add_parameters("https://a.example/x?b=1#top", (("lpid", "v"),)) == (
        "https://a.example/x?b=1&lpid=v#top"
    )


def test_a_parameter_of_that_name_is_not_overwritten_whatever_its_case() -> None:
    for url in ("https://a.example/?lpid=1", "https://a.example/?LPID=1#x", "https://a.example/?a;%6cpid"):
        assert add_parameters(url, (("LpId", "v"),)) == url
