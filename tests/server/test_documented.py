"""What the pages under docs/ promise about the server is all of it."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from claims.api import call

from linkproxy.model import DeliverySource
from linkproxy.server.api import Api
from linkproxy.server.pages import Brand, PageName

if TYPE_CHECKING:
    from tests.server.conftest import Site, Start

DOCS = Path(__file__).parents[2] / "docs"
API = (DOCS / "api.md").read_text("utf-8")
OPERATIONS = (DOCS / "operations.md").read_text("utf-8")


@pytest.fixture
async def site(start: Start) -> Site:
    """A server that lets its keys make every call."""
    return await start(privacy={"erase_by_api": True})


def test_every_route_of_the_api_has_its_heading(site: Site) -> None:
    policy = site.server.services.policy
    api = Api(  # type: ignore[arg-type]  # only its table is read
        site.store, None, policy, site.config, site.clock, keyring=None, questions=None, mail=None
    )
    headings = " ".join(re.findall(r"^## (.*)$", API, re.MULTILINE))
    assert [
        path
        for method, path, _ in api.routes
        if f"{method} {path.format(name='NAME', visit_id='NUMBER')}" not in headings
    ] == []


def tables_of_names() -> list[tuple[str, str, set[str]]]:
    """Return each call whose part of the page has a table of what it takes: method, path, names."""
    found = []
    for part in re.split(r"^## ", API, flags=re.MULTILINE)[1:]:
        heading, _, text = part.partition("\n")
        rows = re.findall(r"^\| (`[^|]*) \|", text, re.MULTILINE)
        names = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
        found += [(*heading.split(" "), names)] if names else []
    return found


@pytest.mark.parametrize(("method", "path", "names"), tables_of_names())
async def test_the_page_names_what_a_call_takes_and_nothing_else(
    method: str, path: str, names: set[str], site: Site, key: str
) -> None:
    reading, path = method == "GET", path.replace("NAME", "spring")
    body = None if reading else {"no-such": 1}
    _, answer = await call(site, key, path + "?no-such=1" * reading, body, method=method)
    [told] = [error for error in answer["errors"] if error.startswith("no-such: ")]
    assert set(re.split(r"there are:? ", told)[1].split(", ")) == names


@pytest.mark.parametrize("path", ["/api/v1/campaigns/spring", "/api/v1/gateways"])
async def test_a_call_that_takes_nothing_says_so(path: str, site: Site, key: str) -> None:
    status, answer = await call(site, key, path + "?limit=1")
    assert (status, answer["errors"]) == (400, ["limit: there is no such filter; there are none"])


def test_telling_of_visits_has_its_heading() -> None:
    assert "## POST /api/v1/engagement" in API


@pytest.mark.parametrize("source", [source for source in DeliverySource if source != DeliverySource.NONE])
def test_every_source_of_deliveries_is_named(source: DeliverySource) -> None:
    assert f"`{source}`" in API


@pytest.mark.parametrize("name", PageName)
def test_every_template_is_named(name: PageName) -> None:
    assert f"`{name}.html`" in OPERATIONS


def test_every_template_variable_of_the_brand_is_named() -> None:
    names = [field.name for field in fields(Brand)] + ["ink"]
    assert [name for name in names if f"`brand.{name}`" not in OPERATIONS] == []
