"""Claims about what is written in two ways: mail domains beyond ASCII, and references with a full stop behind them."""

from __future__ import annotations

import pytest

from linkproxy.model import NOBODY, Unlogged
from linkproxy.store.api import Filter, RecipientDraft

MUNICH = (
    "m\u00fcnchen.example",
    "xn--mnchen-3ya.example",
    "M\u00dcNCHEN.Example.",
    "mu\u0308nchen\u3002example",
)
"""One domain: as people write it, as machines do, and in other letters."""


class SpellingsContract:
    # mail domains ----------------------------------------------------------------------------

    async def test_a_mail_domain_has_one_spelling_however_it_is_written(self, store):
        found = await store.register_recipients(
            [RecipientDraft(f"anna{place}@{domain}") for place, domain in enumerate(MUNICH)]
        )
        assert {recipient.domain for recipient in found} == {"xn--mnchen-3ya.example"}
        assert [row.domain for row in await store.list_gateways()] == ["xn--mnchen-3ya.example"]

    @pytest.mark.parametrize("spelling", MUNICH)
    async def test_a_domain_opts_out_in_any_of_its_spellings(self, store, spelling):
        await store.register_recipients([RecipientDraft(f"anna@{MUNICH[0]}")])
        assert await store.set_track(f"@{spelling}", track=False) == 1
        (bob,) = await store.register_recipients([RecipientDraft(f"bob@{MUNICH[1]}")])
        assert not bob.track
        assert await store.set_track(f"@{MUNICH[2]}", track=True) == 2
        assert (await store.find_recipient(f"bob@{MUNICH[1]}")).track

    # addresses -------------------------------------------------------------------------------

    async def test_an_address_is_one_recipient_however_its_domain_is_written(self, store, mail):
        drafts = [RecipientDraft(f"m\u00fcller@{domain}") for domain in MUNICH]
        found = await store.register_recipients(drafts)
        again = [(await store.register_recipients([draft]))[0] for draft in drafts]
        asked = [await store.find_recipient(draft.address) for draft in drafts]
        assert {who.id for who in (*found, *again, *asked)} == {found[0].id}
        await mail.visited(mail.visit(who=found[0]))
        for domain in MUNICH:
            listed = store.visits(Filter(recipient=f"M\u00dcLLER@{domain}"))
            assert len([row async for row in listed]) == 1
            assert await store.set_track(f"m\u00fcller@{domain}", track=True) == 1

    # references ------------------------------------------------------------------------------

    async def test_a_full_stop_behind_a_reference_makes_nobody_new_of_whom_is_known(self, store, mail):
        await mail.visited(mail.visit(recipient_id=NOBODY, reference="r-7"))
        await store.register_recipients([RecipientDraft(reference="jr.")])
        (stopped, own) = await mail.visited(
            mail.visit(1, recipient_id=NOBODY, reference="r-7.", verified=False),
            mail.visit(2, recipient_id=NOBODY, reference="jr.", verified=False),
        )
        assert (await store.find_recipient("r-7")).id == stopped.recipient.id
        assert (await store.find_recipient("jr.")).id == own.recipient.id
        assert await store.find_recipient("r-7.") is None
        assert await store.find_recipient("jr") is None

    async def test_a_full_stop_behind_a_reference_of_the_same_commit_makes_nobody_new(self, store, mail):
        (first, second) = await mail.visited(
            mail.visit(recipient_id=NOBODY, reference="r-7"),
            mail.visit(1, recipient_id=NOBODY, reference="r-7.", verified=False),
        )
        assert first.recipient.id == second.recipient.id
        assert await store.find_recipient("r-7.") is None

    async def test_a_reference_with_a_full_stop_whom_nobody_knows_stays_as_it_is(self, store, mail):
        await mail.visited(mail.visit(recipient_id=NOBODY, reference="jr.", verified=False))
        assert (await store.find_recipient("jr.")).reference == "jr."
        assert await store.find_recipient("jr") is None

    async def test_an_erased_reference_stays_erased_with_a_full_stop_behind_it(self, store, mail):
        await mail.visited(mail.visit(recipient_id=NOBODY, reference="r-7"))
        await store.erase_recipient((await store.find_recipient("r-7")).id)
        (outcome,) = await mail.append(mail.visit(5, recipient_id=NOBODY, reference="r-7.", verified=False))
        assert isinstance(outcome, Unlogged)
        assert await store.find_recipient("r-7.") is None
