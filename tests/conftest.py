"""What holds for every test."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
import structlog

# Here, before anybody imports it: tests of other areas take fixtures from there.
pytest.register_assert_rewrite("store")

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """Undo what a test's server or command set up: its stream is closed when the test ends."""
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    structlog.reset_defaults()
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
