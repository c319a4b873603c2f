"""What domains taught over the API, and what a surge of unsubscribes leaves in metrics and log."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from linkproxy.server.keys import hash_key, new_key
from linkproxy.store.api import ApiKey, RecipientDraft

if TYPE_CHECKING:
    from tests.server.conftest import Site


@pytest.fixture
async def key(site: Site) -> str:
    made = new_key()
    await site.store.add_api_key(ApiKey("test", hash_key(made), site.START))
    return made


async def get(site: Site, key: str, path: str) -> tuple[int, dict]:
    response = await site.ask(
        site.server.addresses.private + path, headers={"Authorization": f"Bearer {key}"}
    )
    return response.status, await response.json()


async def people(site: Site, count: int) -> list:
    return await site.store.register_recipients(
        [RecipientDraft(address=f"p{at}@company.example") for at in range(count)]
    )


async def test_profiles_are_learned_by_the_settle_loop_and_told_over_the_api(site: Site, key: str) -> None:
    for person in await people(site, 20):
        await site.ask(site.url(recipient=person), headers=site.SCANNER)
        site.clock.now += 30
    site.clock.now += 1000
    await site.server.services.settler.once()
    status, body = await get(site, key, "/api/v1/profiles")
    found = {row["scope"]: row for row in body["profiles"]}
    of_domain = found["domain"]
    assert (status, set(found)) == (200, {"domain", "mailed"})
    assert (of_domain["name"], of_domain["recipients"], of_domain["machines"]) == (
        "company.example",
        20,
        20.0,
    )
    named = (await get(site, key, "/api/v1/profiles?name=company.example&limit=1"))[1]
    assert named["profiles"] == [of_domain]
    written = (await get(site, key, "/api/v1/profiles?name=%40Company.example.&limit=1"))[1]
    assert written == named
    assert (await get(site, key, "/api/v1/profiles?name=other.example"))[1]["profiles"] == []


@pytest.mark.parametrize("name", ["m\u00fcnchen.example", "@M\u00dcNCHEN.Example.", "xn--mnchen-3ya.example"])
async def test_a_profile_is_found_by_any_spelling_of_its_domain(site: Site, key: str, name: str) -> None:
    drafts = [RecipientDraft(address=f"p{at}@m\u00fcnchen.example") for at in range(20)]
    for person in await site.store.register_recipients(drafts):
        await site.ask(site.url(recipient=person), headers=site.SCANNER)
        site.clock.now += 30
    site.clock.now += 1000
    await site.server.services.settler.once()
    (found, *_) = (await get(site, key, f"/api/v1/profiles?name={name}"))[1]["profiles"]
    assert found["name"] == "xn--mnchen-3ya.example"


@pytest.mark.parametrize(
    ("query", "fault"), [("limit=0", "limit"), ("domain=a", "domain: there is no such filter")]
)
async def test_what_is_no_filter_is_refused(site: Site, key: str, query: str, fault: str) -> None:
    status, body = await get(site, key, f"/api/v1/profiles?{query}")
    assert status == 400
    assert fault in json.dumps(body["errors"])


async def test_a_surge_of_unsubscribes_is_counted_and_logged_as_it_grows(site: Site) -> None:
    with capture_logs() as lines:
        for person in await people(site, 7):
            response = await site.ask(site.url(site.UNSUBSCRIBE, person))
            assert response.status == 200
            site.clock.now += 2
    assert await site.metric("linkproxy_unsubscribe_surges_total") == 5
    assert await site.metric("linkproxy_signals_total", signal="in-step.unsubscribes") == 5
    surges = [line for line in lines if line["event"] == "unsubscribe.surge"]
    assert [line["recipients"] for line in surges] == [2, 4]
    assert {line["campaign_id"] for line in surges} == {site.campaign.id}
