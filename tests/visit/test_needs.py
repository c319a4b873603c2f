"""Signals that are not asked would have said nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from claims.browsers import CHROME, FIREFOX, OLD_CHROME
from hypothesis import given, settings
from hypothesis import strategies as st

from linkproxy.model import (
    Afterlife,
    AnswerKind,
    Campaign,
    CampaignId,
    CampaignKind,
    Delivery,
    DeliverySource,
    Engagement,
    EngagementKind,
    Facts,
    Learned,
    Link,
    LinkKey,
    LinkKind,
    LinkRole,
    ProfileScope,
    RecipientId,
    Sibling,
    Step,
    StrayCounts,
    VerdictKind,
    Visit,
    Zone,
    ZoneRole,
)
from linkproxy.visit import intake, policy, verdict
from linkproxy.visit.signals import SIGNALS, needs

NOW = 1_795_000_000.0
ROWS = """
[operator.ours]
says = "not-scanner"
cidrs = ["192.0.2.0/24"]
[operator.theirs]
says = "machine"
cidrs = ["198.51.100.0/24"]
"""
POLICY = policy.load(ROWS)
OTHERWISE = policy.load("""
[signals."message.links-in-seconds"]
curve = [[45.0, 2, 9.0], [0.3, 3, 34.0]]
[signals."message.most-links"]
share = 0.2
""")

PROFILES = [
    intake.profile_of(headers) for headers in (CHROME, FIREFOX, OLD_CHROME, (("User-Agent", "curl/8.5"),), ())
]
KEYS = [LinkKey(f"k{number:03}") for number in range(2)]
NETWORKS = ["192.0.2.0/24", "198.51.100.0/24", ""]
near = st.floats(-70, 70).map(lambda seconds: NOW + seconds)
counts = st.integers(0, 12)
hop_times = st.sampled_from([None, 0.0, NOW - 5.0, NOW - 90.0])


@st.composite
def siblings(draw: st.DrawFn) -> Sibling:
    return Sibling(
        visit_id=draw(st.integers(1, 99)),
        at=draw(near),
        method=draw(st.sampled_from(["GET", "HEAD", "POST"])),
        key=draw(st.sampled_from(KEYS)),
        kind=draw(st.sampled_from(LinkKind)),
        role=draw(st.sampled_from(LinkRole)),
        client="192.0.2.7",
        network=draw(st.sampled_from(NETWORKS)),
        profile_id=draw(st.integers(0, 2)),
        verdict=draw(st.sampled_from(VerdictKind)),
        answer=draw(st.sampled_from([AnswerKind.REDIRECT, AnswerKind.HOP, AnswerKind.NEUTRAL])),
        hop_at=draw(hop_times),
        hop_cookie=draw(st.booleans()),
    )


@st.composite
def visits(draw: st.DrawFn) -> Visit:
    profile = draw(st.sampled_from(PROFILES))
    if draw(st.booleans()):
        profile = replace(profile, headers=(*profile.headers, (intake.TLS_FINGERPRINT, "t13d1516h2")))
    return Visit(
        at=NOW,
        method=draw(st.sampled_from(["GET", "POST", "HEAD"])),
        campaign_id=CampaignId(1),
        recipient_id=RecipientId(1),
        key=draw(st.sampled_from(KEYS)),
        client="192.0.2.7",
        network="192.0.2.0/24",
        profile=profile,
        secure=draw(st.booleans()),
        one_click=draw(st.booleans()),
        hop_at=draw(hop_times),
        hop_cookie=draw(st.booleans()),
    )


def _engagement(seconds: float) -> Engagement:
    return Engagement(1, EngagementKind.BEACON, NOW + 60, NOW + 600, seconds, 2, "203.0.113.0/24")


@st.composite
def facts(draw: st.DrawFn) -> Facts:
    kind, role = draw(st.sampled_from(LinkKind)), draw(st.sampled_from(LinkRole))
    link = Link(CampaignId(1), KEYS[0], "https://shop.example/", kind, role, 0)
    learned = Learned(draw(st.sampled_from(ProfileScope)), "192.0.0.0/16", draw(st.floats(0, 90)), 9.0)
    settled = draw(st.booleans())
    told = draw(st.none() | st.lists(st.floats(0, 300).map(_engagement), max_size=2))
    return Facts(
        campaign=Campaign(CampaignId(1), "news", draw(st.sampled_from(CampaignKind))),
        link=draw(st.sampled_from([link, None])),
        link_count=draw(counts),
        profile_id=draw(st.integers(0, 2)),
        client="192.0.2.7",
        network=draw(st.sampled_from(NETWORKS)),
        zone=draw(st.sampled_from([None, *(Zone("a", role) for role in ZoneRole)])),
        listed=draw(st.sampled_from([(), ("ours",), ("theirs",), ("ours", "theirs")])),
        delivery=Delivery(NOW - draw(st.floats(-9000, 9000)), draw(st.sampled_from(DeliverySource))),
        siblings=tuple(draw(st.lists(siblings(), max_size=5))),
        opens=tuple(draw(st.lists(siblings(), max_size=2))),
        strays=StrayCounts(*(draw(st.sampled_from([(0, 0, 0), (1, 0, 0), (0, 2, 0), (0, 0, 3)])))),
        answer=draw(st.none() | st.sampled_from(AnswerKind)),
        settled=settled,
        learned=draw(st.sampled_from([(), (learned,)])),
        step=draw(st.none() | st.just(Step()) | st.builds(Step, counts, counts, counts, counts, counts)),
        afterlife=None if told is None else Afterlife(NOW + 9000, tuple(told), draw(st.integers(0, 20))),
    )


@settings(max_examples=200)
@given(visits(), facts(), st.sampled_from([POLICY, OTHERWISE]))
def test_asking_every_signal_gives_the_same_verdict_as_asking_those_with_something_to_look_at(
    visit, known, rules
):
    memo = verdict._memo(rules)
    memo.asked = {}
    asked = verdict.judge(visit, known, rules)
    memo.asked = Everything()
    told_all = verdict.judge(visit, known, rules)
    memo.asked = {}
    assert told_all == asked


def test_a_row_of_a_curve_that_is_wrong_breaks_its_signal_alone():
    sweep = POLICY.rules["message.links-in-seconds"]
    wrong = replace(sweep, values={**sweep.values, "curve": [[0.3, 2]]})  # which no policy file may bring
    rules = replace(POLICY, rules={**POLICY.rules, "message.links-in-seconds": wrong})
    link = Link(CampaignId(1), KEYS[0], "https://shop.example/", LinkKind.CONTENT, LinkRole.BODY, 0)
    visit = Visit(
        NOW, "GET", CampaignId(1), RecipientId(1), KEYS[0], "192.0.2.7", "192.0.2.0/24", PROFILES[0]
    )
    other = Sibling(
        *(1, NOW - 50.0, "GET", KEYS[1], LinkKind.CONTENT, LinkRole.BODY, "192.0.2.7", "192.0.2.0/24", 1),
        *(VerdictKind.HUMAN, AnswerKind.REDIRECT),
    )
    known = Facts(Campaign(CampaignId(1), "news"), link, network="192.0.2.0/24", siblings=(other,))
    found = verdict.judge(visit, known, rules)
    assert (found.broken, found.kind) == (("message.links-in-seconds",), VerdictKind.HUMAN)


def test_a_request_by_itself_is_judged_by_its_own_prior_however_many_others_there_were():
    names = [*POLICY.gateways.by_name][: 2 * verdict.MOST_PRIORS]
    rules = policy.load(
        "[prior.gateway]\n" + "".join(f"{name} = {place}.5\n" for place, name in enumerate(names))
    )
    visit = Visit(
        NOW, "GET", CampaignId(1), RecipientId(1), KEYS[0], "192.0.2.7", "192.0.2.0/24", PROFILES[0]
    )
    known = [Facts(Campaign(CampaignId(1), "news"), gateway=name) for name in names]
    found = [verdict.judge(visit, item, rules) for item in (*known, *known)]
    assert found[: len(names)] == found[len(names) :]
    assert [item.prior - found[0].prior for item in found[: len(names)]] == [*range(len(names))]
    assert all(item.score == round(item.prior + found[0].score - found[0].prior, 1) for item in found)


class Everything(dict):
    """Answers any need with all signals."""

    def get(self, key, default=None):  # noqa: ARG002  (dict's own signature)
        return tuple(signal for signal in SIGNALS if not signal.of_request)


@settings(max_examples=200)
@given(visits(), facts())
def test_evidence_of_a_verdict_adds_up_and_counts_the_strongest_of_each_family_and_side(visit, known):
    found = verdict.judge(visit, known, POLICY)
    counted = [item for item in found.evidence if item.counted]
    assert found.score == round(found.prior + sum(item.weight for item in counted), 1)
    sides = [(item.family, item.weight > 0) for item in counted]
    assert len(sides) == len(set(sides))
    silenced = {
        name for item in found.evidence for name in POLICY.rules[item.name].values.get("silences", ())
    }
    for item in found.evidence:
        if not item.counted and item.name not in silenced:
            rivals = [other for other in counted if other.family is item.family]
            assert any(abs(rival.weight) >= abs(item.weight) for rival in rivals)


@pytest.mark.parametrize("name", needs.NEEDS)
def test_what_has_a_need_is_a_signal_of_the_visit(name):
    assert name in {signal.name for signal in SIGNALS if not signal.of_request}


def test_a_first_visit_from_nowhere_in_particular_asks_one_signal():
    link = Link(CampaignId(1), KEYS[0], "https://shop.example/", LinkKind.CONTENT, LinkRole.BODY, 0)
    known = Facts(Campaign(CampaignId(1), "news"), link, delivery=Delivery(NOW - 60, DeliverySource.MX))
    visit = Visit(
        NOW, "GET", CampaignId(1), RecipientId(1), KEYS[0], "192.0.2.7", "192.0.2.0/24", PROFILES[0]
    )
    memo = verdict._memo(POLICY)
    has = needs.of_request(visit) | needs.of_facts(visit, known, (), memo.limits)
    assert [signal.name for signal in memo.signals(has)] == ["timing.delay"]
