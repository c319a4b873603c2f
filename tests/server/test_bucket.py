from linkproxy.server.bucket import Bucket


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_no_more_than_a_minutes_share_is_let_through_at_once() -> None:
    bucket = Bucket(10, Clock())
    assert [bucket.take() for _ in range(12)] == [True] * 10 + [False] * 2


def test_the_share_comes_back_with_time_and_never_beyond_a_minutes() -> None:
    clock = Clock()
    bucket = Bucket(60, clock)
    while bucket.take():
        pass
    clock.now = 3.0
    assert [bucket.take() for _ in range(4)] == [True] * 3 + [False]
    clock.now = 10_000.0
    assert sum(bucket.take() for _ in range(100)) == 60


def test_a_clock_that_steps_back_gives_nothing_for_free() -> None:
    clock = Clock()
    clock.now = 100.0
    bucket = Bucket(1, clock)
    assert bucket.take()
    clock.now = 0.0
    assert not bucket.take()


def test_nothing_passes_a_limit_of_zero() -> None:
    assert not Bucket(0, Clock()).take()
