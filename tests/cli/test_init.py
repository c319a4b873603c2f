"""``linkproxy init``: everything at once, for the owner alone, over nothing that is there."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from click.testing import CliRunner

from linkproxy.campaign.tokens import Keyring, parse_keys
from linkproxy.cli.init import init, write_new
from linkproxy.cli.main import run
from linkproxy.config import load
from linkproxy.model import LinkproxyError

FILES = ("config.toml", "privacy-key.txt", "signing-keys.txt")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    result = CliRunner().invoke(init, ["--folder", str(tmp_path / "new")])
    assert result.exit_code == 0, result.output
    return tmp_path / "new"


def test_what_init_writes_is_a_working_installation(folder: Path) -> None:
    config = load(folder / "config.toml", {})
    keyring = Keyring(parse_keys(*config.signing.read()))
    assert keyring.active_id == 1
    assert len(config.privacy.read_key()) == 32
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)


def test_the_config_it_writes_is_the_example_that_ships(folder: Path) -> None:
    shipped = Path(__file__).parents[2] / "config.example.toml"
    assert (folder / "config.toml").read_text() == shipped.read_text()


def test_only_the_owner_can_read_what_it_writes(folder: Path) -> None:
    assert {stat.S_IMODE((folder / name).stat().st_mode) for name in FILES} == {0o600}


def test_two_installations_share_no_key(folder: Path, tmp_path: Path) -> None:
    assert CliRunner().invoke(init, ["--folder", str(tmp_path / "other")]).exit_code == 0
    for name in ("privacy-key.txt", "signing-keys.txt"):
        assert (folder / name).read_text() != (tmp_path / "other" / name).read_text()


@pytest.mark.parametrize("name", FILES)
def test_one_file_that_is_there_keeps_all_from_being_written(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_text("mine")
    assert run(["init", "--folder", str(tmp_path)]) == 1
    assert capsys.readouterr().err == (
        f"linkproxy: {tmp_path}: nothing was written, since {name} would be written over. "
        "Move away what is there, or choose another --folder.\n"
    )
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(name, "mine")]


def test_a_fault_half_way_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "second").symlink_to(tmp_path / "nowhere")  # not there, and yet cannot be made anew
    contents = {tmp_path / "first": "1", tmp_path / "second": "2"}
    with pytest.raises(LinkproxyError, match=r"second: is there already; .*; nothing was kept\."):
        write_new(contents)
    assert not (tmp_path / "first").exists()


def test_it_says_what_to_do_next_with_the_folder_that_was_chosen(tmp_path: Path) -> None:
    output = CliRunner().invoke(init, ["--folder", str(tmp_path)]).output
    assert f"linkproxy --config {tmp_path}/config.toml config check" in output
    assert "Back up both key files." in output
