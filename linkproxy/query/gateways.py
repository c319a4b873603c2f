"""What is told of recipients' domains and their gateways, in tables and in JSON alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from linkproxy.query.export import Column
from linkproxy.query.filters import format_time, short_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from linkproxy.store.gateways import DomainGateway

GATEWAY_COLUMNS: Sequence[Column[DomainGateway]] = (
    Column("domain", "Domain", lambda row: row.domain, folds=True),
    Column("gateway", "Gateway", lambda row: row.name),
    Column("mx", "Mail servers", lambda row: row.mx, folds=True, spare=2),
    Column("outcome", "Look-up", lambda row: row.outcome.value or "due"),
    Column(
        "looked_up_at",
        "Looked up (UTC)",
        lambda row: format_time(row.looked_up_at) if row.looked_up_at else None,
        lambda row: short_time(row.looked_up_at) if row.looked_up_at else None,
        spare=1,
    ),
    Column("expires_at", "", lambda row: format_time(row.expires_at) if row.expires_at else None),
)
