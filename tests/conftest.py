"""What holds for every test."""

from __future__ import annotations

import fcntl
import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import structlog
from hypothesis import HealthCheck, settings

# How long an example takes on a busy machine says nothing: times are measured under bench/.
settings.register_profile("linkproxy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("linkproxy")

# Here, before anybody imports it: tests of other areas take fixtures from there.
pytest.register_assert_rewrite("store")

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """Undo what a test's server or command set up: its stream is closed when the test ends."""
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    structlog.reset_defaults()
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


@pytest.fixture
def locked(tmp_path: Path) -> Callable[[], AbstractContextManager[None]]:
    """Keep the database's writers waiting, as another process with a long transaction does."""

    @contextmanager
    def hold() -> Iterator[None]:
        with (tmp_path / "linkproxy.db.lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    return hold
