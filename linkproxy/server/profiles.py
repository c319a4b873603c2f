"""What the JSON API tells of domain profiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from linkproxy.model.names import domain_name
from linkproxy.query.export import record
from linkproxy.query.filters import FilterError, read_filter, unknown
from linkproxy.query.profiles import PROFILE_COLUMNS, row_of
from linkproxy.server.body import MOST_ROWS, ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from linkproxy.store.api import Store
    from linkproxy.visit.policy import Policy

_ROWS = 100


async def profile_records(
    store: Store, policy: Policy, query: Mapping[str, str], now: float
) -> dict[str, Any]:
    """Return profiles, those with most lessons first; raise ApiError for what is no filter."""
    faults = unknown(query, ("name", "limit"))
    try:
        where = read_filter({"limit": query.get("limit") or str(_ROWS)}, now=now)
    except FilterError as error:
        raise ApiError(400, *faults, *error.faults) from None
    if not 1 <= (where.limit or 0) <= MOST_ROWS:
        faults.append(f"limit: must be a whole number from 1 to {MOST_ROWS}")
    name = domain_name(query.get("name", ""))
    if "\0" in name:
        faults.append(f"name: {name[:60]!r} is neither a domain nor a gateway")
    if faults:
        raise ApiError(400, *faults)
    found = await store.list_domain_profiles(
        min_recipients=policy.learning.min_recipients,
        min_domains=policy.learning.network_domains,
        name=name,
        limit=where.limit or _ROWS,
    )
    return {"profiles": [record(row_of(profile, policy, now), PROFILE_COLUMNS) for profile in found]}
