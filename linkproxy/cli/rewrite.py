"""``linkproxy rewrite``: HTML in, HTML out; messages in, messages out."""

from __future__ import annotations

import asyncio
import os
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from linkproxy.cli.files import read_charset, remove_parts, whole_file
from linkproxy.cli.mailing import Copy, Mailing, Wish, plan
from linkproxy.cli.notes import Notes, notes_options
from linkproxy.cli.output import say
from linkproxy.cli.progress import progress
from linkproxy.cli.resume import Run
from linkproxy.cli.rewriting import Means, Work
from linkproxy.cli.session import current_config, need_campaign, with_store
from linkproxy.cli.sinks import Files, Mbox, Sink, StandardOutput
from linkproxy.model import LinkproxyError
from linkproxy.query.export import csv_line
from linkproxy.server.recipients import read_recipient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from linkproxy.config import Config
    from linkproxy.store.api import Store


@click.command("rewrite")
@click.argument(
    "source", metavar="FILE|FOLDER|MBOX|MAILDIR|-", type=click.Path(path_type=Path, allow_dash=True)
)
@click.option("--campaign", required=True, metavar="NAME", help="The campaign whose links these are.")
@click.option("--recipient", metavar="WHO", help="For one: an address or a reference.")
@click.option(
    "--recipients",
    "table",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="CSV",
    help="For many: a CSV with a column address (or email) or reference (or id).",
)
@click.option(
    "--recipient-header",
    "header",
    metavar="NAME",
    help="For messages: the recipient is who this header of theirs names, such as To.",
)
@click.option("--merge-tag", "tag", metavar="TAG", help="For your own mailer, which fills in this tag.")
@click.option(
    "--signed",
    is_flag=True,
    help="The tag stands for references of `recipients sign`: links can unsubscribe as well.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR|FILE",
    help="Where results are written; into one mbox, if its name ends in .mbox.",
)
@click.option(
    "--charset", callback=read_charset, help="The HTML's charset. [default: as it declares, else utf-8]"
)
@click.option(
    "--list-unsubscribe/--no-list-unsubscribe",
    default=None,
    help="Add the headers List-Unsubscribe and List-Unsubscribe-Post to messages, or do not. "
    "[default: as the campaign says]",
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
    header: str | None,
    tag: str | None,
    signed: bool,
    out: Path | None,
    charset: str | None,
    list_unsubscribe: bool | None,
    on_error: str,
    notes: Notes,
) -> None:
    """Replace the links of mails by tracked ones. Everything else stays byte for byte.

    A file named .eml is a whole message: the links of its HTML and of its plain text are replaced,
    however they are encoded. Files named .html and .htm are HTML; of others, and of standard input,
    the first lines tell, and .txt that is no message is plain text. An mbox or a maildir comes out
    as one. A message that is signed already (DKIM) is passed on as it came, or refused: [mail]
    signed.

    A mail for one recipient is taken as merged already: new targets belong to this message alone,
    or to the campaign if it has no links yet (`campaign add --html` gives it those of its
    template). A mail for many (--recipients) or for a merge tag is a template: new targets become
    the campaign's. Links are stored before a mail is written.

    One result goes to standard output unless --out names a file. With --recipients, DIR gets a file
    for each recipient and index.csv, which says whose is which. A folder keeps its layout; with a
    column file in the CSV, each line pairs one file of the folder with its recipient.

    A run that was stopped goes on where it was when the same command is given again.

    \b
    Examples:
      linkproxy rewrite mail.html --campaign spring --recipient anna@example.com > out.html
      linkproxy rewrite template.html --campaign spring --recipients list.csv --out ready
      linkproxy rewrite letter.eml --campaign spring --recipients list.csv --out ready.mbox
      linkproxy rewrite outbox.mbox --campaign spring --recipient-header To --out ready.mbox
      linkproxy rewrite template.html --campaign spring --merge-tag '{{ .Subscriber.UUID }}'
      linkproxy rewrite template.html --campaign spring --merge-tag '*|LP|*' --signed
    """
    _check_usage(recipient, table, header, tag, signed=signed)
    draft = read_recipient(recipient) if recipient is not None else None
    only = {"--list-unsubscribe": list_unsubscribe, "--recipient-header": header is not None}
    config = current_config()
    wish = Wish(
        source, out, draft, table, tag, header, tuple(name for name, given in only.items() if given),
        most_bytes=config.limits.mail_bytes, refuse_signed=config.mail.signed == "refuse",
    )  # fmt: skip
    mailing = _planned(wish, on_error)
    means = Means(tag, charset, notes, list_unsubscribe=list_unsubscribe, signed=signed)
    written = with_store(lambda config, store: _do(config, store, campaign, mailing, means))
    notes.show()
    if out and not notes.quiet:
        say(f"{written:,} mail{'' if written == 1 else 's'} written to {out}.{_beside(out, mailing)}")
    if mailing.faults:
        raise LinkproxyError("\n".join([*mailing.faults, f"{len(mailing.faults)} were skipped"]))


def _check_usage(
    recipient: str | None, table: Path | None, header: str | None, tag: str | None, *, signed: bool
) -> None:
    if sum(value is not None for value in (recipient, table, tag, header)) != 1:
        raise click.UsageError("give one of --recipient, --recipients, --recipient-header and --merge-tag")
    if signed and tag is None:
        raise click.UsageError("--signed is about the references of a --merge-tag")


def _planned(wish: Wish, on_error: str) -> Mailing:
    mailing = plan(wish)
    if mailing.faults and on_error == "stop":
        raise LinkproxyError(
            "\n".join([*mailing.faults, "nothing was written; --on-error skip does the rest all the same"])
        )
    return mailing


def _beside(out: Path, mailing: Mailing) -> str:
    """Return a warning of files in the folder that are not this run's: who sends them all sends old mail."""
    if mailing.index is None or mailing.index.parent != out:
        return ""
    others = sum(len(files) for _, _, files in os.walk(out)) - mailing.total - 1
    kind = "file" if others == 1 else "files"
    return f" It holds {others:,} other {kind}, too: send what {mailing.index} names." if others > 0 else ""


async def _do(config: Config, store: Store, name: str, mailing: Mailing, means: Means) -> int:
    """Write all results and return how many, those of a run that was stopped included."""
    from linkproxy.server.wiring import rewriter as rewriter_of

    campaign = await need_campaign(store, name)
    rewriter = await rewriter_of(config, store)
    note = mailing.note
    # The sink keeps other runs out, so it comes before the note: one that is not alone leaves none.
    with closing(_sink(mailing)) as sink:
        run = Run(note, means.digest(campaign, mailing) if note else "")
        sink.go_on(run.size)
        if run.resumed:
            remove_parts({copy.output.parent for job in mailing.jobs for copy in job.copies if copy.output})
            if not means.notes.quiet:
                say(f"Going on behind {run.done:,} of {mailing.total:,} mails, which were written before.")
        work = Work(rewriter, campaign, means, sink, config.limits.mail_bytes, run.done)
        try:
            with progress("mails", mailing.total) as step, _index(mailing.index) as list_copy:
                async for job, copy, recipient_id, ready in work.results(mailing):
                    if ready is not None:
                        sink.write(job.spot, copy, ready)
                        run.add(sink)
                    list_copy(copy, work.rewriter.token(campaign, recipient_id))
                    step(1)
            # A run that is stopped between the two is done again; the other way round it would not go on.
            run.end()
            sink.finish()
        except (LinkproxyError, asyncio.CancelledError):
            with suppress(LinkproxyError):  # a full disk has been told already, and the last note still holds
                run.save(sink)
            if note:
                written = f"{run.done:,} of {mailing.total:,} mails are written"
                say(f"{written}; the same command goes on from there.")
            raise
    return mailing.total


def _sink(mailing: Mailing) -> Sink:
    if mailing.out is None:
        return StandardOutput(as_mbox=mailing.as_mbox)
    if mailing.as_mbox:
        return Mbox(mailing.out)
    return Files(mailing.folders, own=mailing.out if mailing.note else None)


@contextmanager
def _index(path: Path | None) -> Iterator[Callable[[Copy, bytes], None]]:
    """Give a function that notes whose file is whose; without a path it does nothing."""
    if path is None:
        yield lambda _copy, _token: None
        return
    folder = path.parent
    with whole_file(path, durable=True) as file:

        def note(copy: Copy, token: bytes) -> None:
            name = str(copy.output.relative_to(folder)) if copy.output else ""
            line = csv_line([copy.who, name, token.decode("ascii")])
            file.write(f"{line}\r\n".encode())

        file.write(f"{csv_line(['recipient', 'file', 'token'])}\r\n".encode())
        yield note
