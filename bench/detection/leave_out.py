"""What each actor family has taught the rules, taken out again: the judge that never met it.

For every family of machines, and for families of people that a rule makes room for, an overlay of
the shipped policy switches off what was written from knowledge of that family: its list entries,
networks, windows and whole signals. The family is then judged by what others have taught. Rules
that follow from standards alone stay (a HEAD is no navigation, RFC 9110; engines' headers).
"""

from __future__ import annotations

_OFF = '[signals."{name}"]\nweight = 0.0\n'


def _off(*names: str) -> str:
    return "".join(_OFF.format(name=name) for name in names)


_NO_LISTS = '[agents]\nprograms = []\n' + _off("request.previewer")
_NO_PROTECTION = "[networks.microsoft-eop]\ncidrs = []\n"
_NO_BAIT = _off("bait.followed", "bait.beside")

LEFT_OUT: dict[str, str] = {
    # machines
    "library": _NO_LISTS,
    "previewer": _NO_LISTS,
    "headless": _NO_LISTS,
    "nameless": _off("request.agent-empty") + _NO_PROTECTION,
    "resolver": _off("request.engine-dead", "request.platform-dead") + _NO_LISTS,
    "detonation": _off("request.engine-dead") + _NO_PROTECTION,
    "explorer": _off("request.platform-dead", "request.http-1.0"),
    "burst": '[signals."message.links-in-seconds"]\ncurve = []\n' + _off("message.alone"),
    "in order": (
        '[signals."message.links-in-seconds"]\n'
        "curve = [[1.0, 2, 5.0], [1.0, 3, 28.0], [1.0, 4, 38.0], [1.0, 5, 45.0]]\n"
        '[signals."bait.beside"]\nseconds_per_link = 0.0\n'
    ),
    "dawdling": _off("message.most-links"),
    "sampling": _off("message.low-interest-only"),
    "bait": _NO_BAIT,
    "mutation": _off("mutation.stray"),
    "time of click": _off("request.platform-dead"),
    "again": _off("message.alone"),
    "presses": '[signals."afterlife.continue"]\nquick_seconds = 0.0\n',
    "early": _off("timing.before-delivery"),
    "looks ahead": _NO_LISTS,
    # people
    "text": "[agents]\nbrowsers = []\n",
    "in-app": "[agents]\nnot_crawlers = []\n",
    "last versions": "[engines]\nlast_chromium = []\nlast_firefox = []\n",
    "egress": "[networks.gateways-and-relays]\nasns = []\n[networks.filters]\nasns = []\n",
    "bait readers": _off("afterlife.person"),
}


def overlay(family: str) -> str:
    """Return the policy that never met a family; the shipped one where no rule speaks of it."""
    return LEFT_OUT.get(family, "")
