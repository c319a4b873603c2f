"""What happened: each request that was made, beside what it was planned as."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.detection.traffic import Request, Scene
    from linkproxy.model import Delivery, JournalEntry
    from linkproxy.query.reports import Report


@dataclass(slots=True)
class Asked:
    """A request that was made, and what came of it."""

    message: int  # index of its scene
    request: Request
    at: float
    target: str
    link: str  # the link's key
    hop: int = 0  # how often the client has been sent round
    cookie: str = ""
    status: int = 0
    location: str = ""
    entry: JournalEntry | None = None
    clicked: bool = False  # the click log has a click that begins with this visit


@dataclass(slots=True)
class Played:
    """All that happened in one run."""

    scenes: list[Scene] = field(default_factory=list)
    told: list[Delivery | None] = field(default_factory=list)  # by scene, what the server was told
    asked: list[Asked] = field(default_factory=list)
    reports: dict[str, Report] = field(default_factory=dict)  # by campaign, where wanted
