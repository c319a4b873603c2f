"""`linkproxy domains` and what `config` says of tracking hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.conftest import Installation


def with_config(here: Installation, text: str) -> None:
    here.write("config.toml", (here.folder / "config.toml").read_text() + text)


def test_a_host_without_dns_is_an_error_and_ends_with_1(here: Installation) -> None:
    # Nobody listens on the discard port, so every question ends at once.
    here.write("config.toml", '[gateways]\nnameservers = ["127.0.0.1:9"]\n')
    ran = here.run("domains", "check", "https://click.brand.example/", "--json")
    assert ran.code == 1
    [told] = ran.json
    assert told["about"] == "dns"
    assert told["outcome"] == "error"
    assert "click.brand.example could not be looked up" in told["seen"]


def test_what_is_no_host_or_no_certificate_file_is_one_line(here: Installation) -> None:
    assert "is not a host name such as" in here.fails("domains", "check", "click brand")
    here.write("empty.pem", "nothing")
    for name in ("none.pem", "empty.pem"):
        assert f"--trust: {'there is no file ' if name == 'none.pem' else ''}{name}" in here.fails(
            "domains", "check", "click.brand.example", "--trust", name
        )


def test_config_show_prints_what_a_tracking_host_sets(here: Installation) -> None:
    with_config(here, '\n[domains."click.brand.example"]\nname = "Brand"\n')
    assert '\n[domains."click.brand.example"]\nname = "Brand"\n' in here.ok("config", "show").text


def test_config_check_names_a_tracking_hosts_missing_templates(here: Installation) -> None:
    with_config(here, '\n[domains."click.brand.example"]\ntemplates_dir = "own"\n')
    told = here.fails("config", "check")
    assert '[domains."click.brand.example"] templates_dir:' in told
    assert "is not a folder" in told
