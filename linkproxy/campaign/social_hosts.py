"""Pages of social networks that are a sender's profile or a share button: social_hosts.toml, read once."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING

from linkproxy.campaign.links import HOST_CHARACTERS

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, eq=False)
class SocialHosts:
    """Which paths count as social, by domain, and hosts that stand beside such links."""

    paths: Mapping[str, re.Pattern[str]]
    beside: frozenset[str]

    def is_social(self, host: str, path: str) -> bool:
        """Tell whether a page is a profile or a share button; host and path in lower case."""
        paths = self._paths_of(host) if len(host) <= HOST_CHARACTERS else None
        return paths is not None and paths.fullmatch(path.rstrip("/")) is not None

    @lru_cache(maxsize=4096)  # a mail has many links and few hosts  # noqa: B019 -- there is one of these
    def _paths_of(self, host: str) -> re.Pattern[str] | None:
        while "." in host:
            if host in self.paths:
                return self.paths[host]
            host = host.partition(".")[2]
        return None


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
