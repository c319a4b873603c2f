"""Looking back on the command line: report, replay, accuracy, calibrate, shadow, over the demo's traffic."""

from __future__ import annotations

import asyncio
import re
import shutil
from contextlib import redirect_stdout
from functools import partial
from io import StringIO
from typing import TYPE_CHECKING

import pytest
from cli.conftest import SPRING

from linkproxy.cli import demo as demos
from linkproxy.cli.main import run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cli.conftest import Installation, Ran

CAMPAIGN = "autumn-letter"
STRICT = "[policy]\nhuman = -70.0\n"
LAX = '[policy]\nhuman = 18.0\n[signals."message.links-in-seconds"]\nweight = 1.0\ncurve = []\n'


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demonstration, played once; ``shown.txt`` is what it shows on a terminal of 80 columns."""
    folder = tmp_path_factory.mktemp("played") / "demo"
    demos._fresh(folder)
    config = demos._configure(folder)
    # Whatever ports are free: several tests may play at once.
    server = config.server.model_copy(update={"public_port": 0, "private_port": 0})
    with redirect_stdout(StringIO()) as shown, pytest.MonkeyPatch.context() as environ:
        for name, value in (("FORCE_COLOR", "1"), ("COLUMNS", "80"), ("TERM", "xterm")):
            environ.setenv(name, value)
        asyncio.run(demos._run(config.model_copy(update={"server": server}), folder, once=True))
    (folder / "shown.txt").write_text(re.sub(r"\x1b\[[\d;]*m", "", shown.getvalue()))
    return folder


@pytest.fixture
def demo(here: Installation, played: Path) -> Callable[..., Ran]:
    """Run a command in a copy of the played demonstration."""
    shutil.copytree(played, here.folder / "copy")
    return partial(here.ok, "--config", "copy/config.toml")


def log(demo: Callable[..., Ran]) -> list[tuple[int, float]]:
    return [(row["visit_id"], row["score"]) for row in demo("clicks", "--format", "jsonl").lines]


def changes(found: dict, which: str) -> list[dict]:
    return [row for row in found[which] if row["from"] != row["to"]]


def test_the_demos_traffic_replayed_under_its_own_policy_gives_the_same_verdicts_and_clicks(demo) -> None:
    found = demo("replay", "--json").json
    assert found["visits"] == len(demo("visits", "--format", "jsonl").lines) > 200
    assert changes(found, "first") == changes(found, "settled") == []
    assert (found["changed"], found["rescored"]) == (0, 0)
    clicks = len(log(demo))
    assert found["clicks"] == [{"campaign": CAMPAIGN, "now": clicks, "gained": 0, "lost": 0}]
    assert clicks > 0


def test_another_policy_shows_what_changes_and_writes_nothing_without_apply(here, demo) -> None:
    here.write("strict.toml", STRICT)
    before = log(demo)
    shown = demo("replay", "--policy", "strict.toml")
    assert "From human to uncertain, for instance" in shown.text
    assert "Nothing was written" in shown.err
    found = demo("replay", "--policy", "strict.toml", "--json").json
    assert found["clicks"] == [{"campaign": CAMPAIGN, "now": len(before), "gained": 0, "lost": len(before)}]
    assert found["changed"] == sum(row["visits"] for row in changes(found, "settled")) > 0
    example = found["examples"][0]
    assert (example["from"]["verdict"], example["to"]["verdict"]) == ("human", "uncertain")
    assert example["from"]["reasons"]
    assert log(demo) == before


def test_applying_writes_what_was_shown_and_the_first_policy_takes_it_back(here, demo) -> None:
    here.write("strict.toml", STRICT)
    before = log(demo)
    said = demo("replay", "--policy", "strict.toml", "--apply", "--yes")
    assert f"0 clicks gained, {len(before)} lost" in said.err
    assert log(demo) == []
    assert demo("replay", "--policy", "strict.toml", "--json").json["changed"] == 0
    demo("replay", "--apply", "--yes")
    assert log(demo) == before
    first, second = demo("replay", "--history", "--json").json["replays"]
    assert (first["clicks_lost"], second["clicks_gained"]) == (len(before), len(before))
    assert first["policy"] != second["policy"]
    assert second["who"]
    _, row, _ = demo("replay", "--history").text.splitlines()
    assert row.startswith(first["at"][:19].replace("T", " "))
    assert row.split()[-2:] == ["0", str(len(before))], "gained, lost"


def test_a_laxer_policy_gains_clicks_and_what_it_says_is_what_it_does(here, demo) -> None:
    here.write("lax.toml", LAX)
    (told,) = demo("replay", "--policy", "lax.toml", "--json").json["clicks"]
    demo("replay", "--policy", "lax.toml", "--apply", "--yes")
    assert len(log(demo)) == told["now"] + told["gained"] - told["lost"] > told["now"]


def test_a_replay_can_be_narrowed_to_a_time(here, demo) -> None:
    here.write("strict.toml", STRICT)
    first = demo("clicks", "--format", "jsonl").lines[0]
    demo("replay", "--policy", "strict.toml", "--until", first["at"], "--apply", "--yes")
    assert first["visit_id"] in {visit_id for visit_id, _ in log(demo)}
    assert demo("replay", "--since", "+1d", "--json").json["visits"] == 0


def test_applying_asks_first(here, demo) -> None:
    here.write("strict.toml", STRICT)
    before = log(demo)
    said = here.fails("--config", "copy/config.toml", "replay", "--policy", "strict.toml", "--apply")
    assert "nothing changed" in said
    assert log(demo) == before


def test_a_wrong_policy_file_is_named_with_every_fault(here, demo) -> None:
    assert demo is not None
    here.write("wrong.toml", "[policy]\nhumane = 1\nmachine = 'x'\n")
    said = here.fails("--config", "copy/config.toml", "replay", "--policy", "wrong.toml")
    assert said.count("wrong.toml:") == 2
    assert "gone.toml" in here.fails("--config", "copy/config.toml", "replay", "--policy", "gone.toml")


@pytest.mark.parametrize(
    "command",
    [
        ("replay", "--json"),
        ("accuracy", "--json"),
        ("bait", "--json"),
        ("report", CAMPAIGN, "--bait"),
    ],
)
def test_what_goes_through_the_journal_shows_how_far_it_is(here, demo, command) -> None:
    visits = len(demo("visits", "--format", "jsonl").lines)
    shown = here.on_terminal("stderr", "--config", "copy/config.toml", *command)
    assert f"{visits}/{visits}" in shown


# --- report ------------------------------------------------------------------------------------


def test_a_report_says_what_the_click_log_and_the_journal_hold(demo) -> None:
    found = demo("report", CAMPAIGN, "--json").json
    assert found["human_clicks"] == len(log(demo))
    assert sum(row["human_clicks"] for row in found["by_link"]) == found["human_clicks"]
    assert sum(row["human_clicks"] for row in found["by_domain"]) == found["human_clicks"]
    assert found["interval"]["low"] <= found["human_clicks"] <= found["interval"]["high"]
    assert found["interval"]["high"] < 20
    assert found["raw"]["requests"] > 200


def test_the_raw_numbers_are_one_toggle_away(demo) -> None:
    plain, raw = demo("report", CAMPAIGN).text, demo("report", CAMPAIGN, "--raw").text
    assert "Raw:" not in plain
    assert "GET requests for content links" in raw
    assert "Human clicks" in plain


def test_the_demonstration_shows_the_figures_that_its_report_gives(demo, played: Path) -> None:
    shown = (played / "shown.txt").read_text()
    found = demo("report", CAMPAIGN, "--json").json
    bars = re.findall(r"(?:plain counter says|people clicked) █+ (\d+)", shown)
    assert bars == [str(found["raw"]["requests"]), str(found["human_clicks"])]


def test_the_demonstration_fits_a_usual_terminal_and_nothing_of_it_is_cut_off(played: Path) -> None:
    shown = (played / "shown.txt").read_text()
    assert max(map(len, shown.splitlines())) <= 80
    assert "…" not in shown
    assert "█ 6" in shown


def test_figures_stay_in_sight_beside_a_long_target(demo) -> None:
    key = demo("report", CAMPAIGN, "--json").json["by_link"][0]["link"]
    long = "https://shop.example/" + "a" * 2000
    demo("link", "set-target", CAMPAIGN, key, long, "--yes")
    assert max(map(len, demo("report", CAMPAIGN).text.splitlines())) < 160
    assert demo("report", CAMPAIGN, "--json").json["by_link"][0]["target"] == long


def test_bars_are_drawn_on_a_terminal(here, demo) -> None:
    assert demo is not None
    shown = here.on_terminal("stdout", "--config", "copy/config.toml", "report", CAMPAIGN)
    assert "█" * 10 in shown


def test_a_campaign_that_is_not_there_is_named(here, demo) -> None:
    assert demo is not None
    assert "Did you mean autumn-letter" in here.fails(
        "--config", "copy/config.toml", "report", "autum-letter"
    )


# --- accuracy, calibrate, shadow ---------------------------------------------------------------


def test_no_figure_is_cut_off_where_a_terminal_is_narrow(here, demo) -> None:
    figures = re.findall(r"\d+\.\d%", demo("bait").text)
    shown = here.on_terminal("stdout", "--config", "copy/config.toml", "bait", columns=60)
    assert sorted(re.findall(r"\d+\.\d%", shown)) == sorted(figures) != []


def test_accuracy_shows_labels_with_intervals_and_a_warning(demo) -> None:
    found = demo("accuracy", "--json").json
    assert found["whole"]["machines"]["messages"] >= 4
    shown = demo("accuracy").text
    assert "bait.followed" in shown
    assert "selected sample" in shown


def test_calibrating_on_a_handful_of_labels_is_refused_and_writes_nothing(here, demo) -> None:
    assert demo is not None
    said = here.fails("--config", "copy/config.toml", "calibrate", "--out", "fitted.toml")
    assert "too few labels" in said
    assert not (here.folder / "fitted.toml").exists()


def test_calibrating_replaces_no_file(here, demo) -> None:
    assert demo is not None
    here.write("mine.toml", STRICT)
    assert "there already" in here.fails("--config", "copy/config.toml", "calibrate", "--out", "mine.toml")


def test_without_a_shadow_policy_the_command_says_how_to_get_one(demo) -> None:
    assert "shadow_policy_file" in demo("shadow").err
    assert demo("shadow", "--json").json == {"counts": [], "differences": []}


def test_a_shadow_is_compared_when_the_command_settles(here, monkeypatch) -> None:
    html = b'<html><body><a href="https://www.brand.example/spring">x</a></body></html>'
    here.ok("campaign", "add", "spring")
    mail = here.ok("rewrite", "-", "--campaign", "spring", "--recipient", "ada@brand.example", stdin=html)
    here.write("strict.toml", STRICT)
    here.visit([here.path_to(SPRING, mail.out)], at=1_780_000_000.0)
    monkeypatch.setenv("LINKPROXY__JUDGE__SHADOW_POLICY_FILE", str(here.folder / "strict.toml"))
    here.ok("settle")
    assert here.ok("shadow", "--json").json["counts"]
    assert "  2026-05-28 20:26:40  " in here.ok("shadow").text, "as every other table has times"


def test_a_demonstration_that_still_runs_keeps_its_folder(tmp_path, capsys) -> None:
    folder = tmp_path / "demo"
    demos._fresh(folder)
    (folder / "linkproxy.db").touch()
    with demos._claimed(folder):
        assert run(["demo", "--once", "--folder", str(folder)]) == 1
        assert "still runs; stop that one with Ctrl-C" in capsys.readouterr().err
        assert (folder / "linkproxy.db").exists()
    demos._fresh(folder)
    assert not (folder / "linkproxy.db").exists()
