"""What the rows of an export refer to: who asks for their data cannot look numbers up.

Header sets (``profile``) are stored once, however many people's browsers send the same. So they are no
rows about a recipient, but they say what a visitor's browser told of itself.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    Rows = Mapping[str, Sequence[Mapping[str, Any]]]

REFERRED = {
    "profile": ("SELECT id, agent, content FROM profile WHERE id IN {0} ORDER BY id", ("profile_id",)),
    "campaign": ("SELECT id, name, kind FROM campaign WHERE id IN {0} ORDER BY id", ("campaign_id",)),
    "link": (
        """SELECT campaign_id, key, kind, role, target FROM link
        WHERE campaign_id IN {0} AND key IN {1} ORDER BY campaign_id, position""",
        ("campaign_id", "key"),
    ),
}
"""By table: how it is read, and by the values of which columns of an export, for {0} and {1}."""


def values_of(found: Rows, column: str) -> list[Any]:
    """Return the values that a column of that name has anywhere in an export, each once."""
    rows: Iterable[Mapping[str, Any]] = (row for listed in found.values() for row in listed)
    return sorted({row[column] for row in rows if row.get(column) is not None})


def with_headers(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row; a profile's content, which is JSON, is read."""
    return {name: json.loads(value) if name == "content" else value for name, value in row.items()}
