"""What calibration goes by, from requests over real HTTP to the labels that it gathers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from linkproxy.query.calibrate import gather
from linkproxy.store.api import Filter

if TYPE_CHECKING:
    from tests.server.conftest import Site


async def test_what_labels_are_made_of_is_no_evidence_to_fit(site: Site) -> None:
    """A machine with a label presses at once, if ever: who reads first has another label, or none."""
    await site.ask(site.url(site.BAIT), headers=site.SCANNER)
    for key in site.TARGETS:
        site.clock.now += 0.3
        await site.ask(site.url(key), headers=site.SCANNER)
        site.clock.now += 0.3
        await site.ask(site.url(key), "POST", headers=site.SCANNER)
    site.clock.now += 4000
    await site.server.services.settler.once()
    spoke = {
        item.name for row in await site.visits() if row.entry.settled for item in row.entry.settled.evidence
    }
    found = await gather(site.store, Filter(), site.server.services.policy)
    assert {"afterlife.continue", "bait.beside", "request.program"} <= spoke
    assert found.machine_messages == 1
    assert "request.program" in found.spoke
    assert not [name for name in found.spoke if name.startswith(("afterlife.", "bait.", "mutation."))]
    assert not [
        clue.name for sample in found.samples for clue in sample.clues if clue.name not in found.spoke
    ]


async def test_what_came_before_the_asked_time_gives_no_labels(site: Site) -> None:
    for key in (site.BAIT, *site.TARGETS):
        await site.ask(site.url(key), headers=site.SCANNER)
    asked = Filter(since=site.clock.now + 1)
    site.clock.now += 4000
    await site.server.services.settler.once()
    assert (await gather(site.store, asked, site.server.services.policy)).machine_messages == 0
