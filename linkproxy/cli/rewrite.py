"""``linkproxy rewrite``: HTML in, HTML out; a message in, a message out."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from linkproxy.campaign.charsets import declared
from linkproxy.cli.files import read_mail, whole_file, write_whole
from linkproxy.cli.mailing import Copy, Job, Mailing, Wish, is_message, plan
from linkproxy.cli.notes import Notes, notes_options
from linkproxy.cli.output import say
from linkproxy.cli.session import current_config, need_campaign, with_store
from linkproxy.model import NOBODY, LinkproxyError
from linkproxy.query.export import csv_line
from linkproxy.server.recipients import read_recipient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from linkproxy.config import Config
    from linkproxy.model import Campaign, Recipient, RecipientId
    from linkproxy.server.rewriter import Mail, Rewriter
    from linkproxy.store.api import Store

_BATCH = 1000


@click.command("rewrite")
@click.argument("source", metavar="FILE|FOLDER|-", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--campaign", required=True, metavar="NAME", help="The campaign whose links these are.")
@click.option("--recipient", metavar="WHO", help="For one: an address or a reference.")
@click.option(
    "--recipients",
    "table",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="CSV",
    help="For many: a CSV with a column address (or email) or reference (or id).",
)
@click.option("--merge-tag", "tag", metavar="TAG", help="For your own mailer, which fills in this tag.")
@click.option(
    "--signed",
    is_flag=True,
    help="The tag stands for references of `recipients sign`: links can unsubscribe as well.",
)
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR|FILE", help="Where results are written.")
@click.option("--charset", help="The HTML's charset. [default: as it declares, else utf-8]")
@click.option(
    "--list-unsubscribe",
    is_flag=True,
    help="Add the headers List-Unsubscribe and List-Unsubscribe-Post to messages.",
)
@click.option(
    "--on-error",
    type=click.Choice(["stop", "skip"]),
    default="stop",
    help="A bad line or file: do nothing, or do the rest and exit with 1. [default: stop]",
)
@notes_options
def rewrite(
    *,
    source: Path,
    campaign: str,
    recipient: str | None,
    table: Path | None,
    tag: str | None,
    signed: bool,
    out: Path | None,
    charset: str | None,
    list_unsubscribe: bool,
    on_error: str,
    notes: Notes,
) -> None:
    """Replace the links of mails by tracked ones. Everything else stays byte for byte.

    A file named .eml is a whole message: the links of its HTML and of its plain text are replaced,
    however they are encoded. Any other file, and standard input, is HTML.

    A mail for one recipient is taken as merged already: targets that the campaign does not know
    belong to this message alone. A mail for many (--recipients) or for a merge tag is a template:
    new targets become links of the campaign. Links are stored before any mail is written.

    One result goes to standard output unless --out names a file. With --recipients, DIR gets a
    file for each recipient and index.csv, which says whose is which. A folder keeps its layout;
    with a column file in the CSV, each line pairs one file of the folder with its recipient.

    \b
    Examples:
      linkproxy rewrite mail.html --campaign spring --recipient anna@example.com > out.html
      linkproxy rewrite template.html --campaign spring --recipients list.csv --out ready
      linkproxy rewrite letter.eml --campaign spring --recipients list.csv --out ready
      linkproxy rewrite template.html --campaign spring --merge-tag '{{ .Subscriber.UUID }}'
      linkproxy rewrite template.html --campaign spring --merge-tag '*|LP|*' --signed
    """
    if sum(value is not None for value in (recipient, table, tag)) != 1:
        raise click.UsageError("give one of --recipient, --recipients and --merge-tag")
    if signed and tag is None:
        raise click.UsageError("--signed is about the references of a --merge-tag")
    draft = read_recipient(recipient) if recipient is not None else None
    most_bytes = current_config().limits.mail_bytes
    mailing = plan(Wish(source, out, draft, table, tag, most_bytes=most_bytes))
    if mailing.faults and on_error == "stop":
        raise LinkproxyError(
            "\n".join([*mailing.faults, "nothing was written; --on-error skip does the rest all the same"])
        )
    means = Means(tag, charset, notes, list_unsubscribe=list_unsubscribe, signed=signed)
    written = with_store(lambda config, store: _do(config, store, campaign, mailing, means))
    notes.show()
    if out and not notes.quiet:
        say(f"{written:,} mail{'' if written == 1 else 's'} written to {out}.")
    if mailing.faults:
        raise LinkproxyError("\n".join([*mailing.faults, f"{len(mailing.faults)} were skipped"]))


@dataclass(frozen=True, slots=True)
class Means:
    """What the user said about all mails of the run."""

    tag: str | None
    charset: str | None
    notes: Notes
    list_unsubscribe: bool = False
    signed: bool = False

    def mail(self, source: Path, content: bytes) -> Mail:
        """Return the mail that a file holds."""
        from linkproxy.server.rewriter import Mail

        if is_message(source):
            return Mail(content, is_message=True, list_unsubscribe=self.list_unsubscribe, signed=self.signed)
        return Mail(content, charset=self.charset or declared(content), signed=self.signed)


async def _do(config: Config, store: Store, name: str, mailing: Mailing, means: Means) -> int:
    """Write all results and return how many."""
    from linkproxy.server.rewriter import Rewriter
    from linkproxy.server.wiring import keyring

    campaign = await need_campaign(store, name)
    rewriter = Rewriter(store, keyring(config))
    total = sum(len(job.copies) for job in mailing.jobs)
    written = 0
    with _progress(total) as step, _index(mailing.index) as note:
        for job in mailing.jobs:
            mail = means.mail(job.source, read_mail(job.source, config.limits.mail_bytes))
            async for copy, recipient_id, ready in _results(rewriter, campaign, job, mail, means):
                _write(copy.output, ready)
                note(copy, rewriter.token(campaign, recipient_id))
                step()
                written += 1
    return written


async def _results(
    rewriter: Rewriter, campaign: Campaign, job: Job, mail: Mail, means: Means
) -> AsyncIterator[tuple[Copy, RecipientId, bytes]]:
    """Yield each copy of a job with its bytes."""
    if job.personal:
        async for copy, recipient in _registered(rewriter, job.copies):
            ready, compiled = await rewriter.personal_mail(campaign, mail, recipient)
            means.notes.add(str(job.source), compiled.notes)
            yield copy, recipient.id, ready
        return
    compiled = await rewriter.prepare_mail(campaign, mail, means.tag)
    means.notes.add(str(job.source), compiled.notes)
    if means.tag is not None:
        yield job.copies[0], NOBODY, rewriter.stamp_reference(compiled, campaign)
        return
    async for copy, recipient in _registered(rewriter, job.copies):
        yield copy, recipient.id, rewriter.stamp(compiled, campaign, recipient.id)


async def _registered(rewriter: Rewriter, copies: Sequence[Copy]) -> AsyncIterator[tuple[Copy, Recipient]]:
    """Yield copies with their recipients, registered some at a time."""
    for start in range(0, len(copies), _BATCH):
        batch = copies[start : start + _BATCH]
        recipients = await rewriter.register([copy.draft for copy in batch if copy.draft])
        for pair in zip(batch, recipients, strict=True):
            yield pair


def _write(output: Path | None, ready: bytes) -> None:
    if output is None:
        sys.stdout.buffer.write(ready)
    else:
        write_whole(output, ready)


@contextmanager
def _index(path: Path | None) -> Iterator[Callable[[Copy, bytes], None]]:
    """Give a function that notes whose file is whose; without a path it does nothing."""
    if path is None:
        yield lambda _copy, _token: None
        return
    folder = path.parent
    with whole_file(path) as file:

        def note(copy: Copy, token: bytes) -> None:
            name = str(copy.output.relative_to(folder)) if copy.output else ""
            line = csv_line([copy.who, name, token.decode("ascii")])
            file.write(f"{line}\r\n".encode())

        file.write(f"{csv_line(['recipient', 'file', 'token'])}\r\n".encode())
        yield note


@contextmanager
def _progress(total: int) -> Iterator[Callable[[], object]]:
    """Give a function to call after each mail; it moves a bar when there is a terminal to show one."""
    if total < 2 or not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("mails", total=total)
        yield lambda: progress.advance(task)
