"""A backup is restored, while mail is out that it knows nothing of."""

from __future__ import annotations

import time
from contextlib import closing
from sqlite3 import connect
from typing import TYPE_CHECKING

from linkproxy.model import AnswerKind, Unlogged

if TYPE_CHECKING:
    from cli.conftest import Installation


def test_after_skip_ids_a_click_from_before_a_restore_is_nobody_elses(here: Installation) -> None:
    here.mail("anna@example.com")
    with closing(connect(here.folder / "linkproxy.db")) as db, closing(connect(here.folder / "b.db")) as copy:
        db.backup(copy)
    lost = here.paths(here.mail("dora@lost.example"))
    for name in here.folder.glob("linkproxy.db*"):
        name.unlink()
    (here.folder / "b.db").rename(here.folder / "linkproxy.db")

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
