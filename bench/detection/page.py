"""The figures of a run in docs/detection.md, between two marks."""

from __future__ import annotations

import io
import sys

BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"


class Printed(io.StringIO):
    """Standard output that is kept as well as shown."""

    def write(self, text: str) -> int:
        """Show and keep a text."""
        if sys.__stdout__ is not None:
            sys.__stdout__.write(text)
        return super().write(text)

    @property
    def text(self) -> str:
        """Everything that was printed."""
        return self.getvalue()


def with_figures(page: str, figures: str) -> str:
    """Return a page with new figures between its marks; raise OSError when it has none."""
    before, mark, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not mark or not end:
        raise OSError(f"the page has no place for figures: it needs {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n```text\n{figures.strip()}\n```\n\n{END}{after}"
