"""The listings of the JSON API: pages, filters, and what is no filter."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest
from claims.api import assert_fault, call

from linkproxy.model import LinkKey
from linkproxy.store.api import RecipientDraft

if TYPE_CHECKING:
    from tests.server.conftest import Site


async def test_clicks_are_settled_ones_unless_asked_otherwise(site: Site, key: str) -> None:
    await site.ask(site.url())
    assert (await call(site, key, "/api/v1/clicks"))[1]["clicks"] == []
    (row,) = (await call(site, key, "/api/v1/clicks?provisional=true"))[1]["clicks"]
    assert (row["key"], row["settled"]) == (site.CONTENT, False)
    site.clock.now += 1000
    await site.server.services.settler.once()
    (row,) = (await call(site, key, "/api/v1/clicks?campaign=spring&domain=example.com&since=-1h"))[1][
        "clicks"
    ]
    assert (row["target"], row["recipient"], row["settled"]) == (site.TARGET, "anna@example.com", True)


async def test_pages_follow_each_other_by_an_opaque_token(site: Site, key: str) -> None:
    for _ in range(5):
        await site.ask(site.url())
    seen: list[int] = []
    path = "/api/v1/visits?limit=2"
    following = ""
    while following is not None:
        _, body = await call(site, key, path + (f"&next={following}" if following else ""))
        seen += [row["visit_id"] for row in body["visits"]]
        following = body["next"]
    assert seen == sorted(set(seen))
    assert len(seen) == 5


@pytest.mark.parametrize("after", ["after:-5", "after:" + "9" * 19, "after:x", "12"])
async def test_a_next_that_no_page_gave_is_told_by_that_name(site: Site, key: str, after: str) -> None:
    made = base64.urlsafe_b64encode(after.encode()).decode()
    assert_fault(await call(site, key, f"/api/v1/visits?next={made}"), 400, "next: send back what")


async def test_a_program_that_resumes_the_feed_gets_each_click_once_also_what_settles_late(
    site: Site, key: str
) -> None:
    (ben,) = await site.store.register_recipients([RecipientDraft("ben@example.com")])
    await site.ask(site.url())
    first = (await call(site, key, "/api/v1/feed?next=now"))[1]
    assert (first["feed"], first["next"]) == ([], None)
    site.clock.now += 1000
    await site.ask(site.url("CtB2", ben))
    await site.server.services.settler.once()
    _, told = await call(site, key, f"/api/v1/feed?next={first['resume']}")
    assert [(row["kind"], row["recipient"]) for row in told["feed"]] == [("click", "anna@example.com")]
    assert await call(site, key, f"/api/v1/feed?next={told['resume']}") == (200, told | {"feed": []})
    site.clock.now += 1000
    await site.server.services.settler.once()
    _, told = await call(site, key, f"/api/v1/feed?next={told['resume']}&campaign=spring")
    assert [row["recipient"] for row in told["feed"]] == ["ben@example.com"]


@pytest.mark.parametrize("path", ["feed", "visits", "unsubscribes"])
async def test_who_begins_now_gets_nothing_of_what_was_and_all_that_comes(
    site: Site, key: str, path: str
) -> None:
    async def happens() -> None:
        await site.ask(site.url())
        await site.ask(site.url(site.UNSUBSCRIBE), "POST", data=b"List-Unsubscribe=One-Click")
        site.clock.now += 4000
        await site.server.services.settler.once()

    await happens()
    _, begun = await call(site, key, f"/api/v1/{path}?next=now")
    assert (begun[path], begun["next"]) == ([], None)
    (site.recipient,) = await site.store.register_recipients([RecipientDraft("ben@example.com")])
    await happens()
    _, told = await call(site, key, f"/api/v1/{path}?next={begun['resume']}")
    assert {row["recipient"] for row in told[path]} == {"ben@example.com"}


async def test_only_what_can_be_resumed_can_begin_now(site: Site, key: str) -> None:
    assert_fault(
        await call(site, key, "/api/v1/clicks?next=now"), 400, "next: send back what the page before"
    )


async def test_a_full_page_of_the_feed_resumes_behind_its_last_row(site: Site, key: str) -> None:
    for link in ("CtA1", "CtB2"):
        await site.ask(site.url(link))
        site.clock.now += 600
    site.clock.now += 4000
    await site.server.services.settler.once()
    _, page = await call(site, key, "/api/v1/feed?limit=1")
    assert page["next"] == page["resume"]
    _, rest = await call(site, key, f"/api/v1/feed?limit=1&next={page['resume']}")
    assert [row["key"] for row in (*page["feed"], *rest["feed"])] == ["CtA1", "CtB2"]
    assert rest["next"] is None


async def test_visits_resume_where_the_last_page_ended_and_none_is_missed(site: Site, key: str) -> None:
    await site.ask(site.url())
    _, page = await call(site, key, "/api/v1/visits")
    assert (len(page["visits"]), page["next"]) == (1, None)
    await site.ask(site.url("CtB2"))
    _, later = await call(site, key, f"/api/v1/visits?next={page['resume']}")
    assert [row["key"] for row in later["visits"]] == ["CtB2"]
    _, empty = await call(site, key, f"/api/v1/visits?verdict=machine&next={page['resume']}")
    assert (empty["visits"], empty["resume"]) == ([], later["resume"])


@pytest.mark.parametrize("path", ["feed", "visits", "unsubscribes"])
async def test_a_cursor_beyond_what_the_store_has_is_refused_rather_than_waited_for(
    site: Site, key: str, path: str
) -> None:
    counter = {"feed": "feed", "visits": "after", "unsubscribes": "unsubscribe"}[path]
    made = base64.urlsafe_b64encode(f"{counter}:999".encode()).decode()
    answer = await call(site, key, f"/api/v1/{path}?next={made}")
    assert_fault(answer, 400, "next: this store has not come so far: it is another one, or a backup")


async def test_the_cursor_of_one_listing_is_none_of_another(site: Site, key: str) -> None:
    _, page = await call(site, key, "/api/v1/feed")
    assert_fault(await call(site, key, f"/api/v1/visits?next={page['resume']}"), 400, "next: send back what")


async def test_who_opted_out_is_listed_page_by_page(site: Site, key: str) -> None:
    await site.ask(site.url(site.UNSUBSCRIBE), "POST", data=b"List-Unsubscribe=One-Click")
    (ben,) = await site.store.register_recipients([RecipientDraft("ben@example.com")])
    await site.ask(site.url(site.UNSUBSCRIBE, ben), "POST", data=b"")
    _, first = await call(site, key, "/api/v1/unsubscribes?limit=1&since=-1h")
    _, second = await call(site, key, f"/api/v1/unsubscribes?limit=1&since=-1h&next={first['next']}")
    rows = [*first["unsubscribes"], *second["unsubscribes"]]
    assert [(row["recipient"], row["one_click"]) for row in rows] == [
        ("anna@example.com", True),
        ("ben@example.com", False),
    ]
    assert second["next"] is None
    _, none = await call(site, key, f"/api/v1/unsubscribes?next={second['resume']}")
    assert none == {"ok": True, "unsubscribes": [], "next": None, "resume": second["resume"]}
    _, one = await call(site, key, "/api/v1/unsubscribes?campaign=spring&recipient=ben@example.com")
    assert one["unsubscribes"] == [rows[1]]
    assert_fault(
        await call(site, key, "/api/v1/unsubscribes?link=abcd"), 400, "link: there is no such filter"
    )


async def test_visits_can_be_filtered_by_verdict(site: Site, key: str) -> None:
    await site.ask(site.url())
    await site.ask(site.url(), "HEAD", headers=site.SCANNER)
    _, body = await call(site, key, "/api/v1/visits?verdict=machine")
    assert [row["method"] for row in body["visits"]] == ["HEAD"]


async def test_all_faults_of_a_query_are_told_at_once(site: Site, key: str) -> None:
    answer = await call(site, key, "/api/v1/clicks?sinse=1&since=yesteryear&limit=0&next=!!")
    assert_fault(
        answer, 400, "sinse: there is no such filter; there are campaign, link,", "limit", "next", "since"
    )
    assert_fault(await call(site, key, "/api/v1/clicks?link=abcd&link=efgh"), 400, "link: is given twice")


@pytest.mark.parametrize(
    "path", ["clicks", "feed", "visits", "retractions", "unsubscribes", "accuracy", "shadow"]
)
async def test_a_campaign_that_is_not_there_is_a_404_and_not_an_empty_page(
    site: Site, key: str, path: str
) -> None:
    answer = await call(site, key, f"/api/v1/{path}?campaign=nowhere")
    assert_fault(answer, 404, "campaign: there is none named 'nowhere'")
    status, _ = await call(site, key, f"/api/v1/{path}?campaign=spring")
    assert status == 200


async def test_changes_of_targets_are_told_with_who_made_them(site: Site, key: str) -> None:
    assert (await call(site, key, "/api/v1/campaigns/spring/audit"))[1]["changes"] == []
    new = "https://shop.example/other"
    await site.store.set_target(site.campaign.id, LinkKey(site.CONTENT), new, who="mia", at=site.clock.now)
    _, told = await call(site, key, "/api/v1/campaigns/spring/audit")
    (change,) = told["changes"]
    assert (change["key"], change["old_target"], change["new_target"], change["who"]) == (
        site.CONTENT,
        site.TARGET,
        new,
        "mia",
    )
    answer = await call(site, key, "/api/v1/campaigns/nowhere/audit")
    assert_fault(answer, 404, "campaign: there is none named 'nowhere'")
