"""The picture that tells of opens, over HTTP: the same for all, stored by no cache, never a redirect."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from claims.api import call

from linkproxy.model import Link, LinkKey, LinkKind, LinkRole, VerdictKind
from linkproxy.query.reports import report, report_record

if TYPE_CHECKING:
    from tests.server.conftest import Site

GMAIL = {
    "User-Agent": "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
}


@pytest.fixture
async def told(site: Site) -> Site:
    picture = Link(site.campaign.id, LinkKey("Pic1"), "", LinkKind.OPEN, LinkRole.BODY, 90)
    await site.store.add_links([picture])
    return site


@pytest.mark.parametrize("headers", [None, GMAIL, {}], ids=["browser", "proxy", "nothing"])
async def test_whoever_asks_gets_the_same_43_bytes(told: Site, headers: dict[str, str] | None) -> None:
    response = await told.ask(told.url("Pic1"), headers=headers)
    body = await response.read()
    assert (response.status, response.content_type, len(body)) == (200, "image/gif", 43)
    assert body.startswith(b"GIF89a")
    assert response.headers["Cache-Control"] == "no-store"


async def test_a_head_gets_its_headers_alone(told: Site) -> None:
    response = await told.ask(told.url("Pic1"), method="HEAD")
    assert (response.status, response.headers["Content-Length"], await response.read()) == (200, "43", b"")


async def test_an_open_is_in_the_journal_with_its_verdict(told: Site) -> None:
    await told.ask(told.url("Pic1"), headers=GMAIL)
    (row,) = await told.visits()
    assert (row.entry.answer, row.entry.verdict.kind) == ("picture", VerdictKind.MACHINE)


async def test_a_forged_picture_is_not_found(told: Site) -> None:
    url = told.url("Pic1")
    assert (await told.ask(f"{url[:-9]}AAAA/Pic1")).status == 404


async def test_a_report_is_the_same_whether_or_not_mails_tell_of_opens(told: Site) -> None:
    await told.ask(told.url())
    told.clock.now += 3600
    await told.server.services.settler.once()
    policy = told.server.services.policy
    before = report_record(await report(told.store, told.campaign, policy))
    for headers in (None, GMAIL, {}):
        await told.ask(told.url("Pic1"), headers=headers)
    told.clock.now += 3600
    await told.server.services.settler.once()
    assert all(row.entry.settled for row in await told.visits())
    assert report_record(await report(told.store, told.campaign, policy)) == before


async def test_the_api_makes_campaigns_whose_mails_tell_of_opens(site: Site, key: str) -> None:
    status, made = await call(site, key, "/api/v1/campaigns", {"name": "summer", "opens": True})
    assert (status, made["campaign"]["opens"]) == (200, True)
    mail = {
        "campaign": "summer",
        "recipient": "bea@example.com",
        "html": '<a href="https://x.example/">x</a>',
    }
    _, ready = await call(site, key, "/api/v1/rewrite", mail)
    assert ready["html"].count("<img src=") == 1
    found = await site.store.find_campaign("summer")
    assert "open" in [link.kind for link in await site.store.list_links(found.id)]
