"""What else happened to the message: sweeps, and links that nobody reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from linkproxy.model import LOW_INTEREST_ROLES, Family, LinkKind
from linkproxy.visit.signals.table import Finding, Look, Signal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from linkproxy.model import LinkKey, Sibling


def _links_in_seconds(look: Look) -> Finding | None:
    if not look.burst:
        return None
    best: tuple[float, str] | None = None
    for window, least, weight in look.rule.values["curve"]:
        near = [item for item in look.burst if abs(item.at - look.visit.at) <= window]
        count = len(_content_keys(look, near))
        if count >= least and (best is None or weight > best[0]):
            best = weight, f"{count} links within {window:.0f} s"
    return Finding(*best) if best else None


def _most_links(look: Look) -> Finding | None:
    total, count = look.facts.link_count, len(_content_keys(look, look.burst))
    least = look.rule.values["share"]
    if total < look.rule.values["min_links"] or count < 2 or count / total < least:
        return None
    share = min(1.0, count / total)
    weight = look.rule.weight * (0.5 + 0.5 * (share - least) / (1 - least))
    return Finding(round(weight, 1), f"{count} of {total} links")


def _low_interest_only(look: Look) -> Finding | None:
    link = look.facts.link
    if link is None or link.kind is not LinkKind.CONTENT or link.role not in LOW_INTEREST_ROLES:
        return None
    others = [item for item in look.burst if item.kind is LinkKind.CONTENT]
    if any(item.role not in LOW_INTEREST_ROLES for item in others):
        return None
    count = len(_content_keys(look, others))
    # One such link may be what a person wanted; two and no other are not.
    weight = look.rule.weight if count > 1 else look.rule.weight * 0.3
    return Finding(round(weight, 1), f"{count} footer, social or legal links, no other")


def _alone(look: Look) -> Finding | None:
    facts = look.facts
    if not facts.settled or facts.link_count < look.rule.values["min_links"]:
        return None
    if any(item.key != look.visit.key for item in look.burst):
        return None
    return Finding(look.rule.weight, f"one of {facts.link_count} links")


def _content_keys(look: Look, siblings: Sequence[Sibling]) -> set[LinkKey]:
    """Return the different content links of a visit and its siblings.

    Visits that ask for nothing of the link (HEAD, pre-checks) count too: they are part of a sweep.
    """
    keys = {item.key for item in siblings if item.kind is LinkKind.CONTENT}
    if look.facts.link is not None and look.facts.link.kind is LinkKind.CONTENT:
        keys.add(look.visit.key)
    return keys


SIGNALS = (
    Signal(
        "message.links-in-seconds",
        Family.MESSAGE,
        "Several different links of the message followed within seconds.",
        _links_in_seconds,
    ),
    Signal(
        "message.most-links",
        Family.MESSAGE,
        "Most or all links of the message followed, at any speed.",
        _most_links,
    ),
    Signal(
        "message.low-interest-only",
        Family.MESSAGE,
        "Only links that nobody reads: footer, social, legal.",
        _low_interest_only,
    ),
    Signal(
        "message.alone",
        Family.MESSAGE,
        "One link of many and nothing else, seen when the message is settled.",
        _alone,
    ),
)
