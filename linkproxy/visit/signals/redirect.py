"""The extra hop: who came back over it, how fast, with the cookie, and from where.

The two requests of a hop are two visits. Each is judged by the pair: the second at once, the first
when its message is settled. A hop says something once: whoever asks again with a used nonce is
told nothing by it, and nothing is told of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from linkproxy.model import AnswerKind, Family
from linkproxy.visit.signals.headers import is_textual
from linkproxy.visit.signals.table import Finding, Look, Signal

if TYPE_CHECKING:
    from linkproxy.model import Sibling

NONCE_PRECISION_SECONDS = 0.001  # a nonce holds whole milliseconds


@dataclass(frozen=True, slots=True)
class Pair:
    """A hop that was followed; ``other`` is the other visit, None when it is not known."""

    seconds: float
    cookie: bool
    other: Sibling | None


def pair_of(look: Look) -> Pair | None:
    """Return the hop that a visit is part of, None for none, for an old nonce and for a used one."""
    visit, facts = look.visit, look.facts
    if visit.method != "GET":
        return None
    if visit.hop_at is not None:
        return _came_back(look, visit.hop_at)
    if facts.answer is AnswerKind.HOP:
        return _was_followed(look)
    return None


def given_out_for(hop_at: float | None, at: float) -> bool:
    """Tell whether a request's nonce was given out at a moment."""
    return hop_at is not None and abs(hop_at - at) <= NONCE_PRECISION_SECONDS


def _came_back(look: Look, hop_at: float) -> Pair | None:
    visit = look.visit
    seconds = visit.at - hop_at
    same_link = [item for item in look.facts.siblings if item.key == visit.key and item.method == "GET"]
    used = any(given_out_for(item.hop_at, hop_at) and item.at < visit.at for item in same_link)
    if not hop_at or used or not 0 <= seconds + NONCE_PRECISION_SECONDS <= look.policy.hop_seconds:
        return None
    first = [item for item in same_link if item.answer is AnswerKind.HOP and given_out_for(hop_at, item.at)]
    return Pair(max(0.0, seconds), visit.hop_cookie, first[0] if first else None)


def _was_followed(look: Look) -> Pair | None:
    visit = look.visit
    back = [
        item
        for item in look.facts.siblings
        if item.key == visit.key
        and item.method == "GET"
        and given_out_for(item.hop_at, visit.at)
        and item.at - visit.at <= look.policy.hop_seconds
    ]
    if not back:
        return None
    second = min(back, key=lambda item: item.at)
    return Pair(max(0.0, second.at - visit.at), second.hop_cookie, second)


def _cookie(look: Look) -> Finding | None:
    pair = pair_of(look)
    if pair is not None and pair.cookie:
        return Finding(look.rule.weight, f"back after {pair.seconds:.1f} s with the cookie")
    if pair is None and look.visit.hop_cookie and look.visit.hop_at is None:
        return Finding(look.rule.weight, "the cookie of an earlier hop")
    return None


def _no_cookie(look: Look) -> Finding | None:
    pair = pair_of(look)
    # Text browsers keep no cookie that their reader was not asked about.
    if pair is None or pair.cookie or is_textual(look.visit):
        return None
    return Finding(look.rule.weight, f"back after {pair.seconds:.1f} s without the cookie")


def _elsewhere(look: Look) -> Finding | None:
    pair, facts = pair_of(look), look.facts
    if pair is None or pair.cookie or pair.other is None:
        # Who has the cookie is the same browser, wherever it is by now.
        return None
    if not facts.network or not pair.other.network or pair.other.network == facts.network:
        return None
    if pair.other.profile_id == facts.profile_id:
        return Finding(look.rule.values["same_headers_weight"], "another network, the same headers")
    return Finding(look.rule.weight, "another network and other headers")


def _slow(look: Look) -> Finding | None:
    pair = pair_of(look)
    if pair is None or pair.seconds < look.rule.values["slow_seconds"]:
        return None
    return Finding(look.rule.weight, f"back after {pair.seconds:.0f} s")


def _never(look: Look) -> Finding | None:
    facts = look.facts
    if not facts.settled or facts.answer is not AnswerKind.HOP or pair_of(look) is not None:
        return None
    return Finding(look.rule.weight, "sent round, and did not come back")


def _wrong_nonce(look: Look) -> Finding | None:
    return Finding(look.rule.weight) if look.visit.hop_at == 0 else None


SIGNALS = (
    Signal("redirect.cookie", Family.REDIRECT_FOLLOWING, _cookie),
    Signal("redirect.no-cookie", Family.REDIRECT_FOLLOWING, _no_cookie),
    Signal("redirect.elsewhere", Family.REDIRECT_FOLLOWING, _elsewhere),
    Signal("redirect.slow", Family.REDIRECT_FOLLOWING, _slow),
    Signal("redirect.never", Family.REDIRECT_FOLLOWING, _never),
    Signal("redirect.wrong-nonce", Family.REDIRECT_FOLLOWING, _wrong_nonce),
)
