"""Claims about gateways: domains come in with recipients, answers are kept and seen by judges."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from store.world import NOW, judge

from linkproxy.model import Judged, Zone, ZoneRole
from linkproxy.store.api import RecipientDraft
from linkproxy.store.gateways import DomainGateway, LookupOutcome

if TYPE_CHECKING:
    from linkproxy.model import Visit
    from linkproxy.store.api import Store, Take
    from linkproxy.visit.facts import FactSource

FOUND = DomainGateway(
    "a.example", "mimecast", ("one.mimecast.com", "two.mimecast.com"), LookupOutcome.FOUND, NOW, NOW + 100.0
)


def asking(told: list[str], *domains: str) -> Take:
    """Return a judge that asks for the gateways of domains."""
    usual = judge()

    def take(visit: Visit, source: FactSource) -> Judged:
        told.extend(source.gateway(domain) for domain in domains)
        outcome = usual(visit, source)
        assert isinstance(outcome, Judged)
        return outcome

    return take


async def domains_due(store: Store, now: float = NOW, limit: int = 100) -> list[str]:
    return [row.domain for row in await store.list_gateways_due(now=now, limit=limit)]


class GatewayContract:
    """What the store knows of the mail domains of recipients."""

    @pytest.mark.usefixtures("mail")
    async def test_the_domains_of_new_recipients_are_due(self, store):
        await store.register_recipients(
            [RecipientDraft("eve@A.example"), RecipientDraft(reference="x-1"), RecipientDraft("c@c.example")]
        )
        assert sorted(await domains_due(store)) == ["a.example", "b.example", "c.example"]
        assert {row.outcome for row in await store.list_gateways()} == {LookupOutcome.UNASKED}

    @pytest.mark.usefixtures("mail")
    async def test_what_a_clock_that_was_ahead_looked_up_is_due_when_it_is_set_right(self, store):
        ahead = NOW + 3 * 365 * 86_400
        await store.put_gateways([replace(FOUND, looked_up_at=ahead, expires_at=ahead + 100)])
        assert await domains_due(store) == ["b.example", "a.example"]
        assert await domains_due(store, now=ahead) == ["b.example"]

    async def test_a_reference_that_gets_an_address_later_brings_its_domain(self, store):
        await store.register_recipients([RecipientDraft(reference="x-1")])
        assert await domains_due(store) == []
        await store.register_recipients([RecipientDraft("ann@late.example", "x-1")])
        assert await domains_due(store) == ["late.example"]

    @pytest.mark.usefixtures("mail")
    async def test_an_answer_is_kept_whole_until_it_expires(self, store):
        await store.put_gateways([FOUND])
        assert (await store.list_gateways())[0] == FOUND
        assert await domains_due(store, FOUND.expires_at - 1) == ["b.example"]
        assert await domains_due(store, FOUND.expires_at) == ["b.example", "a.example"]
        assert await domains_due(store, FOUND.expires_at, limit=1) == ["b.example"]

    @pytest.mark.usefixtures("mail")
    async def test_registering_again_leaves_an_answer_alone(self, store):
        await store.put_gateways([FOUND])
        await store.register_recipients([RecipientDraft("ann@a.example"), RecipientDraft("new@a.example")])
        assert (await store.list_gateways())[0] == FOUND

    async def test_a_judge_is_told_the_gateway_and_an_unknown_one_is_empty(self, store, mail):
        await store.put_gateways([FOUND])
        told: list[str] = []
        await mail.visited(mail.visit(), take=asking(told, "a.example", "b.example", "nowhere.example", ""))
        assert told == ["mimecast", "", "", ""]

    async def test_a_new_answer_holds_from_the_next_visit_on(self, store, mail):
        told: list[str] = []
        for row in (FOUND, replace(FOUND, name="cisco"), replace(FOUND, name="")):
            await store.put_gateways([row])
            await mail.visited(mail.visit(), take=asking(told, "a.example"))
        assert told == ["mimecast", "cisco", ""]

    async def test_another_process_sees_a_new_answer(self, mail, open_store):
        told: list[str] = []
        await mail.visited(mail.visit(), take=asking(told, "a.example"))
        other = await open_store()
        await other.put_gateways([FOUND])
        await mail.visited(mail.visit(), take=asking(told, "a.example"))
        assert told == ["", "mimecast"]

    async def test_a_domain_goes_with_its_last_recipient(self, store, mail):
        (second,) = await store.register_recipients([RecipientDraft("eve@a.example")])
        await store.put_gateways([FOUND])
        await store.erase_recipient(mail.ann.id)
        assert [row.domain for row in await store.list_gateways()] == ["a.example", "b.example"]
        await store.erase_recipient(second.id)
        assert [row.domain for row in await store.list_gateways()] == ["b.example"]

    async def test_an_answer_that_comes_after_the_erasure_is_not_kept(self, store, mail):
        await store.erase_recipient(mail.ann.id)
        await store.put_gateways([FOUND])
        assert [row.domain for row in await store.list_gateways()] == ["b.example"]

    async def test_what_was_known_of_network_operator_and_gateway_is_frozen(self, store, mail):
        usual = judge()
        zone = Zone("proofpoint", ZoneRole.SCANNER, certain=False)

        def take(visit: Visit, source: FactSource) -> Judged:
            outcome = usual(visit, source)
            assert isinstance(outcome, Judged)
            known = replace(outcome.facts, zone=zone, asn=26211, listed=("mine", "yours"), gateway="mimecast")
            return replace(outcome, facts=known)

        (judged,) = await mail.visited(mail.visit(), take=take)
        (plain,) = await mail.visited(mail.visit())
        facts = (await store.get_visit(judged.visit_id)).entry.facts
        assert (facts.zone, facts.asn, facts.listed, facts.gateway) == (
            zone,
            26211,
            ("mine", "yours"),
            "mimecast",
        )
        facts = (await store.get_visit(plain.visit_id)).entry.facts
        assert (facts.zone, facts.asn, facts.listed, facts.gateway) == (None, 0, (), "")
