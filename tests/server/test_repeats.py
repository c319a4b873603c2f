from __future__ import annotations

from linkproxy.server.repeats import Repeats


def test_a_lasting_fault_is_told_once_a_minute_and_each_new_one_at_once() -> None:
    now = [0.0]
    repeats = Repeats(lambda: now[0])
    told = []
    for second in range(180):
        now[0] = float(second)
        if repeats.is_news("starting" if second == 90 else "away"):
            told.append(second)
    assert told == [0, 60, 90, 91, 151]


def test_a_fault_that_comes_back_is_news() -> None:
    repeats = Repeats(lambda: 0.0)
    assert repeats.is_news("away")
    repeats.is_over()
    assert repeats.is_news("away")
