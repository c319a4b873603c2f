"""Which visits give themselves away, and how each is scored without what gave it away."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
from claims.entries import THERE, entry

from linkproxy.model import Evidence, Family, LinkKind, VerdictKind
from linkproxy.query.labels import labels_of
from linkproxy.visit import policy as policies

POLICY = policies.load()

BAIT = Evidence("bait.followed", Family.BAIT, 30.0, decisive=True)
JUST = Evidence("mutation.stray", Family.MUTATION, 10.0)
EXCUSED = Evidence("bait.beside", Family.BAIT, -10.0)
PERSON = Evidence("afterlife.person", Family.AFTERLIFE, -10.0)
QUICK = Evidence("afterlife.continue", Family.AFTERLIFE, 12.0)
COHERENT = Evidence("request.coherent", Family.REQUEST, -6.0)
AGENT = Evidence("request.library", Family.REQUEST, 25.0)


seen = partial(entry, prior=-8.0, gateway="filter")


def labelled(*visits):
    """Return the places of labelled machines and people among visits, and how many contradict."""
    entries = [replace(entry, visit_id=place) for place, entry in enumerate(visits)]
    found = labels_of([(entry, entry.verdict) for entry in entries], POLICY)
    machines = [label.visit_id for label in found.labels if label.machine]
    return machines, [label.visit_id for label in found.labels if not label.machine], found.contradictory


@pytest.mark.parametrize(
    ("evidence", "method", "found"),
    [
        (BAIT, "GET", ([0], [], 0)),
        (BAIT, "POST", ([0], [], 0)),
        (BAIT, "HEAD", ([], [], 0)),  # nobody's click, whoever sent it
        (JUST, "GET", ([0], [], 0)),
        (replace(JUST, weight=9.9), "GET", ([], [], 0)),
        (EXCUSED, "GET", ([], [], 0)),
        (PERSON, "POST", ([], [0], 0)),
        (replace(PERSON, weight=-9.9), "POST", ([], [], 0)),
        (QUICK, "POST", ([], [], 0)),
        (AGENT, "GET", ([], [], 0)),
    ],
)
def test_a_visit_is_labelled_by_strong_evidence_of_few_families(evidence, method, found) -> None:
    assert labelled(seen(evidence, method=method)) == found


@pytest.mark.parametrize(
    ("before", "is_theirs"),
    [
        ({}, True),  # the same headers and network
        ({"at": 100.0}, True),
        ({"at": 100.1}, False),
        ({"key": "two0"}, False),
        ({"kind": "bait"}, False),
        ({"kind": "unsubscribe"}, False),
        ({"network": THERE}, True),
        ({"headers": 2}, True),
        ({"headers": 2, "network": THERE}, False),
    ],
)
def test_what_a_person_did_before_on_that_link_is_a_persons_too(before, is_theirs) -> None:
    pressed = seen(PERSON, at=100.0, method="POST")
    assert labelled(seen(**before), pressed) == ([], [0, 1] if is_theirs else [1], 0)


@pytest.mark.parametrize("kind", [LinkKind.CONTENT, LinkKind.BAIT, LinkKind.UNSUBSCRIBE])
def test_who_says_so_is_a_person_on_any_link(kind) -> None:
    assert labelled(seen(PERSON, method="POST", kind=kind)) == ([], [0], 0)


def test_a_link_that_is_gone_was_one_for_people() -> None:
    pressed = seen(PERSON, at=100.0, method="POST")
    before = seen()
    before = replace(before, facts=replace(before.facts, link=None))
    assert labelled(before, pressed) == ([], [0, 1], 0)


def test_clients_without_a_known_network_are_not_one_for_that() -> None:
    pressed = seen(PERSON, at=100.0, method="POST", network="")
    assert labelled(seen(headers=2, network=""), pressed) == ([], [1], 0)


def test_a_machines_evidence_of_a_client_who_is_a_person_is_no_label() -> None:
    pressed = seen(PERSON, at=100.0, method="POST", key="two0")
    assert labelled(seen(BAIT), pressed) == ([], [1], 1)
    assert labelled(seen(BAIT, headers=2), pressed) == ([], [1], 1)
    assert labelled(seen(BAIT, headers=2, network=THERE), pressed) == ([0], [1], 0)
    assert labelled(seen(BAIT, PERSON)) == ([], [], 1)


def test_a_label_is_scored_without_the_families_that_make_it() -> None:
    rest = (
        AGENT,
        COHERENT,
        Evidence("message.many", Family.MESSAGE, 15.0, counted=False),
        Evidence("timing.delay", Family.TIMING, 0.07),
    )
    (machine,) = labels_of([(entry := seen(BAIT, JUST, QUICK, *rest), entry.verdict)], POLICY).labels
    assert (machine.sources, machine.evidence) == (("bait.followed", "mutation.stray"), (QUICK, *rest))
    assert (machine.score, machine.kind) == (23.1, VerdictKind.MACHINE)  # -8 + 12 + 25 - 6 + 0.07
    (person,) = labels_of([(entry := seen(PERSON, EXCUSED, method="POST"), entry.verdict)], POLICY).labels
    assert (person.sources, person.evidence) == (("afterlife.person",), (EXCUSED,))
    assert (person.score, person.kind) == (-18.0, VerdictKind.HUMAN)
    assert (person.message, person.domain, person.gateway) == ((3, 8), "a.example", "filter")


@pytest.mark.parametrize(("decisive", "kind"), [(True, VerdictKind.MACHINE), (False, VerdictKind.HUMAN)])
def test_only_decisive_evidence_that_is_left_decides(decisive: bool, kind: VerdictKind) -> None:  # noqa: FBT001
    head = Evidence("request.head", Family.REQUEST, 0.0, decisive=decisive)
    (label,) = labels_of([(entry := seen(BAIT, head, EXCUSED, COHERENT), entry.verdict)], POLICY).labels
    assert (label.score, label.kind) == (-14.0, kind)
