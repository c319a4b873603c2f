from __future__ import annotations

import json
import random
from collections import Counter

import pytest

from linkproxy.model import LinkproxyError
from linkproxy.query.calibrate import (
    LEAST_MESSAGES,
    Evidenced,
    Gathered,
    calibrate,
    is_scalable,
    policy_text,
    scaled,
)
from linkproxy.query.fit import HIGHEST, Clue, Sample
from linkproxy.visit import policy as policies

CLOUD, SWEEP = "network.cloud", "message.links-in-seconds"
COHERENT = "request.coherent"


def gathered(messages: int, *, cloud_is_worth: float, rules=None, of_people: float = 0.1) -> Gathered:
    """Labels of so many messages of each side, in which a cloud's address is worth so many decibans."""
    weight = (rules or policies.load()).rules[CLOUD].weight
    source = random.Random(5)  # noqa: S311  (a seeded simulation)
    odds = 10 ** (cloud_is_worth / 10)
    found: Counter[Sample] = Counter()
    for machine in (True, False):
        for _ in range(messages):
            chance = of_people * (odds if machine else 1.0)
            clues = (Clue(CLOUD, "network", weight),) if source.random() < chance else ()
            found[Sample(machine, clues)] += 1
    return Gathered(found, messages, messages, {CLOUD: Evidenced(9, 2), "request.head": Evidenced(1, 0)})


@pytest.mark.parametrize(("machines", "people"), [(LEAST_MESSAGES - 1, 5000), (5000, LEAST_MESSAGES - 1)])
def test_with_too_few_labels_of_either_side_nothing_is_fitted(machines: int, people: int) -> None:
    few = Gathered({}, machines, people, {})
    with pytest.raises(
        LinkproxyError, match=f"{machines} messages of machines and {people} of people, of 200 each"
    ):
        calibrate(few, policies.load())


def test_a_fitted_policy_loads_and_its_weight_has_moved_to_what_the_labels_say() -> None:
    shipped = policies.load()
    calibration = calibrate(gathered(3000, cloud_is_worth=8.0), shipped)
    text = policy_text(calibration, shipped, day="2026-11-22")
    fitted = policies.load(text)
    before, after = shipped.rules[CLOUD].weight, fitted.rules[CLOUD].weight
    assert abs(after - 8.0) < abs(before - 8.0)
    assert abs(after - 8.0) < 1.5
    assert {name for name, rule in fitted.rules.items() if rule != shipped.rules[name]} == {CLOUD}
    assert f"shipped weight {before}; spoke of 9 labelled visits of machines and 2 of people" in text
    assert "selected sample" in text


def test_an_operators_own_settings_stay_in_the_fitted_policy_and_the_shipped_weight_is_the_centre() -> None:
    own = policies.load(
        f'[policy]\nhuman = -6.0\n[signals."{CLOUD}"]\nweight = {policies.load().rules[CLOUD].weight * 2}\n'
        '[networks.mine]\nrole = "scanner"\nasns = [64500]\nsource = "ours"\n[signals."timing.delay"]\nfloor = -8.0'
    )
    calibration = calibrate(gathered(200, cloud_is_worth=0.0, rules=own), own)
    fitted = policies.load(policy_text(calibration, own, day="2026-11-22"))
    assert (fitted.human, fitted.rules["timing.delay"].values["floor"]) == (-6.0, -8.0)
    assert json.loads(fitted.text)["networks"]["mine"] == json.loads(own.text)["networks"]["mine"]
    assert fitted.rules[CLOUD].weight < policies.load().rules[CLOUD].weight + 0.11


def test_fitting_what_was_fitted_leads_no_further() -> None:
    rules, weights = policies.load(), []
    for _ in range(4):
        calibration = calibrate(gathered(3000, cloud_is_worth=27.0, rules=rules, of_people=0.002), rules)
        rules = policies.load(policy_text(calibration, rules, day="2026-11-22"))
        weights.append(rules.rules[CLOUD].weight)
    assert max(weights) <= HIGHEST * policies.load().rules[CLOUD].weight
    assert weights == pytest.approx(weights[:1] * 4, abs=0.3)


@pytest.mark.parametrize("weight", [0.0, -6.0])
def test_a_signal_that_an_operator_has_silenced_or_turned_round_is_left_so(weight: float) -> None:
    own = policies.load(f'[signals."{CLOUD}"]\nweight = {weight}')
    assert calibrate(gathered(200, cloud_is_worth=8.0, rules=own), own).factors == {}


def test_a_policy_that_fits_as_it_is_is_written_without_weights() -> None:
    shipped = policies.load()
    calibration = calibrate(Gathered({}, 200, 200, {CLOUD: Evidenced()}), shipped)
    assert policies.load(policy_text(calibration, shipped, day="2026-11-22")).digest == shipped.digest


def test_decisive_signals_and_curves_of_shares_are_not_fitted() -> None:
    rules = policies.load().rules
    assert not is_scalable("request.head", rules["request.head"])
    assert not is_scalable("timing.delay", rules["timing.delay"])
    assert is_scalable(SWEEP, rules[SWEEP])
    assert set(calibrate(gathered(200, cloud_is_worth=3.0), policies.load()).factors) == {CLOUD}


def test_every_weight_of_a_signal_is_scaled_and_nothing_else() -> None:
    rows = {
        "weight": -7.0,
        "plain_weight": -5.5,
        "window_seconds": 10.0,
        "curve": [[1.0, 2, 5.0]],
        "source": "x",
    }
    assert scaled(SWEEP, rows, 2.0) == {
        "weight": -14.0,
        "plain_weight": -11.0,
        "window_seconds": 10.0,
        "curve": [[1.0, 2, 10.0]],
        "source": "x",
    }
    assert scaled(SWEEP, {"weight": 45.0}, 3.0) == {"weight": 60.0}


@pytest.mark.parametrize(
    "name", ["network.learned", "in-step.early", "in-step.nearly-all", "request.as-machines"]
)
def test_what_weighs_by_what_was_learned_is_not_fitted(name: str) -> None:
    """Its ``weight`` is the most that it says: scaled, it would cap some visits and leave others as they are."""
    assert not is_scalable(name, policies.load().rules[name])


@pytest.mark.parametrize("name", ["in-step.together", "in-step.same-delay"])
def test_both_weights_of_a_row_are_scaled_where_one_is_for_the_answer(name: str) -> None:
    rows = {"weight": 10.0, "curve": [[4.0, 1.0, 3.0], [6.0, 3.0, 7.0]]}
    assert scaled(name, rows, 2.0) == {"weight": 20.0, "curve": [[4.0, 2.0, 6.0], [6.0, 6.0, 14.0]]}
