"""Autonomous systems from the operator's files."""

from __future__ import annotations

import asyncio
import io
import os
from typing import TYPE_CHECKING

import pytest
from claims.mmdb import GEOLITE2, IPINFO, mmdb

from linkproxy.logs import configure_logging
from linkproxy.model import LinkproxyError
from linkproxy.server.systems import (
    BLANK_LOOKUPS,
    MOST_REMEMBERED,
    RELOAD_SECONDS,
    SystemFiles,
    SystemReloader,
)
from linkproxy.telemetry import Metrics

if TYPE_CHECKING:
    from pathlib import Path

    from tests.server.conftest import Site, Start


def write(path: Path, content: bytes, at: float = 1_000.0) -> str:
    """Replace a file as updaters do: another one takes its name."""
    fresh = path.with_suffix(".new")
    fresh.write_bytes(content)
    os.utime(fresh, (at, at))
    fresh.replace(path)
    return str(path)


@pytest.fixture
def geolite(tmp_path: Path) -> str:
    return write(tmp_path / "asn.mmdb", mmdb(GEOLITE2))


def loaded(*paths: str, metrics: Metrics | None = None) -> SystemFiles:
    systems = SystemFiles(paths, metrics)
    systems.load()
    return systems


@pytest.fixture
def log() -> io.StringIO:
    stream = io.StringIO()
    configure_logging("info", "json", stream)
    return stream


@pytest.mark.parametrize(
    ("client", "asn"),
    [
        ("1.128.0.7", 1221),
        ("12.81.96.1", 7018),
        ("2001:db8::7", 64496),
        ("203.0.113.200", 8075),
        ("192.0.2.1", 0),
        ("198.18.0.1", 0),
        ("", 0),
        ("not an address", 0),
    ],
)
def test_maxmind_and_ipinfo_shapes_are_both_understood(tmp_path, geolite, client, asn):
    ipinfo = write(tmp_path / "lite.mmdb", mmdb(IPINFO, "ipinfo generic_bundle_lite.mmdb"))
    assert loaded(geolite, ipinfo).asn(client) == asn


def test_the_first_file_that_knows_an_address_counts(tmp_path, geolite):
    other = write(
        tmp_path / "other.mmdb", mmdb({"1.128.0.0/11": {"asn": "AS1"}, "192.0.2.0/24": {"asn": "as2"}})
    )
    assert loaded(geolite, other).asn("1.128.0.7") == 1221
    assert loaded(other, geolite).asn("1.128.0.7") == 1
    assert loaded(geolite, other).asn("192.0.2.3") == 2


@pytest.mark.parametrize(
    "record",
    [{}, {"asn": ""}, {"asn": "ASN"}, {"asn": "AS-1"}, {"asn": {"asn": 1}}, [], "AS1", {"asn": ["AS1"]}],
)
def test_a_record_of_another_shape_is_no_evidence(tmp_path, record):
    path = write(tmp_path / "odd.mmdb", mmdb({"192.0.2.0/24": record}))
    assert loaded(path).asn("192.0.2.1") == 0


def test_the_organisation_is_told_where_the_file_has_one(geolite):
    found, bare = loaded(geolite).find("1.128.0.7"), loaded(geolite).find("12.81.96.1")
    assert (found.number, found.organisation, found.file) == (1221, "Telstra Pty Ltd", geolite)
    assert (bare.number, bare.organisation) == (7018, "")
    assert loaded(geolite).find("198.18.0.1") is None


def test_no_files_know_nothing():
    assert loaded().asn("1.128.0.7") == 0


def test_every_file_that_cannot_be_used_is_named_at_once(tmp_path, geolite):
    (tmp_path / "text.mmdb").write_text("not a database")
    (tmp_path / "cut.mmdb").write_bytes(mmdb(GEOLITE2)[:-20])
    (tmp_path / "empty.mmdb").write_bytes(b"")
    (tmp_path / "folder.mmdb").mkdir()
    names = ["gone.mmdb", "text.mmdb", "cut.mmdb", "empty.mmdb", "folder.mmdb"]
    with pytest.raises(LinkproxyError) as caught:
        loaded(geolite, *(str(tmp_path / name) for name in names))
    lines = str(caught.value).splitlines()
    assert len(lines) == len(names)
    for line, name in zip(lines, names, strict=True):
        assert line.startswith("[networks] asn_files: ")
        assert name in line


def test_a_broken_spot_in_a_file_is_no_evidence_and_raises_nothing(tmp_path):
    whole = mmdb(GEOLITE2)
    place = whole.index(b"autonomous_system_number")
    path = write(tmp_path / "spot.mmdb", whole[: place - 1] + b"\xff" * 12 + whole[place + 11 :])
    assert loaded(path).asn("1.128.0.7") == 0


def test_a_changed_file_is_read_again_and_what_was_remembered_is_forgotten(tmp_path, geolite, log):
    metrics = Metrics()
    systems = loaded(geolite, metrics=metrics)
    assert systems.asn("1.128.0.7") == 1221
    systems.refresh()
    assert log.getvalue() == ""
    write(tmp_path / "asn.mmdb", mmdb({"1.128.0.0/11": {"autonomous_system_number": 64500}}), at=2_000.0)
    assert systems.asn("1.128.0.7") == 1221
    systems.refresh()
    assert systems.asn("1.128.0.7") == 64500
    assert "asn.loaded" in log.getvalue()
    assert metrics.registry.get_sample_value("linkproxy_asn_reloads_total", {"outcome": "loaded"}) == 1


@pytest.mark.parametrize("content", [b"", b"half a file", mmdb(GEOLITE2)[:-30], None])
def test_a_file_that_breaks_or_goes_away_never_stops_a_running_server(tmp_path, geolite, log, content):
    systems = loaded(geolite)
    if content is None:
        (tmp_path / "asn.mmdb").unlink()
    else:
        (tmp_path / "asn.mmdb").write_bytes(content)
    for _ in range(3):
        systems.refresh()
    assert systems.asn("1.128.0.7") == 1221
    assert log.getvalue().count("asn.failed") == 1
    write(tmp_path / "asn.mmdb", mmdb({"1.128.0.0/11": {"asn": "AS5"}}), at=3_000.0)
    systems.refresh()
    assert systems.asn("1.128.0.7") == 5


def test_five_hundred_look_ups_without_a_result_are_told_once(geolite, log):
    systems = loaded(geolite)
    for number in range(BLANK_LOOKUPS - 1):
        systems.asn(f"10.0.{number // 250}.{number % 250}")
    assert "asn.blank" not in log.getvalue()
    for _ in range(BLANK_LOOKUPS):
        systems.asn("10.0.0.1")
    assert log.getvalue().count("asn.blank") == 1


def test_one_result_is_enough_to_say_nothing(geolite, log):
    systems = loaded(geolite)
    systems.asn("1.128.0.7")
    for _ in range(2 * BLANK_LOOKUPS):
        systems.asn("10.0.0.1")
    assert log.getvalue() == ""


def test_without_files_nothing_is_missed(log):
    systems = loaded()
    for _ in range(2 * BLANK_LOOKUPS):
        systems.asn("10.0.0.1")
    assert log.getvalue() == ""


def test_look_ups_are_counted_by_outcome(geolite):
    metrics = Metrics()
    systems = loaded(geolite, metrics=metrics)
    for client in ("1.128.0.7", "1.128.0.7", "10.0.0.1"):
        systems.asn(client)
    count = metrics.registry.get_sample_value
    assert count("linkproxy_asn_lookups_total", {"outcome": "found"}) == 2
    assert count("linkproxy_asn_lookups_total", {"outcome": "none"}) == 1


def test_what_is_remembered_is_bounded(geolite):
    systems = loaded(geolite)
    for number in range(MOST_REMEMBERED + 500):
        systems.asn(f"1.130.{number // 250}.{number % 250}")
    assert systems._remembered.cache_info().currsize == MOST_REMEMBERED


async def test_the_reloader_looks_for_changes_by_itself(tmp_path, geolite):
    systems = loaded(geolite)
    turns: asyncio.Queue[None] = asyncio.Queue()
    waits: asyncio.Queue[float] = asyncio.Queue()

    async def wait(seconds: float) -> None:
        waits.put_nowait(seconds)
        await turns.get()

    reloader = SystemReloader(systems, wait)
    reloader.start()
    write(tmp_path / "asn.mmdb", mmdb({"1.128.0.0/11": {"asn": "AS9"}}), at=2_000.0)
    assert await waits.get() == RELOAD_SECONDS
    turns.put_nowait(None)
    await waits.get()
    assert systems.asn("1.128.0.7") == 9
    await reloader.close()


# --- through the whole server --------------------------------------------------------------------


async def test_a_visit_from_a_vendors_system_is_told_by_its_number(start: Start, tmp_path, geolite) -> None:
    site: Site = await start(networks={"asn_files": [geolite]}, server={"trusted_proxies": ["127.0.0.1"]})
    await site.ask(site.url(), headers=site.BROWSER | {"X-Forwarded-For": "198.51.100.9"})
    entry = (await site.visits())[0].entry
    assert (entry.facts.asn, entry.facts.zone.name) == (26211, "proofpoint")
    assert "network.scanner" in entry.verdict.reasons
    assert await site.metric("linkproxy_asn_lookups_total", outcome="found") == 1


async def test_a_server_with_a_bad_database_does_not_start_and_says_why(start: Start, tmp_path) -> None:
    with pytest.raises(LinkproxyError, match=r"\[networks\] asn_files: there is no file .*gone\.mmdb"):
        await start(networks={"asn_files": [str(tmp_path / "gone.mmdb")]})
