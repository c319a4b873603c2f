"""``linkproxy lint``: what is likely to hurt a mail, before it is sent."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from linkproxy.cli.files import read_charset, read_mail
from linkproxy.cli.output import json_option, print_json, say
from linkproxy.cli.session import current_config, need_campaign, with_store
from linkproxy.model import Campaign, CampaignId, LinkproxyError
from linkproxy.query.export import printable
from linkproxy.query.filters import mail_domain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from linkproxy.campaign.lint import Finding
    from linkproxy.config import Config
    from linkproxy.store.api import Store

_NEVER = "never"


@click.command("lint")
@click.argument("source", metavar="FILE|FOLDER|-", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--campaign", metavar="NAME", help="The campaign that the mail is for.")
@click.option("--base-url", metavar="URL", help="Or the scheme and host that its links will have.")
@click.option("--from", "sender", metavar="DOMAIN", help="For HTML or text only: the domain it is sent from.")
@click.option(
    "--charset",
    callback=read_charset,
    help="For HTML alone: its charset. [default: as it declares, else utf-8]",
)
@json_option
@click.option(
    "--fail-on",
    type=click.Choice(["warning", "error", _NEVER]),
    default="error",
    help="End with 1 from this severity on. [default: error]",
)
def lint(
    *,
    source: Path,
    campaign: str | None,
    base_url: str | None,
    sender: str | None,
    charset: str | None,
    as_json: bool,
    fail_on: str,
) -> int:
    """Name what is likely to hurt a mail: links that filters dislike, a missing way to unsubscribe.

    Looks at HTML (.html, .htm) and whole messages (.eml); of other files, and of standard input,
    the first lines tell, and what is no message is plain text if its name ends in .txt. Changes
    nothing. With a campaign, or a base URL, it also checks what the tracked links would be.
    docs/lint.md has an example of every finding.

    \b
    Examples:
      linkproxy lint newsletter.html --campaign spring --from brand.example
      linkproxy lint newsletter.eml --base-url https://click.brand.example --fail-on warning
      linkproxy lint ready --json
    """
    if campaign and base_url:
        raise click.UsageError("give --campaign or --base-url, not both")
    about = _named(campaign) if campaign else _at(base_url) if base_url else None
    domain = _domain(sender) if sender else ""
    findings = {str(path): _look(path, about, charset or "", domain) for path in _files(source)}
    if as_json:
        print_json([_record(file, found) for file, found in findings.items()])
    else:
        _tell(findings)
    return int(_fails(findings, fail_on))


def _files(source: Path) -> Iterator[Path]:
    if not source.is_dir():
        yield source
        return
    from linkproxy.cli.spots import BY_SUFFIX

    files = sorted(path for path in source.rglob("*") if path.suffix.lower() in BY_SUFFIX and path.is_file())
    if not files:
        raise LinkproxyError(f"{source}: there is no .html, .htm or .eml file in this folder")
    yield from files


def _named(name: str) -> Campaign:
    async def work(_config: Config, store: Store) -> Campaign:
        return await need_campaign(store, name)

    return with_store(work)


def _at(base_url: str) -> Campaign:
    from linkproxy.server.campaigns import base_url_fault

    url = base_url.strip().rstrip("/")
    if fault := base_url_fault(url):
        raise LinkproxyError(f"--base-url: {fault}")
    return Campaign(CampaignId(0), "", base_url=url)


def _domain(sender: str) -> str:
    try:
        return mail_domain(sender.rpartition("@")[2])
    except ValueError as error:
        raise LinkproxyError(f"--from: {error}") from None


def _look(path: Path, campaign: Campaign | None, charset: str, sender: str) -> list[Finding]:
    from linkproxy.campaign.lint import lint_html, lint_message, lint_text
    from linkproxy.cli.spots import MESSAGE, TEXT, form_of

    raw = read_mail(path, current_config().limits.mail_bytes)
    form = form_of(path, lambda: raw)
    if form == MESSAGE:
        return lint_message(raw, campaign)
    if form == TEXT:
        return lint_text(raw, campaign, sender=sender)
    return lint_html(raw, campaign, charset=charset, sender=sender)


def _record(file: str, findings: Sequence[Finding]) -> dict[str, Any]:
    from linkproxy.campaign.lint import finding_record

    return {"file": file, "findings": [finding_record(finding) for finding in findings]}


def _tell(findings: dict[str, list[Finding]]) -> None:
    """Print each check once for each file, its places below it."""
    for file, found in findings.items():
        last = None
        for finding in found:
            check = finding.check
            if check is not last:
                click.echo(f"{file}: {check.severity.name.lower()}: {check.name}")
                click.echo(f"  {check.reason}\n  {check.advice}")
            where = f"link {finding.position + 1}: " if finding.position >= 0 else ""
            click.echo(f"    {where}{printable(finding.detail)}")
            last = check
    total = sum(map(len, findings.values()))
    counted = f"{total:,} finding{'' if total == 1 else 's'}" if total else "Nothing found"
    say(f"{counted} in {len(findings):,} mail{'' if len(findings) == 1 else 's'}.")


def _fails(findings: dict[str, list[Finding]], fail_on: str) -> bool:
    from linkproxy.campaign.lint import Severity

    if fail_on == _NEVER:
        return False
    least = Severity[fail_on.upper()]
    return any(finding.check.severity >= least for found in findings.values() for finding in found)
