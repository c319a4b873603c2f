"""The JSON of the journal is written by hand, for speed, and is what the encoder would have written."""

from __future__ import annotations

import json
from dataclasses import astuple, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from linkproxy.model import (
    Campaign,
    CampaignId,
    Delivery,
    DeliverySource,
    Evidence,
    Facts,
    Family,
    Learned,
    ProfileScope,
    Step,
    StrayCounts,
    Zone,
    ZoneRole,
)
from linkproxy.store import evidence_rows
from linkproxy.store import sqlite_rows as rows

texts = st.text(max_size=20)
numbers = st.floats(-1e9, 1e9).map(lambda number: number + 0.0)  # there is no time of minus zero
counts = st.integers(0, 99)
evidence = st.builds(
    Evidence, texts, st.sampled_from(Family), numbers, texts, st.booleans(), st.booleans(), texts
)


@settings(max_examples=200)
@given(st.lists(evidence, max_size=5))
def test_evidence_is_read_back_as_it_was_written(found):
    text = evidence_rows.evidence_text(found)
    assert text == rows.compact(
        [
            (*astuple(item)[:3], item.source or None, int(item.counted), int(item.decisive), item.detail)
            for item in found
        ]
    )
    assert evidence_rows.evidence_from(text) == tuple(found)


@settings(max_examples=200)
@given(st.lists(evidence, max_size=5), st.dictionaries(texts, texts, max_size=3), st.data())
def test_no_source_is_lost_whatever_the_rule_set_says(found, sources, data):
    names = st.sampled_from([*sources, "other"])
    said = st.sampled_from([*sources.values(), "", "other"])
    told = [replace(item, name=data.draw(names), source=data.draw(said)) for item in found]
    text = evidence_rows.evidence_text(told, sources)
    assert evidence_rows.evidence_from(text, sources) == tuple(told)


@settings(max_examples=200)
@given(
    st.builds(
        Facts,
        st.just(Campaign(CampaignId(1), "news")),
        link_count=counts,
        bait_count=counts,
        framed=st.booleans(),
        zone=st.none() | st.builds(Zone, texts, st.sampled_from(ZoneRole), st.booleans()),
        asn=counts,
        listed=st.lists(texts, max_size=2).map(tuple),
        gateway=texts,
        delivery=st.builds(Delivery, numbers, st.sampled_from(DeliverySource)),
        strays=st.builds(StrayCounts, counts, counts, counts),
        learned=st.lists(
            st.builds(Learned, st.sampled_from(ProfileScope), texts, numbers, numbers), max_size=2
        ).map(tuple),
        step=st.none() | st.builds(Step, counts, counts, counts, counts, counts),
    )
)
def test_facts_are_written_whole_and_without_what_is_empty(facts):
    zone, step, strays = facts.zone, facts.step, facts.strays
    wanted = {
        "link_count": facts.link_count,
        "bait_count": facts.bait_count,
        "delivery": [facts.delivery.delivered_at, facts.delivery.source.value],
        "zone": [zone.name, zone.role.value, zone.certain] if zone else None,
    }
    rare = {
        "framed": facts.framed,
        "asn": facts.asn,
        "listed": list(facts.listed),
        "gateway": facts.gateway,
        "strays": list(astuple(strays)) if strays.all else None,
        "learned": [list(astuple(item)) for item in facts.learned],
        "step": list(astuple(step)) if step else None,
    }
    found = json.loads(rows.facts_text(facts))
    assert found == wanted | {name: value for name, value in rare.items() if value}
