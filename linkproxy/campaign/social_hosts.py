"""Pages of social networks that are a sender's profile or a share button: social_hosts.toml, read once."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class SocialHosts:
    """Which paths count as social, by domain, and hosts that stand beside such links."""

    paths: Mapping[str, re.Pattern[str]]
    beside: frozenset[str]

    def is_social(self, host: str, path: str) -> bool:
        """Tell whether a page is a profile or a share button; host and path in lower case."""
        domain = host
        while "." in domain:
            if domain in self.paths:
                return self.paths[domain].fullmatch(path.rstrip("/")) is not None
            domain = domain.partition(".")[2]
        return False


@cache
def social_hosts() -> SocialHosts:
    """Return what social_hosts.toml holds."""
    tables = tomllib.loads((files("linkproxy.campaign") / "social_hosts.toml").read_text(encoding="utf-8"))
    paths = {
        domain: _social_paths(table["profile"] + table["share"], table["content"])
        for table in tables["host"]
        for domain in table["domains"]
    }
    return SocialHosts(paths, frozenset(tables["beside"]))


def _social_paths(longer: list[str], content: list[str]) -> re.Pattern[str]:
    """Return what matches a path of at most one segment, or a longer one, unless it is content."""
    not_content = rf"(?!(?:{'|'.join(content)})\Z)" if content else ""
    return re.compile(rf"{not_content}(?:{'|'.join(['/?[^/]*', *longer])})")
