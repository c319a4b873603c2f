"""What a webhook's answer means: told, or again and when, or not any more. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from linkproxy.store.webhooks import Pause

if TYPE_CHECKING:
    from linkproxy.store.webhooks import Progress, Webhook

FIRST_SECONDS: Final = 5.0
MOST_SECONDS: Final = 3_600.0
"""The waits between attempts: each twice as long as the one before, up to an hour."""

LONGEST_ASKED_SECONDS: Final = 86_400.0
"""How long a receiver may ask to be left alone at once (``Retry-After``)."""

PATIENCE_SECONDS: Final = 5 * 86_400.0
"""A webhook that fails for so long is paused, so that somebody looks at it."""

_DOUBLED: Final = 12  # times, and an hour is over
_GONE: Final = 410  # RFC 9110 section 15.5.11; the specification says: never again


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of sending a message. ``status`` is None without an answer; ``fault`` then says why."""

    status: int | None
    fault: str = ""
    retry_after_seconds: float = 0.0
    text: str = ""  # how the body begins, if it was asked for

    @property
    def accepted(self) -> bool:
        """Whether the receiver has the message."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def told(self) -> str:
        """What went wrong, in words; "" if nothing did."""
        if self.accepted:
            return ""
        if self.status is not None and 300 <= self.status < 400:
            return f"answered {self.status}; redirects are not followed"
        return self.fault or f"answered {self.status}"


def after_success(progress: Progress, now: float) -> Progress:
    """Return how it goes on when the message under way has arrived."""
    return replace(
        passed_over(progress), failures=0, retry_at=0.0, failing_since=None, succeeded_at=now, error=""
    )


def passed_over(progress: Progress) -> Progress:
    """Return how it goes on when the message under way has nothing to tell any more."""
    return replace(progress, after=progress.until, until=0, message_id="")


def after_failure(progress: Progress, answer: Answer, now: float, chance: float) -> Progress:
    """Return how it goes on after an attempt in vain; ``chance`` is from 0 to 1, a new one each time.

    Waits differ by chance, so that receivers who were down are not met by everybody at once.
    """
    doubled = FIRST_SECONDS * 2 ** min(progress.failures, _DOUBLED)
    seconds = min(doubled, MOST_SECONDS) * (0.5 + chance / 2)
    asked = min(answer.retry_after_seconds, LONGEST_ASKED_SECONDS)
    return replace(
        progress,
        failures=progress.failures + 1,
        retry_at=now + max(seconds, asked),
        failing_since=now if progress.failing_since is None else progress.failing_since,
        error=answer.told,
    )


def pause_after(progress: Progress, answer: Answer, now: float) -> Pause:
    """Return whether to pause a webhook after a failure, and why."""
    if answer.status == _GONE:
        return Pause.GONE
    since = now if progress.failing_since is None else progress.failing_since
    return Pause.FAILING if now - since >= PATIENCE_SECONDS else Pause.NONE


def is_due(webhook: Webhook, end: int, now: float) -> bool:
    """Tell whether to send now; ``end`` is how far the feed has come.

    A time that is further off than any wait was set by a clock that was ahead.
    """
    progress = webhook.progress
    waits = now < progress.retry_at <= now + LONGEST_ASKED_SECONDS
    behind = progress.until > 0 or progress.after < end
    return webhook.pause is Pause.NONE and behind and not waits
