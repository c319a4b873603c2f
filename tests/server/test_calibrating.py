"""What calibration goes by, from requests over real HTTP to the labels that it gathers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from linkproxy.query.calibrate import gather
from linkproxy.store.api import Filter, RecipientDraft

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


async def test_a_message_weighs_one_however_many_of_its_visits_have_labels(site: Site) -> None:
    ben, cleo = await site.store.register_recipients(
        [RecipientDraft(address="ben@example.com"), RecipientDraft(address="cleo@example.com")]
    )
    for key in (*site.TARGETS, site.BAIT):
        await site.ask(site.url(key), headers=site.SCANNER)
        site.clock.now += 0.2
    await site.ask(site.url(recipient=ben), headers=site.SCANNER)
    site.clock.now += 30
    await site.ask(site.url(recipient=ben), method="POST", headers=site.SCANNER)
    site.clock.now += 4000
    await site.server.services.settler.once()
    await site.ask(site.url(site.BAIT, cleo), headers=site.SCANNER)  # not settled yet
    gone_through: list[int] = []
    found = await gather(site.store, Filter(), site.server.services.policy, gone_through.append)
    assert (found.machine_messages, found.people_messages) == (1, 1)
    weights = {True: 0.0, False: 0.0}
    for sample, weight in found.samples.items():
        weights[sample.machine] += weight
    assert weights == pytest.approx({True: 1.0, False: 1.0})
    labelled = (len(site.TARGETS) + 1, 2)
    assert (found.spoke["request.program"].machines, found.spoke["request.program"].people) == labelled
    assert sum(gone_through) == sum(labelled) + 1
