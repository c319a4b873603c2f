import asyncio
import resource
import stat
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkproxy.model import AnswerKind, CampaignId, LinkKey, LinkproxyError, Profile, RecipientId, Visit
from linkproxy.server import spill as spill_file
from linkproxy.server.spill import Spill, SpilledVisit, SpillFile

LARGE = 1 << 20


def visit(at: float = 1.0, agent: str = "Mozilla/5.0") -> Visit:
    return Visit(
        at=at,
        method="GET",
        campaign_id=CampaignId(7),
        recipient_id=RecipientId(9),
        key=LinkKey("aB3x"),
        client="192.0.2.1",
        network="192.0.2.0/24",
        profile=Profile((("user-agent", agent), ("accept", "*/*")), agent),
        token="t" * 24,
    )


def spilled(at: float = 1.0, agent: str = "Mozilla/5.0") -> SpilledVisit:
    return SpilledVisit(visit(at, agent), AnswerKind.REDIRECT)


@given(st.text(alphabet=st.characters(codec=None), max_size=40))
def test_what_is_read_back_is_what_was_written(agent: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = SpillFile(Path(folder) / "spill", LARGE)
        written = [spilled(1.5, agent), spilled(2.5)]
        assert file.append(written) == 2
        assert file.waiting(frozenset()) == written


def test_a_file_beyond_what_one_call_reads_is_read_and_taken_over_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spill_file, "_PIECE_BYTES", 100)
    alive, dead = SpillFile(tmp_path / "spill", LARGE), SpillFile(tmp_path / "spill", LARGE)
    left = [spilled(at) for at in range(9)]
    dead.append(left)
    dead.close()
    assert alive.adopt() > 100
    assert alive.waiting(frozenset()) == left


def test_a_full_file_is_read_without_a_profile_of_its_own_for_each_visit(tmp_path: Path) -> None:
    file = SpillFile(tmp_path / "spill", LARGE)
    file.append([spilled(at) for at in range(9)])
    assert len({id(found.visit.profile) for found in file.waiting(frozenset())}) == 1


def test_struck_visits_are_not_read_back_and_an_all_struck_file_is_emptied(tmp_path: Path) -> None:
    file = SpillFile(tmp_path / "spill", LARGE)
    first, second = spilled(1), spilled(2)
    file.append([first, second])
    file.strike([first.id])
    assert file.waiting(frozenset()) == [second]
    file.strike([second.id])
    assert file.waiting(frozenset()) == []
    assert file.size() == 0


def test_a_line_that_a_crash_cut_off_costs_neither_those_before_nor_those_after(tmp_path: Path) -> None:
    path = tmp_path / "spill"
    first, cut, last = spilled(1), spilled(2), spilled(3)
    crashed = SpillFile(path, LARGE)
    crashed.append([first, cut])
    crashed.close()
    path.write_bytes(path.read_bytes()[:-30])
    file = SpillFile(path, LARGE)
    file.append([last])
    assert file.waiting(frozenset()) == [first, last]


def test_the_file_grows_to_its_bound_and_no_further(tmp_path: Path) -> None:
    file = SpillFile(tmp_path / "spill", 2000)
    fitting = file.append([spilled(at) for at in range(100)])
    assert 0 < fitting < 100
    assert file.size() <= 2000
    assert len(file.waiting(frozenset())) == fitting
    assert file.append([spilled(0)]) == 0


def test_only_its_owner_can_read_the_file(tmp_path: Path) -> None:
    path = tmp_path / "spill"
    SpillFile(path, LARGE).append([spilled()])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_many_that_wait_share_a_write_and_each_learns_its_own_fate(tmp_path: Path) -> None:
    spill = Spill(SpillFile(tmp_path / "spill", 2000))
    puts = await asyncio.gather(*(spill.put(spilled(at), seconds=30) for at in range(50)))
    fates = [put.result() for put in puts]
    kept = len(await spill.waiting())
    assert fates == [True] * kept + [False] * (50 - kept)
    assert 0 < kept < 50
    await spill.close()


async def test_who_looks_while_a_visit_is_being_written_does_not_take_the_file_for_empty(
    tmp_path: Path,
) -> None:
    spill = Spill(SpillFile(tmp_path / "spill", LARGE))
    putting = asyncio.create_task(spill.put(spilled(), seconds=30))
    looking = asyncio.create_task(spill.waiting())
    assert ((await putting).result(), await looking) == (True, [])
    assert spill.may_hold_visits
    assert len(await spill.waiting()) == 1
    await spill.close()


async def test_a_disk_that_takes_nothing_is_told_and_not_raised(full_disk: Path) -> None:
    spill = Spill(SpillFile(full_disk, LARGE))
    assert not (await spill.put(spilled(), seconds=30)).result()
    await spill.close()


async def test_a_visit_that_a_slow_disk_is_still_writing_is_neither_kept_nor_lost_yet(tmp_path: Path) -> None:
    spill, disk = Spill(SpillFile(tmp_path / "spill", LARGE)), threading.Event()
    spill._thread.submit(disk.wait)
    kept = await spill.put(spilled(), seconds=0.2)
    assert not kept.done()
    disk.set()
    assert await kept
    assert len(await spill.waiting()) == 1
    await spill.close()


async def test_a_visit_that_the_disk_had_no_time_to_begin_with_is_written_later(tmp_path: Path) -> None:
    spill, disk = Spill(SpillFile(tmp_path / "spill", LARGE)), threading.Event()
    spill._thread.submit(disk.wait)
    first, second = spilled(1), spilled(2)
    begun, waiting = [await spill.put(visit, seconds=0.2) for visit in (first, second)]
    assert not waiting.done()
    disk.set()
    assert await begun
    assert await waiting
    assert await spill.waiting() == [first, second]
    await spill.close()


async def test_no_more_than_so_many_visits_wait_in_memory_for_a_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("linkproxy.server.spill._MOST_BEHIND", 2)
    spill, disk = Spill(SpillFile(tmp_path / "spill", LARGE)), threading.Event()
    spill._thread.submit(disk.wait)
    visits = [spilled(at) for at in range(4)]
    puts = [await spill.put(visit, seconds=0.05) for visit in visits]
    assert [put.result() for put in puts[2:]] == [False, False]
    disk.set()
    assert await asyncio.gather(*puts[:2]) == [True, True]
    assert await spill.waiting() == visits[:2]
    assert (await spill.put(visits[2], seconds=30)).result()
    await spill.close()


def test_a_path_that_cannot_be_written_is_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(LinkproxyError, match="spill_path"):
        SpillFile(tmp_path / "no" / "such" / "folder", LARGE)


def test_two_processes_in_one_folder_have_a_file_each(tmp_path: Path) -> None:
    first, second = SpillFile(tmp_path / "spill", LARGE), SpillFile(tmp_path / "spill", LARGE)
    one, other = spilled(1), spilled(2)
    first.append([one])
    second.append([other])
    assert (first.waiting(frozenset()), second.waiting(frozenset())) == ([one], [other])


def test_who_starts_takes_over_what_dead_processes_have_left(tmp_path: Path) -> None:
    alive, dead = SpillFile(tmp_path / "spill", LARGE), SpillFile(tmp_path / "spill", LARGE)
    left = spilled()
    dead.append([left])
    dead.close()
    alive.close()
    assert SpillFile(tmp_path / "spill", LARGE).waiting(frozenset()) == [left]
    assert (tmp_path / "spill.1").stat().st_size == 0


async def test_struck_visits_are_not_handed_out_again_even_if_the_strike_cannot_be_written(
    tmp_path: Path,
) -> None:
    file = SpillFile(tmp_path / "spill", LARGE)
    spill = Spill(file)
    kept = spilled()
    assert (await spill.put(kept, seconds=30)).result()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file.size(), hard))  # as on a full disk
    try:
        with pytest.raises(OSError, match="File too large"):
            await spill.strike([kept.id])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert await spill.waiting() == []
    assert not spill.may_hold_visits
    await spill.close()


@pytest.mark.parametrize(
    "other", [b"SQLite format 3\0rows", b"1:c2VjcmV0\n", b'{"event":"server.listening"}\n']
)
def test_a_file_that_holds_something_else_is_left_as_it_is_and_the_next_name_taken(
    tmp_path: Path, other: bytes
) -> None:
    path = tmp_path / "linkproxy.db"
    path.write_bytes(other)
    file, kept = SpillFile(path, LARGE), spilled()
    file.append([kept])
    assert file.waiting(frozenset()) == [kept]
    assert file.path == tmp_path / "linkproxy.db.1"
    assert path.read_bytes() == other


def test_what_has_a_name_like_a_dead_processs_file_and_is_none_is_not_taken_over(tmp_path: Path) -> None:
    other = tmp_path / "spill.1"
    other.write_text("notes of mine\n")
    assert SpillFile(tmp_path / "spill", LARGE).adopt() == 0
    assert other.read_text() == "notes of mine\n"


@pytest.mark.parametrize("left", [b"", b"\n", b'\n{"i', b"\0" * 4096, b'\0\0\n{"id":"'])
def test_whatever_a_crash_leaves_of_a_first_line_is_a_spill_file_still(tmp_path: Path, left: bytes) -> None:
    path = tmp_path / "spill"
    path.write_bytes(left)
    file, kept = SpillFile(path, LARGE), spilled()
    file.append([kept])
    assert file.waiting(frozenset()) == [kept]


def test_a_folder_is_no_spill_file(tmp_path: Path) -> None:
    with pytest.raises(LinkproxyError, match=r"Is a directory\. Set a path"):
        SpillFile(tmp_path, LARGE)


@pytest.mark.parametrize("taken_away", [Path.unlink, lambda path: path.rename(path.with_name("old"))])
def test_a_file_that_is_taken_away_in_use_is_made_anew_with_what_it_held(tmp_path: Path, taken_away) -> None:
    path = tmp_path / "spill"
    file, first, second = SpillFile(path, LARGE), spilled(1), spilled(2)
    file.append([first])
    taken_away(path)
    assert file.append([second]) == 1
    file.close()  # as one that was killed
    assert SpillFile(path, LARGE).waiting(frozenset()) == [first, second]


def test_a_file_whose_folder_is_gone_serves_while_its_process_lives(tmp_path: Path) -> None:
    folder = tmp_path / "away"
    folder.mkdir()
    file, kept = SpillFile(folder / "spill", LARGE), spilled()
    (folder / "spill").unlink()
    folder.rmdir()
    assert file.append([kept]) == 1
    assert file.waiting(frozenset()) == [kept]
