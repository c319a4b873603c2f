"""Settings of which some are faulty: the others are looked at too, so that all faults are told at once."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from linkproxy.config import Config, gather
from linkproxy.config_faults import describe

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_MOST_ROUNDS: Final = 4  # what is left out can make a rule about several settings fail, once


@dataclass(frozen=True, slots=True)
class Sound:
    """Settings of which the faulty ones are left out, and what was wrong; None when nothing is left."""

    config: Config | None
    faults: tuple[str, ...] = ()
    sections: frozenset[str] = frozenset()  # those with faults


def load_sound(path: Path | None) -> Sound:
    """Read the settings and leave out what is wrong; raise ConfigError for a file that cannot be read."""
    gathered = gather(path, os.environ)
    kept: dict[str, Any] = dict(gathered.values)
    faults: list[str] = []
    sections: set[str] = set()
    for _ in range(_MOST_ROUNDS):
        try:
            return Sound(gathered.anchored(Config(**kept)), tuple(faults), frozenset(sections))
        except ValidationError as error:
            faults += [line for line in describe(error, Config, gathered.origin) if line not in faults]
            for details in error.errors(include_url=False):
                section, *rest = (str(part) for part in details["loc"])
                sections.add(section)
                kept = _without(kept, section, rest[:1])
    return Sound(None, tuple(faults), frozenset(sections))


def _without(values: Mapping[str, Any], section: str, keys: Sequence[str]) -> dict[str, Any]:
    """Leave out keys of a section; the section, if none of them is in it."""
    inside = values.get(section)
    if not isinstance(inside, dict) or inside.keys().isdisjoint(keys):
        return {name: value for name, value in values.items() if name != section}
    return {**values, section: {key: value for key, value in inside.items() if key not in keys}}
