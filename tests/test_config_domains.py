"""The settings of tracking hosts: a table each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from linkproxy.config import ConfigError, load

if TYPE_CHECKING:
    from pathlib import Path


def write(folder: Path, text: str) -> Path:
    path = folder / "config.toml"
    path.write_text(text, "utf-8")
    return path


def faults(path: Path, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(path, environ or {})
    return list(caught.value.faults)


def test_a_tracking_host_has_a_table_of_its_own_with_paths_from_the_files_folder(tmp_path: Path) -> None:
    path = write(tmp_path, "[domains.\"click.brand.example\"]\nname = 'Brand'\ntemplates_dir = 'own'\n")
    domain = load(path, {}).domains["click.brand.example"]
    assert (domain.name, domain.templates_dir) == ("Brand", f"{tmp_path}/own")
    assert domain.model_fields_set == {"name", "templates_dir"}


def test_a_fault_of_a_tracking_host_names_its_table_and_key(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
        [domains."click.brand.example"]
        colour = "red"
        nam = "Brand"
        [domains."Click.Brand.example"]
        name = "Brand"
        """,
    )
    assert sorted(faults(path)) == [
        (
            'config.toml: [domains."Click.Brand.example"] is not a host name such as "click.brand.example", '
            "in lower case."
        ),
        'config.toml: [domains."click.brand.example"] colour: "red" is not a colour such as "#1f4e79".',
        'config.toml: [domains."click.brand.example"] nam: is not a setting. Did you mean name?',
    ]


def test_tracking_hosts_can_come_from_the_environment_as_json(tmp_path: Path) -> None:
    environ = {"LINKPROXY__DOMAINS": '{"click.brand.example": {"name": "Brand"}}'}
    assert load(write(tmp_path, ""), environ).domains["click.brand.example"].name == "Brand"


@pytest.mark.parametrize("text", ["3", "[3", "click.brand.example"])
def test_tracking_hosts_in_the_environment_that_are_no_table_are_told_the_form(
    tmp_path: Path, text: str
) -> None:
    told = 'LINKPROXY__DOMAINS: is not JSON such as {"click.brand.example": {"name": "Brand"}}.'
    assert faults(write(tmp_path, ""), {"LINKPROXY__DOMAINS": text}) == [told]


def test_domains_that_is_no_table_is_told(tmp_path: Path) -> None:
    assert faults(write(tmp_path, "domains = 3\n")) == [
        "config.toml: [domains] is not a section. Write [domains] on a line of its own and its keys below."
    ]
