"""Campaigns with their links, as the writer's thread remembers them for judging."""

from __future__ import annotations

from typing import TYPE_CHECKING

from linkproxy.model import LOW_INTEREST_ROLES, NOBODY, Link, LinkKey, LinkKind
from linkproxy.store import sqlite_rows as rows
from linkproxy.store.memory import CampaignTable
from linkproxy.store.sqlite_history import CAMPAIGN, DELIVERY, delivery_from
from linkproxy.visit.facts import LinkCounts

if TYPE_CHECKING:
    import sqlite3

    from linkproxy.model import CampaignId

_LINK = f"SELECT {rows.LINK} FROM link WHERE campaign_id = ? AND key = ?"
_LOW_INTEREST = ", ".join(f"'{role}'" for role in sorted(LOW_INTEREST_ROLES))
_COUNTS = f"""SELECT count(*) FILTER (WHERE kind = '{LinkKind.CONTENT}'),
    count(*) FILTER (WHERE kind = '{LinkKind.BAIT}'),
    count(*) FILTER (WHERE kind = '{LinkKind.CONTENT}' AND role IN ({_LOW_INTEREST}))
    FROM link WHERE campaign_id = ?"""


class VisitedLinks:
    """A campaign's links as far as visits have asked for them: one costs a tenth of all fifty."""

    def __init__(self, db: sqlite3.Connection, campaign_id: CampaignId) -> None:
        self._db = db
        self._campaign_id = campaign_id
        self._known: dict[LinkKey, Link] = {}

    def get(self, key: LinkKey, /) -> Link | None:
        """Return the link of a key, None when the campaign has none."""
        link = self._known.get(key)
        if link is None:
            row = self._db.execute(_LINK, (self._campaign_id, rows.plain(key))).fetchone()
            if row is not None:
                link = self._known[key] = rows.link_from(row)
        return link


def read_table(db: sqlite3.Connection, campaign_id: CampaignId) -> CampaignTable | None:
    """Return a campaign as judging asks for it, None when there is none."""
    row = db.execute(CAMPAIGN, (campaign_id,)).fetchone()
    if row is None:
        return None
    content, bait, low_interest = db.execute(_COUNTS, (campaign_id,)).fetchone()
    counts = LinkCounts(content, bait, framed=0 < content == low_interest)
    delivery = delivery_from(db.execute(DELIVERY, (campaign_id, NOBODY)).fetchone())
    return CampaignTable(rows.campaign_from(row), VisitedLinks(db, campaign_id), counts, delivery)
