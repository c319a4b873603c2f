"""The rule set: what is shipped, and what an operator may change."""

from __future__ import annotations

import math
from datetime import date

import pytest

from linkproxy.model import CampaignKind, ZoneRole
from linkproxy.visit import policy
from linkproxy.visit.policy import PolicyError
from linkproxy.visit.signals import SIGNALS


def test_every_signal_has_a_rule_and_every_rule_a_signal():
    assert {signal.name for signal in SIGNALS} == set(policy.load().rules)


def test_every_rule_says_where_its_weight_comes_from():
    assert all(len(rule.source) > 20 for rule in policy.load().rules.values())


def test_a_signal_is_named_after_what_it_is_about():
    assert len({signal.name for signal in SIGNALS}) == len(SIGNALS)


def test_an_operator_changes_only_what_the_file_names():
    shipped, changed = policy.load(), policy.load('[signals."request.head"]\nweight = 12')
    assert changed.rules["request.head"].weight == 12
    assert changed.rules["request.head"].source == shipped.rules["request.head"].source
    assert changed.rules["request.method"] == shipped.rules["request.method"]


def test_the_digest_tells_rule_sets_apart_and_is_stable():
    changed = policy.load("[prior]\nmarketing = 1.0")
    assert policy.load().digest == policy.load().digest != changed.digest
    assert changed.prior[CampaignKind.MARKETING] == 1.0


def test_all_faults_of_a_policy_are_named_at_once():
    text = (
        '[policy]\nmachnie = 3\nhuman = "low"\n[signals."request.hed"]\nweight = 1\n[prior]\nmarketing = true'
    )
    with pytest.raises(PolicyError) as caught:
        policy.load(text, "mine.toml")
    lines = str(caught.value).splitlines()
    assert lines == [
        "mine.toml: policy.machnie is no setting of the policy; did you mean machine?",
        'mine.toml: policy.human must be a number, not "low"',
        "mine.toml: signals.request.hed is no setting of the policy; did you mean request.head?",
        "mine.toml: prior.marketing must be a number, not true",
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[policy", "is not TOML"),
        ("[policy]\nhuman = 25.0", "human must be below machine"),
        ("[policy]\nneutral = 10.0", "machine not above neutral"),
        ("[policy]\nhold_seconds = 0", "hold_seconds must be above 0"),
        ("[policy]\nreach_seconds = 90000", "reach_seconds must be at most 86400, a day"),
        ("[prior]\nmarketing = inf", "prior.marketing must be a number, not Infinity"),
        ("[policy]\nmachine = nan", "policy.machine must be a number, not NaN"),
        ('[signals."request.head"]\nweight = 1%s' % ("0" * 400), "weight must be a number, not 1000"),
        (
            '[signals."message.rotates"]\ncurve = [[2]]',
            r"must be a list of rows like \[2, 11.0\], not \[\[2\]\]",
        ),
        ('[signals."message.rotates"]\ncurve = [[5, 22], [2, 11]]', "in order of their first numbers"),
        ('[signals."timing.delay"]\nmarketing = []', "timing.delay.marketing must be rows"),
        ('[signals."timing.delay"]\nmachine = [[0, 0.0], [60, 1.0]]', "seconds above 0"),
        ('[signals."timing.delay"]\nmachine = [[60, 0.5], [9, 1.0]]', "both rising"),
        ('[signals."timing.delay"]\nmarketing = [[1, 0], [3600, 34], [86400, 100]]', "shares from 0 to 1"),
        ('[signals."timing.delay"]\nspread = 1', "spread must be above 1"),
        ('[engines]\nfirefox = [[140, "in June"]]', "engines.firefox must be rows"),
        ("[engines]\nfirefox = [[140, 2025]]", "engines.firefox must be a list of rows like"),
        ('[signals."message.most-links"]\nshare = 1.0', "share must be from 0 to below 1"),
        (
            '[agents]\nprograms = ["curl", "(unclosed"]',
            r'agents.programs: "\(unclosed" is no regular expression',
        ),
        ('[agents]\nrobot_words = ["(?i)bot"]', r'agents.robot_words: "\(\?i\)bot" is no regular expression'),
        ('[agents]\nbrowsers = [""]', "agents.browsers: an empty text would match every agent"),
        ('[fingerprints]\nany = ["["]', "fingerprints.any: .* is no regular expression"),
        ('[engines]\nsafari = [[26, "2025-09-15"], [18, "2024-09-16"]]', "engines.safari must be rows"),
        ('[signals."timing.delay"]\ntransactional = [[9, 0.5], [9, 1.0]]', "timing.delay.transactional must"),
        ("[learning]\nearly_mailing_seconds = 2592000", "early_mailing_seconds must be sooner: by then 99%"),
        ("[learning]\nearly_seconds = 2591999.9999999", "early_seconds must be sooner"),
        ("[learning]\nbase_people = 1e-300", "learning.base_people must be from 0.01 to 1,000,000"),
        ("[learning]\nbase_machines = 1e15", "learning.base_machines must be from 0.01 to 1,000,000"),
        ("[learning]\nnetwork_machines = 1e-320", "learning.network_machines must be from 0.01"),
        ("[learning]\nmailed_share = 1e-320", "learning.mailed_share must be from 0.01 to 0.99"),
        ('[signals."request.as-machines"]\nusual_share = 0', "usual_share must be from 0.001 to 1"),
        ('[signals."request.as-machines"]\nusual = 0', "request.as-machines.usual must be from 0.01"),
        (
            '[signals."timing.delay"]\nmachine = [[1, 0.0], [1e14, 0.5], [100000000000000.1, 1.0]]',
            "timing.delay.machine must be rows",
        ),
        ('[signals."timing.delay".error]\nmx = [[0.5, 0, 2]]', "error.mx must be rows"),
        ('[signals."timing.delay".error]\nmx = [[1.0, -5, 2]]', "error.mx must be rows"),
        ('[signals."timing.delay".error]\nmx = [[2.0, 0, 2], [-1.0, 0, 2]]', "error.mx must be rows"),
        ("[in_step]\nmost = 100.0", "in_step.most must be a whole number"),
        ("[learning]\nmin_recipients = 20.5", "learning.min_recipients must be a whole number, not 20.5"),
        ('[signals."message.alone"]\nmin_links = 2.5', "message.alone.min_links must be a whole number"),
        ('[networks.office]\ncidrs = ["10.0.0.0/33"]\nrole = "people"', "is no network"),
        ('[networks.office]\nrole = "friends"', "must be one of scanner, cloud, people"),
        (
            '[networks.office]\nrole = "scanner"\ncertainty = "Certain"',
            'networks.office.certainty must be one of certain, probable, not "Certain"',
        ),
        ('[networks.office]\ncolour = "red"', "networks.office.colour is no setting"),
    ],
)
def test_a_bad_policy_is_refused_with_what_is_wrong(text, fault):
    with pytest.raises(PolicyError, match=fault):
        policy.load(text)


def test_an_operator_can_tell_of_newer_browsers():
    text = '[engines]\nfirefox = [[140, "2025-06-24"], [160, "2027-01-12"]]'
    assert policy.load(text).engines["firefox"][-1] == [160, "2027-01-12"]


def test_an_operator_can_name_networks_of_their_own():
    found = policy.load('[networks.office]\nrole = "people"\ncertainty = "certain"\ncidrs = ["40.92.1.0/24"]')
    zone = found.networks.find("40.92.1.9")
    assert zone is not None
    assert (zone.name, zone.role) == ("office", ZoneRole.PEOPLE)
    assert found.networks.find("40.92.2.9").name == "microsoft-eop"


@pytest.mark.parametrize(
    ("client", "asn", "name"),
    [
        ("40.107.218.12", 0, "microsoft-eop"),
        ("40.107.218.12", 8075, "microsoft-eop"),
        ("2a01:111:f400::7", 0, "microsoft-eop"),
        ("20.72.100.79", 8075, "clouds"),
        ("", 26211, "proofpoint"),
        ("203.0.113.9", 22616, "gateways-and-relays"),
        ("165.225.16.9", 0, "gateways-and-relays"),
        ("163.116.200.9", 0, "gateways-and-relays"),
        ("209.222.82.9", 0, "barracuda"),
        ("148.163.150.9", 0, "proofpoint"),
        ("203.0.113.9", 0, None),
        ("", 0, None),
        ("20.0.0.0/8", 0, None),
    ],
)
def test_the_longest_prefix_wins_and_an_address_beats_a_system(client, asn, name):
    zone = policy.load().networks.find(client, asn)
    assert (zone.name if zone else None) == name


def test_timing_curves_rise_from_nothing_to_everything():
    values = policy.load().rules["timing.delay"].values
    for curve in (values["machine"], values["marketing"], values["transactional"]):
        delays, shares = zip(*curve, strict=True)
        assert list(delays) == sorted(set(delays))
        assert list(shares) == sorted(shares)
        assert (shares[0], shares[-1]) == (0, 1)
        assert delays[0] > 0


def test_engine_dates_are_dates_in_order():
    engines = policy.load().engines
    for name in ("chromium", "firefox", "safari"):
        rows = [(version, date.fromisoformat(day)) for version, day in engines[name]]
        assert rows == sorted(rows)


def test_weights_are_finite_and_within_what_one_sight_can_say():
    assert all(math.isfinite(rule.weight) and abs(rule.weight) <= 50 for rule in policy.load().rules.values())
