"""Claims about domain profiles, and about who came beside whom."""

from __future__ import annotations

from dataclasses import replace

import pytest
from store.world import NOW, Mail, judge, key, send, settled, visits

from linkproxy.model import (
    Delivery,
    DeliverySource,
    Learned,
    Lesson,
    Link,
    LinkKind,
    LinkRole,
    Neighbour,
    ProfileScope,
    Step,
)
from linkproxy.store.api import Cutoffs, DeliveryDraft, RecipientDraft

DOMAIN, GATEWAY = ProfileScope.DOMAIN, ProfileScope.GATEWAY
DAY = 86_400.0
UNSUBSCRIBE_LINK = 5


async def crowd(mail, count, domain="crowd.example", first=0):
    drafts = [RecipientDraft(f"p{number}@{domain}") for number in range(first, first + count)]
    return await mail.store.register_recipients(drafts)


def lesson(person, *, domain="crowd.example", gateway="", **counts):
    return Lesson(domain, gateway, person.id, 10 * DAY, **counts)


def teaching(found, at=NOW + 9_999):
    """Return a reviser that teaches."""
    return lambda history: replace(settled(at=at)(history), lesson=found)


async def teach(mail, people, *, at=NOW + 9_999, **more):
    for person in people:
        await mail.visited(mail.visit(who=person))
        await mail.settle(teaching(lesson(person, machines=1, **more), at), who=person)


def asking(seen, domain="crowd.example"):
    """Return a judge that asks for neighbours and profiles, and collects the answers."""

    def take(visit, source):
        seen.append(
            (
                list(source.neighbours(visit, domain)),
                source.domain_profile(DOMAIN, domain),
                source.domain_profile(GATEWAY, "g"),
            )
        )
        return in_a_domain(visit, source)

    return take


async def asked(mail, visit, domain="crowd.example"):
    """Return what the judge of a visit is told: neighbours, domain's profile, gateway's profile."""
    seen = []
    await mail.visited(visit, take=asking(seen, domain))
    return seen[0]


def in_a_domain(visit, source):
    """Judge a visit of a recipient whose domain somebody in particular has."""
    judged = judge()(visit, source)
    return replace(judged, facts=replace(judged.facts, step=Step()))


def ids(neighbours):
    return [item.recipient_id for item in neighbours]


class DomainContract:
    # beside whom -------------------------------------------------------------------------------

    async def test_neighbours_are_the_other_recipients_of_campaign_and_domain_newest_first(self, store, mail):
        one, two, three = await crowd(mail, 3)
        other = await send(store, "other", who=("x@crowd.example",))
        await mail.visited(
            mail.visit(0, who=one), mail.visit(1, who=mail.bob), mail.visit(2, who=two), take=in_a_domain
        )
        await other.visited(other.visit(3), take=in_a_domain)
        found, *_ = await asked(mail, mail.visit(4, who=three))
        assert ids(found) == [two.id, one.id]

    async def test_visits_of_one_batch_are_neighbours_too(self, mail):
        people = await crowd(mail, 3)
        seen = []
        await mail.visited(*(mail.visit(who=person) for person in people), take=asking(seen))
        assert [len(found) for found, *_ in seen] == [0, 1, 2]

    async def test_a_neighbour_is_the_first_visit_of_its_message_with_its_time_link_headers_and_delivery(
        self, mail
    ):
        one, two = await crowd(mail, 2)
        told = Delivery(NOW - 50, DeliverySource.PROVIDER)
        await mail.store.add_deliveries([DeliveryDraft(mail.campaign.id, one.id, told)])
        first, _ = await mail.visited(
            mail.visit(0, link=2, who=one), mail.visit(5, link=1, who=one), take=in_a_domain
        )
        (found,), *_ = await asked(mail, mail.visit(6, who=two))
        assert found == Neighbour(one.id, NOW, "k002", first.facts.profile_id, NOW - 50, first_at=NOW)

    async def test_a_mailings_time_of_delivery_is_not_that_of_a_message(self, mail):
        one, two = await crowd(mail, 2)
        told = Delivery(NOW - 50, DeliverySource.CAMPAIGN)
        await mail.store.add_deliveries([DeliveryDraft(mail.campaign.id, one.id, told)])
        await mail.visited(mail.visit(who=one), take=in_a_domain)
        (found,), *_ = await asked(mail, mail.visit(6, who=two))
        assert found.delivered_at is None

    async def test_who_comes_for_an_unsubscribe_link_is_known_but_not_by_one_click(self, mail):
        one, two, three = await crowd(mail, 3)
        await mail.visited(
            mail.visit(0, who=one),
            mail.visit(2, link=UNSUBSCRIBE_LINK, who=one),
            mail.visit(3, link=UNSUBSCRIBE_LINK, who=two, method="POST", one_click=True),
            take=in_a_domain,
        )
        found, *_ = await asked(mail, mail.visit(4, who=three))
        assert [item.unsubscribe_at for item in found] == [None, NOW + 2]

    async def test_neighbours_of_more_than_an_hour_ago_are_none(self, mail):
        one, two, three = await crowd(mail, 3)
        await mail.visited(mail.visit(0, who=one), mail.visit(3000, who=two), take=in_a_domain)
        found, *_ = await asked(mail, mail.visit(4000, who=three))
        assert ids(found) == [two.id]

    async def test_who_opened_a_mail_is_nobodys_neighbour_and_a_sibling_known_for_an_open(
        self, store, mail, open_store
    ):
        await store.add_links([Link(mail.campaign.id, key(70), "", LinkKind.OPEN, LinkRole.BODY, 70)])
        one, two = await crowd(mail, 2)
        await mail.visited(mail.visit(0, link=70, who=one), take=in_a_domain)
        other = Mail(await open_store(), mail.campaign, mail.links, mail.recipients)
        for place, asker in enumerate((mail, other), 1):
            found, *_ = await asked(asker, asker.visit(place, who=two))
            assert found == []
        (judged,) = await mail.visited(mail.visit(5, who=one))
        assert [(item.kind, item.at) for item in judged.facts.siblings] == [(LinkKind.OPEN, NOW)]

    async def test_recipients_of_no_domain_are_nobodys_neighbours(self, mail):
        (reference,) = await mail.store.register_recipients([RecipientDraft(reference="r-1")])
        await mail.visited(mail.visit(who=reference), take=in_a_domain)
        found, *_ = await asked(mail, mail.visit(1), domain="")
        assert found == []

    async def test_another_process_and_one_that_starts_later_know_the_same_neighbours(self, mail, open_store):
        people = await crowd(mail, 5)
        other = Mail(await open_store(), mail.campaign, mail.links, mail.recipients)
        await mail.visited(
            mail.visit(0, who=people[0], link=UNSUBSCRIBE_LINK),
            mail.visit(1, who=people[1]),
            take=in_a_domain,
        )
        await other.visited(other.visit(2, who=people[2]), take=in_a_domain)
        await mail.visited(mail.visit(3, who=people[3]), take=in_a_domain)
        late = Mail(await open_store(), mail.campaign, mail.links, mail.recipients)
        found = [(await asked(side, side.visit(4, who=people[4])))[0] for side in (mail, other, late)]
        assert ids(found[0]) == [person.id for person in reversed(people[:4])]
        assert found[0] == found[1] == found[2]

    async def test_who_came_before_their_domain_was_known_is_nobodys_neighbour_in_any_process(
        self, mail, open_store
    ):
        (nameless,) = await mail.store.register_recipients([RecipientDraft(reference="r-1")])
        (one,) = await crowd(mail, 1)
        await mail.visited(mail.visit(0, who=nameless), take=judge())
        await mail.store.register_recipients([RecipientDraft("cid@crowd.example", "r-1")])
        later = Mail(await open_store(), mail.campaign, mail.links, mail.recipients)
        for side in (mail, later):
            neighbours, *_ = await asked(side, side.visit(1, who=one))
            assert ids(neighbours) == []

    async def test_an_erased_recipient_is_nobodys_neighbour(self, mail):
        one, two = await crowd(mail, 2)
        await mail.visited(mail.visit(who=one), take=in_a_domain)
        await mail.store.erase_recipient(one.id)
        found, *_ = await asked(mail, mail.visit(1, who=two))
        assert found == []

    async def test_an_erased_recipient_is_nobodys_neighbour_in_other_processes_either(self, mail, open_store):
        one, two, three = await crowd(mail, 3)
        other = Mail(await open_store(), mail.campaign, mail.links, mail.recipients)
        await other.visited(other.visit(0, who=one), other.visit(1, who=two), take=in_a_domain)
        await mail.store.erase_recipient(one.id)
        seen = []
        await other.settle(settled(seen=seen), who=two)
        assert ids(seen[0].neighbours) == []
        found, *_ = await asked(other, other.visit(2, who=three))
        assert ids(found) == [two.id]

    async def test_a_settle_pass_knows_the_neighbours_on_both_sides(self, mail, open_store):
        one, two, three = await crowd(mail, 3)
        other = Mail(await open_store(), mail.campaign, mail.links, mail.recipients)
        await mail.visited(mail.visit(0, who=one), mail.visit(1, who=two), take=in_a_domain)
        await other.visited(other.visit(2, who=three), take=in_a_domain)
        seen = []
        await mail.settle(settled(seen=seen), who=two)
        assert ids(seen[0].neighbours) == [three.id, one.id]

    async def test_a_settle_pass_is_told_of_the_domains_recipients_up_to_the_highest_visited_before_and_now(
        self, mail, open_store
    ):
        people = await crowd(mail, 9)
        await crowd(mail, 3, "other.example")
        other = Mail(await open_store(), mail.campaign, mail.links, mail.recipients)
        seen = []
        for place, (side, who) in enumerate(((mail, 4), (other, 1), (mail, 7))):
            await side.visited(side.visit(place, who=people[who]), take=in_a_domain)
        for side, who in ((mail, 7), (other, 1), (mail, 4)):
            await side.settle(settled(seen=seen), who=people[who])
        assert [history.recipients for history in seen] == [(5, 8), (5, 5), (0, 5)]

    async def test_what_was_settled_before_or_has_a_known_time_or_nobodys_domain_asks_for_no_recipients(
        self, mail
    ):
        one, two, three = await crowd(mail, 3)
        told = Delivery(NOW - 50, DeliverySource.MX)
        await mail.store.add_deliveries([DeliveryDraft(mail.campaign.id, two.id, told)])
        seen = []
        await mail.visited(mail.visit(who=one), mail.visit(who=two), take=in_a_domain)
        await mail.visited(mail.visit(who=three))
        for person in (one, two, three):
            await mail.settle(settled(seen=seen), who=person)
        await mail.visited(mail.visit(5, who=one), take=in_a_domain)
        await mail.settle(settled(seen=seen), who=one)
        assert [history.recipients for history in seen] == [(0, 1), None, None, None]

    async def test_who_comes_again_later_is_known_by_the_first_time_too(self, mail):
        one, two = await crowd(mail, 2)
        await mail.visited(mail.visit(0, who=one), take=in_a_domain)
        await mail.visited(mail.visit(2000, who=one), take=in_a_domain)
        (found,), *_ = await asked(mail, mail.visit(2001, who=two))
        assert (found.first_at, found.at) == (NOW, NOW + 2000)

    # what is frozen ----------------------------------------------------------------------------

    async def test_what_was_learned_and_who_was_in_step_come_back_as_they_were(self, store, mail):
        learned = (Learned(GATEWAY, "g", 3.5, 0.25), Learned(DOMAIN, "a.example", 1.0, 2.0))

        def take(visit, source):
            judged = judge()(visit, source)
            return replace(judged, facts=replace(judged.facts, learned=learned, step=Step(1, 2, 3, 4, 5)))

        (judged,) = await mail.visited(mail.visit(), take=take)
        await mail.settle(
            lambda history: replace(settled()(history), steps=((judged.visit_id, Step(9, 8, 7, 6, 5)),))
        )
        (row,) = await visits(store)
        assert (row.entry.facts.learned, row.entry.facts.step) == (learned, Step(1, 2, 3, 4, 5))
        assert row.entry.settled_step == Step(9, 8, 7, 6, 5)

    async def test_a_visit_without_a_domain_has_no_step(self, store, mail):
        await mail.visited(mail.visit())
        await mail.settle()
        (row,) = await visits(store)
        assert (row.entry.facts.learned, row.entry.facts.step, row.entry.settled_step) == ((), None, None)

    # what is learned ---------------------------------------------------------------------------

    async def test_lessons_add_up_and_wear_off_by_half_in_a_half_life(self, store, mail):
        people = await crowd(mail, 21)
        await teach(mail, people[:20], gateway="g", delay_seconds=1.0)
        await teach(mail, people[20:], gateway="g", at=NOW + 9_999 + 10 * DAY)
        profiles = await store.list_domain_profiles(min_recipients=20)
        assert [(item.scope, item.name, item.recipients) for item in profiles] == [
            (DOMAIN, "crowd.example", 21),
            (GATEWAY, "g", 21),
        ]
        assert profiles[0].machines == pytest.approx(11.0)
        assert (profiles[0].delays, profiles[0].people) == (pytest.approx(10.0), 0.0)

    async def test_a_judge_is_told_what_was_learned_until_then(self, mail):
        one, two = await crowd(mail, 2)
        _, nothing, _ = await asked(mail, mail.visit(who=one))
        await mail.settle(teaching(lesson(one, people=1)), who=one)
        _, domain, gateway = await asked(mail, mail.visit(who=two))
        assert (nothing.people, nothing.recipients) == (0.0, 0)
        assert (domain.people, domain.recipients, gateway.recipients) == (1.0, 1, 0)

    async def test_each_process_sees_what_the_other_taught(self, mail, open_store):
        one, two, three = await crowd(mail, 3)
        other = Mail(await open_store(), mail.campaign, mail.links, mail.recipients)
        await asked(other, other.visit(who=three))
        await teach(mail, [one, two])
        _, domain, _ = await asked(other, other.visit(1, who=three))
        assert (domain.machines, domain.recipients) == (2.0, 2)

    async def test_how_much_of_its_mail_is_visited_is_learned_of_a_domain_apart(self, mail):
        one, two, three = await crowd(mail, 3)
        for person in (one, two):
            await mail.visited(mail.visit(who=person))
            await mail.settle(teaching(lesson(person, visited=1, mailed=4)), who=person)
        found = []

        def take(visit, source):
            found.append(source.domain_profile(ProfileScope.MAILED, "crowd.example"))
            return judge()(visit, source)

        await mail.visited(mail.visit(who=three), take=take)
        assert [(item.machines, item.people, item.recipients) for item in found] == [(2.0, 8.0, 2)]

    async def test_profiles_of_few_recipients_are_not_listed_whatever_is_asked(self, store, mail):
        people = await crowd(mail, 20)
        await teach(mail, people[:19])
        assert await store.list_domain_profiles(min_recipients=1) == []
        await teach(mail, people[19:])
        (found,) = await store.list_domain_profiles(min_recipients=1, name="CROWD.example")
        assert found.recipients == 20
        assert await store.list_domain_profiles(min_recipients=21) == []
        assert await store.list_domain_profiles(min_recipients=20, name="other.example") == []

    async def test_of_a_network_each_domain_is_one_teacher_and_its_further_messages_weigh_less(
        self, store, mail
    ):
        networks = (("192.0.0.0/16", 1.0, 0.0),)
        for domain in ("one.example", "two.example"):
            for person in await crowd(mail, 3, domain):
                found = lesson(person, domain=domain, networks=networks)
                await mail.visited(mail.visit(who=person))
                await mail.settle(teaching(found), who=person)
        for person in await crowd(mail, 2, "gmail.com"):
            # Of a freemail domain nothing is learned, so its recipients speak for themselves.
            await mail.visited(mail.visit(who=person))
            await mail.settle(teaching(lesson(person, domain="", networks=networks)), who=person)
        (found,) = await store.list_domain_profiles(min_recipients=20, min_domains=4)
        assert (found.scope, found.name, found.recipients) == (ProfileScope.NETWORK, "192.0.0.0/16", 4)
        assert found.machines == pytest.approx(4 + 4 * 0.25, rel=1e-3)
        assert await store.list_domain_profiles(min_recipients=20, min_domains=5) == []
        assert await store.list_domain_profiles(min_recipients=20) == []

    async def test_a_pass_that_fails_teaches_nothing(self, mail):
        one, two = await crowd(mail, 2)
        await mail.visited(mail.visit(who=one))

        def revise(history):
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await mail.settle(revise, who=one)
        _, domain, _ = await asked(mail, mail.visit(who=two))
        assert domain.machines == 0.0

    async def test_an_erased_recipient_teaches_no_more_and_a_profile_of_too_few_goes_with_them(
        self, store, mail
    ):
        people, others = await crowd(mail, 21), await crowd(mail, 20, "other.example")
        await teach(mail, people)
        await teach(mail, others, domain="other.example")
        assert (await store.export_recipient(people[0].id))["domain_teacher"] == [
            {"scope": "domain", "name": "crowd.example", "recipient_id": people[0].id}
        ]
        await store.erase_recipient(people[0].id)
        found = await store.list_domain_profiles(min_recipients=20)
        assert {item.name: item.recipients for item in found} == {"crowd.example": 20, "other.example": 20}
        await store.erase_recipient(people[1].id)
        _, domain, _ = await asked(mail, mail.visit(who=people[2]))
        assert (domain.machines, domain.recipients) == (0.0, 0)
        (kept,) = (await store.export_recipient(others[0].id))["domain_teacher"]
        assert kept["name"] == "other.example"

    async def test_profiles_that_nobody_taught_for_long_are_purged_with_who_taught_them(self, store, mail):
        people = await crowd(mail, 20)
        await teach(mail, people)
        assert (await store.purge(Cutoffs(domain_profiles=NOW + 9_999)))["domain_profile"] == 0
        assert (await store.purge(Cutoffs(domain_profiles=NOW + 10_000)))["domain_profile"] == 1
        assert await store.list_domain_profiles(min_recipients=20) == []
        assert (await store.export_recipient(people[0].id))["domain_teacher"] == []

    async def test_a_profile_that_is_taught_while_a_purge_rests_stays(self, store, mail):
        """Many profiles are purged some at a time, so that visits and settling go on in between."""
        old = [f"d{number:02}.example" for number in range(60)]
        for name in old:
            (person,) = await crowd(mail, 1, domain=name)
            await mail.visited(mail.visit(who=person))
            await mail.settle(teaching(lesson(person, domain=name, machines=1)), who=person)
        people = await crowd(mail, 21)
        await teach(mail, people, at=NOW + 9_999.5)
        rests = []

        async def rest(took):
            if not rests:
                await teach(mail, people[:1], at=NOW + 20_000)
            rests.append(took)

        counts = await store.purge(Cutoffs(domain_profiles=NOW + 10_000), rest=rest)
        assert counts["domain_profile"] == len(old)
        assert len(rests) > 1
        (left,) = await store.list_domain_profiles(min_recipients=20)
        assert (left.name, left.recipients) == ("crowd.example", 21)
