from __future__ import annotations

import math
import random
from collections import Counter

import pytest

from linkproxy.query.fit import HIGHEST, LOWEST, Clue, Sample, fit_factors

SHIPPED = {
    "request.contradiction": 8.0,
    "request.coherent": -7.0,
    "network.cloud": 6.0,
    "timing.before-delivery": 9.0,
}
SHARES = {
    "request": (("request.contradiction", 0.5, 0.02), ("request.coherent", 0.4, 0.88), ("", 0.1, 0.1)),
    "network": (("network.cloud", 0.3, 0.3), ("", 0.7, 0.7)),
    "timing": (("timing.before-delivery", 0.08, 0.01), ("", 0.92, 0.99)),
}
"""By family: what is heard of it, how often from machines, and how often from people."""

TRUE = {
    name: 10 * math.log10(machine / person)
    for rows in SHARES.values()
    for name, machine, person in rows
    if name
}


def labelled(count: int, seed: int = 3) -> Counter[Sample]:
    """Labels drawn from known weights: as many of machines as of people."""
    source = random.Random(seed)  # noqa: S311  (a seeded simulation)
    found: Counter[Sample] = Counter()
    for number in range(count):
        machine = number % 2 == 0
        clues = []
        for family, rows in SHARES.items():
            (row,) = source.choices(rows, [row[1] if machine else row[2] for row in rows])
            if row[0]:
                clues.append(Clue(row[0], family, SHIPPED[row[0]]))
        found[Sample(machine, tuple(clues))] += 1
    return found


def centres() -> dict[str, float]:
    return dict.fromkeys(SHIPPED, 1.0)


def test_labels_from_known_weights_move_the_factors_towards_them() -> None:
    fitted = fit_factors(labelled(6000), centres())
    moved = {name: factor * SHIPPED[name] for name, factor in fitted.items()}
    for name, weight in TRUE.items():
        assert abs(moved[name] - weight) < abs(SHIPPED[name] - weight) or abs(moved[name] - weight) < 1.0
    assert abs(moved["request.contradiction"] - TRUE["request.contradiction"]) < 2.0
    assert abs(moved["network.cloud"]) < 2.0


def test_more_labels_come_nearer_to_the_truth_than_few() -> None:
    def error(count: int) -> float:
        fitted = fit_factors(labelled(count), centres())
        return sum(abs(fitted[name] - TRUE[name] / SHIPPED[name]) for name in SHIPPED)

    assert error(8000) < error(100) < error(2)


def test_without_labels_nothing_moves() -> None:
    assert fit_factors({}, {"request.coherent": 1.0, "network.cloud": 0.4}) == {
        "request.coherent": 1.0,
        "network.cloud": 0.4,
    }


def test_a_signal_is_never_turned_round_and_never_more_than_tripled() -> None:
    clue = Clue("network.cloud", "network", 6.0)
    against = {Sample(machine=False, clues=(clue,)): 5000.0, Sample(machine=True, clues=()): 5000.0}
    assert fit_factors(against, {"network.cloud": 1.0})["network.cloud"] == LOWEST
    for_it = {Sample(machine=True, clues=(clue,)): 5000.0, Sample(machine=False, clues=()): 5000.0}
    assert 1.0 < fit_factors(for_it, {"network.cloud": 1.0})["network.cloud"] <= HIGHEST


def test_the_share_of_machines_among_labels_moves_no_weight() -> None:
    base = labelled(6000)
    more = Counter({sample: count * (10 if sample.machine else 1) for sample, count in base.items()})
    one, other = (fit_factors(samples, centres()) for samples in (base, more))
    assert all(abs(one[name] - other[name]) < 1e-3 for name in SHIPPED), (one, other)


def test_what_another_of_its_family_overshadows_is_not_fitted_by_that_visit() -> None:
    strong, weak = Clue("request.program", "request", 40.0), Clue("request.http-1.0", "request", 10.0)
    samples = {Sample(machine=True, clues=(strong, weak)): 300.0, Sample(machine=False, clues=()): 300.0}
    fitted = fit_factors(samples, {"request.program": 1.0, "request.http-1.0": 1.0})
    assert fitted["request.http-1.0"] == 1.0


def test_who_is_held_at_a_limit_leaves_the_others_as_if_it_had_never_spoken() -> None:
    source = random.Random(4)  # noqa: S311  (a seeded simulation)
    chances = {
        "request.contradiction": (0.6, 0.2),
        "network.cloud": (0.4, 0.1),
        "request.coherent": (0.9, 0.3),
    }
    families = {"request.contradiction": "request", "network.cloud": "network", "request.coherent": "headers"}
    with_it: Counter[Sample] = Counter()
    without: Counter[Sample] = Counter()
    for number in range(2000):
        machine, alike = number % 2 == 0, source.choice((0.6, 1.1))
        clues = tuple(
            Clue(name, families[name], SHIPPED[name])
            for name, (of_machines, of_people) in chances.items()
            if source.random() < alike * (of_machines if machine else of_people)
        )
        with_it[Sample(machine, clues)] += 1
        without[Sample(machine, tuple(clue for clue in clues if clue.name != "request.coherent"))] += 1
    found = fit_factors(with_it, dict.fromkeys(chances, 1.0))
    assert found.pop("request.coherent") == LOWEST  # it speaks for people, and was heard of machines
    assert found == pytest.approx(fit_factors(without, dict.fromkeys(found, 1.0)), abs=1e-4)


def log_posterior(
    samples: dict[Sample, float], factors: dict[str, float], middles: dict[str, float]
) -> float:
    """What the fit is the top of, written down from its definition; each clue is of its own family."""
    totals = {
        side: sum(w for sample, w in samples.items() if sample.machine is side) for side in (True, False)
    }
    found = 0.0
    for sample, weight in samples.items():
        nats = sum(clue.weight * factors.get(clue.name, 1.0) for clue in sample.clues) * math.log(10) / 10
        likely = 1 / (1 + math.exp(-nats if sample.machine else nats))
        found += weight * min(totals.values()) / totals[sample.machine] * math.log(max(likely, 1e-300))
    return found - sum(((factors[name] / middle - 1) / 0.5) ** 2 / 2 for name, middle in middles.items())


@pytest.mark.parametrize("seed", [*range(14), 45, 88, 97, 121, 145, 153])
def test_no_factor_can_move_within_its_limits_and_be_more_probable(seed: int) -> None:
    """Also where labels contradict strong evidence, so that a whole step leads over the top."""
    source = random.Random(seed)  # noqa: S311  (a seeded simulation)
    weights = {name: source.choice((-40, -12, -7, 3, 6, 12, 25, 45, 60)) for name in "abcdef"}
    middles = {name: source.choice((1.0, 1.0, 0.5, 2.0, 0.1)) for name in "abcde"}  # "f" keeps its weight
    samples: dict[Sample, float] = {}
    for _ in range(source.randint(1, 40)):
        clues = tuple(Clue(name, name, weight) for name, weight in weights.items() if source.random() < 0.4)
        samples[Sample(source.random() < 0.5, clues)] = source.choice((1, 5, 50, 500, 3000)) * source.random()
    found = fit_factors(samples, middles)
    top = log_posterior(samples, found, middles)
    for name, middle in middles.items():
        assert LOWEST * middle <= found[name] <= HIGHEST * middle
        for step in (-0.01, 0.01):
            moved = min(HIGHEST * middle, max(LOWEST * middle, found[name] + step * middle))
            assert log_posterior(samples, found | {name: moved}, middles) <= top + 1e-6 * (1 + abs(top))
