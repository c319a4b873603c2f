"""What one visit costs in the store's hands: looked up, judged, journalled and committed.

Visits are made beforehand, so that neither sockets nor parsing are counted; ``python -m bench.redirect``
measures the whole. Every message is visited twice, a minute apart: `first` finds nothing remembered of
its message, `second` comes when as many other messages were visited in between. CPU time is the figure
to compare, since it is hardly moved by other load; ``--profile`` shows where it goes.
"""

from __future__ import annotations

import asyncio
import cProfile
import gc
import pstats
import random
import sqlite3
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Literal

from bench import report
from bench.detection import browsers
from linkproxy.model import (
    Campaign,
    CampaignId,
    Delivery,
    DeliverySource,
    Judged,
    Link,
    LinkKey,
    LinkKind,
    LinkRole,
    Visit,
)
from linkproxy.server.app import COLLECT_AFTER
from linkproxy.store.api import DeliveryDraft, RecipientDraft
from linkproxy.store.privacy import Privacy
from linkproxy.store.sqlite import SqliteStore
from linkproxy.visit import intake, pipeline, policy

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from linkproxy.model import Profile, Recipient
    from linkproxy.store.api import Take

NOW = 1_795_000_000.0
CAMPAIGNS = 20
LINKS = 40
PROFILES = 200
WARMED = 2_000  # visits before the clock starts
OFFICES = 400  # mail domains of companies
AT_A_COMPANY = 0.3  # of the recipients; the others have freemail addresses
TOLD = 0.5  # of the messages have a delivery time of their own
HOURS = 2.0  # over which the visits are spread, after delivery


@dataclass
class Mailing:
    """What was sent: the two visits of each message, in order of time."""

    first: list[Visit]
    second: list[Visit]


def main() -> None:
    """Measure and print."""
    chosen = report.options("append", __doc__.splitlines()[0], _add_options)
    rounds = chosen.rounds or (2 if chosen.quick else 5)
    messages = chosen.messages or (10_000 if chosen.quick else 40_000)
    rows: list[list[str | float]] = []
    results = {}
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        for synchronous in ("full", "normal"):
            found = [
                asyncio.run(_round(Path(folder) / f"{synchronous}{number}.db", synchronous, messages, chosen))
                for number in range(rounds)
            ]
            for case in found[0]:
                named = f"{synchronous}, {case}"
                results[named] = [item[case] for item in found]
                rows.append(
                    [named, *(median(item[case][what] for item in found) for what in ("cpu", "wall"))]
                )
    report.table(f"One visit, in batches of {chosen.batch}", ["case", "us of CPU", "us in all"], rows)
    report.finish("append", results, chosen.json)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, help="each with a new file")
    parser.add_argument("--messages", type=int, help="that are visited twice (default 40000)")
    parser.add_argument("--batch", type=int, default=40, help="visits of one commit (default 40)")
    parser.add_argument("--folder", type=Path, help="where the files are made (default: the system's own)")
    parser.add_argument("--profile", action="store_true", help="show the functions that take most time")


async def _round(
    file: Path, synchronous: Literal["full", "normal"], messages: int, chosen: argparse.Namespace
) -> dict[str, dict[str, float]]:
    store = SqliteStore(file, privacy=Privacy("full", "full", b"k" * 32), synchronous=synchronous)
    await store.open()
    mailing = await _send(store, messages)
    take = partial(pipeline.take, policy=policy.load())
    # What is found out once of each header profile is paid by the first visits, which are not counted.
    await _append(store, mailing.first[:WARMED], take, 40)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    found = {}
    for case, visits in (("first", mailing.first[WARMED:]), ("second", mailing.second)):
        profiler = cProfile.Profile() if chosen.profile else None
        if profiler:
            await _on_writer(store, profiler.enable)
        cpu, wall = time.process_time(), time.perf_counter()
        await _append(store, visits, take, chosen.batch)
        found[case] = {
            "cpu": (time.process_time() - cpu) / len(visits) * 1e6,
            "wall": (time.perf_counter() - wall) / len(visits) * 1e6,
        }
        if profiler:
            await _on_writer(store, profiler.disable)
            print(f"\n{synchronous}, {case}, {len(visits)} visits")
            pstats.Stats(profiler).sort_stats("tottime").print_stats(45)
    await store.close()
    with closing(sqlite3.connect(file)) as database:
        (stored,) = database.execute("SELECT count(*) FROM visit").fetchone()
    assert stored == len(mailing.first) + len(mailing.second)
    return found


async def _on_writer(store: SqliteStore, call: Callable[[], object]) -> None:
    await store._writer.run(lambda _session: call())  # noqa: SLF001  (a profiler watches one thread)


async def _append(store: SqliteStore, visits: Sequence[Visit], take: Take, batch: int) -> None:
    for start in range(0, len(visits), batch):
        outcomes = await store.append(visits[start : start + batch], take)
        assert all(isinstance(outcome, Judged) for outcome in outcomes)


async def _send(store: SqliteStore, messages: int) -> Mailing:
    """Register campaigns, recipients and deliveries; return two visits of each message."""
    chance = random.Random(1)
    who = await store.register_recipients(
        [RecipientDraft(_address(number, chance)) for number in range(messages // CAMPAIGNS)]
    )
    profiles = _profiles(chance)
    seen: list[Visit] = []
    for number in range(CAMPAIGNS):
        campaign = await store.add_campaign(
            Campaign(CampaignId(0), f"c{number}", base_url="https://click.example", created_at=NOW)
        )
        await store.add_links(_links(campaign.id))
        drafts = [DeliveryDraft(campaign.id, 0, Delivery(NOW, DeliverySource.CAMPAIGN))]  # type: ignore[arg-type]
        drafts += [
            DeliveryDraft(campaign.id, item.id, Delivery(NOW + 5, DeliverySource.PROVIDER))
            for item in who
            if chance.random() < TOLD
        ]
        await store.add_deliveries(drafts)
        seen += [_visit(campaign.id, item, profiles, chance) for item in who]
    seen.sort(key=lambda visit: visit.at)
    later = [replace(visit, at=visit.at + 60, key=_key(chance.randrange(LINKS))) for visit in seen]
    return Mailing(seen, later)


def _address(number: int, chance: random.Random) -> str:
    domain = f"office{number % OFFICES}.example" if chance.random() < AT_A_COMPANY else "gmail.com"
    return f"reader{number}@{domain}"


def _links(campaign_id: CampaignId) -> list[Link]:
    roles = [LinkRole.HEADER, *[LinkRole.BODY] * (LINKS - 6), *[LinkRole.SOCIAL] * 3, *[LinkRole.FOOTER] * 2]
    return [
        Link(campaign_id, _key(place), f"https://shop.example/{place}", LinkKind.CONTENT, role, place)
        for place, role in enumerate(roles)
    ]


def _key(place: int) -> LinkKey:
    return LinkKey(f"{place:04d}")


def _profiles(chance: random.Random) -> list[Profile]:
    kinds = (browsers.chromium, browsers.chromium, browsers.firefox, browsers.safari)
    return [intake.profile_of(tuple(chance.choice(kinds)(chance, secure=True))) for _ in range(PROFILES)]


def _visit(
    campaign_id: CampaignId, who: Recipient, profiles: Sequence[Profile], chance: random.Random
) -> Visit:
    client, network = intake.locate(f"100.{64 + who.id % 64}.{who.id // 64 % 256}.{who.id % 251}")
    return Visit(
        at=NOW + 60 + chance.random() * HOURS * 3600,
        method="GET",
        campaign_id=campaign_id,
        recipient_id=who.id,
        key=_key(chance.randrange(1, LINKS)),
        client=client,
        network=network,
        profile=chance.choice(profiles),
        secure=True,
        token="A" * 24,
    )


if __name__ == "__main__":
    main()
