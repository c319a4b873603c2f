"""A store that has been in use for long: rows by the million, in the shape that visits leave.

A few hundred visits are judged and settled for real; their journal rows are the templates. All other
rows are made of them by SQL, straight into the schema: messages with one or two visits of a person, with
sweeps of a scanner, with visits that stay uncertain; campaigns and mail domains of very different
size. ``check`` lets the store count a campaign again and compares.
"""

from __future__ import annotations

import random
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from bench import append as visits
from linkproxy.model import Campaign, CampaignId, Judged, Link, LinkKey, LinkKind, LinkRole, Profile
from linkproxy.server.settler import settle_due
from linkproxy.store.api import RecipientDraft
from linkproxy.store.rollups import Figure, Part
from linkproxy.visit import pipeline
from linkproxy.visit.possible import possible_among

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from linkproxy.store.api import Store
    from linkproxy.visit.policy import Policy

LINKS = 20
DAYS = 90
NOW = float(int(time.time())) - 86_400.0
"""When the last campaign was sent: yesterday, so that some of the visits are as recent as they are in use."""

_FREEMAIL = ("gmail.example", "outlook.example", "yahoo.example", "icloud.example")
_COMPANIES = 20_000
_SWEEP = 12
_KINDS = (("human", 0.72), ("machine", 0.2), ("uncertain", 0.08))
"""Shares of messages; of machines', each second one is a sweep over twelve links."""

_PROGRAM = Profile((("user-agent", "python-requests/2.32"), ("accept", "*/*")), "python-requests/2.32")


@dataclass(frozen=True, slots=True)
class Size:
    """How much there is."""

    visits: int
    campaigns: int
    recipients: int


async def prepare(store: Store, size: Size) -> None:
    """Add campaigns with their links, and recipients."""
    chance = random.Random(1)
    for number in range(size.campaigns):
        campaign = await store.add_campaign(
            Campaign(CampaignId(0), f"c{number}", base_url="https://click.example", created_at=NOW)
        )
        await store.add_links(
            [
                Link(campaign.id, _key(place), f"https://shop.example/{place}", LinkKind.CONTENT, role, place)
                for place, role in enumerate([LinkRole.BODY] * LINKS)
            ]
        )
    drafts = [RecipientDraft(f"reader{place}@{_domain(chance)}") for place in range(size.recipients)]
    for begin in range(0, len(drafts), 5_000):
        await store.register_recipients(drafts[begin : begin + 5_000])


def _key(place: int) -> LinkKey:
    return LinkKey(f"{place:04d}")


def _domain(chance: random.Random) -> str:
    if chance.random() < 0.6:
        return chance.choice(_FREEMAIL)
    return f"office{int(_COMPANIES * chance.random() ** 3)}.example"


async def settle_some(store: Store, policy: Policy) -> None:
    """Have a few visits judged and settled for real, by browsers and by a program."""
    chance = random.Random(2)
    profiles = [*visits._profiles(chance)[:40], _PROGRAM]  # noqa: SLF001  (the other benchmark's browsers)
    (who, *_) = await store.register_recipients([RecipientDraft("template@brand.example")])
    others = await store.register_recipients(
        [RecipientDraft(f"t{place}@brand.example") for place in range(300)]
    )
    pending = [
        replace(
            visits._visit(CampaignId(1), person, profiles, chance),  # noqa: SLF001
            key=_key(chance.randrange(LINKS)),
            profile=_PROGRAM if place % 3 == 0 else chance.choice(profiles),
            at=NOW - DAYS * 86_400.0 + place,
        )
        for place, person in enumerate((who, *others))
    ]
    for begin in range(0, len(pending), 20):
        outcomes = await store.append(pending[begin : begin + 20], partial(pipeline.take, policy=policy))
        assert all(isinstance(outcome, Judged) for outcome in outcomes)
    await settle_due(store, policy, NOW)


def _messages(size: Size) -> Iterator[tuple[int, int, float, str, int]]:
    """Yield campaign, recipient, time of the first visit, kind, and number of visits."""
    chance, made = random.Random(3), 0
    seen: set[tuple[int, int]] = set()
    names, weights = [name for name, _ in _KINDS], [share for _, share in _KINDS]
    while made < size.visits:
        # The largest of ten thousand campaigns has a hundredth of all messages and more.
        campaign = 1 + int(size.campaigns * chance.random() ** 4)
        recipient = 1 + chance.randrange(size.recipients)
        message = campaign * (size.recipients + 1) + recipient
        if (message, 0) in seen:
            continue
        seen.add((message, 0))
        (kind,) = chance.choices(names, weights)
        count = _SWEEP if kind == "machine" and chance.random() < 0.5 else 1 + (chance.random() < 0.3)
        made += count
        sent = NOW - DAYS * 86_400.0 * (1 - (campaign * 0.618) % 1)
        yield campaign, recipient, sent + 60 + chance.expovariate(1 / 20_000), kind, count


def fill(path: Path, size: Size) -> None:
    """Add the visits, with everything that settling them has left."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for pragma in (
            "synchronous = off",
            "journal_mode = wal",
            "cache_size = -400000",
            "temp_store = file",
        ):
            db.execute(f"PRAGMA {pragma}")
        db.create_function("decibans", 1, round)  # as Python rounds, half to even
        db.execute("BEGIN")
        db.execute("CREATE TEMP TABLE made (campaign, recipient, at, kind, count, template)")
        db.executemany("INSERT INTO made VALUES (?, ?, ?, ?, ?, NULL)", _messages(size))
        _choose_templates(db)
        indexes = db.execute(_INDEXES).fetchall()
        for name, _ in indexes:
            db.execute(f"DROP INDEX {name}")
        for statement in _statements(db):
            db.execute(statement)
        for _, statement in indexes:
            db.execute(statement)
        db.execute("COMMIT")
        db.execute("PRAGMA journal_mode = wal")


_INDEXES = """SELECT name, sql FROM sqlite_schema
WHERE type = 'index' AND sql <> '' AND tbl_name IN ('click', 'settled_visit')"""


def _choose_templates(db: sqlite3.Connection) -> None:
    """Give each message a journal row to copy: of its verdict, and not decisive."""
    found = db.execute(
        """SELECT settled_verdict, json_group_array(id) FROM visit
        WHERE method = 'GET' AND settled_verdict IS NOT NULL AND settled_score BETWEEN -40 AND 55
        AND settled_evidence NOT LIKE '%,1,1,%' GROUP BY 1"""
    ).fetchall()
    by_kind = dict(found)
    for kind, _ in _KINDS:
        # A store whose judge is sure of every template still gets all kinds: with the next best one.
        ids = by_kind.get(kind) or by_kind.get("human") or next(iter(by_kind.values()))
        db.execute(
            """UPDATE made SET template = (SELECT value FROM json_each(?1)
            WHERE key = made.rowid % json_array_length(?1)) WHERE kind = ?2""",
            (ids, kind),
        )


def _statements(db: sqlite3.Connection) -> Iterator[str]:
    columns = [row[1] for row in db.execute("PRAGMA table_info(visit)")]
    copied = [name for name in columns if name not in {"id", "at", "campaign_id", "recipient_id", "key"}]
    # Visits of a message are ten seconds apart, each to another link.
    yield """CREATE TEMP TABLE visited AS
        WITH RECURSIVE place (place) AS (SELECT 0 UNION ALL SELECT place + 1 FROM place WHERE place < 19)
        SELECT m.campaign, m.recipient, m.at + 10 * place AS at, m.template,
            printf('%04d', (m.rowid + place) % 20) AS key
        FROM made m JOIN place ON place < m.count ORDER BY 3"""
    yield """CREATE TEMP TABLE slim AS SELECT s.rowid + (SELECT max(id) FROM visit) AS id, s.campaign AS c,
        s.recipient AS r, s.at, s.key, r.domain, t.settled_verdict AS verdict, t.settled_score AS score,
        s.template, date(s.at, 'unixepoch') AS day, CAST(s.at / 86400 AS INTEGER) AS day_number
        FROM visited s CROSS JOIN visit t ON t.id = s.template CROSS JOIN recipient r ON r.id = s.recipient
        ORDER BY s.rowid"""
    yield f"""INSERT INTO visit (campaign_id, recipient_id, at, key, {", ".join(copied)})
        SELECT s.campaign, s.recipient, s.at, s.key, {", ".join("t." + name for name in copied)}
        FROM visited s CROSS JOIN visit t ON t.id = s.template ORDER BY s.rowid"""
    yield "UPDATE meta SET value = (SELECT max(id) FROM visit) WHERE name = 'indexed'"
    yield "UPDATE profile SET used_at = (SELECT max(at) FROM visited)"
    yield """INSERT INTO message_visit (campaign_id, recipient_id, visit_id, at)
        SELECT c, r, id, at FROM slim ORDER BY c, r, id"""
    yield """INSERT INTO settled_visit (campaign_id, visit_id, domain, verdict, key)
        SELECT c, id, domain, verdict, key FROM slim ORDER BY c, id"""
    yield """INSERT INTO visit_hour SELECT CAST(at / 3600 AS INTEGER) AS hour, min(id), max(id)
        FROM slim WHERE true GROUP BY 1 ON CONFLICT DO UPDATE SET last_id = excluded.last_id"""
    yield """INSERT INTO click (visit_id, at, campaign_id, recipient_id, key, score, reasons, verified,
        merged, domain) SELECT id, at, c, r, key, score, '["agent.browser","timing.delay"]', 1, 0, domain
        FROM slim WHERE verdict = 'human' ORDER BY id"""
    yield "UPDATE meta SET value = (SELECT max(id) FROM visit) WHERE name = 'feed'"
    yield from _rollups()


def _rollups() -> Iterator[str]:
    yield """CREATE TEMP TABLE messages AS SELECT c, r, domain, verdict, count(*) AS raw,
        decibans(score) AS score, template, verdict = 'human' AS is_click
        FROM slim GROUP BY c, r"""
    yield """INSERT INTO rollup_message (campaign_id, recipient_id, raw, counted, clicks, possible, shapes)
        SELECT m.c, m.r, m.raw, m.raw * m.is_click, coalesce(k.clicks, '[]'),
            json_array(json_array(m.score, m.raw)), '{}'
        FROM messages m LEFT JOIN (
            SELECT c, r, json_group_array(json_array(key, day_number, n)) AS clicks FROM (
                SELECT c, r, key, day_number, count(*) AS n FROM slim WHERE verdict = 'human'
                GROUP BY 1, 2, 3, 4)
            GROUP BY c, r) k ON k.c = m.c AND k.r = m.r ORDER BY m.c, m.r"""
    yield """INSERT INTO rollup_possible (campaign_id, state, domain, score, clicks, units)
        SELECT c, 'live', domain, score, raw, count(*) FROM messages WHERE true GROUP BY c, domain, score, raw
        ON CONFLICT DO UPDATE SET units = units + excluded.units"""
    for part, name in (("campaign", "''"), ("link", "key"), ("day", "day"), ("domain", "domain")):
        whole = part == "campaign"
        added = ", ".join(f"{figure} = {figure} + excluded.{figure}" for figure in Figure)
        yield f"""INSERT INTO rollup (campaign_id, state, part, name, {", ".join(Figure)})
            SELECT c, 'live', '{part}', {name}, 0, sum(verdict = 'human'),
            count(DISTINCT CASE WHEN verdict = 'human' THEN r END),
            {"sum(verdict = 'human')" if whole else 0}, sum(verdict = 'human'), sum(verdict = 'machine'),
            sum(verdict = 'uncertain'), sum(CASE WHEN verdict = 'uncertain'
                THEN CAST(round(1000000 / (1 + pow(10, score / 10))) AS INTEGER) ELSE 0 END),
            count(*), {"count(DISTINCT r)" if whole else 0}
            FROM slim WHERE true GROUP BY 1, 4 ON CONFLICT DO UPDATE SET {added}"""
    # The machines among the templates are one program, so they have one main reason.
    counts = ", ".join("count(*)" if figure is Figure.MACHINE else "0" for figure in Figure)
    yield f"""INSERT INTO rollup (campaign_id, state, part, name, {", ".join(Figure)})
        SELECT c, 'live', 'reason', (SELECT name FROM rollup WHERE part = 'reason'), {counts}
        FROM slim WHERE verdict = 'machine' GROUP BY c
        ON CONFLICT DO UPDATE SET machine = machine + excluded.machine"""


async def check(store: Store, policy: Policy, campaign: Campaign) -> None:
    """Let the store count a campaign again: the figures must be the ones that were made."""
    before = await store.campaign_sums(campaign.id)
    await store.begin_rebuild(campaign.id)
    left = 1
    while left:
        step = await store.rebuild(partial(possible_among, policy=policy), limit=200, campaign_id=campaign.id)
        left = step.campaigns_left
    after = await store.campaign_sums(campaign.id)
    assert before.possible == after.possible, sorted(
        set(before.possible.items()) ^ set(after.possible.items())
    )
    for part in Part:
        assert before.sums[part] == after.sums[part], part
