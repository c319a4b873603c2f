"""How tables stand: figures, and text of every script."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from cli.conftest import Installation

_STYLING = re.compile(r"\x1b\[[\d;]*m")
_MANY = "".join(f'<a href="https://shop.example/{place}">Item {place}</a> ' for place in range(12))
SPRING_IN_ARABIC = "الربيع"


def _shown(here: Installation, *command: str) -> tuple[list[str], list[str]]:
    """Return the lines that a pipe gets, and those that a terminal shows."""
    shown = _STYLING.sub("", here.on_terminal("stdout", *command, columns=160))
    return here.ok(*command).text.splitlines(), shown.replace("\r", "").splitlines()


def _wide(text: str) -> int:
    return sum(1 + (unicodedata.east_asian_width(sign) in "WF") for sign in text)


@pytest.mark.parametrize("where", [0, 1], ids=["pipe", "terminal"])
def test_figures_end_below_each_other_and_text_begins_so(here: Installation, where: int) -> None:
    here.write("many.html", _MANY)
    here.ok("campaign", "add", "many", "--html", "many.html", "--quiet")
    lines = [line for line in _shown(here, "campaign", "show", "many")[where] if "shop.example" in line]
    found = [re.search(r" (\d+)  (https:)", line) for line in lines]
    assert len({row.end(1) for row in found if row}) == len({row.start(2) for row in found if row}) == 1
    assert {len(row[1]) for row in found if row} == {1, 2}


@pytest.mark.parametrize("where", [0, 1], ids=["pipe", "terminal"])
def test_text_of_double_width_moves_no_column(here: Installation, where: int) -> None:
    for name in ("spring", "春の新着商品のお知らせ"):
        here.ok("campaign", "add", name)
    lines = [line for line in _shown(here, "campaign", "list")[where] if "marketing" in line]
    assert len({_wide(line[: line.index("marketing")]) for line in lines}) == 1
    assert len(lines) == 2


def test_figures_behind_text_from_right_to_left_keep_their_order_on_a_terminal(here: Installation) -> None:
    here.ok("campaign", "add", SPRING_IN_ARABIC)
    piped, shown = _shown(here, "compare", "--format", "table")
    (row,) = [line for line in shown if SPRING_IN_ARABIC in line]
    assert re.match(r"\s*\N{LEFT-TO-RIGHT MARK}\s*\d", row.split(SPRING_IN_ARABIC)[1])
    assert not any("\N{LEFT-TO-RIGHT MARK}" in line for line in piped)
