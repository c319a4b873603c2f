"""What ships: a wheel that is whole, and files around it that agree with the code."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from linkproxy import __version__
from linkproxy.config import Config

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def declared() -> dict[str, str]:
    """Every requirement of the project and of the build, by name."""
    build = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["build-system"]["requires"]
    lists = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values(), build]
    return {re.split(r"[\[<>=; ]", requirement)[0]: requirement for group in lists for requirement in group}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder], cwd=ROOT, check=True
    )
    [path] = folder.glob("*.whl")
    return zipfile.ZipFile(path)


def test_the_wheel_holds_everything_that_is_read_at_run_time(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    package = ROOT / "linkproxy"
    sources = {
        f"linkproxy/{path.relative_to(package)}"
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    shipped = [path for path in (ROOT / "templates").rglob("*") if path.is_file()]
    templates = {f"linkproxy/templates/{path.relative_to(ROOT / 'templates')}" for path in shipped}
    assert templates
    assert (sources | templates | {"linkproxy/config.example.toml"}) - names == set()


def test_the_wheel_holds_nothing_else(wheel: zipfile.ZipFile) -> None:
    assert {name.split("/")[0] for name in wheel.namelist()} == {
        "linkproxy",
        f"linkproxy-{__version__}.dist-info",
    }


def test_every_dependency_has_a_reason_and_a_tested_version() -> None:
    reasons = set(
        re.findall(r"^\| ([a-z][\w-]*) \|", (ROOT / "docs/dependencies.md").read_text("utf-8"), re.MULTILINE)
    )
    assert reasons - {"package"} == set(declared())
    tested = {
        re.split("==", line)[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    }
    assert set(declared()) <= tested


def test_constraints_name_versions_and_no_place_to_get_them_from() -> None:
    for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines():
        assert re.fullmatch(r"#.*|[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line), line


def test_every_requirement_has_a_lower_and_an_upper_bound() -> None:
    for requirement in declared().values():
        assert re.search(r">=[\d.]+,<[\d.]+", requirement), requirement


def test_no_version_is_taken_with_a_fault_that_the_docs_tell_of() -> None:
    text = (ROOT / "docs/dependencies.md").read_text("utf-8")
    told = re.findall(r"^\| ([a-z][\w-]*) ([\d.]+) \| .*\((?:CVE|GHSA)-", text, re.MULTILINE)
    assert told
    for name, version in told:
        assert f">={version}," in declared()[name], name


def test_the_container_and_its_compose_file_agree_with_the_defaults() -> None:
    config = Config()
    dockerfile = (ROOT / "deploy/Dockerfile").read_text("utf-8")
    assert f"EXPOSE {config.server.public_port}\n" in dockerfile
    assert f"127.0.0.1:{config.server.public_port}/healthz" in dockerfile
    compose = (ROOT / "deploy/compose.yaml").read_text("utf-8")
    assert f"127.0.0.1:{config.server.public_port}:{config.server.public_port}" in compose
    assert f"stop_grace_period: {config.server.shutdown_seconds * 3:.0f}s" in compose
    assert f"127.0.0.1:{config.relay.port}:{config.relay.port}" in compose
    assert f"127.0.0.1:{config.relay.private_port}/healthz" in compose
    assert f"stop_grace_period: {config.relay.shutdown_seconds * 1.5:.0f}s" in compose


def test_a_failing_store_makes_no_container_unhealthy() -> None:
    """It sends people on; Swarm would end it, and Traefik would pass nobody to it."""
    for name in ("Dockerfile", "compose.yaml"):
        commands = [
            line
            for line in (ROOT / "deploy" / name).read_text("utf-8").splitlines()
            if not line.lstrip().startswith("#")
        ]
        assert "/healthz" in "".join(commands)
        assert "/readyz" not in "".join(commands)


def test_variables_in_deploy_are_settings() -> None:
    for path in (ROOT / "deploy").iterdir():
        for section, key in re.findall(r"LINKPROXY__([A-Z]+)__([A-Z_]+)", path.read_text("utf-8")):
            part = getattr(Config(), section.lower())
            assert key.lower() in type(part).model_fields, f"{path.name}: {section} {key}"


@pytest.mark.parametrize("name", ["linkproxy.service", "linkproxy-relay.conf"])
def test_every_directive_of_a_unit_has_its_reason(name: str) -> None:
    lines = (ROOT / "deploy" / name).read_text("utf-8").splitlines()
    for before, line in itertools.pairwise(lines):
        if before == "" and "=" in line and not line.startswith("#"):
            pytest.fail(f"{line} has no comment")


def test_the_copies_that_an_operator_runs_are_executable() -> None:
    for name in ("run", "smoke"):
        assert (ROOT / ".ci" / name).stat().st_mode & 0o111


def test_make_help_lists_every_target_that_a_person_runs() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    assert targets
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {line.split()[0] for line in shown.splitlines()} == set(targets[1].split())
