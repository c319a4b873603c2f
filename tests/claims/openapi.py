"""The server's own description of its API, and whether what is sent and answered is as described."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator

if TYPE_CHECKING:
    from collections.abc import Iterator

DESCRIPTION: dict[str, Any] = json.loads(
    (resources.files("linkproxy.server") / "openapi.json").read_text("utf-8")
)
SCHEMAS: dict[str, Any] = DESCRIPTION["components"]["schemas"]
_METHODS = ("get", "post", "patch")


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield method, path and description of every call; the path's parameters are among its own."""
    for path, item in DESCRIPTION["paths"].items():
        for method in _METHODS:
            if method in item:
                shared = item.get("parameters", [])
                own = item[method].get("parameters", [])
                yield method.upper(), path, item[method] | {"parameters": [*map(resolved, [*shared, *own])]}


def resolved(part: dict[str, Any]) -> dict[str, Any]:
    """Return what a part of the description stands for, its own words beside what it refers to."""
    if "$ref" not in part:
        return part
    found = DESCRIPTION
    for name in part["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return resolved(found) | {name: value for name, value in part.items() if name != "$ref"}


def json_of(described: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a body or answer in JSON; {} where it is none."""
    found: dict[str, Any] = resolved(described).get("content", {}).get("application/json", {})
    return found.get("schema", {})


def _closed(part: Any) -> Any:
    """Return a schema whose objects hold nothing that is not described."""
    if isinstance(part, list):
        return [_closed(item) for item in part]
    if not isinstance(part, dict):
        return part
    shut = {"additionalProperties": False} if "properties" in part else {}
    return shut | {name: _closed(value) for name, value in part.items()}


_COMPONENTS = {"components": _closed(deepcopy(DESCRIPTION["components"]))}


def assert_fits(value: Any, schema: dict[str, Any]) -> None:
    """Check a value against a schema of the description, with no field that it does not name."""
    validator = Draft202012Validator(
        _closed(schema) | _COMPONENTS, format_checker=Draft202012Validator.FORMAT_CHECKER
    )
    faults = [f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(value)]
    assert faults == [], json.dumps(value)[:2000]


@cache
def _find(method: str, path: str) -> dict[str, Any] | None:
    """Return the description of the call that a request's path is for; paths without a parameter first."""
    found = sorted(operations(), key=lambda item: "{" in item[1])
    for its_method, template, operation in found:
        pattern = re.sub(r"\{\w+\}", "[^/]+", template)
        if its_method == method and re.fullmatch(pattern, path):
            return operation
    return None


def assert_described(method: str, path: str, status: int, content_type: str, body: bytes) -> None:
    """Check that a call's answer is one that its description tells of, and looks as it tells.

    Of paths and methods that there are not, that the answer is the one shape of error.
    """
    operation = _find(method, path)
    if operation is None:
        if path.startswith("/api/"):
            assert status in {401, 404, 405, 421}, f"{method} {path} answers {status} and is not described"
            assert_fits(json.loads(body), SCHEMAS["Error"])
        return
    assert str(status) in operation["responses"], f"{method} {path} answers {status}, which is not described"
    answer = resolved(operation["responses"][str(status)])
    assert content_type in answer["content"], f"{method} {path} answers {content_type}"
    schema = answer["content"][content_type]["schema"]
    if content_type == "application/json":
        assert_fits(json.loads(body), schema)
    elif schema == {"$ref": "#/components/schemas/JsonLines"}:
        for line in body.splitlines():
            _assert_line(json.loads(line), json_of(answer))
    else:
        assert_fits(body.decode(), schema)


def _assert_line(line: dict[str, Any], schema: dict[str, Any]) -> None:
    assert line.pop("line") >= 1
    if line != {"ok": True}:
        assert_fits(line, schema if line["ok"] else SCHEMAS["Error"])


def assert_request_described(method: str, path: str, body: Any) -> None:
    """Check that a body which the server has taken is one that the description allows."""
    operation = _find(method, path)
    if operation is not None and "requestBody" in operation:
        assert_fits(_without_nulls(body), json_of(operation["requestBody"]))


def _without_nulls(value: Any) -> Any:
    """Leave out what stands for a field that is not given."""
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {name: _without_nulls(item) for name, item in value.items() if item is not None}
