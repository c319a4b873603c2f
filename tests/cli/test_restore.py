"""A backup is restored, while mail is out that it knows nothing of."""

from __future__ import annotations

import json
import os
import time
from contextlib import closing
from sqlite3 import connect
from typing import TYPE_CHECKING

import pytest
from cli.conftest import OFFER, SPRING

from linkproxy.model import AnswerKind, Judged, Stray, Unlogged

if TYPE_CHECKING:
    from cli.conftest import Installation


def back_up(here: Installation) -> None:
    with closing(connect(here.folder / "linkproxy.db")) as db, closing(connect(here.folder / "b.db")) as copy:
        db.backup(copy)


def restore(here: Installation) -> None:
    for name in here.folder.glob("linkproxy.db*"):
        name.unlink()
    (here.folder / "b.db").rename(here.folder / "linkproxy.db")


@pytest.fixture
def filing(here: Installation, monkeypatch: pytest.MonkeyPatch) -> Installation:
    """Return an installation that keeps link files."""
    monkeypatch.setenv("LINKPROXY__STORE__LINK_FILES", str(here.folder / "elsewhere"))
    return here


def leads_to(here: Installation, paths: list[str]) -> list[str]:
    """Return where visits are sent, if need be over the extra hop; "" for others."""
    outcomes = here.outcomes(paths, time.time())
    answers = [outcome.answer for outcome in outcomes if isinstance(outcome, Unlogged | Judged)]
    assert len(answers) == len(outcomes), outcomes
    sent_on = {AnswerKind.REDIRECT, AnswerKind.HOP}
    return [answer.target if answer.kind in sent_on else "" for answer in answers]


def with_another_link(here: Installation, mail: bytes, target: str) -> str:
    """Register one more link of the campaign; return its path in a mail."""
    html = f'<p><a href="{target}">More</a></p>'.encode()
    here.ok("rewrite", "-", "--campaign", "spring", "--merge-tag", "{{ id }}", "--quiet", stdin=html)
    links = here.ok("campaign", "show", "spring", "--json").json["links"]
    key = next(link["key"] for link in links if link["target"] == target)
    return f"/{here.paths(mail)[0].split('/')[1]}/{key}"


LATE = "https://www.brand.example/late"


def test_after_skip_ids_a_click_from_before_a_restore_is_nobody_elses(here: Installation) -> None:
    here.mail("anna@example.com")
    back_up(here)
    lost = here.paths(here.mail("dora@lost.example"))
    restore(here)

    said = here.ok("store", "skip-ids").text
    assert said == "New campaigns, recipients and visits have ids that no mail can have carried so far.\n"
    fred = here.paths(here.mail("fred@new.example"))
    assert not set(lost) & set(fred)
    (outcome,) = here.outcomes(lost[1:2], time.time())
    assert isinstance(outcome, Unlogged)
    assert outcome.answer.kind is AnswerKind.REDIRECT
    assert here.visit(fred[1:2], time.time()) == [AnswerKind.REDIRECT]
    (visit,) = here.ok("visits", "--format", "jsonl").lines
    assert visit["recipient"] == "fred@new.example"


def test_after_skip_ids_who_is_known_keeps_their_links(here: Installation) -> None:
    before = here.mail("anna@example.com")
    here.ok("store", "skip-ids")
    assert here.mail("anna@example.com") == before


def test_links_of_campaigns_that_are_newer_than_the_backup_lead_to_their_targets_again(filing: Installation):
    here = filing
    mail = here.mail("anna@example.com", "spring")
    back_up(here)
    lost = here.mail("anna@example.com", "summer")
    paths = [here.path_to(SPRING, lost, "summer"), with_another_link(here, mail, LATE)]
    restore(here)
    here.ok("store", "skip-ids")
    assert all(isinstance(outcome, Stray) for outcome in here.outcomes(paths, time.time()))
    said = here.ok("store", "restore-links").text
    assert said == "Brought back: campaigns 1, links 7. Files read: 2.\n"
    assert leads_to(here, paths) == [SPRING, LATE]
    assert here.ok("store", "restore-links").text == "Brought back: campaigns 0, links 0. Files read: 2.\n"


def test_what_somebody_set_otherwise_since_the_restore_stays_and_is_told(filing: Installation):
    here = filing
    mail = here.mail()
    offer = here.path_to(OFFER, mail)
    back_up(here)
    here.ok("link", "set-target", "spring", offer.split("/")[2], "https://www.brand.example/right", "--yes")
    restore(here)
    said = here.fails("store", "restore-links")
    assert f"spring: link {offer.split('/')[2]} leads to {OFFER} and stays so" in said
    assert "the file has https://www.brand.example/right" in said
    assert leads_to(here, [offer]) == [OFFER]


def test_a_store_that_lost_links_takes_none_out_of_their_file(filing: Installation):
    """After a restore mail may be rewritten before anybody has thought of bringing links back."""
    here = filing
    mail = here.mail()
    back_up(here)
    late = with_another_link(here, mail, LATE)
    restore(here)
    other = with_another_link(here, mail, "https://www.brand.example/other")
    here.ok("store", "restore-links")
    assert leads_to(here, [late, other]) == [LATE, "https://www.brand.example/other"]


def test_an_id_that_was_given_out_again_leaves_the_file_of_the_lost_campaign_as_it_is(filing: Installation):
    here = filing
    back_up_of_nothing = here.ok("campaign", "list")
    assert back_up_of_nothing.text == ""
    back_up(here)
    here.mail(campaign="lost")
    restore(here)
    said = here.run("campaign", "add", "another").err
    assert "campaign-1.json: it is of the campaign 'lost' and stays so" in said
    assert "restored without `store skip-ids`" in said
    assert "lost: cannot be brought back: its id was given out again, to 'another'" in here.fails(
        "store", "restore-links"
    )


def test_link_files_of_another_installation_are_told_and_keep_nobodys_keys_out(filing: Installation):
    """With their key among its own the store would refuse ours, so that no server starts."""
    here = filing
    here.mail(campaign="theirs")
    (here.folder / "linkproxy.db").unlink()
    here.ok("init", "--folder", "other")
    (here.folder / "other" / "signing-keys.txt").replace(here.folder / "signing-keys.txt")
    ran = here.run("store", "restore-links")
    assert (ran.code, ran.text) == (1, "Brought back: campaigns 0, links 0. Files read: 1.\n")
    assert "theirs: its mail has a signing key 1 that is another installation's" in ran.err
    here.ok("store", "skip-ids")
    offer = here.path_to(OFFER, here.mail(campaign="ours"), "ours")
    assert leads_to(here, [offer]) == [OFFER]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody")
def test_what_root_files_belongs_to_whom_the_folder_does(filing: Installation):
    """Commands run as root beside a server that does not."""
    (filing.folder / "elsewhere").mkdir()
    os.chown(filing.folder / "elsewhere", 4321, 4322)
    filing.mail()
    (path,) = (filing.folder / "elsewhere").iterdir()
    assert (path.stat().st_uid, path.stat().st_gid, path.stat().st_mode & 0o777) == (4321, 4322, 0o600)


def test_without_link_files_there_is_nothing_to_bring_back(here: Installation):
    assert "[store] link_files is empty" in here.fails("store", "restore-links")
    (here.folder / "empty").mkdir()
    assert "there are no link files in it" in here.fails("store", "restore-links", "empty")


def test_all_link_files_that_are_damaged_are_named_at_once(filing: Installation):
    filing.mail()
    filing.write("elsewhere/campaign-2.json", '{"version": 1}')
    (filing.folder / "elsewhere" / "campaign-3.json").mkdir()
    told = filing.fails("store", "restore-links")
    assert "campaign-2.json: it is no link file, or is damaged" in told
    assert "campaign-3.json: cannot be read" in told


@pytest.mark.parametrize(
    ("part", "field", "value"),
    [("links", "position", None), ("links", "target", 5), ("campaign", "name", 7), ("campaign", "id", 2**70)],
)
def test_a_link_file_with_a_value_of_another_kind_is_damaged(
    filing: Installation, part: str, field: str, value: object
):
    filing.mail()
    (path,) = (filing.folder / "elsewhere").iterdir()
    content = json.loads(path.read_text())
    holder = content[part][0] if part == "links" else content[part]
    holder[field] = value
    path.write_text(json.dumps(content))
    told = filing.fails("store", "restore-links")
    assert "campaign-1.json: it is no link file, or is damaged" in told


@pytest.mark.parametrize(
    "content",
    [
        '{"version": 1, "campaign": "spring", "links": [], "signing_keys": []}',
        "[" * 100_000,
    ],
)
def test_a_link_file_of_other_content_is_told_and_stops_no_mail(filing: Installation, content: str):
    filing.write("elsewhere/campaign-1.json", content)
    ran = filing.ok("campaign", "add", "spring", "--html", "newsletter.html")
    assert "campaign-1.json: it is no link file, or is damaged" in ran.err
    assert "campaign-1.json: it is no link file, or is damaged" in filing.fails("store", "restore-links")


@pytest.mark.parametrize("campaign_id", [0, 2, 1 << 32, '"1"'])
def test_an_id_that_no_mail_can_carry_is_not_taken_from_a_link_file(
    filing: Installation, campaign_id: object
):
    """All campaigns that are made later would have greater ones."""
    filing.mail()
    path = filing.folder / "elsewhere" / "campaign-1.json"
    text = path.read_text().replace('"id": 1,', f'"id": {campaign_id},')
    named = path.with_name(f"campaign-{campaign_id}.json") if campaign_id in (0, 1 << 32) else path
    path.unlink()
    named.write_text(text)
    assert f"{named.name}: it is no link file, or is damaged" in filing.fails("store", "restore-links")


def test_links_are_registered_though_their_file_cannot_be_written(filing: Installation):
    filing.write("elsewhere", "in the way")
    ran = filing.ok("campaign", "add", "spring", "--html", "newsletter.html")
    assert "elsewhere: link files cannot be written" in ran.err
