"""Where the weights of a rule set come from, signal by signal, by the rule set's hash.

The journal tells a source once for each rule set rather than with each visit. The hash covers the
sources, so the same hash always means the same texts, and what is noted here never changes.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

NO_SOURCES: Mapping[str, str] = MappingProxyType({})
"""Of a rule set that this process has not loaded."""

_BY_DIGEST: dict[str, Mapping[str, str]] = {}


def note_sources(digest: str, sources: Mapping[str, str]) -> None:
    """Note the sources of a rule set that was loaded, by the name of the signal."""
    _BY_DIGEST.setdefault(digest, MappingProxyType(dict(sources)))


def sources_of(digest: str) -> Mapping[str, str]:
    """Return the sources of a rule set, always the same object; none of one that was not loaded."""
    return _BY_DIGEST.get(digest, NO_SOURCES)
