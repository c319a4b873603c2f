"""A SQLite file with several stores on it, against a plain list of what happened."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from store.world import NOW, REACH, Mail, judge, send, settled

from linkproxy.model import Delivery, DeliverySource, Engagement, EngagementKind, RecipientId, VerdictKind
from linkproxy.store import sqlite_session
from linkproxy.store.api import Cutoffs, DeliveryDraft, Filter, RecipientDraft, StoreError
from linkproxy.store.copy import reading

if TYPE_CHECKING:
    from pathlib import Path

    from store.conftest import OpenStore

    from linkproxy.model import Facts, MessageHistory
    from linkproxy.store.api import Store

HOLD, LONGEST = 60.0, 300.0


@dataclass
class Known:
    """What is known of a visit."""

    who: RecipientId
    at: float
    verdict: VerdictKind = VerdictKind.HUMAN
    open: bool = True
    again: bool = False


@dataclass
class World:
    """Stores on one file, and what became of each visit; every operation compares the two."""

    chance: random.Random
    path: Path
    open_store: OpenStore
    mail: Mail
    stores: list[Store]
    now: float = NOW
    newest: int = 0
    told: int = 0
    visits: dict[int, Known] = field(default_factory=dict)

    def of(self, who: RecipientId, *, opened: bool = False) -> dict[int, Known]:
        return {
            number: known
            for number, known in self.visits.items()
            if known.who == who and (known.open or not opened)
        }

    def is_due(self, who: RecipientId, last_before: float, first_before: float) -> bool:
        opened = self.of(who, opened=True).values()
        fresh = [known.at for known in opened if not known.again]
        return bool(opened) and (
            max(known.at for known in opened) < last_before or min(fresh, default=self.now) < first_before
        )

    async def append(self, store: Store) -> None:
        many = self.chance.choice((1, 2, 9))
        late = self.chance.choice((0, 0, 0, 0, 100))  # read back from the spill file
        people = self.chance.choices(self.mail.recipients, k=many)
        seen: list[Facts] = []
        await store.append(
            [self.mail.visit(self.now - late - NOW, who=who) for who in people], judge(seen=seen)
        )
        for who, facts in zip(people, seen, strict=True):
            before = sorted(self.of(who.id).items())
            wanted = [(number, known.verdict) for number, known in before if known.at >= self.now - late - REACH]
            assert [(item.visit_id, item.verdict) for item in facts.siblings] == wanted
            self.newest += 1
            self.visits[self.newest] = Known(who.id, self.now - late)

    async def fail(self, store: Store) -> None:
        """Append what is undone, since another draft of the same turn is refused with it."""

        def refuse() -> list[object]:
            raise StoreError("refused")

        with pytest.raises(StoreError, match="refused"):
            await store.append([self.mail.visit()], judge(), refuse)

    async def settle(self, store: Store, who: RecipientId | None = None) -> None:
        who = who or self.chance.choice(self.mail.recipients).id
        seen: list[MessageHistory] = []
        kind = self.chance.choice((VerdictKind.HUMAN, VerdictKind.MACHINE))
        revise = settled(kind, seen=seen, at=self.now)
        settlement = await store.settle(self.mail.campaign.id, who, revise, reach_seconds=REACH)
        opened = self.of(who, opened=True)
        assert [history.open_ids for history in seen] == ([opened.keys()] if opened else [])
        assert (settlement is None) is not opened
        for known in opened.values():
            known.open, known.verdict = False, kind

    async def list_due(self, store: Store) -> None:
        last_before, first_before = self.now - HOLD, self.now - LONGEST
        limit = self.chance.choice((2, 99))
        due = await store.list_due(last_before=last_before, first_before=first_before, limit=limit)
        found = {message.recipient_id for message in due}
        wanted = {who.id for who in self.mail.recipients if self.is_due(who.id, last_before, first_before)}
        assert found <= wanted
        assert len(found) == len(due) == min(limit, len(wanted))
        for who in found:
            await self.settle(self.chance.choice(self.stores), who)

    async def engage(self, store: Store) -> None:
        if self.visits:
            number, self.told = self.chance.choice(sorted(self.visits)[-20:]), self.told + 1
            at = self.visits[number].at
            await store.add_engagement(Engagement(number, EngagementKind.BEACON, at, at, self.told, 1))
            self._reopen({number: self.visits[number]})
