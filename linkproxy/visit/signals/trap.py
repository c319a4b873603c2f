"""Bait that only machines find, and copies of links that nobody sent."""

from __future__ import annotations

from linkproxy.model import Family, LinkKind
from linkproxy.visit.signals.table import Finding, Look, Signal


def _bait_followed(look: Look) -> Finding | None:
    link = look.facts.link
    # Who presses the button on the bait's page is judged by afterlife.person instead.
    if link is None or link.kind is not LinkKind.BAIT or look.visit.method == "POST":
        return None
    return Finding(look.rule.weight)


def _bait_beside(look: Look) -> Finding | None:
    link, values = look.facts.link, look.rule.values
    if link is not None and link.kind is LinkKind.BAIT:
        return None
    window = values["window_seconds"] + values["seconds_per_link"] * look.facts.link_count
    hits = [
        item for item in look.burst if item.kind is LinkKind.BAIT and abs(item.at - look.visit.at) <= window
    ]
    if not hits:
        return None
    nearest = min(abs(item.at - look.visit.at) for item in hits)
    if _is_excused(look):
        return Finding(
            values["excused_weight"], "the same client followed the bait, and said that it is a person"
        )
    return Finding(look.rule.weight, f"the same client followed the bait {nearest:.0f} s away")


def _is_excused(look: Look) -> bool:
    """Tell whether somebody read the bait's page and pressed its button, as a person does."""
    baits = [item for item in look.burst if item.kind is LinkKind.BAIT]
    shown = [item.at for item in baits if item.method == "GET"]
    quick = look.policy.rules["afterlife.person"].values["quick_seconds"]
    return any(item.method == "POST" and shown and item.at - min(shown) >= quick for item in baits)


def _stray(look: Look) -> Finding | None:
    strays, values = look.facts.strays, look.rule.values
    if strays.message:
        return Finding(look.rule.weight, f"{strays.message} changed copies of a link of this message")
    if strays.alike:
        return Finding(values["alike_weight"], f"{strays.alike} links somewhat like this message's")
    if strays.other:
        return Finding(
            values["other_weight"], f"{strays.other} forged or changed links, none like this message's"
        )
    return None


BAIT_SIGNALS = (
    Signal("bait.followed", Family.BAIT, _bait_followed),
    Signal("bait.beside", Family.BAIT, _bait_beside),
)
MUTATION_SIGNALS = (Signal("mutation.stray", Family.MUTATION, _stray),)
