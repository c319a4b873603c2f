"""Claims about PostgreSQL behind Citus and poolers: how tables may be distributed, nothing of the session."""

from __future__ import annotations

import re
from pathlib import Path

from store.postgres_fixtures import open_store, rows
from store.world import clicks, send, settled

__all__ = ["open_store"]

STORE = Path(__file__).parents[2] / "linkproxy" / "store"

DISTRIBUTED = {
    "click", "delivery", "domain_teacher", "engagement", "message_link", "message_visit", "open_visit",
    "retraction", "rollup_message", "shadow_verdict", "unsubscribe", "visit",
}  # fmt: skip
"""Distributed by recipient_id; ``recipient`` by id, ``recipient_hash`` by hash; see docs/postgres.md."""


async def test_every_unique_key_of_a_distributed_table_holds_what_it_is_distributed_by(database, store):
    keys = await rows(
        database,
        """SELECT c.relname, array_agg(a.attname::text) FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
        WHERE i.indisunique AND c.relnamespace = 'public'::regnamespace GROUP BY i.indexrelid, c.relname""",
    )
    column = {"recipient": "id", "recipient_hash": "hash"} | dict.fromkeys(DISTRIBUTED, "recipient_id")
    found = {row[0] for row in keys}
    assert found >= column.keys()
    assert [row for row in keys if row[0] in column and column[row[0]] not in row[1]] == []


async def test_tables_about_recipients_are_distributed_and_refer_to_no_other_by_foreign_key(database, store):
    about = await rows(
        database,
        """SELECT table_name FROM information_schema.columns c JOIN pg_class p ON p.relname = c.table_name
        WHERE column_name = 'recipient_id' AND table_schema = 'public' AND NOT p.relispartition""",
    )
    local = {"stray", "recipient_hash", "rollup_rebuild"}  # bounded, by hash, a cursor
    assert {row[0] for row in about} - local == DISTRIBUTED
    foreign = await rows(database, "SELECT conrelid::regclass::text FROM pg_constraint WHERE contype = 'f'")
    assert {row[0] for row in foreign} <= {"link", "audit", "signing_key_use"}


async def test_the_calls_that_distribute_the_tables_name_every_one_of_them(database, store):
    page = (STORE.parents[1] / "docs" / "postgres.md").read_text("utf-8")
    calls = page.split("```sql")[1].split("```")[0]
    assert set(re.findall(r"'(\w+)'", calls.split("'recipient_id', colocate")[1])) >= DISTRIBUTED
    stays = {"erased_reference", "stray", "lease", "store_copy", "meta", "migration", "replay"}
    stays |= {"audit", "api_key", "webhook", "signing_key_use"}
    there = await rows(
        database,
        """SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition
        AND relnamespace = 'public'::regnamespace""",
    )
    assert {row[0] for row in there} == stays | {
        name for name in re.findall(r"'(\w+)'", calls) if name not in {"recipient_id", "id", "hash", "none"}
    }


def test_joins_between_distributed_tables_are_by_recipient():
    """Every JOIN of one of them names recipient_id (or a recipient's id) in its condition."""
    tables = "|".join(sorted(DISTRIBUTED))
    joins = re.compile(rf"\bJOIN ({tables})\b(.*?)(?=JOIN|WHERE|\"\"\"|\Z)", re.DOTALL)
    found = [
        (file.name, " ".join(match[0].split()))
        for file in STORE.glob("postgres*.py")
        for match in joins.finditer(file.read_text("utf-8"))
    ]
    assert len(found) > 10
    assert [join for join in found if "recipient_id" not in join[1] and "of_id" not in join[1]] == []


def test_nothing_is_of_the_session_so_that_a_pooler_may_stand_between():
    text = "\n".join(file.read_text("utf-8") for file in STORE.glob("postgres*.py"))
    assert not re.search(r"pg_(try_)?advisory_lock|LISTEN|TEMP TABLE|\bPREPARE\b", text)
    assert re.findall(r"\bSET (?!LOCAL|TRANSACTION)[a-z_]+ = (?:on|off|\{|force)", text) == []


async def test_a_store_works_without_prepared_statements(open_store):
    store = await open_store(pooler=True)
    mail = await send(store)
    await mail.visited(mail.visit(), mail.visit(1))
    await mail.settle(settled())
    assert len(await clicks(store)) == 2
