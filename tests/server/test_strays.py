from __future__ import annotations

from linkproxy.model import Profile
from linkproxy.server.strays import StrayRate


def profile(number: int) -> Profile:
    return Profile((("user-agent", f"Mozilla/5.0 ({number})"),), f"Mozilla/5.0 ({number})")


def test_headers_that_differ_each_time_fill_a_tenth_of_the_rate_and_known_ones_all_of_it() -> None:
    rate = StrayRate(600, lambda: 0.0)
    assert sum(rate.admits(profile(number)) for number in range(1000)) == 60
    assert sum(rate.admits(profile(7)) for _ in range(1000)) == 540


def test_new_headers_are_heard_again_with_time() -> None:
    now = [0.0]
    rate = StrayRate(600, lambda: now[0])
    assert sum(rate.admits(profile(number)) for number in range(100)) == 60
    now[0] = 2.0
    assert sum(rate.admits(profile(1000 + number)) for number in range(10)) == 2


def test_where_no_stray_is_wanted_none_is_kept() -> None:
    assert not StrayRate(0, lambda: 0.0).admits(profile(1))
