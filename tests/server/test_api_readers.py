"""What a reader's complaint is answered with: whose link a URL is, and why a visit was judged so."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest
from claims.api import assert_fault, call

if TYPE_CHECKING:
    from tests.server.conftest import Site


async def test_a_visit_is_explained_when_it_came_and_when_it_is_settled(site: Site, key: str) -> None:
    await site.ask(site.url(), "HEAD", headers=site.SCANNER)
    visit_id = (await site.visits())[0].entry.visit_id
    _, told = await call(site, key, f"/api/v1/visits/{visit_id}")
    visit = told["visit"]
    assert (visit["visit_id"], visit["method"], visit["recipient"]) == (visit_id, "HEAD", "anna@example.com")
    assert (visit["first"]["verdict"], visit["settled"], visit["settled_at"]) == ("machine", None, None)
    assert visit["prior_parts"]
    assert visit["first"]["prior"] == sum(part["weight"] for part in visit["prior_parts"])
    assert any(signal["decisive"] or signal["counted"] for signal in visit["first"]["signals"])
    site.clock.now += 4000
    await site.server.services.settler.once()
    _, told = await call(site, key, f"/api/v1/visits/{visit_id}")
    assert told["visit"]["settled"]["verdict"] == "machine"
    assert told["visit"]["settled_at"]


@pytest.mark.parametrize("number", ["4711", "0", "-1", "x", "9" * 30, "%C2%B2"])
async def test_a_visit_that_is_not_in_the_journal_is_a_404(site: Site, key: str, number: str) -> None:
    assert_fault(await call(site, key, f"/api/v1/visits/{number}"), 404, "visit_id: there is no visit")


async def find(site: Site, key: str, url: str) -> tuple[int, dict[str, object]]:
    return await call(site, key, f"/api/v1/links/find?{urlencode({'url': url})}")


async def test_a_link_is_found_by_its_url_and_no_visit_is_made_of_it(site: Site, key: str) -> None:
    for url in (site.url(), f"https://safe.example/?url={site.url()}&data=1"):
        status, told = await find(site, key, url)
        assert (status, told["link"]) == (
            200,
            {
                "campaign": "spring",
                "key": site.CONTENT,
                "kind": "content",
                "role": "body",
                "target": site.TARGET,
                "recipient": "anna@example.com",
                "reference": None,
                "tracked": True,
                "notes": [],
            },
        )
    assert await site.visits() == []


async def test_a_link_that_is_not_ours_is_a_404_that_says_why(site: Site, key: str) -> None:
    changed = site.url().replace(site.path()[1:6], "AAAAA")
    assert_fault(await find(site, key, changed), 404, "url: none of the signing keys here made this token")
    assert_fault(await find(site, key, "https://shop.example/"), 404, "url: this is no tracked link")
    assert_fault(await call(site, key, "/api/v1/links/find"), 400, "url: is missing")


async def test_a_true_url_without_a_link_says_what_readers_see(site: Site, key: str) -> None:
    _, told = await find(site, key, site.url("None"))
    assert told["link"]["kind"] is None
    assert "There is no link of this key" in told["link"]["notes"][0]
