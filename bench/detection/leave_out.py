"""What each actor family has taught the rules, taken out again: the judge that never met it.

For every family of machines, and for families of people that a rule makes room for, an overlay of
the shipped policy removes what reports of that family have taught: entries of lists, networks,
windows, and the tuned weight of signals that rest on such reports. What follows from standards and
from how linkproxy itself is built stays (bait, signed tokens, HEAD is no navigation), at a weight
of 10: what "ten times likelier from a machine" says where nobody has measured. The family is then
judged by that and by what others have taught.
"""

from __future__ import annotations

UNTUNED = 10.0
"""Decibans of a hint whose strength nobody knows."""


def _off(*names: str) -> str:
    return "".join(f'[signals."{name}"]\nweight = 0.0\n' for name in names)


def _untuned(*names: str) -> str:
    return "".join(f'[signals."{name}"]\nweight = {UNTUNED}\n' for name in names)


_NO_LISTS = "[agents]\nprograms = []\n" + _off("request.previewer")
_NO_PROTECTION = "[networks.microsoft-eop]\ncidrs = []\n"

LEFT_OUT: dict[str, str] = {
    # machines
    "library": _NO_LISTS,
    "previewer": _NO_LISTS,
    "headless": _NO_LISTS,
    "looks ahead": _NO_LISTS + _off("request.native-host"),
    "nameless": _untuned("request.agent-empty") + _NO_PROTECTION,
    "resolver": _NO_LISTS + _untuned("request.engine-dead", "request.platform-dead"),
    # How old people's browsers get is known from browsers' updates; what the reports taught is the weight.
    "detonation": _NO_PROTECTION + _untuned("request.engine-dead"),
    "explorer": _untuned("request.platform-dead", "request.http-1.0"),
    "burst": (
        _off("message.alone")
        + '[signals."message.links-in-seconds"]\ncurve = [[10.0, 3, 10.0]]\n'
        + '[signals."timing.delay"]\nmachine = [[1, 0.0], [86400, 1.0], [2592000, 1.0]]\n'
    ),
    "in order": (
        '[signals."message.links-in-seconds"]\n'
        "curve = [[1.0, 2, 5.0], [1.0, 3, 28.0], [1.0, 4, 38.0], [1.0, 5, 45.0]]\n"
        '[signals."bait.beside"]\nseconds_per_link = 0.0\n'
    ),
    "dawdling": _untuned("message.most-links"),
    "sampling": _off("message.low-interest-only", "message.alone"),
    "bait": _untuned("bait.followed", "bait.beside") + "seconds_per_link = 0.0\n",
    "mutation": _untuned("mutation.stray"),
    # That one link of one message followed twice within a minute is one click says what a click is, not
    # what a scanner does; so twin_seconds stays.
    "time of click": _untuned("request.platform-dead"),
    "again": _off("message.alone"),
    "presses": '[signals."afterlife.continue"]\nquick_seconds = 0.0\n',
    "early": _untuned("timing.before-delivery"),
    # people
    "text": "[agents]\nbrowsers = []\n",
    "in-app": "[agents]\nnot_crawlers = []\n",
    "last versions": "[engines]\nlast_chromium = []\nlast_firefox = []\n",
    "egress": "[networks.gateways-and-relays]\nasns = []\ncidrs = []\n[networks.filters]\nasns = []\n",
    "bait readers": _off("afterlife.person"),
}


def overlay(family: str) -> str:
    """Return the policy that never met a family; the shipped one where no rule speaks of it."""
    return LEFT_OUT.get(family, "")
