"""Planning a rewrite: which mail goes to whom, and where the result is written."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from linkproxy.campaign.signatures import signatures_of, signed_fault
from linkproxy.cli import mbox
from linkproxy.cli.files import STDIN, FileNames, behind_links, is_stream
from linkproxy.cli.inputs import People, read_people
from linkproxy.cli.spots import (
    MAILDIR,
    MESSAGE,
    TEXT,
    Kind,
    Spot,
    addressee,
    folder_spots,
    kind_of,
    spot_at,
    spots_of,
)
from linkproxy.model import LinkproxyError

if TYPE_CHECKING:
    from pathlib import Path

    from linkproxy.store.api import RecipientDraft

INDEX = "index.csv"
_NOTE = "linkproxy-rewrite.json"


@dataclass(frozen=True, slots=True)
class Copy:
    """One result: for whom (None: for a merge tag), and where (None: standard output)."""

    draft: RecipientDraft | None
    output: Path | None

    @property
    def who(self) -> str:
        """The recipient's address, else reference; "" for a merge tag."""
        return (self.draft.address or self.draft.reference) if self.draft else ""


@dataclass(frozen=True, slots=True)
class Job:
    """One mail and its results.

    ``personal``: the mail is merged for its one recipient already. Else it is a template.
    """

    spot: Spot
    copies: tuple[Copy, ...]
    personal: bool


@dataclass(frozen=True, slots=True)
class Mailing:
    """Everything to do, what cannot be done and why, and where results and their index go.

    ``as_mbox``: all results go into one mbox, ``out`` or standard output.
    """

    jobs: tuple[Job, ...]
    faults: tuple[str, ...] = ()
    index: Path | None = None
    out: Path | None = None
    as_mbox: bool = False
    folders: tuple[Path, ...] = ()  # what a maildir has besides its messages

    @property
    def total(self) -> int:
        """How many results there are."""
        return sum(len(job.copies) for job in self.jobs)

    @property
    def note(self) -> Path | None:
        """Where a run notes how far it is; None for one that is over at once or cannot be taken up."""
        if self.out is None or self.total < 2:
            return None
        return self.out.with_name(f".{self.out.name}.{_NOTE}") if self.as_mbox else self.out / f".{_NOTE}"


@dataclass(frozen=True)
class Wish:
    """What the user asked for: exactly one of ``draft``, ``table``, ``tag`` and ``header``.

    ``messages_only`` names the options that were given and make sense for whole messages alone.
    """

    source: Path
    out: Path | None
    draft: RecipientDraft | None = None
    table: Path | None = None
    tag: str | None = None
    header: str | None = None
    messages_only: tuple[str, ...] = ()
    most_bytes: int = field(default=0, kw_only=True)
    refuse_signed: bool = field(default=False, kw_only=True)

    @cached_property
    def kind(self) -> Kind:
        """What the source is."""
        return kind_of(self.source)

    @cached_property
    def as_mbox(self) -> bool:
        """Whether the results go into one mbox: one comes in, or the name of one is given."""
        into = self.out is not None and self.out.suffix.lower() == mbox.SUFFIX and not self.out.is_dir()
        return self.kind is Kind.MBOX or into


def plan(wish: Wish) -> Mailing:
    """Return what to do, with every fault that can be seen before anything is written.

    Raises LinkproxyError where nothing at all can be done.
    """
    into_folder = not wish.as_mbox and (wish.table is not None or wish.kind in {Kind.FOLDER, Kind.MAILDIR})
    if into_folder and wish.out is not None and wish.out.is_file():
        raise LinkproxyError(f"{wish.out} is a file, and the results need a folder; give another --out")
    if wish.table is None:
        return _checked(wish, _each(wish))
    if wish.out is None:
        raise LinkproxyError("many results need a folder: give --out DIR")
    if STDIN == wish.table == wish.source:
        raise LinkproxyError("the mail and the recipients cannot both come from standard input")
    people = read_people(wish.table, unique=True)
    if not people.rows and not people.faults:
        raise LinkproxyError(f"{wish.table}: no recipients in it")
    return _checked(wish, _bulk(wish, wish.out, people))


def _each(wish: Wish) -> Mailing:
    """Plan one result for each mail."""
    kind, out = wish.kind, wish.out
    places: list[Path | None]
    if kind in {Kind.FOLDER, Kind.MAILDIR}:
        if out is None:
            raise LinkproxyError("a folder of mails needs a folder for the results: give --out DIR")
        spots = folder_spots(wish.source, out)
        places = [out if wish.as_mbox else out / spot.path.relative_to(wish.source) for spot in spots]
    else:
        out = _beside(wish)
        spots = spots_of(wish.source, wish.most_bytes)
        places = [out] * len(spots)
    jobs: list[Job] = []
    faults: list[str] = []
    for spot, place in zip(spots, places, strict=True):
        try:
            draft = wish.draft if wish.header is None else addressee(spot, wish.header, wish.most_bytes)
        except LinkproxyError as error:
            faults.append(str(error))
        else:
            jobs.append(Job(spot, (Copy(draft, place),), personal=draft is not None))
    folders = [out / name for name in MAILDIR] if out and kind is Kind.MAILDIR and not wish.as_mbox else []
    return Mailing(tuple(jobs), tuple(faults), None, out, wish.as_mbox, tuple(folders))


def _beside(wish: Wish) -> Path | None:
    """Return where the result of one file goes; into a folder it goes by its name."""
    if wish.out is None or not wish.out.is_dir():
        return wish.out
    if is_stream(wish.source):
        raise LinkproxyError(f"{wish.out} is a folder; name a file for a mail that comes without a name")
    return wish.out / wish.source.name


def _bulk(wish: Wish, out: Path, people: People) -> Mailing:
    """Plan a template for many, or one mail for each of them."""
    index = out.with_name(f"{out.name}.csv") if wish.as_mbox else out / INDEX
    is_folder = wish.kind in {Kind.FOLDER, Kind.MAILDIR}
    if is_folder and "file" in people.columns:
        jobs, faults = _pairs(wish, out, people)
        return Mailing(tuple(jobs), people.faults + tuple(faults), index, out, wish.as_mbox)
    if wish.kind in {Kind.MBOX, Kind.MAILDIR}:
        raise LinkproxyError(
            f"{wish.source} holds messages, each for its own recipient: --recipient-header To takes that "
            "from them; for a CSV of recipients give one message as the template"
        )
    if not is_folder:
        [spot] = spots_of(wish.source, wish.most_bytes)
        jobs = [_template(wish, spot, out, people)]
        return Mailing(tuple(jobs), people.faults, index, out, wish.as_mbox)
    spots = folder_spots(wish.source, out)
    folders = [out / spot.path.relative_to(wish.source).with_suffix("") for spot in spots]
    doubled = sorted(str(folder) for folder, times in Counter(folders).items() if times > 1)
    if doubled:
        raise LinkproxyError(f"two files of one name but for the suffix would share {doubled[0]}; rename one")
    jobs = [_template(wish, spot, folder, people) for spot, folder in zip(spots, folders, strict=True)]
    return Mailing(tuple(jobs), people.faults, index, out, wish.as_mbox)


def _template(wish: Wish, spot: Spot, folder: Path, people: People) -> Job:
    names = FileNames()
    copies = (
        Copy(person.draft, wish.out if wish.as_mbox else folder / names.take(person.who, spot.form))
        for person in people.rows
    )
    return Job(spot, tuple(copies), personal=False)


def _pairs(wish: Wish, out: Path, people: People) -> tuple[list[Job], list[str]]:
    jobs: list[Job] = []
    faults: list[str] = []
    lines: dict[Path, int] = {}
    in_maildir = wish.kind is Kind.MAILDIR
    for person in people.rows:
        name = person.cells.get("file", "")
        path = wish.source / name
        first = lines.setdefault(path, person.line)
        spot = spot_at(path, in_maildir=in_maildir) if name else None
        if spot is None:
            fault: str | None = "the column file is empty"
        elif ".." in path.parts[len(wish.source.parts) :] or not behind_links(path).is_relative_to(
            behind_links(wish.source)
        ):
            fault = f"{name} is not inside {wish.source}"
        elif first != person.line:
            fault = f"{name} is another recipient's already, on line {first}"
        else:
            fault = spot.fault(wish.most_bytes)
        if fault or spot is None:
            faults.append(f"{wish.table}: line {person.line}: {fault}")
        else:
            place = out if wish.as_mbox else out / name
            jobs.append(Job(spot, (Copy(person.draft, place),), personal=True))
    return jobs, faults


def _checked(wish: Wish, mailing: Mailing) -> Mailing:
    """Refuse to overwrite a source, and take out jobs that cannot be done."""
    outputs = {behind_links(copy.output) for job in mailing.jobs for copy in job.copies if copy.output}
    jobs: list[Job] = []
    faults = dict.fromkeys(mailing.faults)
    for job in mailing.jobs:
        if job.spot.path != STDIN and behind_links(job.spot.path) in outputs:
            raise LinkproxyError(f"{job.spot.path} would be overwritten by its result; give another --out")
        found = _faults(wish, job.spot)
        faults |= dict.fromkeys(found)
        if not found:
            jobs.append(job)
    return replace(mailing, jobs=tuple(jobs), faults=tuple(faults))


def _faults(wish: Wish, spot: Spot) -> list[str]:
    if fault := spot.fault(wish.most_bytes):
        return [fault]
    if spot.form == MESSAGE:
        found = signatures_of(spot.read(wish.most_bytes)) if wish.refuse_signed else ()
        return [f"{spot}: {signed_fault(found)}"] if found else []
    form = "plain text" if spot.form == TEXT else "HTML"
    faults = [f"{spot}: {option} is of whole messages, and this is {form}" for option in wish.messages_only]
    return faults + [f"{spot}: an mbox holds whole messages, and this is {form}"] * wish.as_mbox
