"""Planning a rewrite: which file goes to whom, and where the result is written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from linkproxy.cli.files import STDIN, FileNames, mail_fault
from linkproxy.cli.inputs import People, read_people
from linkproxy.model import LinkproxyError

if TYPE_CHECKING:
    from pathlib import Path

    from linkproxy.store.api import RecipientDraft

MESSAGE_SUFFIX = ".eml"
_SUFFIXES = frozenset({".html", ".htm", MESSAGE_SUFFIX})
INDEX = "index.csv"


def is_message(path: Path) -> bool:
    """Tell whether a file is a whole message; all others, and standard input, are HTML."""
    return path.suffix.lower() == MESSAGE_SUFFIX


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
    """One source and its results.

    ``personal``: the mail is merged for its one recipient already. Else it is a template.
    """

    source: Path
    copies: tuple[Copy, ...]
    personal: bool


@dataclass(frozen=True, slots=True)
class Mailing:
    """Everything to do, what cannot be done and why, and where to list who got which file."""

    jobs: tuple[Job, ...]
    faults: tuple[str, ...] = ()
    index: Path | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user asked for: exactly one of ``draft``, ``table`` and ``tag``."""

    source: Path
    out: Path | None
    draft: RecipientDraft | None = None
    table: Path | None = None
    tag: str | None = None
    most_bytes: int = field(default=0, kw_only=True)


def plan(wish: Wish) -> Mailing:
    """Return what to do, with every fault that can be seen before anything is written.

    Raises LinkproxyError where nothing at all can be done.
    """
    is_folder = wish.source.is_dir()
    if not is_folder and wish.source != STDIN and (fault := mail_fault(wish.source, wish.most_bytes)):
        raise LinkproxyError(fault)
    if wish.table is None:
        jobs = _folder_jobs(wish) if is_folder else [_single_job(wish)]
        return _checked(wish, Mailing(tuple(jobs)))
    if wish.out is None:
        raise LinkproxyError("many results need a folder: give --out DIR")
    if STDIN == wish.table == wish.source:
        raise LinkproxyError("the mail and the recipients cannot both come from standard input")
    people = read_people(wish.table, unique=True)
    if not people.rows and not people.faults:
        raise LinkproxyError(f"{wish.table}: no recipients in it")
    return _checked(wish, _bulk(wish, wish.out, people, is_folder=is_folder))


def _bulk(wish: Wish, out: Path, people: People, *, is_folder: bool) -> Mailing:
    index = out / INDEX
    if is_folder and "file" in people.columns:
        jobs, faults = _pairs(wish, out, people)
        return Mailing(tuple(jobs), people.faults + tuple(faults), index)
    if not is_folder:
        return Mailing((_template(wish.source, out, people),), people.faults, index)
    templates = [(path, out / path.relative_to(wish.source).with_suffix("")) for path in _mail_files(wish)]
    folders = [folder for _, folder in templates]
    doubled = sorted({str(folder) for folder in folders if folders.count(folder) > 1})
    if doubled:
        raise LinkproxyError(f"two files of one name but for the suffix would share {doubled[0]}; rename one")
    jobs = [_template(path, folder, people) for path, folder in templates]
    return Mailing(tuple(jobs), people.faults, index)


def _single_job(wish: Wish) -> Job:
    output = wish.out
    if output is not None and output.is_dir():
        if wish.source == STDIN:
            raise LinkproxyError(f"{output} is a folder; name a file for the mail from standard input")
        output /= wish.source.name
    return Job(wish.source, (Copy(wish.draft, output),), personal=wish.draft is not None)


def _folder_jobs(wish: Wish) -> list[Job]:
    if wish.out is None:
        raise LinkproxyError("a folder of mails needs a folder for the results: give --out DIR")
    return [
        Job(
            path,
            (Copy(wish.draft, wish.out / path.relative_to(wish.source)),),
            personal=wish.draft is not None,
        )
        for path in _mail_files(wish)
    ]


def _template(source: Path, folder: Path, people: People) -> Job:
    names = FileNames()
    suffix = MESSAGE_SUFFIX if is_message(source) else ".html"
    copies = tuple(Copy(person.draft, folder / names.take(person.who, suffix)) for person in people.rows)
    return Job(source, copies, personal=False)


def _pairs(wish: Wish, out: Path, people: People) -> tuple[list[Job], list[str]]:
    jobs: list[Job] = []
    faults: list[str] = []
    lines: dict[Path, int] = {}
    for person in people.rows:
        name = person.cells.get("file", "")
        path = wish.source / name
        first = lines.setdefault(path, person.line)
        if not name:
            fault: str | None = "the column file is empty"
        elif not path.resolve().is_relative_to(wish.source.resolve()):
            fault = f"{name} is not inside {wish.source}"
        elif first != person.line:
            fault = f"{name} is another recipient's already, on line {first}"
        else:
            fault = mail_fault(path, wish.most_bytes)
        if fault:
            faults.append(f"{wish.table}: line {person.line}: {fault}")
        else:
            jobs.append(Job(path, (Copy(person.draft, out / name),), personal=True))
    return jobs, faults


def _mail_files(wish: Wish) -> list[Path]:
    """Return a folder's mails; results of an earlier run inside it are no mails."""
    results = wish.out.resolve() if wish.out else None
    found = [
        path
        for path in sorted(wish.source.rglob("*"))
        if path.suffix.lower() in _SUFFIXES
        and path.is_file()
        and not (results and results != wish.source.resolve() and path.resolve().is_relative_to(results))
    ]
    if not found:
        raise LinkproxyError(f"{wish.source}: no .html files and no .eml files in it")
    return found


def _checked(wish: Wish, mailing: Mailing) -> Mailing:
    """Refuse to overwrite a source, and take out jobs whose source cannot be read."""
    outputs = {copy.output.resolve() for job in mailing.jobs for copy in job.copies if copy.output}
    jobs: list[Job] = []
    faults = list(mailing.faults)
    for job in mailing.jobs:
        if job.source != STDIN and job.source.resolve() in outputs:
            raise LinkproxyError(f"{job.source} would be overwritten by its result; give another --out")
        fault = None if job.source == STDIN else mail_fault(job.source, wish.most_bytes)
        if fault and fault not in faults:
            faults.append(fault)
        if not fault:
            jobs.append(job)
    return Mailing(tuple(jobs), tuple(faults), mailing.index)
