"""``linkproxy config``: every mistake, or what is in force."""

from __future__ import annotations

import os
import tomllib
from typing import TYPE_CHECKING

import pytest

from linkproxy.cli.main import run
from linkproxy.config_reference import settings

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def installation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    assert run(["init", "--folder", str(tmp_path)]) == 0
    capsys.readouterr()
    return tmp_path / "config.toml"


def test_check_says_ok_and_which_file(installation: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--config", str(installation), "config", "check"]) == 0
    assert capsys.readouterr().out == f"OK: {installation}\n"


def test_check_names_the_faults_of_every_file_that_the_settings_name(
    installation: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = installation.parent
    (folder / "signing-keys.txt").write_text("nonsense\n")
    (folder / "privacy-key.txt").unlink()
    installation.write_text(
        "[judge]\npolicy_file = 'rules.toml'\n[networks]\nasn_files = ['asn.mmdb']\n[brand]\ntemplates_dir = 'own'\n[store]\nurl = 'sqlite:data/log.db'\n"
    )
    assert run(["--config", str(installation), "config", "check"]) == 1
    found = capsys.readouterr().err
    for words in (
        "signing-keys.txt",
        "privacy-key.txt",
        "rules.toml",
        "[networks] asn_files",
        "[brand] templates_dir",
        "[store] url",
    ):
        assert words in found
    assert all(line.startswith("linkproxy: ") for line in found.splitlines())
    assert "fault of linkproxy" not in found


def test_check_names_every_wrong_setting_and_ends_with_1(
    installation: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    installation.write_text("[server]\npublic_port = 'x'\nprivate_port = 'y'\n[log]\nlevel = 'z'\n")
    assert run(["--config", str(installation), "config", "check"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        'linkproxy: config.toml: [server] public_port: "x" is not a whole number between 0 and 65535.',
        'linkproxy: config.toml: [server] private_port: "y" is not a whole number between 0 and 65535.',
        'linkproxy: config.toml: [log] level: "z" is not one of "debug", "info", "warning", "error".',
    ]


def test_show_prints_every_setting_as_toml_and_no_secret(
    installation: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    installation.write_text("[signing]\nkeys = 'hush'\n[brand]\nname = 'Brand \"quoted\"'\n")
    assert run(["--config", str(installation), "config", "show"]) == 0
    text = capsys.readouterr().out
    shown = tomllib.loads(text)
    assert {(section, key) for section in shown for key in shown[section]} == {
        (section, key) for section, _, key, _ in settings()
    }
    assert shown["brand"]["name"] == 'Brand "quoted"'
    assert shown["store"]["url"] == f"sqlite:{installation.parent}/linkproxy.db"
    assert "hush" not in text


def test_check_looks_at_the_files_too_when_settings_are_wrong(
    installation: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (installation.parent / "signing-keys.txt").write_text("nonsense\n")
    installation.write_text(
        "[server]\npublic_port = 'x'\nnosuch = 1\n[judge]\npolicy_file = 5\n[brand]\ntemplates_dir = 'own'\n"
        "[bait]\nlanding = 'redirect'\n[nosuch]\na = 1\n"
    )
    assert run(["--config", str(installation), "config", "check"]) == 1
    found = capsys.readouterr().err
    for words in (
        "[server] public_port",
        "[server] nosuch",
        "[judge] policy_file",
        "[bait]",
        "[nosuch]",
        "signing-keys.txt",
        "[brand] templates_dir",
    ):
        assert words in found


def test_check_warns_of_trusting_everybody(installation: Path, capsys: pytest.CaptureFixture[str]) -> None:
    installation.write_text('[server]\ntrusted_proxies = ["10.0.0.0/8", "::/0", "::ffff:0:0/96"]\n')
    assert run(["--config", str(installation), "config", "check"]) == 0
    told = capsys.readouterr().err
    assert told.startswith("Warning: [server] trusted_proxies: ::/0 is everybody, so that any client can say")
    assert "trusted_proxies: ::ffff:0:0/96 is everybody" in told
    assert told.count("Warning") == 2


@pytest.mark.parametrize(
    ("server", "warned"),
    [
        ("base_url = 'https://click.brand.example'", True),
        ("base_url = 'https://click.brand.example'\ntrusted_proxies = ['127.0.0.1']", False),
        ("base_url = 'https://click.brand.example'\npublic_port = 443", False),
        ("base_url = 'http://click.brand.example:9000'", True),
        ("base_url = 'http://click.brand.example'\npublic_port = 80", False),
        ("public_port = 0", False),
        ("", False),
    ],
)
def test_check_warns_of_a_port_that_links_lead_to_and_nobody_listens_on(
    installation: Path, capsys: pytest.CaptureFixture[str], server: str, *, warned: bool
) -> None:
    installation.write_text(f"[server]\n{server}\n")
    assert run(["--config", str(installation), "config", "check"]) == 0
    told = capsys.readouterr()
    assert told.out.startswith("OK: ")
    assert ("Warning: [server] base_url: tracked links lead to port" in told.err) is warned


def test_check_warns_of_a_logo_that_no_browser_shows(
    installation: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (installation.parent / "own").mkdir()
    (installation.parent / "own" / "base.html").write_text(
        '<img src="https://brand.example/logo.png">{% block content %}{% endblock %}'
    )
    installation.write_text('[brand]\ntemplates_dir = "own"\n')
    assert run(["--config", str(installation), "config", "check"]) == 0
    told = capsys.readouterr().err
    assert told.count("Warning") == 1
    assert 'html: <img src="https://brand.example/logo.png"> has no effect' in told
    assert "data: URL" in told


def test_check_warns_of_nothing_that_a_mistake_makes_it_seem(
    installation: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    installation.write_text("[server]\nbase_url = 'https://click.brand.example'\npublic_port = 'x'\n")
    assert run(["--config", str(installation), "config", "check"]) == 1
    assert "Warning" not in capsys.readouterr().err


def test_check_names_a_store_that_this_user_may_not_use(
    installation: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (installation.parent / "linkproxy.db").touch()
    # Tests may run as root, who may use every file.
    monkeypatch.setattr(os, "access", lambda path, _mode: not str(path).endswith(".db"))
    assert run(["--config", str(installation), "config", "check"]) == 1
    assert "[store] url: you may not use" in capsys.readouterr().err


def test_check_names_files_that_cannot_be_what_the_store_needs(
    installation: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = installation.parent
    (folder / "data").mkdir()
    installation.write_text(
        "[store]\nurl = 'sqlite:data'\nspill_path = 'signing-keys.txt'\nlink_files = 'missing/links'\n"
    )
    assert run(["--config", str(installation), "config", "check"]) == 1
    told = capsys.readouterr().err
    assert f"[store] url: {folder}/data is a folder" in told
    assert f"[store] spill_path: {folder}/signing-keys.txt holds something else than spilled visits" in told
    assert f"[store] link_files: you may not write in a folder {folder}/missing" in told


def test_check_takes_a_database_elsewhere_for_no_folder_of_this_machine(
    installation: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    installation.write_text("[store]\nurl = 'postgresql://linkproxy@db.brand.example/linkproxy'\n")
    assert run(["--config", str(installation), "config", "check"]) == 0, capsys.readouterr().err


def test_check_names_a_signing_key_of_a_provider_that_is_not_there(
    installation: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    installation.write_text("[inbound]\nmailgun_signing_key_file = 'missing.txt'\n")
    assert run(["--config", str(installation), "config", "check"]) == 1
    (told,) = capsys.readouterr().err.splitlines()
    assert "missing.txt" in told
    assert "[inbound] mailgun_signing_key_file" in told


def test_check_names_a_password_file_that_is_not_there(
    installation: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    installation.write_text(
        "[store]\nurl = 'postgresql://linkproxy@db.brand.example/linkproxy'\npassword_file = 'missing.txt'\n"
    )
    assert run(["--config", str(installation), "config", "check"]) == 1
    (told,) = capsys.readouterr().err.splitlines()
    assert "missing.txt" in told
