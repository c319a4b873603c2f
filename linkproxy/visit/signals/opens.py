"""Opens: who fetches the picture of a mail, and what that says of clicks on its links."""

from __future__ import annotations

from typing import TYPE_CHECKING

from linkproxy.model import Family, LinkKind, VerdictKind
from linkproxy.visit.signals.table import Finding, Look, Signal

if TYPE_CHECKING:
    from linkproxy.model import Sibling


def _proxy(look: Look) -> Finding | None:
    link, agent, values = look.facts.link, look.visit.profile.agent, look.rule.values
    if link is None or link.kind is not LinkKind.OPEN or not agent:
        return None
    named = next((name for name in values["named"] if name in agent), "")
    if not named and agent.strip() not in values["bare"]:
        return None
    return Finding(look.rule.weight, named or "an agent that says nothing else")


def _opened(look: Look) -> Finding | None:
    """Speak for a person who was shown the mail where they click; a scanner's browser shows it, too."""
    shown = [item for item in look.facts.opens if _is_beside(item, look)]
    if not _follows_content(look) or not shown or len(_keys(look)) >= look.rule.values["sweep_links"]:
        return None
    nearest = min(abs(look.visit.at - item.at) for item in shown)
    return Finding(look.rule.weight, f"the mail was shown on this network {nearest:.0f} s away")


def _unopened(look: Look) -> Finding | None:
    """Speak of many links only, and only where pictures of the message are fetched at all."""
    opens, values, followed = look.facts.opens, look.rule.values, len(_keys(look))
    if not _follows_content(look) or followed < values["least_links"] or len(opens) > values["most_opens"]:
        return None
    if not opens or any(_is_beside(item, look) for item in opens):
        return None
    return Finding(look.rule.weight, f"{followed} links followed, opens: {len(opens)}, none on this network")


def _follows_content(look: Look) -> bool:
    return look.facts.link is not None and look.facts.link.kind is LinkKind.CONTENT


def _keys(look: Look) -> set[str]:
    return {look.visit.key, *(item.key for item in look.burst if item.kind is LinkKind.CONTENT)}


def _is_beside(item: Sibling, look: Look) -> bool:
    """Tell whether an open is of the visit's own network, and by no machine."""
    own = look.facts.network
    return own != "" and item.network == own and item.verdict is not VerdictKind.MACHINE


SIGNALS = (
    Signal("request.picture-proxy", Family.REQUEST, _proxy),
    Signal("afterlife.opened", Family.AFTERLIFE, _opened),
    Signal("afterlife.unopened", Family.AFTERLIFE, _unopened),
)
