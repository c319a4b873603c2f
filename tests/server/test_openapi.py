"""What the private listener says of itself (OpenAPI) is what it does, and all of it.

Beyond these claims, every answer that a test gets from the private listener is held against the
description (``conftest.py``), and every body that it takes (``claims/api.py``).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from claims.api import assert_fault, call
from claims.nameserver import name_server
from claims.openapi import DESCRIPTION, SCHEMAS, assert_fits, json_of, operations, resolved
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from linkproxy import __version__, model
from linkproxy.campaign.lint import Severity
from linkproxy.campaign.targets import NoteReason
from linkproxy.config import Config
from linkproxy.model import DeliverySource
from linkproxy.query.compare import COMPARED_COLUMNS
from linkproxy.query.export import (
    AUDIT_COLUMNS,
    CLICK_COLUMNS,
    FEED_COLUMNS,
    RETRACTION_COLUMNS,
    UNSUBSCRIBE_COLUMNS,
    VISIT_COLUMNS,
)
from linkproxy.query.gateways import GATEWAY_COLUMNS
from linkproxy.query.profiles import PROFILE_COLUMNS
from linkproxy.server.api import Api
from linkproxy.server.engagement import Engagements
from linkproxy.server.inbound import Inbound
from linkproxy.server.json_lines import JSON_LINES
from linkproxy.server.keys import hash_key, new_key
from linkproxy.server.private import private_app
from linkproxy.store.afterlife import FeedKind
from linkproxy.store.api import ApiKey, RecipientDraft
from linkproxy.store.gateways import LookupOutcome
from linkproxy.visit.signals import SIGNALS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.server.conftest import Site, Start

API = (Path(__file__).parents[2] / "docs/api.md").read_text("utf-8")
COLUMNS = {
    "Click": CLICK_COLUMNS,
    "FeedRow": FEED_COLUMNS,
    "Retraction": RETRACTION_COLUMNS,
    "Unsubscribe": UNSUBSCRIBE_COLUMNS,
    "Visit": VISIT_COLUMNS,
    "Profile": PROFILE_COLUMNS,
    "Gateway": GATEWAY_COLUMNS,
    "ComparedCampaign": COMPARED_COLUMNS,
    "TargetChange": AUDIT_COLUMNS,
}
WORDS = {
    **{name: [*getattr(model, name)] for name in (
        "CampaignKind", "MachineAnswer", "BaitStyle", "BaitPlaces", "LinkKind", "LinkRole", "VerdictKind",
        "AnswerKind", "ProfileScope",
    )},
    "DeliverySource": [source for source in DeliverySource if source is not DeliverySource.NONE],
    "NoteReason": [*NoteReason],
    "Severity": [severity.name.lower() for severity in Severity],
    "FeedKind": [*FeedKind],
    "LookupOutcome": [outcome for outcome in LookupOutcome if outcome is not LookupOutcome.UNASKED],
}  # fmt: skip
CALLS = {f"{method} {path}": (path, operation) for method, path, operation in operations()}
BODIES = {name: operation for name, (_, operation) in CALLS.items() if "requestBody" in operation}
FILLED = {"name": "spring", "visit_id": "1", "provider": "sendgrid"}
ROWS = {
    "clicks": "clicks",
    "feed": "feed",
    "unsubscribes": "unsubscribes",
    "visits": "visits",
    "shadow": "differences",
}
# Of every type, and beyond every bound that the description has.
VALUES: list[Any] = [5, -1, 10**9, True, "x", "!" * 200, "\x00", [], [1], ["x"] * 10_001, {}, {"x": 1}]


# --- the document ------------------------------------------------------------------------------


def test_it_is_valid_openapi_3_1() -> None:
    assert DESCRIPTION["openapi"].startswith("3.1.")
    OpenAPIV31SpecValidator(DESCRIPTION).validate()


async def test_the_listener_gives_it_to_who_has_a_key(site: Site, key: str) -> None:
    assert await call(site, key, "/api/v1/openapi.json") == (200, DESCRIPTION)
    assert_fault(await call(site, "lpk_wrong", "/api/v1/openapi.json"), 401, "Authorization")
    answer = await call(site, key, "/api/v1/openapi.json?format=yaml")
    assert_fault(answer, 400, "format: there is no such filter; there are none")


def test_it_names_this_version_and_where_the_listener_is() -> None:
    server = Config().server
    assert DESCRIPTION["info"]["version"] == __version__
    assert DESCRIPTION["servers"][1]["url"] == f"http://{server.private_host}:{server.private_port}"


def test_every_call_has_a_name_of_its_own_and_a_group() -> None:
    names = [operation["operationId"] for _, operation in CALLS.values()]
    assert len(set(names)) == len(names)
    groups = {name for _, operation in CALLS.values() for name in operation["tags"]}
    assert groups == {tag["name"] for tag in DESCRIPTION["tags"]}


# --- all of it, and nothing else ---------------------------------------------------------------


async def test_every_route_is_described_and_no_other(site: Site) -> None:
    config, services = site.config, site.server.services
    metrics, clock = services.metrics, site.clock
    api = Api(  # type: ignore[arg-type]  # no route is called
        site.store, None, services.policy, config, clock, keyring=None, questions=None, mail=None
    )
    told = Engagements(site.store, None, None, beacons=None, metrics=metrics, clock=clock)  # type: ignore[arg-type]
    inbound = Inbound(site.store, services.keyring, metrics, clock)
    app = private_app(
        config,
        site.store,
        api,
        None,
        metrics,
        engagements=told,
        inbound=inbound,
        exposition=None,  # type: ignore[arg-type]
        dashboard=None,
        clock=clock,
    )
    routes = {f"{route.method} {route.resource.canonical}" for route in app.router.routes() if route.resource}
    assert {route for route in routes if not route.startswith("HEAD ")} == set(CALLS)


@pytest.fixture
async def site(start: Start) -> Site:
    """A server that lets its keys make every call."""
    return await start(privacy={"erase_by_api": True})


@pytest.mark.parametrize("name", COLUMNS)
def test_rows_have_the_columns_of_the_listings(name: str) -> None:
    columns = [column.name for column in COLUMNS[name]]
    assert list(SCHEMAS[name]["properties"]) == columns
    assert SCHEMAS[name]["required"] == columns


def test_enumerations_are_those_of_the_code() -> None:
    assert {name: schema["enum"] for name, schema in SCHEMAS.items() if "enum" in schema} == WORDS


def test_streams_have_types_by_which_the_server_knows_them() -> None:
    _, operation = CALLS["POST /api/v1/rewrite"]
    types = set(operation["requestBody"]["content"])
    assert types == set(operation["responses"]["200"]["content"])
    assert types - {"application/json"} < JSON_LINES


def test_the_statuses_are_those_of_the_page() -> None:
    rows = re.findall(r"^\| (\d{3}[\d, ]*) \|", API, re.MULTILINE)
    paged = {status for row in rows for status in row.split(", ")}
    described = {status for _, operation in CALLS.values() for status in operation["responses"]}
    assert described == (paged | {"200"}) - {"405"}, "405 is of methods that are not described"


def objects(schema: dict[str, Any], where: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield a body's schema and those of objects inside it, each with what its faults begin with."""
    schema = resolved(schema)
    if "properties" in schema:
        yield where, schema
        for name, inner in schema["properties"].items():
            yield from objects(inner, f"{where}{name}.")
            yield from objects(resolved(inner).get("items", {}), f"{where}{name}[0].")


def fields(operation: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield every field of a call's body: where it stands, its name, its schema."""
    for where, schema in objects(json_of(operation["requestBody"])):
        for name, described in schema["properties"].items():
            yield where, name, described


async def send(site: Site, key: str, name: str, body: object) -> tuple[int, dict[str, Any]]:
    """Make a call that takes a body, for the campaign that the site has."""
    method, _, path = name.partition(" ")
    return await call(site, key, path.format_map(FILLED), body, method=method)


def body_with(where: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Return a body in which an object has these fields: of ``objects``, the one of this name."""
    name = where.rstrip(".")
    if not name:
        return fields
    return {name.removesuffix("[0]"): [fields] if name.endswith("[0]") else fields}


@pytest.mark.parametrize("name", BODIES)
async def test_every_field_that_is_taken_is_described_and_no_other(name: str, site: Site, key: str) -> None:
    for where, schema in objects(json_of(BODIES[name]["requestBody"])):
        _, answer = await send(site, key, name, body_with(where, {"no-such": 1}))
        [told] = [error for error in answer["errors"] if error.startswith(f"{where}no-such: ")]
        assert set(told.partition("there are: ")[2].split(", ")) == set(schema["properties"])


@pytest.mark.parametrize("name", BODIES)
async def test_what_a_field_is_said_not_to_be_is_refused_by_its_name(name: str, site: Site, key: str) -> None:
    for where, field, schema in fields(BODIES[name]):
        for value in (value for value in VALUES if not _fits(value, schema)):
            _, answer = await send(site, key, name, body_with(where, {field: value}))
            told = [error for error in answer["errors"] if error.startswith(where + field)]
            assert told, f"{where}{field} takes {str(value)[:50]}"
        for value in _beyond(resolved(schema)):
            _, answer = await send(site, key, name, body_with(where, {field: value}))
            told = [error for error in answer["errors"] if error.startswith(f"{where}{field}: ")]
            assert told, f"{where}{field} takes what is just beyond its bound"


@pytest.mark.parametrize("name", BODIES)
async def test_what_stands_at_a_bound_is_taken(name: str, site: Site, key: str) -> None:
    for where, field, schema in fields(BODIES[name]):
        for value in _bounds(resolved(schema)):
            _, answer = await send(site, key, name, body_with(where, {field: value}))
            told = [error for error in answer.get("errors", ()) if error.startswith(f"{where}{field}: ")]
            assert [error for error in told if "no recipient has the domain x" not in error] == []


@pytest.mark.parametrize("name", [name for name in CALLS if name.startswith("GET /api/")])
async def test_every_parameter_that_is_taken_is_described_and_no_other(
    name: str, site: Site, key: str
) -> None:
    path, operation = CALLS[name]
    path = path.format_map(FILLED)
    parameters = [item for item in operation["parameters"] if item["in"] == "query"]
    _, answer = await call(site, key, f"{path}?no-such=1")
    [told] = [error for error in answer["errors"] if error.startswith("no-such: ")]
    names = told.partition("there are ")[2].replace("none", "")
    assert {item["name"] for item in parameters} == {name for name in names.split(", ") if name}
    for item in parameters:
        schema = resolved(item["schema"])
        for value in _bounds(schema):
            assert (await call(site, key, f"{path}?{urlencode({item['name']: value})}"))[0] == 200
        if schema.keys() & {"minimum", "enum", "pattern"} or schema["type"] == "boolean":
            beyond = [schema["maximum"] + 1] if "maximum" in schema else []
            for value in ["maybe", schema.get("minimum", 0) - 1, *beyond]:
                _, answer = await call(site, key, f"{path}?{urlencode({item['name']: value})}")
                assert_fault((400, answer), 400, f"{item['name']}: ")


@pytest.mark.parametrize("name", [name for name in CALLS if name.startswith("GET /api/")])
async def test_an_empty_parameter_is_as_one_that_is_not_given(name: str, site: Site, key: str) -> None:
    path, operation = CALLS[name]
    path = path.format_map(FILLED)
    for item in operation["parameters"]:
        if item["in"] == "query" and not item.get("required"):
            assert await call(site, key, f"{path}?{item['name']}=") == await call(site, key, path), item[
                "name"
            ]


@pytest.mark.parametrize("name", BODIES)
async def test_a_field_that_is_null_is_as_one_that_is_not_given(name: str, site: Site, key: str) -> None:
    for where, schema in objects(json_of(BODIES[name]["requestBody"])):
        if "properties" in schema and not name.startswith("POST /inbound"):
            without = (await send(site, key, name, body_with(where, {})))[1].get("errors")
            for field in schema["properties"]:
                answer = (await send(site, key, name, body_with(where, {field: None})))[1]
                assert answer.get("errors") == without, f"{where}{field}"


def _fits(value: Any, schema: dict[str, Any]) -> bool:
    return Draft202012Validator({**schema, "components": DESCRIPTION["components"]}).is_valid(value)


def _bounds(schema: dict[str, Any]) -> list[Any]:
    """Return the values at the bounds of a field, and every one of an enumeration."""
    found = [*schema.get("enum", []), *(schema[name] for name in ("minimum", "maximum") if name in schema)]
    if "maxLength" in schema:
        found += ["x" * schema["minLength"], "x" * schema["maxLength"]]
    if "maxItems" in schema:
        found += [["x"] * schema["maxItems"], ["x"] * schema.get("minItems", 1)]
    return found


def _beyond(schema: dict[str, Any]) -> list[Any]:
    """Return the values just beyond the bounds of a field."""
    found: list[Any] = [schema[name] + 1 for name in ("maximum",) if name in schema]
    found += [schema[name] - 1 for name in ("minimum",) if name in schema]
    found += ["x" * (schema[name] + 1) for name in ("maxLength",) if name in schema]
    return found + [[{}] * (schema[name] + 1) for name in ("maxItems",) if name in schema]


# --- its examples ------------------------------------------------------------------------------


def examples(content: dict[str, Any]) -> list[Any]:
    """Return the examples of a body or answer in JSON."""
    found = content.get("content", {}).get("application/json", {})
    many = [item["value"] for item in found.get("examples", {}).values()]
    return [*many, found["example"]] if "example" in found else many


def test_every_call_has_examples_that_are_as_described() -> None:
    for name, (path, operation) in CALLS.items():
        for answer in operation["responses"].values():
            for example in examples(resolved(answer)):
                assert_fits(example, json_of(answer))
        if path.startswith("/api/") and operation["operationId"] != "describe":
            assert examples(operation["responses"]["200"]), name


async def test_every_call_can_be_made_as_its_examples_show(start: Start, tmp_path: Path) -> None:
    (tmp_path / "strict.toml").write_text("[policy]\nhuman = -70.0\n")
    async with name_server({"example.com": ["10 mx.example.com."]}) as names:
        site = await start(
            gateways={"nameservers": [names.address]},
            judge={"shadow_policy_file": "strict.toml"},
            privacy={"erase_by_api": True},
        )
        made = new_key()
        await site.store.add_api_key(ApiKey("test", hash_key(made), site.START))
        await something_happens(site)
        for name, operation in BODIES.items():
            for body in examples(operation["requestBody"]):
                status, answer = await send(site, made, name, body)
                assert (status, answer["ok"]) == (200, True), (name, answer)
        for name, (path, _) in CALLS.items():
            if name not in BODIES:
                headers = {"Authorization": f"Bearer {made}"}
                address = site.server.addresses.private + path.format_map(FILLED)
                if name == "GET /api/v1/links/find":
                    address += f"?{urlencode({'url': site.url()})}"
                assert (await site.ask(address, headers=headers)).status == 200, name
        for call_name, rows in ROWS.items():
            assert (await call(site, made, f"/api/v1/{call_name}"))[1][rows], f"{call_name} shows nothing"


async def something_happens(site: Site) -> None:
    """A person clicks and opts out, a machine asks for another link, and all is settled; one is to go."""
    await site.store.register_recipients([RecipientDraft("gone@example.com")])
    await site.ask(site.url())
    site.clock.now += 40
    await site.ask(site.url(site.UNSUBSCRIBE), "POST", data=b"List-Unsubscribe=One-Click")
    await site.ask(site.url("CtB2"), "HEAD", headers=site.SCANNER)
    site.clock.now += 4000
    await site.server.services.settler.once()


def test_signals_in_examples_are_signals() -> None:
    text = (Path(model.__file__).parents[1] / "server" / "openapi.json").read_text("utf-8")
    families = "|".join(sorted({signal.name.partition(".")[0] for signal in SIGNALS}))
    named = set(re.findall(rf'"((?:{families})\.[a-z-]+)"', text + API))
    assert named
    assert named <= {signal.name for signal in SIGNALS}
