"""Several stores on one file, each with a memory of its own, against a plain list of what happened."""

from __future__ import annotations

import random
import sqlite3
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from store.world import NOW, REACH, Mail, judge, send, settled

from linkproxy.model import Engagement, EngagementKind, RecipientId, VerdictKind
from linkproxy.store import sqlite_open
from linkproxy.store.api import Cutoffs, Filter, RecipientDraft, StoreError
from linkproxy.store.copy import reading

if TYPE_CHECKING:
    from pathlib import Path

    from linkproxy.model import Facts, MessageHistory
    from linkproxy.store.api import Store

HOLD, LONGEST, RETENTION = 60.0, 300.0, 2_000.0
STEPS = 150


@dataclass
class Known:
    who: RecipientId
    at: float
    verdict: VerdictKind = VerdictKind.HUMAN
    open: bool = True
    again: bool = False


@dataclass
class World:
    chance: random.Random
    path: Path
    mail: Mail
    now: float = NOW
    newest: int = 0
    told: int = 0
    visits: dict[int, Known] = field(default_factory=dict)

    def of(self, who: RecipientId) -> dict[int, Known]:
        return {number: known for number, known in sorted(self.visits.items()) if known.who == who}

    def is_due(self, who: RecipientId) -> bool:
        opened = [known for known in self.of(who).values() if known.open]
        first = min((known.at for known in opened if not known.again), default=self.now)
        last = max((known.at for known in opened), default=self.now)
        return last < self.now - HOLD or first < self.now - LONGEST

    async def append(self, store: Store) -> None:
        at = self.now - self.chance.choice((0, 0, 0, 100))  # the last ones are read back from a spill file
        people = self.chance.choices(self.mail.recipients, k=self.chance.choice((1, 2, 9)))
        seen: list[Facts] = []
        await store.append([self.mail.visit(at - NOW, who=who) for who in people], judge(seen=seen))
        for who, facts in zip(people, seen, strict=True):
            before = self.of(who.id).items()
            wanted = [(number, known.verdict) for number, known in before if known.at >= at - REACH]
            assert [(item.visit_id, item.verdict) for item in facts.siblings] == wanted
            self.newest += 1
            self.visits[self.newest] = Known(who.id, at)

    async def fail(self, store: Store) -> None:
        take, asked = judge(), iter((False, True))

        def refusing(*visit: object) -> object:
            if next(asked):
                raise sqlite3.IntegrityError("refused")
            return take(*visit)

        with pytest.raises(StoreError, match="refused"):
            await store.append([self.mail.visit(), self.mail.visit()], refusing)

    async def settle(self, store: Store, who: RecipientId | None = None) -> None:
        who = who or self.chance.choice(self.mail.recipients).id
        kind = self.chance.choice((VerdictKind.HUMAN, VerdictKind.MACHINE))
        seen: list[MessageHistory] = []
        revise = settled(kind, seen=seen, at=self.now)
        await store.settle(self.mail.campaign.id, who, revise, reach_seconds=REACH)
        opened = {number: known for number, known in self.of(who).items() if known.open}
        assert [history.open_ids for history in seen] == ([opened.keys()] if opened else [])
        for known in opened.values():
            known.open, known.verdict = False, kind

    async def list_due(self, store: Store) -> None:
        limit = self.chance.choice((2, 99))
        due = await store.list_due(last_before=self.now - HOLD, first_before=self.now - LONGEST, limit=limit)
        found = {message.recipient_id for message in due}
        wanted = {who.id for who in self.mail.recipients if self.is_due(who.id)}
        assert found <= wanted
        assert len(found) == len(due) == min(limit, len(wanted))
        for who in sorted(found):
            await self.settle(store, who)

    async def engage(self, store: Store) -> None:
        number, known = self.chance.choice(sorted(self.visits.items()))
        self.told += 1
        await store.add_engagement(
            Engagement(number, EngagementKind.BEACON, known.at, known.at, self.told, 1)
        )
        if not known.open:
            known.open = known.again = True

    async def erase(self, store: Store) -> None:
        gone = self.mail.recipients.pop()
        await store.erase_recipient(gone.id)
        for number in self.of(gone.id):
            del self.visits[number]
        self.told += 1
        self.mail.recipients += await store.register_recipients([RecipientDraft(f"{self.told}@c.example")])

    async def purge(self, store: Store) -> None:
        await store.purge(Cutoffs(journal=self.now - RETENTION))
        self.visits = {
            number: known
            for number, known in self.visits.items()
            if known.open or known.at >= self.now - RETENTION
        }

    async def check(self, store: Store) -> None:
        with reading(self.path) as db:
            listed = [row[0] for row in db.execute("SELECT visit_id FROM open_visit ORDER BY visit_id")]
        assert listed == [number for number, known in sorted(self.visits.items()) if known.open]
        assert await store.count_visits(Filter()) == len(self.visits)


OPERATIONS = {
    World.append: 12, World.settle: 3, World.list_due: 3, World.engage: 2,
    World.fail: 1, World.erase: 1, World.purge: 1,
}  # fmt: skip
"""How often each comes."""


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_happens_each_visit_is_told_open_and_due_until_it_is_settled(
    seed, open_store, path, monkeypatch
):
    """Each store is asked by turns, with room in memory for few messages or for all."""
    chance = random.Random(seed)  # noqa: S311  (repeatable on purpose)
    monkeypatch.setattr(sqlite_open, "RUN_VISITS", chance.choice((4, 20, 60)))
    monkeypatch.setattr(sqlite_open, "PART_VISITS", chance.choice((1, 3, 9)))
    stores = [await open_store(messages=room, news=room) for room in (2, 20, 1_000)]
    people = tuple(f"{number}@a.example" for number in range(9))
    world = World(chance, path, await send(stores[0], who=people))
    await world.append(stores[0])
    for _ in range(STEPS):
        (operation,) = chance.choices([*OPERATIONS], [*OPERATIONS.values()])
        await operation(world, store := chance.choice(stores))
        await world.check(store)
        world.now += chance.choice((0, 0, 5, 20, 150))
    world.now += REACH
    while any(known.open for known in world.visits.values()):
        await world.list_due(stores[0])
    await world.check(stores[0])
