"""Claims about where weights come from: told once for each rule set, and never lost."""

from __future__ import annotations

import json
from dataclasses import replace
from secrets import token_hex

from store.world import REACH, judge, settled, visits

from linkproxy.model import Evidence, Family
from linkproxy.store.api import Filter
from linkproxy.visit.policy import load
from linkproxy.visit.sources import note_sources

ASKED = "timing.delay"
SILENT = "timing.before-delivery"


def rules(source: str):
    """Return a rule set that says of one signal where its weight comes from."""
    return load(f"[signals.{json.dumps(ASKED)}]\nsource = {json.dumps(source)}")


def said(policy) -> tuple[Evidence, ...]:
    """Return evidence with the rule set's sources, with one of its own, with none, and of no rule."""
    return (
        *(Evidence(name, Family.TIMING, 3.0, policy.rules[name].source) for name in (ASKED, SILENT)),
        Evidence(ASKED, Family.TIMING, 2.0, "another source", detail="zwölf"),
        Evidence(SILENT, Family.TIMING, 1.0),
        Evidence("no.rule", Family.TIMING, -1.0, "a source"),
        Evidence("no.rule", Family.TIMING, -2.0),
    )


def by(policy, digest=""):
    """Return a judge that goes by a rule set."""

    def take(visit, source):
        judged = judge()(visit, source)
        return replace(judged, verdict=verdict_of(judged.verdict, policy, digest))

    return take


def again_by(policy):
    """Return a reviser that goes by a rule set."""

    def revise(history):
        found = settled()(history)
        revised = tuple((visit_id, verdict_of(verdict, policy)) for visit_id, verdict in found.revised)
        return replace(found, revised=revised)

    return revise


def verdict_of(verdict, policy, digest=""):
    return replace(verdict, evidence=said(policy), policy=digest or policy.digest)


async def judged_twice(mail):
    """Judge a visit by one rule set and settle it by another; return its id and both."""
    first, second = rules("where it comes from"), rules("where it comes from now")
    (judged,) = await mail.visited(mail.visit(), take=by(first))
    await mail.settle(again_by(second))
    return judged.visit_id, said(first), said(second)


def as_exported(evidence):
    return [[*(item.name, item.family, item.weight, item.source), 1, 0, item.detail] for item in evidence]


class SourceContract:
    async def test_a_source_is_told_after_reading_back_also_when_the_policy_has_changed(
        self, mail, open_store
    ):
        visit_id, first, second = await judged_twice(mail)
        await mail.visited(mail.visit(5), take=by(rules("a third")))
        store = await open_store()
        entry = (await store.get_visit(visit_id)).entry
        (listed, _) = (row.entry for row in await visits(store))
        ((frozen, _),) = [item.visits async for item in store.messages(Filter(), reach_seconds=REACH)]
        for found in (entry, listed, frozen.entry):
            assert (found.verdict.evidence, found.settled.evidence) == (first, second)

    async def test_settling_is_told_the_sources_too(self, mail):
        visit_id, first, second = await judged_twice(mail)
        await mail.visited(mail.visit(5), take=by(rules("a third")))
        seen = []
        await mail.settle(settled(seen=seen))
        ((history, _),) = [history.entries for history in seen]
        assert (history.visit_id, history.verdict.evidence) == (visit_id, first)
        assert history.settled.evidence == second

    async def test_an_export_tells_sources_in_words(self, store, mail):
        _, first, second = await judged_twice(mail)
        await mail.visited(mail.visit(5), take=by(rules("where it comes from now")))
        settled_one, open_one = (await store.export_recipient(mail.ann.id))["visit"]
        assert settled_one["evidence"] == as_exported(first)
        assert settled_one["settled_evidence"] == open_one["evidence"] == as_exported(second)
        assert open_one["settled_evidence"] is None

    async def test_what_was_stored_before_its_rule_set_was_known_stays_as_it_was(self, mail, open_store):
        policy, digest = rules("of before"), f"policy-{token_hex(8)}"
        (before,) = await mail.visited(mail.visit(0), take=by(policy, digest))
        note_sources(digest, {name: rule.source for name, rule in policy.rules.items()})
        (after,) = await mail.visited(mail.visit(1), take=by(policy, digest))
        store = await open_store()
        for judged in (before, after):
            row = await store.get_visit(judged.visit_id)
            assert row.entry.verdict.evidence == said(policy)
