"""The delay since delivery, read off two curves."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkproxy.model import CampaignKind, DeliverySource
from linkproxy.visit import arrivals, policy
from linkproxy.visit.signals import timing

VALUES = policy.load().rules["timing.delay"].values


def share_by(curve, seconds):
    """Return the share that came by a time: straight lines over the logarithm of time."""
    if seconds <= curve[0][0]:
        return curve[0][1]
    for (left, below), (right, above) in pairwise(curve):
        if seconds <= right:
            return below + (above - below) * math.log(seconds / left) / math.log(right / left)
    return curve[-1][1]


def density(curve, source, seconds):
    """Return the mean over the ways in which the time may be wrong, each read off by itself."""
    mean = 0.0
    for share, earlier, later in VALUES["error"][source]:
        low, high = (seconds - later) / VALUES["spread"], (seconds + earlier) * VALUES["spread"]
        if high > 0:
            came = share_by(curve, high) - share_by(curve, low)
            mean += share * max(came, timing.LEAST_SHARE) / (high - low)
    return mean


@settings(max_examples=200)
@given(
    st.sampled_from([source for source in DeliverySource if source is not DeliverySource.NONE]),
    st.sampled_from(CampaignKind),
    st.one_of(st.integers(-400, 4000).map(float), st.floats(-400, 4000), st.floats(0, 3e6)),
)
def test_a_delay_is_as_dense_as_both_curves_are_between_the_times_that_it_may_be(source, kind, seconds):
    machine, person = timing._densities(timing._curves(VALUES, source, kind), seconds)
    if not arrivals.tells_when(source, kind):
        assert (machine, person) == (0, 0)
    else:
        assert machine == pytest.approx(density(VALUES["machine"], source, seconds), rel=1e-6)
        assert person == pytest.approx(density(VALUES[kind], source, seconds), rel=1e-6)


@pytest.mark.parametrize(
    ("at", "told"),
    [(45.4, "45 s"), (599.0, "599 s"), (600.0, "10 min"), (7199.0, "120 min"), (7200.0, "2.0 h"),
     (72_331.0, "20.1 h"), (172_800.0, "2.0 days"), (2_592_000.0, "30.0 days")],
)  # fmt: skip
async def test_a_delay_is_told_as_people_tell_it(world, at, told):
    judged = await world.judged(at=at)
    said = next(item.detail for item in judged.verdict.evidence if item.name == "timing.delay")
    assert said.startswith(f"{told} after delivery (")
