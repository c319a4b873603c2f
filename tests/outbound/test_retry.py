from __future__ import annotations

import pytest

from linkproxy.outbound.post import retry_after_seconds
from linkproxy.outbound.retry import (
    LONGEST_ASKED_SECONDS,
    MOST_SECONDS,
    PATIENCE_SECONDS,
    Answer,
    after_failure,
    is_due,
    pause_after,
)
from linkproxy.store.webhooks import Pause, Progress, Webhook

NOW = 1_790_000_000.0
DOWN = Answer(500)


def waits(chance: float, answer: Answer = DOWN) -> list[float]:
    progress, found = Progress(1, 9, "msg_1"), []
    for _ in range(16):
        progress = after_failure(progress, answer, NOW, chance)
        found.append(progress.retry_at - NOW)
    return found


def test_waits_double_up_to_an_hour_and_differ_by_chance() -> None:
    longest = waits(1.0)
    assert longest[:4] == [5, 10, 20, 40]
    assert longest[-1] == MOST_SECONDS
    assert longest == sorted(longest)
    assert waits(0.0) == [wait / 2 for wait in longest]


def test_who_asks_to_be_left_alone_is_for_a_day_at_most() -> None:
    assert waits(0.0, Answer(429, retry_after_seconds=7200.0))[0] == 7200
    assert waits(0.0, Answer(429, retry_after_seconds=1e9))[0] == LONGEST_ASKED_SECONDS
    assert waits(1.0, Answer(503, retry_after_seconds=1.0))[0] == 5


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        (" 7 ", 7),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0),
        ("Mon, 21 Sep 2026 14:15:20 GMT", 120),
        ("", 0),
        ("soon", 0),
        ("-5", 0),
        ("1e9", 0),
        ("9" * 400, 0),
        ("\u0665", 0),
        ("Mon, 99 Foo 2026 13:55:10 GMT", 0),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_else_says_nothing(header: str, seconds: float) -> None:
    assert retry_after_seconds(header, NOW) == seconds


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (200, ""),
        (299, ""),
        (199, "answered 199"),
        (302, "answered 302; redirects are not followed"),
        (404, "answered 404"),
        (None, "it cannot be connected to"),
    ],
)
def test_2xx_alone_is_a_success(status: int | None, told: str) -> None:
    answer = Answer(status, "" if status else "it cannot be connected to")
    assert answer.told == told
    assert answer.accepted is (not told)


def test_who_is_gone_or_fails_for_days_is_paused() -> None:
    assert pause_after(Progress(0, failing_since=NOW), Answer(410), NOW) is Pause.GONE
    late = NOW + PATIENCE_SECONDS
    assert pause_after(Progress(0, failing_since=NOW), DOWN, late - 1) is Pause.NONE
    assert pause_after(Progress(0, failing_since=NOW), DOWN, late) is Pause.FAILING


@pytest.mark.parametrize(
    ("progress", "pause"),
    [
        (Progress(4), Pause.NONE),
        (Progress(5, 9, "msg_1"), Pause.NONE),
        (Progress(4, retry_at=NOW), Pause.NONE),
        (Progress(4, retry_at=NOW + 1e8), Pause.NONE),  # by a clock that was ahead
    ],
)
def test_who_is_behind_and_waits_for_nothing_is_due(progress: Progress, pause: Pause) -> None:
    assert is_due(webhook(progress, pause), 5, NOW)


@pytest.mark.parametrize(
    ("progress", "pause"),
    [
        (Progress(5), Pause.NONE),
        (Progress(4), Pause.OPERATOR),
        (Progress(4, retry_at=NOW + 1), Pause.NONE),
    ],
)
def test_who_has_all_waits_or_is_paused_is_not_due(progress: Progress, pause: Pause) -> None:
    assert not is_due(webhook(progress, pause), 5, NOW)


def webhook(progress: Progress, pause: Pause) -> Webhook:
    return Webhook("crm", "https://crm.example/", "whsec_", NOW, progress, pause=pause)
