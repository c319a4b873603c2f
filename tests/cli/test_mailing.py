from pathlib import Path

import pytest

from linkproxy.cli.mailing import Mailing, Wish, plan
from linkproxy.model import LinkproxyError
from linkproxy.store.api import RecipientDraft

ANNA = RecipientDraft(address="anna@example.com")
MOST = 1000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    mails = tmp_path / "mails"
    (mails / "sub").mkdir(parents=True)
    for name in ("a.html", "b.HTM", "sub/c.html", "notes.txt"):
        (mails / name).write_text("<p>x")
    return mails


def csv(folder: Path, text: str) -> Path:
    path = folder.parent / "list.csv"
    path.write_text(text)
    return path


def outputs(mailing: Mailing, out: Path) -> dict[str, list[str]]:
    return {
        job.spot.path.name: [str(copy.output.relative_to(out)) for copy in job.copies if copy.output]
        for job in mailing.jobs
    }


def test_one_mail_for_one_recipient_goes_to_standard_output(folder: Path) -> None:
    job = plan(Wish(folder / "a.html", None, ANNA, most_bytes=MOST)).jobs[0]
    assert job.copies[0].output is None
    assert job.personal


def test_a_mail_for_a_merge_tag_is_a_template(folder: Path) -> None:
    job = plan(Wish(folder / "a.html", None, tag="*|ID|*", most_bytes=MOST)).jobs[0]
    assert not job.personal
    assert job.copies[0].draft is None


def test_a_folder_keeps_its_layout(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    mailing = plan(Wish(folder, out, ANNA, most_bytes=MOST))
    assert outputs(mailing, out) == {"a.html": ["a.html"], "b.HTM": ["b.HTM"], "c.html": ["sub/c.html"]}


def test_results_of_an_earlier_run_are_no_mails(folder: Path) -> None:
    out = folder / "ready"
    out.mkdir()
    (out / "a.html").write_text("<p>result")
    assert outputs(plan(Wish(folder, out, ANNA, most_bytes=MOST)), out)["a.html"] == ["a.html"]


def test_many_recipients_get_a_file_each_and_an_index(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    table = csv(folder, "email,id\nanna@example.com,\n,ID17\n,id17\n")
    mailing = plan(Wish(folder / "a.html", out, table=table, most_bytes=MOST))
    names = outputs(mailing, out)["a.html"]
    assert names[0] == "anna@example.com.html"
    assert len({name.casefold() for name in names}) == 3
    assert mailing.index == out / "index.csv"


def test_templates_of_a_folder_get_a_folder_of_results_each(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    mailing = plan(Wish(folder, out, table=csv(folder, "id\n17\n"), most_bytes=MOST))
    assert outputs(mailing, out) == {
        "a.html": ["a/17.html"],
        "b.HTM": ["b/17.html"],
        "c.html": ["sub/c/17.html"],
    }


def test_a_file_column_pairs_each_file_with_its_recipient(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    table = csv(folder, "file,email\na.html,anna@example.com\nsub/c.html,ben@example.com\n")
    mailing = plan(Wish(folder, out, table=table, most_bytes=MOST))
    assert outputs(mailing, out) == {"a.html": ["a.html"], "c.html": ["sub/c.html"]}
    assert all(job.personal for job in mailing.jobs)


def test_a_pair_does_not_leave_the_folder_of_results_by_a_way_around(folder: Path, tmp_path: Path) -> None:
    table = csv(folder, f"file,email\n../{folder.name}/a.html,anna@example.com\n")
    mailing = plan(Wish(folder, tmp_path / "elsewhere" / "out", table=table, most_bytes=MOST))
    assert mailing.jobs == ()
    assert "is not inside" in mailing.faults[0]


def test_every_pair_that_cannot_be_done_is_named(folder: Path, tmp_path: Path) -> None:
    (folder / "large.html").write_text("x" * (MOST + 1))
    rows = ["file,email", "a.html,a@example.com", "a.html,b@example.com", "gone.html,c@example.com"]
    rows += ["../list.csv,d@example.com", ",e@example.com", "large.html,f@example.com", "b.HTM,g@example.com"]
    mailing = plan(Wish(folder, tmp_path / "out", table=csv(folder, "\n".join(rows)), most_bytes=MOST))
    assert [job.spot.path.name for job in mailing.jobs] == ["a.html", "b.HTM"]
    for number, what in (
        (3, "on line 2"),
        (4, "there is no such file"),
        (5, "not inside"),
        (6, "is empty"),
        (7, "1,000 bytes"),
    ):
        assert any(f"line {number}: " in fault and what in fault for fault in mailing.faults)
    assert len(mailing.faults) == 5


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ({"source": "gone.html", "draft": ANNA}, "there is no such file"),
        ({"source": ".", "draft": ANNA}, "give --out DIR"),
        ({"source": "a.html", "table": "list.csv"}, "give --out DIR"),
        ({"source": "a.html", "draft": ANNA, "out": "a.html"}, "would be overwritten"),
        ({"source": "a.html", "draft": ANNA, "out": "."}, "would be overwritten"),
        ({"source": ".", "draft": ANNA, "out": "."}, "would be overwritten"),
        ({"source": "a.html", "table": "list.csv", "out": "list.csv"}, "is a file, and the results need a"),
        ({"source": ".", "draft": ANNA, "out": "list.csv"}, "is a file, and the results need a folder"),
        ({"source": "empty", "draft": ANNA, "out": "out"}, "no .html files"),
        ({"source": "a.html", "table": "nobody.csv", "out": "out"}, "no recipients"),
    ],
)
def test_what_cannot_be_done_at_all_is_one_clear_error(
    folder: Path, wish: dict[str, object], told: str
) -> None:
    (folder / "empty").mkdir()
    (folder / "list.csv").write_text("email\nanna@example.com\n")
    (folder / "nobody.csv").write_text("email\n")
    paths = {name: folder / value if isinstance(value, str) else value for name, value in wish.items()}
    with pytest.raises(LinkproxyError, match=told):
        plan(Wish(**({"out": None} | paths), most_bytes=MOST))  # type: ignore[arg-type]  # the table above has Wish's types


def test_two_templates_that_would_share_a_folder_are_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "a.htm").write_text("<p>x")
    with pytest.raises(LinkproxyError, match="rename one"):
        plan(Wish(folder, tmp_path / "out", table=csv(folder, "id\n17\n"), most_bytes=MOST))


def test_mail_and_recipients_cannot_both_come_from_standard_input(tmp_path: Path) -> None:
    with pytest.raises(LinkproxyError, match="both"):
        plan(Wish(Path("-"), tmp_path, table=Path("-"), most_bytes=MOST))
