"""The relay's settings: rules are tables of their own, and their mistakes are told by place."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from linkproxy import config as configs
from linkproxy.cli.main import linkproxy
from linkproxy.config import ConfigError

RULES = """
[[relay.rules]]
from_address = "*@news.brand.example"
campaign = "news"

[[relay.rules]]
list_id = "weekly.brand.example"
campaign = "weekly"
"""


def test_rules_are_read_in_their_order(tmp_path):
    (tmp_path / "config.toml").write_text(RULES)
    rules = configs.load(tmp_path / "config.toml", {}).relay.rules
    assert [(rule.from_address, rule.list_id, rule.campaign) for rule in rules] == [
        ("*@news.brand.example", "", "news"),
        ("", "weekly.brand.example", "weekly"),
    ]


def test_a_mistake_in_a_rule_is_told_by_the_rules_place(tmp_path):
    (tmp_path / "config.toml").write_text(RULES.replace("list_id", "listid").replace('"news"', "3"))
    with pytest.raises(ConfigError) as caught:
        configs.load(tmp_path / "config.toml", {})
    assert list(caught.value.faults) == [
        "config.toml: [[relay.rules]] 1 campaign: 3 is not a text.",
        "config.toml: [[relay.rules]] 2 listid: is not a setting. Did you mean list_id?",
    ]


def test_rules_that_are_no_tables_are_told_how_to_write_them(tmp_path):
    (tmp_path / "config.toml").write_text('[relay]\nrules = ["news"]\n')
    with pytest.raises(
        ConfigError, match=r"\[\[relay\.rules\]\] 1 is not a table\. Write \[\[relay\.rules\]\]"
    ):
        configs.load(tmp_path / "config.toml", {})


def test_rules_may_come_from_the_environment_as_json(tmp_path):
    (tmp_path / "config.toml").write_text("")
    environ = {"LINKPROXY__RELAY__RULES": '[{"subject": "*sale*", "campaign": "sale"}]'}
    assert configs.load(tmp_path / "config.toml", environ).relay.rules[0].campaign == "sale"


def test_config_show_prints_rules_that_can_be_read_back_and_hides_the_password(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text('[relay]\nupstream_password = "hush"\n' + RULES)
    shown = CliRunner().invoke(linkproxy, ["--config", str(path), "config", "show"]).stdout
    assert "hush" not in shown
    again = tmp_path / "again.toml"
    again.write_text(shown)
    assert configs.load(again, {}).relay.rules == configs.load(path, {}).relay.rules


@pytest.mark.parametrize("name", ["a b", "a\\r\\nMAIL", "é.example"])
def test_a_name_that_no_greeting_can_carry_is_a_fault(tmp_path, name):
    (tmp_path / "config.toml").write_text(f'[relay]\nhostname = "{name}"\n')
    with pytest.raises(ConfigError, match=r"\[relay\] hostname: .* is no host name"):
        configs.load(tmp_path / "config.toml", {})
