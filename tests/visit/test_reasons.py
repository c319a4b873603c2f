"""What the reasons tell whoever reads them."""

from __future__ import annotations

import pytest
from claims.browsers import CHROME, FIREFOX
from claims.evidence import spoke

LINUX = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("agent", "said"),
    [
        (f"{LINUX} NewThingBot/1.0", "NewThingBot/1.0"),
        (f"{LINUX} SomePreview/2.0", "SomePreview/2.0"),
        (
            "Mozilla/5.0 (Windows NT 10.0) Looks (+https://inspector.example/about)",
            "+https://inspector.example/about",
        ),
        ("Mozilla/5.0 (Windows NT 10.0; operator@inspector.example)", "operator@inspector.example"),
    ],
)
async def test_a_reason_names_the_whole_robot(world, agent, said):
    judged = await world.judged(at=600, headers=(("User-Agent", agent), ("Accept", "*/*")))
    assert spoke(judged, "request.robot-word").detail == said


async def test_a_span_below_a_second_is_told_as_such(world):
    for place, name in enumerate(("one", "two", "tre")):
        judged = await world.judged(name, at=900 + place * 0.1, headers=CHROME)
    assert spoke(judged, "message.links-in-seconds").detail == "3 links within 0.3 s"


async def test_one_of_a_kind_is_told_in_the_singular(world):
    alone = await world.judged("term", at=900, headers=FIREFOX)
    assert spoke(alone, "message.low-interest-only").detail == "one footer, social or legal link, no other"
    leaving = await world.judged("bye", at=903, headers=FIREFOX)
    assert (
        spoke(leaving, "message.unsubscribe-swept").detail == "the unsubscribe link and one other within 10 s"
    )
