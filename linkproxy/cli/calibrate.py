"""``linkproxy calibrate``: weights fitted to what gave itself away, as a policy to review."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from linkproxy.cli.files import file_fault
from linkproxy.cli.listing import filter_options
from linkproxy.cli.output import print_table, say
from linkproxy.cli.progress import progress
from linkproxy.cli.session import need_campaign, with_store
from linkproxy.model import LinkproxyError
from linkproxy.query.filters import read_filter

if TYPE_CHECKING:
    from linkproxy.config import Config
    from linkproxy.query.calibrate import Calibration
    from linkproxy.store.api import Store


@click.command("calibrate")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE.toml",
    help="Where to write the policy; a file that is there is not replaced.",
)
@filter_options("campaign", "since", "until")
def calibrate(*, out: Path, **given: str | None) -> None:
    """Fit the weights of the signals to labelled visits, and write a policy to review and replay.

    Labels are those of `linkproxy accuracy`; 200 messages of machines and 200 of people are needed.
    Weights move away from the shipped ones as far as the labels support it. Nothing uses the file
    until [judge] policy_file names it.

    \b
    Example:
      linkproxy calibrate --out fitted.toml && linkproxy replay --policy fitted.toml
    """
    from linkproxy.query import calibrate as calibrating
    from linkproxy.server.wiring import policy

    if out.exists():
        raise LinkproxyError(f"{out} is there already; choose another name, or remove it")
    now = time.time()
    where = read_filter(given, now=now)

    async def work(config: Config, store: Store) -> tuple[Calibration, str]:
        if where.campaign:
            await need_campaign(store, where.campaign)
        live = policy(config)
        with progress("Visits", await store.count_visits(where)) as advance:
            gathered = await calibrating.gather(store, where, live, advance)
        found = calibrating.calibrate(gathered, live)
        day = datetime.fromtimestamp(now, UTC).date().isoformat()
        return found, calibrating.policy_text(found, live, day=day)

    found, text = with_store(work)
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise LinkproxyError(file_fault(out, error)) from None
    print_table(
        ["Signal", "Factor on the weight", "Machines", "People"],
        [
            [name, f"{factor:.2f}", str(seen.machines), str(seen.people)]
            for name, factor in sorted(found.factors.items())
            for seen in (found.gathered.spoke[name],)
        ],
    )
    say(f"Wrote {out}. Look through it, then: linkproxy replay --policy {out}")
