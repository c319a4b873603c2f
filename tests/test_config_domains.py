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


def faults(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(path, {})
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


def test_domains_that_is_no_table_is_told(tmp_path: Path) -> None:
    assert faults(write(tmp_path, "domains = 3\n")) == [
        "config.toml: [domains] is not a section. Write [domains] on a line of its own and its keys below."
    ]
