"""Reports, accuracy and shadow, from requests over real HTTP to the JSON that a program gets."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import pytest

from linkproxy.model import Delivery, DeliverySource
from linkproxy.query.replay import Comparison
from linkproxy.server.keys import hash_key, new_key
from linkproxy.store.api import ApiKey, DeliveryDraft, Filter, RecipientDraft

if TYPE_CHECKING:
    from tests.server.conftest import Site, Start

DAY = 86_400.0


async def ask(site: Site, path: str, status: int = 200) -> dict[str, Any]:
    key = new_key()
    name = f"test {len(await site.store.list_api_keys())}"
    await site.store.add_api_key(ApiKey(name, hash_key(key), site.START))
    headers = {"Authorization": f"Bearer {key}"}
    async with site.web.get(site.server.addresses.private + path, headers=headers) as response:
        assert response.status == status, await response.text()
        found: dict[str, Any] = await response.json()
        return found


async def settle(site: Site) -> None:
    site.clock.now += 4000
    await site.server.services.settler.once()


async def people(site: Site, *addresses: str) -> list[Any]:
    found = await site.store.register_recipients([RecipientDraft(address=who) for who in addresses])
    delivery = Delivery(site.START - 600, DeliverySource.MX)
    await site.store.add_deliveries([DeliveryDraft(site.campaign.id, item.id, delivery) for item in found])
    return found


async def sweep(site: Site, recipient: Any = None) -> None:
    for key in (*site.TARGETS, site.BAIT):
        await site.ask(site.url(key, recipient), headers=site.SCANNER)
        site.clock.now += 0.2


async def test_a_report_counts_people_and_says_what_was_removed_and_why(site: Site) -> None:
    ben, cleo = await people(site, "ben@example.com", "cleo@brand.example")
    await site.ask(site.url())
    site.clock.now += 40
    await site.ask(site.url("CtB2"))
    await site.ask(site.url(recipient=cleo))
    await sweep(site, ben)
    await settle(site)
    found = (await ask(site, "/api/v1/campaigns/spring/report"))["report"]
    assert (found["human_clicks"], found["human_clickers"], found["delivered"]) == (3, 2, 3)
    assert found["click_rate"] == round(2 / 3, 6)
    between = found["click_rate_interval"]
    assert 0 < between["low"] < 2 / 3 < between["high"] < 1
    assert between["level"] == 0.95
    assert found["interval"]["low"] <= 3 <= found["interval"]["high"]
    assert found["machine_visits_removed"] == 4
    assert sum(found["removed_by_reason"].values()) == 4
    assert found["raw"] == {"requests": 7, "messages": 3, "click_rate": 1.0}
    first = {row["link"]: row for row in found["by_link"]}["CtA1"]
    (link,) = [item for item in await site.store.list_links(site.campaign.id) if item.key == "CtA1"]
    assert (first["human_clicks"], first["role"], first["position"]) == (2, link.role, link.position)
    assert [(row["day"], row["human_clicks"]) for row in found["by_day"]] == [("2026-05-28", 3)]
    by_domain = {row.pop("domain"): row for row in found["by_domain"]}
    names = ("human_clickers", "delivered", "click_rate")
    assert [by_domain["example.com"][name] for name in names] == [1, 2, 0.5]
    assert [by_domain["brand.example"][name] for name in names] == [1, 1, 1.0]


async def test_an_uncertain_visit_is_reported_by_itself_and_widens_the_interval(start: Start) -> None:
    site = await start(judge={"extra_hop": False})
    bare = {name: value for name, value in site.BROWSER.items() if name == "User-Agent"}
    await site.ask(site.url(), headers=bare)
    await settle(site)
    found = (await ask(site, "/api/v1/campaigns/spring/report"))["report"]
    assert found["human_clicks"] == 0
    assert found["uncertain"]["visits"] == 1
    assert 0 < found["uncertain"]["expected_human"] < 1
    assert (found["interval"]["low"], found["interval"]["high"]) == (0, 1)


async def test_the_report_of_a_campaign_without_visits_is_empty(site: Site) -> None:
    found = (await ask(site, "/api/v1/campaigns/spring/report"))["report"]
    assert (found["human_clicks"], found["interval"], found["by_link"]) == (0, None, [])
    assert (
        found["click_rate"] == found["click_rate_interval"]["low"] == 0 < found["click_rate_interval"]["high"]
    )


async def test_where_more_have_clicked_than_are_delivered_neither_rate_nor_its_interval_is_known(
    site: Site,
) -> None:
    [ben] = await site.store.register_recipients([RecipientDraft(address="ben@brand.example")])
    await site.ask(site.url())
    await site.ask(site.url("CtB2", ben))
    await settle(site)
    found = (await ask(site, "/api/v1/campaigns/spring/report"))["report"]
    assert (found["human_clickers"], found["delivered"]) == (2, 1)
    assert found["interval"] is not None
    assert (found["click_rate"], found["click_rate_interval"]) == (None, None)


async def test_clicks_are_still_reported_when_the_journal_behind_them_is_purged(site: Site) -> None:
    await site.ask(site.url())
    await settle(site)
    site.clock.now += 91 * DAY
    await site.server.services.purger.once()
    assert await site.visits() == []
    await site.ask(site.url("CtB2"))
    await settle(site)
    found = (await ask(site, "/api/v1/campaigns/spring/report"))["report"]
    assert (found["human_clicks"], found["human_clickers"]) == (2, 1)
    assert found["interval"]["high"] == 2
    assert found["interval"]["low"] >= 1


async def test_visits_that_are_not_settled_are_named_as_such(site: Site) -> None:
    await site.ask(site.url())
    found = (await ask(site, "/api/v1/campaigns/spring/report"))["report"]
    assert (found["human_clicks"], found["not_settled_yet"]) == (0, 1)


async def test_links_of_one_message_alone_are_reported_by_their_shape(site: Site) -> None:
    from linkproxy.model import LinkKey, LinkKind, LinkRole, MessageLink

    ben, cleo = await people(site, "ben@example.com", "cleo@example.com")
    links = [
        MessageLink(site.campaign.id, who.id, LinkKey(key), f"https://shop.example/cart?u={number}",
                    LinkKind.CONTENT, LinkRole.BODY, 50, "shape")
        for who, key, number in ((ben, "Mes1", 8347), (cleo, "Mes2", 9911))
    ]  # fmt: skip
    await site.store.add_message_links(links)
    await site.ask(site.url("Mes1", ben))
    await site.ask(site.url("Mes2", cleo))
    await settle(site)
    (row,) = (await ask(site, "/api/v1/campaigns/spring/report"))["report"]["by_link"]
    assert row["human_clicks"] == 2
    assert "8347" not in row["link"] + row["target"]


@pytest.mark.parametrize(
    ("path", "status", "word"),
    [
        ("/api/v1/campaigns/winter/report", 404, "none named 'winter'"),
        ("/api/v1/campaigns/spring/report?since=-2h", 400, "no such filter"),
        ("/api/v1/accuracy?domain=example.com", 400, "no such filter"),
        ("/api/v1/accuracy?since=whenever", 400, "since"),
        ("/api/v1/shadow?limit=many", 400, "limit"),
        ("/api/v1/shadow?limit=1001", 400, "limit"),
    ],
)
async def test_wrong_questions_are_answered_with_what_is_wrong(site: Site, path, status, word) -> None:
    assert word in (await ask(site, path, status))["error"]


async def test_what_the_extra_hop_taught_is_replayed_as_it_was(site: Site) -> None:
    bare = {"User-Agent": site.BROWSER["User-Agent"]}
    for place, name in enumerate(("follows@example.com", "never@example.com")):
        (who,) = await people(site, name)
        response = await site.ask(site.url(recipient=who), headers=bare)
        assert "/~" in response.headers["Location"]
        site.clock.now += 1
        if place == 0:
            await site.ask(urljoin(site.url(recipient=who), response.headers["Location"]), headers=bare)
    await settle(site)
    policy, found = site.server.services.policy, Comparison()
    async for message in site.store.messages(Filter(), reach_seconds=policy.reach_seconds):
        found.add(message, policy, Filter())
    assert found.visits >= 3
    assert (found.changed, found.rescored) == (0, 0)
    assert all(old is new for old, new in found.first)
    assert all((item.gained, item.lost) == (0, 0) for item in found.clicks.values())


# --- accuracy ----------------------------------------------------------------------------------


async def test_a_bait_follower_is_a_labelled_machine_scored_without_the_bait(site: Site) -> None:
    await sweep(site)
    await settle(site)
    found = (await ask(site, "/api/v1/accuracy"))["accuracy"]
    assert found["whole"]["machines"]["messages"] == 1
    assert found["whole"]["machines"]["machine"] == 1
    assert found["whole"]["machines"]["counted_share"]["value"] == 0.0
    assert [row["name"] for row in found["by_label"]] == ["bait.beside", "bait.followed"]
    assert "selected sample" in found["warning"]


async def test_a_browser_that_only_the_bait_gave_away_counts_as_missed(site: Site) -> None:
    await site.ask(site.url())
    site.clock.now += 3
    await site.ask(site.url(site.BAIT))
    await settle(site)
    whole = (await ask(site, "/api/v1/accuracy"))["accuracy"]["whole"]
    assert (whole["machines"]["messages"], whole["machines"]["human"]) == (1, 1)
    assert whole["machines"]["counted_share"]["low"] > 0.2


async def test_who_presses_continue_after_reading_is_a_labelled_person_who_was_lost(site: Site) -> None:
    await site.ask(site.url(), headers=site.SCANNER)
    site.clock.now += 30
    await site.ask(site.url(), method="POST", headers=site.SCANNER)
    await settle(site)
    found = (await ask(site, "/api/v1/accuracy"))["accuracy"]
    assert found["whole"]["people"]["messages"] == 1
    assert found["whole"]["people"]["machine"] == 1
    assert found["whole"]["people"]["lost_share"]["value"] == 1.0
    assert found["whole"]["visits"] == 2
    assert [row["name"] for row in found["by_label"]] == ["afterlife.continue"]


async def test_who_presses_continue_at_once_has_no_label(site: Site) -> None:
    await site.ask(site.url(), headers=site.SCANNER)
    await site.ask(site.url(), method="POST", headers=site.SCANNER)
    await settle(site)
    assert (await ask(site, "/api/v1/accuracy"))["accuracy"]["whole"]["visits"] == 0


async def test_a_person_who_found_the_bait_and_said_so_is_no_labelled_machine(site: Site) -> None:
    await site.ask(site.url(site.BAIT))
    site.clock.now += 20
    await site.ask(site.url(site.BAIT), method="POST")
    await settle(site)
    found = (await ask(site, "/api/v1/accuracy"))["accuracy"]
    assert found["contradictory_visits"] == 1
    assert found["whole"]["machines"]["messages"] == 0
    assert found["whole"]["people"]["messages"] == 1


async def test_small_domains_are_shown_together(site: Site) -> None:
    big = await people(site, *(f"p{number}@big.example" for number in range(20)))
    for person in (*big, site.recipient):
        await site.ask(site.url(site.BAIT, person), headers=site.SCANNER)
    await settle(site)
    rows = (await ask(site, "/api/v1/accuracy"))["accuracy"]["by_domain"]
    assert [(row["name"], row["machines"]["messages"]) for row in rows] == [
        ("big.example", 20),
        ("(other domains)", 1),
    ]


async def test_accuracy_can_be_asked_for_a_time(site: Site) -> None:
    await sweep(site)
    await settle(site)
    assert (await ask(site, "/api/v1/accuracy?until=2026-01-01"))["accuracy"]["whole"]["visits"] == 0
    assert (await ask(site, "/api/v1/accuracy?since=2026-01-01"))["accuracy"]["whole"]["visits"] == 5


async def test_campaigns_are_compared_by_the_heads_of_their_reports(site: Site) -> None:
    await site.ask(site.url())
    await settle(site)
    await site.store.add_campaign(replace(site.campaign, name="autumn", created_at=site.clock.now))
    spring, autumn = (await ask(site, "/api/v1/compare"))["campaigns"]
    report = (await ask(site, "/api/v1/campaigns/spring/report"))["report"]
    for name in ("campaign", "delivered", "human_clicks", "human_clickers", "click_rate", "not_settled_yet"):
        assert spring[name] == report[name]
    assert (spring["interval_low"], spring["interval_high"]) == (
        report["interval"]["low"],
        report["interval"]["high"],
    )
    assert (autumn["campaign"], autumn["human_clicks"], autumn["interval_low"]) == ("autumn", 0, None)
    before = await ask(site, f"/api/v1/compare?until={spring['made_at']}")
    assert [row["campaign"] for row in before["campaigns"]] == ["autumn"]


async def test_named_campaigns_are_held_against_the_first_of_them(site: Site) -> None:
    await site.ask(site.url())
    await settle(site)
    made = await site.store.add_campaign(replace(site.campaign, name="autumn", archived_at=site.START))
    whom = [DeliveryDraft(made.id, site.recipient.id, Delivery(site.START - 600, DeliverySource.MX))]
    await site.store.add_deliveries(whom)
    await site.store.add_campaign(replace(site.campaign, name="winter"))
    asked = "/api/v1/compare?campaign=autumn&campaign=spring&campaign=autumn&campaign=winter"
    found = await ask(site, asked)
    assert [row["campaign"] for row in found["campaigns"]] == ["autumn", "spring", "winter"]
    autumn, spring, winter = found["campaigns"]
    assert (autumn["difference_points"], spring["difference_points"]) == (None, 100)
    assert spring["difference_low"] < 100 <= spring["difference_high"]
    assert spring["difference_level"] == 0.975
    assert (winter["click_rate_low"], winter["difference_points"]) == (None, None)
    told = found["sentences"]
    assert told[0].startswith("spring and autumn: no difference is shown.")
    assert told[1] == "winter and autumn: nothing can be said, since no click rate is known of winter."
    assert "widened to 97.5 %" in told[2]
    one = await ask(site, "/api/v1/compare?campaign=spring")
    assert ([row["campaign"] for row in one["campaigns"]], one["sentences"]) == (["spring"], [])
    assert one["campaigns"][0]["difference_points"] is None
    span = await ask(site, f"{asked}&until={spring['made_at']}")
    assert (span["campaigns"], span["sentences"]) == ([], [])


async def test_a_campaign_that_is_not_there_cannot_be_compared_and_no_other_parameter_is_repeated(
    site: Site,
) -> None:
    assert "none" in (await ask(site, "/api/v1/compare?campaign=spring&campaign=none", 404))["error"]
    twice = await ask(site, "/api/v1/compare?until=2026-01-01&until=2026-01-02", 400)
    assert twice["errors"] == ["until: is given twice"]
    twice = await ask(site, "/api/v1/bait?campaign=spring&campaign=spring", 400)
    assert twice["errors"] == ["campaign: is given twice"]


async def test_archived_campaigns_are_compared_on_demand(site: Site) -> None:
    await site.store.change_campaign(site.campaign, replace(site.campaign, archived_at=site.START))
    assert (await ask(site, "/api/v1/compare"))["campaigns"] == []
    shown = (await ask(site, "/api/v1/compare?archived=true"))["campaigns"]
    assert [row["campaign"] for row in shown] == ["spring"]
