"""A second policy judges silently: it is compared, and touches nothing that is live."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from linkproxy.model import LinkproxyError, VerdictKind
from linkproxy.server.settler import settle_due
from linkproxy.server.shadow import Shadow
from linkproxy.server.wiring import shadow_policy
from linkproxy.store.api import Filter
from linkproxy.visit import policy as policies

if TYPE_CHECKING:
    from pathlib import Path

    from tests.server.conftest import Site, Start

STRICT = "[policy]\nhuman = -70.0\n"


async def rows(site: Site):
    return [row async for row in site.store.shadow_verdicts(Filter())]


async def test_what_the_shadow_takes_for_something_else_is_kept_and_counted(
    start: Start, tmp_path: Path
) -> None:
    (tmp_path / "strict.toml").write_text(STRICT)
    site = await start(judge={"shadow_policy_file": "strict.toml"})
    await site.ask(site.url())
    site.clock.now += 40
    await site.ask(site.url("CtB2"), method="HEAD")
    site.clock.now += 1000
    await site.server.services.settler.once()
    (row,) = await rows(site)
    assert (row.verdict.live, row.verdict.shadow) == (VerdictKind.HUMAN, VerdictKind.UNCERTAIN)
    assert row.verdict.policy == policies.load(STRICT).digest
    assert row.verdict.live_score == row.verdict.shadow_score
    assert row.recipient == "anna@example.com"
    assert await site.metric("linkproxy_shadow_verdicts_total", live="human", shadow="uncertain") == 1
    assert await site.metric("linkproxy_shadow_verdicts_total", live="machine", shadow="machine") == 1
    counts = {(item.live, item.shadow): item.visits for item in await site.store.count_shadow_verdicts()}
    assert counts == {("human", "uncertain"): 1, ("machine", "machine"): 1}


async def test_the_shadow_changes_no_click_and_no_verdict(start: Start, tmp_path: Path) -> None:
    (tmp_path / "strict.toml").write_text(STRICT)
    site = await start(judge={"shadow_policy_file": "strict.toml"})
    response = await site.ask(site.url())
    assert response.status == 302
    site.clock.now += 1000
    await site.server.services.settler.once()
    assert [row.key async for row in site.store.clicks(Filter())] == [site.CONTENT]
    assert {row.entry.settled.policy for row in await site.visits()} == {site.server.services.policy.digest}


async def test_a_shadow_that_breaks_holds_nothing_up(site: Site, capfd: pytest.CaptureFixture[str]) -> None:
    broken = Shadow(replace(policies.load(), rules={}))
    await site.ask(site.url())
    settled = await settle_due(site.store, site.server.services.policy, site.START + 1000, shadow=broken)
    assert settled == 1
    assert [row.key async for row in site.store.clicks(Filter())] == [site.CONTENT]
    assert await rows(site) == []
    assert "shadow.failed" in "".join(capfd.readouterr())


async def test_a_shadow_policy_that_is_not_there_is_named_at_the_start(start: Start) -> None:
    with pytest.raises(LinkproxyError, match=r"shadow_policy_file: there is no file .*gone\.toml"):
        await start(judge={"shadow_policy_file": "gone.toml"})


async def test_without_the_setting_there_is_no_shadow(site: Site) -> None:
    assert shadow_policy(site.config) is None
