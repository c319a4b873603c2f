"""Documentation cannot drift: what the code has, the pages have."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from linkproxy.cli.main import COMMANDS
from linkproxy.cli.reference import PAGES, commands, outdated
from linkproxy.config_reference import settings
from linkproxy.inbound.base import CAMPAIGN, RECIPIENT, Outcome
from linkproxy.inbound.providers import PROVIDERS
from linkproxy.logs import EVENTS, Event
from linkproxy.telemetry import METRICS, Metrics
from linkproxy.visit.signals import SIGNALS

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"


def page(name: str) -> str:
    return (DOCS / name).read_text("utf-8")


def test_generated_pages_are_what_the_code_says_now() -> None:
    assert outdated(ROOT) == [], "run: make docs"


def test_a_page_that_was_changed_by_hand_is_found(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    for name, write in PAGES.items():
        (tmp_path / name).write_text(write(), "utf-8")
    assert outdated(tmp_path) == []
    (tmp_path / "docs/metrics.md").write_text("by hand")
    (tmp_path / "config.example.toml").unlink()
    assert outdated(tmp_path) == ["config.example.toml", "docs/metrics.md"]


def test_every_setting_is_documented() -> None:
    text = page("configuration.md")
    for section, _, key, _ in settings():
        part = text.partition(f"## [{section}]\n")[2].partition("\n## ")[0]
        assert f"| `{key}` |" in part, f"[{section}] {key}"


def test_every_command_of_the_table_is_there() -> None:
    assert {path.split()[1] for path, _, _ in commands() if " " in path} == set(COMMANDS)


@pytest.mark.parametrize("path", [path for path, _, _ in commands()])
def test_every_command_is_documented_with_an_example(path: str) -> None:
    [(context, command)] = [(context, command) for name, context, command in commands() if name == path]
    help_text = command.get_help(context)
    assert re.search(r"^  Examples?:\n( {4}\S.*\n?)+", help_text, re.MULTILINE), (
        f"{path} --help shows no example"
    )
    assert f"# {path}\n" in page("commands.md")


def test_every_option_says_what_it_does() -> None:
    for path, context, command in commands():
        for parameter in command.get_params(context):
            if parameter.param_type_name == "option":
                assert getattr(parameter, "help", ""), f"{path} {parameter.opts}"


def test_every_metric_is_documented_and_exported_under_that_name() -> None:
    registry = CollectorRegistry()
    Metrics(registry)
    exported = set(re.findall(r"^# TYPE (\S+)", generate_latest(registry).decode(), re.MULTILINE))
    assert exported == {metric.exported for metric in METRICS}
    for name in exported:
        assert f"| `{name}` |" in page("metrics.md")


def test_every_log_event_is_documented() -> None:
    assert set(EVENTS) == set(Event)
    for event in Event:
        assert f"| `{event}` |" in page("metrics.md")


def test_every_signal_is_documented_in_its_family() -> None:
    text = page("judging.md")
    for signal in SIGNALS:
        assert f"`{signal.name}`" in text, signal.name


def test_every_provider_and_what_becomes_of_its_events_is_documented() -> None:
    text = page("deliveries.md")
    for name, provider in PROVIDERS.items():
        assert re.search(rf"\| `/inbound/{name}` \|.*\| `{provider.source}` \|", text), name
        own = page(f"mailers/{name}.md").partition("\n## Deliveries\n")[2].partition("\n## ")[0]
        for word in (f"/inbound/{name}\n", CAMPAIGN, "](../deliveries.md)"):
            assert word in own, name
    for outcome in Outcome:
        assert f"| `{outcome}` |" in text


@pytest.mark.parametrize(
    "file", sorted(ROOT.glob("*.md")) + sorted(DOCS.rglob("*.md")), ids=lambda path: path.name
)
def test_links_between_pages_lead_somewhere(file: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", file.read_text("utf-8")):
        assert (file.parent / target).exists(), target


HAND_WRITTEN = [
    file
    for file in (
        *sorted(ROOT.glob("*.md")),
        *sorted(DOCS.rglob("*.md")),
        *sorted((ROOT / "deploy").iterdir()),
    )
    if str(file.relative_to(ROOT)) not in PAGES
]


@pytest.mark.parametrize("file", HAND_WRITTEN, ids=lambda path: path.name)
def test_pages_name_settings_that_there_are(file: Path) -> None:
    known = {(section, key) for section, _, key, _ in settings()}
    sections = {section for section, _ in known}
    named = re.findall(r"`\[(\w+)\] (\w+)", file.read_text("utf-8"))
    assert [
        (section, key) for section, key in named if section in sections and (section, key) not in known
    ] == []


@pytest.mark.parametrize("file", HAND_WRITTEN, ids=lambda path: path.name)
def test_pages_name_metrics_that_there_are(file: Path) -> None:
    known = {metric.exported for metric in METRICS} | {CAMPAIGN, RECIPIENT}
    assert set(re.findall(r"\blinkproxy_[a-z_]+", file.read_text("utf-8"))) <= known


@pytest.mark.parametrize("file", HAND_WRITTEN, ids=lambda path: path.name)
def test_pages_give_commands_options_that_they_have(file: Path) -> None:
    known = {
        path: {"--help", *(name for each in command.params for name in (*each.opts, *each.secondary_opts))}
        for path, _, command in commands()
    }
    for line in re.findall(r"\blinkproxy (?:--config \S+ )?([a-z][^`\n|;&]*)", file.read_text("utf-8")):
        words, path = line.split(), "linkproxy"
        while words and f"{path} {words[0]}" in known:
            path = f"{path} {words.pop(0)}"
        if path != "linkproxy":
            given = {word for word in words if re.fullmatch(r"--[a-z][a-z-]*", word)}
            assert given <= known[path], f"{path}: {given - known[path]}"


def anchors(page: Path) -> set[str]:
    """Return what a page's headings are linked by, as GitHub makes it of their text."""
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(
    "file", sorted(ROOT.glob("*.md")) + sorted(DOCS.rglob("*.md")), ids=lambda path: path.name
)
def test_links_into_pages_name_a_heading_of_theirs(file: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)#([^)\s]+)\)", file.read_text("utf-8")):
        assert anchor in anchors(file.parent / target if target else file), f"{target}#{anchor}"
