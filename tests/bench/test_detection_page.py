"""The page keeps its words when the figures change."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.detection import page

DOCS = Path(__file__).parents[2] / "docs" / "detection.md"


def test_new_figures_replace_old_ones_and_nothing_else():
    text = f"words\n\n{page.BEGIN}\nold\n{page.END}\nmore words\n"
    once = page.with_figures(text, "1 %")
    assert once == f"words\n\n{page.BEGIN}\n\n```text\n1 %\n```\n\n{page.END}\nmore words\n"
    assert page.with_figures(once, "1 %") == once


def test_a_page_without_a_place_for_figures_is_refused():
    with pytest.raises(OSError, match="no place for figures"):
        page.with_figures("words", "1 %")


def test_the_documentation_has_a_place_for_figures():
    assert "1 %" in page.with_figures(DOCS.read_text("utf-8"), "1 %")
