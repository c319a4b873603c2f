"""Replay speed: ``python -m bench.replay [--visits N]``: so many visits judged again, both verdicts each.

The journal is made by the real intake, judge and store: people with one or two clicks, and sweeps.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from functools import partial
from pathlib import Path

from linkproxy.model import Campaign, CampaignId, Link, LinkKey, LinkKind, LinkRole, Profile, Visit
from linkproxy.query.replay import Comparison
from linkproxy.server.settler import settle_due
from linkproxy.store.api import Filter, RecipientDraft
from linkproxy.store.privacy import Privacy
from linkproxy.store.sqlite import SqliteStore
from linkproxy.visit import policy as policies
from linkproxy.visit.pipeline import take

NOW = 1_790_000_000.0
LINKS = 20
BROWSER = Profile(
    (
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
        ("accept", "*/*"),
    ),
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
)
BATCH = 500


async def fill(store: SqliteStore, policy: policies.Policy, visits: int) -> None:
    """Journal and settle so many visits: every fourth message is swept, the others clicked once."""
    campaign = await store.add_campaign(Campaign(CampaignId(0), "bench"))
    keys = [LinkKey(f"k{number:03}") for number in range(LINKS)]
    await store.add_links(
        [
            Link(campaign.id, key, f"https://shop.example/{key}", LinkKind.CONTENT, LinkRole.BODY, place)
            for place, key in enumerate(keys)
        ]
    )
    messages = visits * 4 // (LINKS + 3) + 4
    people = await store.register_recipients(
        [RecipientDraft(f"p{number}@d{number % 200}.example") for number in range(messages)]
    )
    pending: list[Visit] = []
    made = 0
    for number, person in enumerate(people):
        links = keys if number % 4 == 0 else keys[number % LINKS : number % LINKS + 1]
        for place, key in enumerate(links[: visits - made]):
            client = f"198.51.{number % 200}.{number % 250}"
            at = NOW + number * 0.01 + place * 0.2
            pending.append(
                Visit(at, "GET", campaign.id, person.id, key, client, f"198.51.{number % 200}.0/24", BROWSER)
            )
            made += 1
        while len(pending) >= BATCH or (pending and made >= visits):
            await store.append(pending[:BATCH], partial(take, policy=policy))
            del pending[:BATCH]
    await settle_due(store, policy, NOW + 1e6)


async def main() -> None:
    """Fill a store, replay it, print the rate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--visits", type=int, default=100_000)
    parser.add_argument("--quick", action="store_true", help="10,000 visits")
    options = parser.parse_args()
    visits = 10_000 if options.quick else options.visits
    policy = policies.load()
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore(
            Path(folder) / "bench.db", privacy=Privacy("full", "full", b"k" * 32), synchronous="normal"
        )
        await store.open()
        begun = time.perf_counter()
        await fill(store, policy, visits)
        print(f"journalled and settled {visits:,} visits in {time.perf_counter() - begun:.1f} s")
        found, where = Comparison(), Filter()
        begun = time.perf_counter()
        async for message in store.messages(where, reach_seconds=policy.reach_seconds):
            found.add(message, policy, where)
        spent = time.perf_counter() - begun
        await store.close()
    print(f"replayed {found.visits:,} visits in {spent:.1f} s: {found.visits / spent:,.0f} visits/s")
    assert found.visits == visits
    assert found.changed == found.rescored == 0
    assert all(item.gained == item.lost == 0 for item in found.clicks.values())


if __name__ == "__main__":
    asyncio.run(main())
