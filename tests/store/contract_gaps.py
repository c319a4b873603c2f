"""Claims about the gap in ids after a backup was restored."""

from __future__ import annotations

from functools import partial

import pytest
from store.world import ids, send

from linkproxy.model import AnswerKind, RecipientId, Unlogged
from linkproxy.store.api import RecipientDraft, StoreError
from linkproxy.store.gaps import GAPS
from linkproxy.visit import pipeline
from linkproxy.visit import policy as policies


class GapContract:
    async def test_after_a_gap_nothing_new_has_an_id_that_may_have_been_given_out(self, store, mail):
        (before,) = await mail.visited(mail.visit())
        await store.skip_ids()
        later = await send(store, "later", who=("cleo@c.example",))
        assert later.campaign.id == mail.campaign.id + GAPS["campaign"] + 1
        assert later.ann.id == mail.bob.id + GAPS["recipient"] + 1
        (after,) = await mail.visited(mail.visit(5))
        assert after.visit_id == before.visit_id + GAPS["visit"] + 1

    async def test_who_was_registered_after_the_backup_is_sent_on_and_is_nobody(self, store, mail):
        take = partial(pipeline.take, policy=policies.load())
        lost = RecipientId(mail.bob.id + 1)
        (outcome,) = await mail.append(mail.visit(recipient_id=lost), take=take)
        assert isinstance(outcome, Unlogged)
        assert (outcome.answer.kind, outcome.answer.target) == (AnswerKind.REDIRECT, mail.links[0].target)
        assert await ids(store) == []

    async def test_an_empty_store_can_have_a_gap(self, store):
        await store.skip_ids()
        mail = await send(store)
        (visited,) = await mail.visited(mail.visit())
        assert visited.visit_id > GAPS["visit"]
        assert mail.ann.id > GAPS["recipient"]

    async def test_what_was_open_before_a_gap_settles_after_it(self, store, mail):
        (before,) = await mail.visited(mail.visit())
        await store.skip_ids()
        (after,) = await mail.visited(mail.visit(5, link=1))
        assert [sibling.at - before.visit.at for sibling in after.facts.siblings] == [0]
        settlement = await mail.settle()
        assert [visit_id for visit_id, _ in settlement.revised] == [before.visit_id, after.visit_id]

    async def test_another_process_goes_on_behind_the_gap(self, store, mail, open_store):
        (before,) = await mail.visited(mail.visit())
        other = await open_store()
        await other.skip_ids()
        (after,) = await mail.visited(mail.visit(5))
        assert after.visit_id > before.visit_id + GAPS["visit"]
        assert await ids(other) == [before.visit_id, after.visit_id]
        (cleo,) = await store.register_recipients([RecipientDraft("cleo@c.example")])
        assert cleo.id > mail.bob.id + GAPS["recipient"]

    async def test_a_gap_that_tokens_could_not_carry_is_refused(self, store, monkeypatch):
        monkeypatch.setitem(GAPS, "recipient", 1 << 38)
        await store.skip_ids()
        with pytest.raises(StoreError, match="no room for another gap: recipient ids have come to"):
            await store.skip_ids()
        (cleo,) = await store.register_recipients([RecipientDraft("cleo@c.example")])
        assert cleo.id == (1 << 38) + 1
