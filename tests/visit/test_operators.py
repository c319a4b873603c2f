"""What the operator knows better: allowed and denied networks, agents and domains."""

from __future__ import annotations

import pytest
from claims.browsers import CHROME

from linkproxy.model import VerdictKind
from linkproxy.visit import policy
from linkproxy.visit.policy import PolicyError

PROGRAM = (("Host", "click.example"), ("User-Agent", "Uptime-Check/2 (+monitor)"), ("Accept", "*/*"))
SCANNERS_ADDRESS = "40.107.218.12"


class Systems:
    """A network database of three addresses."""

    def asn(self, client: str) -> int:
        return {"203.0.113.9": 64496, "203.0.113.10": 64497, SCANNERS_ADDRESS: 8075}.get(client, 0)


def row(says: str, more: str, name: str = "mine") -> policy.Policy:
    return policy.load(f'[operator.{name}]\nsays = "{says}"\n{more}')


def weights(judged) -> dict[str, float]:
    return {item.name: item.weight for item in judged.verdict.evidence if item.counted}


@pytest.mark.parametrize(
    "criterion",
    [
        'cidrs = ["203.0.113.0/24"]',
        'cidrs = ["198.51.100.0/24", "203.0.113.9/32"]',
        'cidrs = ["::ffff:203.0.113.9", "::ffff:198.51.100.0/120"]',
        "asns = [64500, 64496]",
        'agents = ["chrome/"]',
        'agents = ["nothing like it", "(windows NT 10.0; win64"]',
        'agent_patterns = ["chrome/[0-9]+", "never"]',
        'agent_patterns = ["never", "(?i)CHROME/"]',
        r"""agent_patterns = ['(never)', '(Mozi)(l)\2a']""",
        'domains = ["other.example", "Customer.Example"]',
        'cidrs = ["203.0.113.0/24"]\nasns = [64496]\nagents = ["Mozilla"]\ndomains = ["customer.example"]',
    ],
)
async def test_what_an_operator_denies_is_a_machine_whatever_else_speaks(world, criterion):
    world.policy, world.systems = row("machine", criterion), Systems()
    judged = await world.judged(headers=CHROME, at=3600.0)
    assert judged.facts.listed == ("mine",)
    assert judged.verdict.kind is VerdictKind.MACHINE
    assert judged.verdict.reasons[0] == "operator.machine"


@pytest.mark.parametrize(
    "criterion",
    [
        'cidrs = ["203.0.114.0/24", "2001:db8::/32"]',
        "asns = [64497]",
        'agents = ["Chrome/[0-9]"]',
        'domains = ["example", "mail.customer.example", "ustomer.example"]',
        'cidrs = ["203.0.113.0/24"]\ndomains = ["other.example"]',
        'agents = ["Mozilla"]\nasns = [64497]',
    ],
)
async def test_a_row_that_matches_in_part_only_says_nothing(world, criterion):
    world.policy, world.systems = row("machine", criterion), Systems()
    judged = await world.judged(headers=CHROME, at=3600.0)
    assert judged.facts.listed == ()
    assert judged.verdict.kind is VerdictKind.HUMAN


async def test_a_program_that_an_operator_vouches_for_is_a_person(world):
    assert (await world.judged(headers=PROGRAM, at=3600.0)).verdict.kind is not VerdictKind.HUMAN
    world.policy = row("person", 'agents = ["uptime-check"]')
    judged = await world.judged(headers=PROGRAM, at=7200.0)
    assert judged.verdict.kind is VerdictKind.HUMAN
    assert weights(judged)["operator.person"] == -40.0


async def test_an_operator_who_is_as_sure_as_can_be_is_believed_and_settling_goes_on(world):
    world.policy = row("person", 'agents = ["Mozilla"]\n[signals."operator.person"]\nweight = -10000')
    judged = await world.judged(headers=CHROME, client="40.107.218.12", at=3600.0)
    assert judged.verdict.kind is VerdictKind.HUMAN
    assert judged.verdict.probability == pytest.approx(0.0)
    settled = await world.settle(at=7200.0)
    assert [click.visit_id for click in settled.clicks] == [judged.visit_id]


async def test_a_head_request_is_no_click_whoever_vouches_for_it(world):
    world.policy = row("person", 'cidrs = ["203.0.113.0/24"]')
    judged = await world.judged(headers=CHROME, method="HEAD")
    assert judged.verdict.kind is VerdictKind.MACHINE


async def test_known_not_a_scanner_silences_network_and_agent_and_leaves_the_rest(world):
    blamed = await world.judged(headers=CHROME, client=SCANNERS_ADDRESS, at=3600.0)
    assert weights(blamed)["network.scanner"] == 25.0
    world.policy = row("not-scanner", f'cidrs = ["{SCANNERS_ADDRESS}/32"]')
    judged = await world.judged(headers=CHROME, client=SCANNERS_ADDRESS, at=9000.0)
    silenced = [item for item in judged.verdict.evidence if item.name == "network.scanner"]
    assert [item.counted for item in silenced] == [False]
    assert judged.verdict.kind is VerdictKind.HUMAN
    followed = await world.judged("bai1", headers=CHROME, client=SCANNERS_ADDRESS, at=9001.0)
    assert followed.verdict.kind is VerdictKind.MACHINE
    assert followed.verdict.reasons[0] == "bait.followed"


async def test_known_not_a_scanner_silences_what_a_program_calls_itself(world):
    world.policy = row("not-scanner", 'agent_patterns = ["^uptime-check/"]')
    judged = await world.judged(headers=PROGRAM, at=3600.0)
    assert "request.program" not in weights(judged)
    assert "request.program" in {item.name for item in judged.verdict.evidence}
    assert judged.verdict.kind is not VerdictKind.MACHINE


@pytest.mark.parametrize(
    ("agent", "spoke"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64) Intranet/3 (+https://portal.example)", "request.robot-word"),
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Intranet/3", "request.unknown-product"),
    ],
)
async def test_known_not_a_scanner_silences_names_that_browsers_do_not_have(world, agent, spoke):
    headers = (*(pair for pair in CHROME if pair[0].lower() != "user-agent"), ("User-Agent", agent))
    assert spoke in weights(await world.judged(headers=headers, at=3600.0))
    world.policy = row("not-scanner", 'agents = ["intranet/"]')
    judged = await world.judged(headers=headers, at=9000.0)
    assert spoke in {item.name for item in judged.verdict.evidence}
    assert spoke not in weights(judged)


async def test_what_is_silenced_can_be_chosen(world):
    world.policy = policy.load(
        '[operator.mine]\nsays = "not-scanner"\nagents = ["Mozilla"]\n'
        '[signals."operator.not-scanner"]\nsilences = ["request.head"]'
    )
    judged = await world.judged(headers=CHROME, method="HEAD", at=3600.0)
    assert judged.verdict.kind is not VerdictKind.MACHINE


async def test_rows_of_both_kinds_are_weighed_and_denial_is_decisive(world):
    text = '[operator.{0}]\nsays = "{0}"\nagents = ["Mozilla"]\nnote = "as {0}"\n'
    world.policy = policy.load(text.format("machine") + text.format("person"))
    judged = await world.judged(headers=CHROME, at=3600.0)
    assert judged.facts.listed == ("machine", "person")
    assert judged.verdict.kind is VerdictKind.MACHINE
    details = {item.name: item.detail for item in judged.verdict.evidence}
    assert details["operator.person"] == "person: as person"


async def test_what_the_operator_said_is_frozen_and_holds_when_a_visit_is_settled(world):
    world.policy, world.systems = row("machine", "asns = [64496]"), Systems()
    judged = await world.judged(headers=CHROME, at=3600.0)
    await world.settle(at=7200.0)
    entry = (await world.store.get_visit(judged.visit_id)).entry
    assert (entry.facts.asn, entry.facts.listed) == (64496, ("mine",))
    assert entry.settled.kind is VerdictKind.MACHINE


async def test_a_row_that_is_gone_from_the_policy_says_nothing_any_more(world):
    world.policy = row("machine", 'agents = ["Mozilla"]')
    judged = await world.judged(headers=CHROME, at=3600.0)
    world.policy = policy.load()
    await world.settle(at=7200.0)
    entry = (await world.store.get_visit(judged.visit_id)).entry
    assert entry.settled.kind is VerdictKind.HUMAN


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('says = "enemy"\nagents = ["x"]', "operator.mine.says must be one of machine, person, not-scanner"),
        ('agents = ["x"]', 'operator.mine.says must be one of .* not ""'),
        ('says = "machine"', "operator.mine would mean every visit"),
        ('says = "machine"\ncidrs = ["10.0.0.1/8"]', "operator.mine.cidrs: .* is no network"),
        ('says = "machine"\ncidrs = [10]\nagents = ["x"]', "operator.mine.cidrs"),
        ('says = "machine"\nasns = ["AS1"]', "operator.mine.asns: 'AS1' is no number"),
        ('says = "machine"\nasns = [0]', "operator.mine.asns: 0 is no number"),
        ('says = "machine"\nagents = [""]', "operator.mine.agents: '' is no text"),
        (
            'says = "machine"\nagent_patterns = ["("]',
            "operator.mine.agent_patterns: .* is no regular expression",
        ),
        (
            'says = "machine"\nagent_patterns = ["x{99999999999}"]',
            "operator.mine.agent_patterns: .* is no regular expression",
        ),
        ('says = "machine"\ncolour = "red"', "operator.mine.colour is no setting"),
    ],
)
def test_a_bad_row_is_refused_with_what_is_wrong(text, fault):
    with pytest.raises(PolicyError, match=fault):
        policy.load(f"[operator.mine]\n{text}")


def test_silencing_what_is_no_signal_is_refused():
    with pytest.raises(PolicyError, match=r"'request\.hed' is no signal"):
        policy.load('[signals."operator.not-scanner"]\nsilences = ["request.hed"]')


def test_ten_thousand_networks_in_a_row_are_found_by_look_up():
    cidrs = ", ".join(f'"10.{number // 250}.{number % 250}.0/24"' for number in range(10_000))
    rules = row("machine", f"cidrs = [{cidrs}]").operator
    assert rules.find("10.39.249.7", asn=0, agent=None, domain="") == ("mine",)
    assert rules.find("10.41.0.7", asn=0, agent=None, domain="") == ()
