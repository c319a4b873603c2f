"""Which requests stand for the same click, and what else of a message may have been one."""

from __future__ import annotations

import pytest
from claims.entries import THERE, entry

from linkproxy.model import AnswerKind, Evidence, Family, Verdict, VerdictKind
from linkproxy.visit import policy
from linkproxy.visit.clicks import are_doubles
from linkproxy.visit.possible import possible_among, removed_by

POLICY = policy.load()
NEUTRAL, CONTINUED = AnswerKind.NEUTRAL, AnswerKind.CONTINUED


@pytest.mark.parametrize(
    ("head", "again", "are"),
    [
        ({}, {"at": 10.0}, True),
        ({}, {"at": 10.1}, False),
        ({}, {"at": 10.0, "headers": 2}, True),
        ({}, {"at": 1.0, "key": "two0"}, False),
        ({}, {"at": 60.0, "network": THERE}, True),  # a scanner beside a person
        ({}, {"at": 60.0, "network": THERE, "headers": 2}, True),
        ({}, {"at": 60.1, "network": THERE}, False),
        ({"network": ""}, {"at": 10.0, "network": ""}, True),
        ({"network": ""}, {"at": 1.0, "network": "", "headers": 2}, False),
        ({"answer": NEUTRAL}, {"at": 3e3, "answer": CONTINUED}, True),
        ({"answer": NEUTRAL}, {"at": 3e3, "answer": CONTINUED, "headers": 2}, True),
        ({"answer": NEUTRAL}, {"at": 3e3, "answer": CONTINUED, "network": THERE}, True),
        ({"answer": NEUTRAL}, {"at": 3e3, "answer": CONTINUED, "network": THERE, "headers": 2}, False),
        ({"answer": NEUTRAL}, {"at": 3e3}, False),
        ({}, {"at": 3e3, "answer": CONTINUED}, False),
    ],
)
def test_requests_of_one_client_or_beside_it_in_a_minute_are_one_click(head, again, *, are) -> None:
    one, other = entry(**head), entry(**again, visit_id=2)
    assert are_doubles(one, other, POLICY) is are_doubles(other, one, POLICY) is are


LIBRARY = Evidence("request.library", Family.REQUEST, 25.0)
SWEEP = Evidence("message.all-links", Family.MESSAGE, 30.0)
AHEAD = Evidence("timing.early", Family.TIMING, 40.0, counted=False)
COHERENT = Evidence("request.coherent", Family.REQUEST, -6.0)
HEAD = Evidence("request.head", Family.REQUEST, 0.0, decisive=True)


@pytest.mark.parametrize(
    ("evidence", "reason"),
    [
        ((LIBRARY, SWEEP, COHERENT), "message.all-links"),
        ((AHEAD, LIBRARY), "request.library"),
        ((SWEEP, HEAD), "request.head"),
        ((COHERENT,), "prior"),
        ((), "prior"),
    ],
)
def test_a_machine_is_left_out_for_what_is_decisive_or_else_weighs_most(evidence, reason) -> None:
    assert removed_by(Verdict(VerdictKind.MACHINE, 30.0, 21.0, evidence)) == reason


def test_decisive_evidence_leaves_no_possible_click() -> None:
    likely = Verdict(VerdictKind.MACHINE, 21.4, 0.0, (LIBRARY,))
    decided = Verdict(VerdictKind.MACHINE, 21.4, 0.0, (LIBRARY, HEAD))
    one, two = (
        entry(settled=likely),
        entry(at=500.0, headers=2, network=THERE, settled=decided, visit_id=2),
    )
    assert possible_among([one, two], POLICY) == ((21, 1),)
    assert possible_among([two], POLICY) == ()
