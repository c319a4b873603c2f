from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Installation


def test_a_campaign_takes_what_the_configuration_says_where_no_option_does(here: Installation) -> None:
    here.write("config.toml", (here.folder / "config.toml").read_text() + "\n")
    here.ok("campaign", "add", "spring")
    shown = here.ok("campaign", "show", "spring", "--json").json
    assert shown["kind"] == "marketing"
    assert shown["base_url"] == "http://localhost:8080"
    assert shown["machine_answer"] == "neutral"
    assert shown["links"] == []


def test_a_campaign_keeps_every_option(here: Installation) -> None:
    options = ["--kind", "transactional", "--base-url", "https://click.brand.example/", "--bait", "none"]
    options += ["--machine-answer", "redirect", "--utm", "source=shop,medium=email", "--rewrite-unsubscribe"]
    here.ok("campaign", "add", "receipts", *options)
    shown = here.ok("campaign", "show", "receipts", "--json").json
    assert shown["kind"] == "transactional"
    assert shown["base_url"] == "https://click.brand.example"
    assert shown["bait_style"] == "none"
    assert shown["machine_answer"] == "redirect"
    assert shown["rewrite_unsubscribe"] is True
    assert shown["utm"] == {"source": "shop", "medium": "email", "campaign": "", "term": "", "content": ""}


def test_a_campaign_tells_its_targets_of_visits_only_if_asked(here: Installation) -> None:
    here.ok("campaign", "add", "quiet")
    assert here.ok("campaign", "show", "quiet", "--json").json["click_id"] == ""
    here.ok("campaign", "add", "telling", "--click-id", "lpid")
    assert here.ok("campaign", "show", "telling", "--json").json["click_id"] == "lpid"
    assert "click id lpid" in here.ok("campaign", "show", "telling").text


@pytest.mark.parametrize("name", ["two words", "1st", "a=b", "utm_source", "x" * 41, "é"])
def test_a_click_id_must_be_a_plain_name_of_a_parameter(here: Installation, name: str) -> None:
    assert "click id" in here.fails("campaign", "add", "telling", "--click-id", name)


def test_a_template_registers_its_links_at_once(here: Installation) -> None:
    here.ok("campaign", "add", "spring", "--html", "newsletter.html")
    links = here.ok("campaign", "show", "spring", "--json").json["links"]
    content = [link["target"] for link in links if link["kind"] == "content"]
    assert content == [
        "https://www.brand.example/spring",
        "https://www.brand.example/offer?a=1&b=2",
        "https://social.example/brand",
    ]
    assert [link["kind"] for link in links].count("bait") == 2
    assert [link["kind"] for link in links].count("unsubscribe") == 1
    assert [link["position"] for link in links] == sorted(link["position"] for link in links)
    assert {"key", "target", "kind", "role", "position", "style", "shape"} == set(links[0])


def test_with_the_keys_of_another_installation_no_campaign_is_made_for_a_template(here: Installation) -> None:
    here.mail()
    here.write("signing-keys.txt", f"1:{'A' * 43}\n")
    told = here.fails("campaign", "add", "summer", "--html", "newsletter.html")
    assert "signing key 1 is not the key of that id which signed mail of this store" in told
    assert "summer" not in here.ok("campaign", "list").text


def test_a_template_on_standard_input_is_read(here: Installation) -> None:
    here.ok("campaign", "add", "spring", "--html", "-", stdin=b'<a href="https://a.example/">a</a>')
    links = here.ok("campaign", "show", "spring", "--json").json["links"]
    assert "https://a.example/" in [link["target"] for link in links]


def test_links_left_alone_are_told_with_their_reason(here: Installation) -> None:
    ran = here.ok("campaign", "add", "spring", "--html", "newsletter.html", "--notes", "json")
    assert "mailto:us@brand.example" in ran.err
    assert here.ok("campaign", "add", "quiet", "--html", "newsletter.html", "--quiet").err == ""


def test_the_list_shows_every_campaign(here: Installation) -> None:
    assert "campaign add" in here.ok("campaign", "list").err
    here.ok("campaign", "add", "spring")
    here.ok("campaign", "add", "summer sale")
    listed = here.ok("campaign", "list", "--json").json["campaigns"]
    assert sorted(item["name"] for item in listed) == ["spring", "summer sale"]
    assert "summer sale" in here.ok("campaign", "list").text


def test_a_name_is_given_once(here: Installation) -> None:
    here.ok("campaign", "add", "spring")
    assert "spring" in here.fails("campaign", "add", "spring")


def test_a_campaign_that_is_not_there_is_told_with_those_that_are(here: Installation) -> None:
    assert "linkproxy campaign add autumn" in here.fails("campaign", "show", "autumn")
    here.ok("campaign", "add", "spring")
    assert "There are: spring" in here.fails("campaign", "show", "autumn")
    assert "Did you mean spring?" in here.fails("campaign", "show", "sprnig")


def test_links_that_only_this_machine_reaches_are_told(here: Installation) -> None:
    """The default of [server] base_url is for trying things out; nothing else shows it before the mail is out."""
    assert "Only this machine reaches http://localhost:8080" in here.ok("campaign", "add", "spring").err
    told = here.ok("campaign", "add", "summer", "--base-url", "http://127.0.0.1", "--list-unsubscribe").err
    assert "no List-Unsubscribe" in told
    ready = ["--base-url", "https://click.brand.example", "--list-unsubscribe"]
    assert here.ok("campaign", "add", "autumn", *ready).err == ""


def test_a_name_with_a_blank_at_its_end_is_told_what_is_wrong_with_it(here: Installation) -> None:
    assert "blanks at either end" in here.fails("campaign", "add", "spring ")


@pytest.mark.parametrize("name", [".", ".."])
def test_a_name_that_no_browser_keeps_in_a_path_is_refused(here: Installation, name: str) -> None:
    assert "a path leads elsewhere by it" in here.fails("campaign", "add", name)
    here.ok("campaign", "add", f"{name}a")


def test_all_faults_of_a_campaign_are_told_at_once_and_nothing_is_stored(here: Installation) -> None:
    told = here.fails("campaign", "add", "two\nlines", "--base-url", "ftp://x.example/path")
    assert "campaign name" in told
    assert "base URL" in told
    here.fails("campaign", "add", "spring", "--html", "gone.html")
    assert here.ok("campaign", "list", "--json").json["campaigns"] == []


@pytest.mark.parametrize(
    "utm", ["colour=red", "source", "source=", "source=a,source=b", f"source={'a' * 501}", "term=a\nb"]
)
def test_a_utm_parameter_that_is_none_is_refused(here: Installation, utm: str) -> None:
    assert "utm" in here.fails("campaign", "add", "spring", "--utm", utm, code=2)


def test_where_bait_stands_is_a_campaigns_choice(here: Installation) -> None:
    here.ok("campaign", "add", "spring", "--bait-places", "double", "--html", "newsletter.html", "--quiet")
    shown = here.ok("campaign", "show", "spring", "--json").json
    assert shown["bait_places"] == "double"
    assert sum(link["kind"] == "bait" for link in shown["links"]) == 4
    assert "bait hidden (double)" in here.ok("campaign", "show", "spring").text


def test_telling_of_opens_is_a_campaigns_choice(here: Installation) -> None:
    here.ok("campaign", "add", "spring", "--opens", "--html", "newsletter.html", "--quiet")
    shown = here.ok("campaign", "show", "spring", "--json").json
    assert shown["opens"] is True
    assert sum(link["kind"] == "open" for link in shown["links"]) == 1
    assert "opens are told" in here.ok("campaign", "show", "spring").text


def test_a_renamed_campaign_keeps_its_links_and_its_old_name_is_free(here: Installation) -> None:
    here.ok("campaign", "add", "sprign", "--html", "newsletter.html")
    before = here.ok("campaign", "show", "sprign", "--json").json
    assert "spring" in here.ok("campaign", "rename", "sprign", "spring").text
    after = here.ok("campaign", "show", "spring", "--json").json
    assert after == before | {"name": "spring"}
    here.ok("campaign", "add", "sprign")


def test_a_campaign_is_not_renamed_to_what_is_taken_or_no_name(here: Installation) -> None:
    here.ok("campaign", "add", "spring")
    here.ok("campaign", "add", "summer")
    assert "'summer' is there already" in here.fails("campaign", "rename", "spring", "summer")
    assert "blanks at either end" in here.fails("campaign", "rename", "spring", "spring ")
    assert "Did you mean spring?" in here.fails("campaign", "rename", "sprign", "autumn")
    here.ok("campaign", "show", "spring")


def test_a_rule_of_the_relay_that_names_a_renamed_campaign_is_told(here: Installation) -> None:
    here.write(
        "config.toml",
        (here.folder / "config.toml").read_text()
        + '\n[[relay.rules]]\nfrom_address = "*@brand.example"\ncampaign = "spring"\n',
    )
    here.ok("campaign", "add", "spring")
    assert "[[relay.rules]] names spring still" in here.ok("campaign", "rename", "spring", "summer").err
    assert here.ok("campaign", "rename", "summer", "autumn").err == ""


def test_archived_campaigns_are_in_no_list_until_asked_for_and_can_still_be_named(here: Installation) -> None:
    for name in ("spring", "trial", "other trial"):
        here.ok("campaign", "add", name)
    here.ok("campaign", "archive", "trial", "other trial")
    listed = here.ok("campaign", "list")
    assert "spring" in listed.text
    assert "trial" not in listed.text
    assert "Archived: 2" in listed.err
    assert [item["name"] for item in here.ok("campaign", "list", "--json").json["campaigns"]] == ["spring"]
    every = here.ok("campaign", "list", "--archived", "--json").json["campaigns"]
    assert [(item["name"], item["archived_at"] is None) for item in every] == [
        ("spring", True),
        ("trial", False),
        ("other trial", False),
    ]
    assert "other trial" in here.ok("campaign", "list", "--archived").text
    assert "archived" in here.ok("campaign", "show", "trial").text
    assert "There are: spring." in here.fails("campaign", "show", "autumn")
    here.ok("campaign", "unarchive", "trial")
    assert "trial" in here.ok("campaign", "list").text


def test_a_campaign_that_is_archived_twice_keeps_its_day(here: Installation) -> None:
    here.ok("campaign", "add", "trial")
    here.ok("campaign", "archive", "trial")
    first = here.ok("campaign", "show", "trial", "--json").json
    here.ok("campaign", "archive", "trial")
    assert here.ok("campaign", "show", "trial", "--json").json == first


def test_one_name_that_is_not_there_archives_none(here: Installation) -> None:
    here.ok("campaign", "add", "trial")
    assert "Did you mean trial?" in here.fails("campaign", "archive", "trial", "trail")
    assert "trial" in here.ok("campaign", "list").text


def test_the_name_of_an_archived_campaign_is_taken_and_who_makes_it_again_is_told_where_it_is(
    here: Installation,
) -> None:
    here.ok("campaign", "add", "trial")
    here.ok("campaign", "archive", "trial")
    assert "campaign list --archived" in here.fails("campaign", "add", "trial")
