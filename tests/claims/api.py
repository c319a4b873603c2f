"""Calling the JSON API of a running server, and what its faults look like."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from claims.openapi import assert_request_described

if TYPE_CHECKING:
    from tests.server.conftest import Site


async def call(
    site: Site,
    key: str,
    path: str,
    body: object = None,
    *,
    method: str = "",
    headers: dict[str, str] | None = None,
) -> tuple[int, dict[str, Any]]:
    """Call the API and return status and body; what is taken is what the API says that it takes."""
    data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
    method = method or ("GET" if body is None else "POST")
    response = await site.ask(
        site.server.addresses.private + path,
        method,
        headers={"Authorization": f"Bearer {key}", **(headers or {})},
        data=None if data is None else io.BytesIO(data),
    )
    assert response.content_type == "application/json"
    if response.status == 200 and data is not None:
        assert_request_described(method, urlsplit(path).path, json.loads(data))
    return response.status, await response.json()


def assert_fault(answer: tuple[int, dict[str, Any]], status: int, *errors: str) -> None:
    """Check the one shape of error, and that each of these texts is in one of the errors."""
    got, body = answer
    assert got == status
    assert set(body) == {"ok", "error", "errors", "status"}
    assert body["ok"] is False
    assert body["status"] == status
    assert body["error"] == "; ".join(body["errors"])
    assert len(body["errors"]) == len(errors)
    for text, error in zip(errors, body["errors"], strict=True):
        assert text in error
