"""Claims about recipients that plain references have made: they go when nothing is left of them."""

from __future__ import annotations

from store.world import NOW, clicks, settled

from linkproxy.model import NOBODY, VerdictKind
from linkproxy.store.api import Cutoffs, RecipientDraft

DAY = 86_400.0
ALL = Cutoffs(journal=NOW + DAY, clicks=NOW + DAY)
MACHINE = settled(VerdictKind.MACHINE)


async def come(mail, at=0.0, reference="r-1", **more):
    """Visit by a plain reference; return the recipient."""
    visit = mail.visit(at, recipient_id=NOBODY, reference=reference, **({"verified": False} | more))
    (judged,) = await mail.visited(visit)
    return judged.recipient


class NamelessContract:
    async def test_who_only_came_by_a_plain_reference_goes_with_the_last_visit(self, store, mail):
        """Whoever has one true link can make any number of them."""
        for number in range(600):
            await come(mail, number / 100, f"made-up-{number}")
        for number in range(600):
            who = await store.find_recipient(f"made-up-{number}")
            await mail.settle(MACHINE, who=who)
        assert "recipient" not in await store.purge(Cutoffs(journal=NOW))
        rests = []

        async def rest(took):
            rests.append(took)

        counts = await store.purge(ALL, rest=rest)
        assert (counts["visit"], counts["recipient"]) == (600, 600)
        assert len(rests) > 2 * 600 // 250
        assert await store.find_recipient("made-up-7") is None
        assert await store.get_recipient(mail.ann.id) == mail.ann

    async def test_who_comes_again_after_that_is_somebody_new(self, store, mail):
        before = await come(mail)
        await mail.settle(MACHINE, who=before)
        await store.purge(ALL)
        after = await come(mail, 2 * DAY)
        assert after.id > before.id
        assert (await store.find_recipient("r-1")).id == after.id

    async def test_a_click_outlives_its_visit_and_keeps_its_recipient(self, store, mail):
        who = await come(mail)
        await mail.settle(who=who)
        assert "recipient" not in await store.purge(Cutoffs(journal=NOW + DAY))
        assert [row.recipient for row in await clicks(store)] == ["r-1"]
        assert (await store.purge(Cutoffs(clicks=NOW + DAY)))["recipient"] == 1

    async def test_a_visit_that_is_younger_or_open_keeps_its_recipient(self, store, mail):
        older, younger = await come(mail), await come(mail, 10, "r-2")
        await mail.settle(MACHINE, who=older)
        await mail.settle(MACHINE, who=younger)
        await come(mail, 2 * DAY, "r-1")
        await come(mail, 2 * DAY, "r-2")
        await mail.settle(MACHINE, who=younger)
        counts = await store.purge(ALL)
        assert (counts["visit"], counts.get("recipient")) == (2, None)
        assert (await store.find_recipient("r-1")).id == older.id

    async def test_who_is_registered_or_not_tracked_or_came_by_a_signed_one_stays(self, store, mail):
        for reference in ("registered", "untracked", "signed", "opted-out"):
            who = await come(mail, reference=reference, verified=reference == "signed")
            await mail.settle(MACHINE, who=who)
        await store.register_recipients([RecipientDraft("cleo@c.example", "registered")])
        await store.set_track("untracked", track=False)
        await mail.opt_out(who=await store.find_recipient("opted-out"))
        assert "recipient" not in await store.purge(ALL)
        assert (await store.find_recipient("untracked")).track is False

    async def test_who_has_a_message_of_their_own_stays(self, store, mail):
        """A group of the relay: its mail carries its id, and nobody vouched for the reference."""
        (group,) = await store.register_recipients([RecipientDraft(reference="group-1", verified=False)])
        await mail.visited(mail.visit(who=group))
        await mail.settle(MACHINE, who=group)
        assert "recipient" not in await store.purge(ALL)
        assert (await store.find_recipient("group-1")).id == group.id

    async def test_who_comes_while_a_purge_rests_stays(self, store, mail):
        for number in range(300):
            who = await come(mail, number / 100, f"made-up-{number:03}")
            await mail.settle(MACHINE, who=who)
        dropping = []

        async def rest(_took):
            if await store.find_recipient("made-up-000") is None and not dropping:
                dropping.append(await come(mail, 2 * DAY, "made-up-299"))

        assert (await store.purge(ALL, rest=rest))["recipient"] == 299
        assert (await store.find_recipient("made-up-299")).id == dropping[0].id

    async def test_the_store_tells_which_addresses_it_knows_however_they_are_spelt(self, store):
        await store.register_recipients([RecipientDraft("anna@example.com"), RecipientDraft(reference="r-1")])
        asked = ["Anna@Example.com", "anna@example.com", "ben@example.com", "r-1"]
        assert await store.known_addresses(asked) == {"Anna@Example.com", "anna@example.com"}
        assert await store.known_addresses([]) == frozenset()

    async def test_the_store_tells_which_references_were_erased(self, store, mail):
        await mail.visited(*(mail.visit(recipient_id=NOBODY, reference=name) for name in ("r-7", "r-8")))
        await store.erase_recipient((await store.find_recipient("r-7")).id)
        assert await store.erased_references(["r-6", "r-7", "r-8", "r-7"]) == {"r-7"}
        assert await store.erased_references([]) == frozenset()
        await store.register_recipients([RecipientDraft(reference="r-7")])
        assert await store.erased_references(["r-7"]) == frozenset()
