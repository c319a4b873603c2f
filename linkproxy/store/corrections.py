"""What the server asks a store so that its memory and its answers agree with the journal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from linkproxy.model import AnswerKind, Link


@dataclass(frozen=True, slots=True)
class CorrectedLinks:
    """Links whose targets were corrected; ``last_id`` is to be asked with the next time."""

    last_id: int
    links: tuple[Link, ...]


class CorrectionStore(Protocol):
    """What every engine does about corrections. Part of ``Store``."""

    async def list_corrected(self, after_id: int) -> CorrectedLinks:
        """Return campaign links corrected since ``after_id`` (0: ever), with their present targets."""

    async def correct_answer(self, visit_id: int, answer: AnswerKind) -> None:
        """Say what a visitor really got, where the commit came too late for the answer it holds.

        An extra hop that nobody was sent on would otherwise speak against a person who never
        came back over it. A visit that is gone is passed over.
        """
