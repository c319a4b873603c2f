"""The part of the JSON API that looks at mail before it is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from linkproxy.campaign.lint import finding_record, lint_html, lint_message, lint_text
from linkproxy.model import Campaign, CampaignId
from linkproxy.query.filters import mail_domain
from linkproxy.server.body import read_object
from linkproxy.server.campaigns import base_url_fault, known_campaign
from linkproxy.server.mail_body import MAIL_FIELDS, read_mail

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from linkproxy.config import Config
    from linkproxy.server.api import Call
    from linkproxy.server.clerks import Clerks
    from linkproxy.server.rewriter import Mail
    from linkproxy.store.api import Store

    Answer = dict[str, Any]


async def findings(clerks: Clerks, mail: Mail, campaign: Campaign | None, sender: str = "") -> Answer:
    """Return a mail's findings, as answers show them."""
    if mail.is_message:
        found = await clerks.do(lint_message, mail.content, campaign)
    elif mail.is_text:
        found = await clerks.do(lint_text, mail.content, campaign, sender=sender)
    else:
        found = await clerks.do(lint_html, mail.content, campaign, charset=mail.charset, sender=sender)
    return {"findings": [finding_record(finding) for finding in found]}


class LintApi:
    """The handler; it takes a Call and returns a JSON object, or raises ApiError."""

    def __init__(self, store: Store, clerks: Clerks, config: Config) -> None:
        self._store = store
        self._clerks = clerks
        self._config = config
        self.routes: Sequence[tuple[str, str, Callable[[Call], Awaitable[Answer]]]] = (
            ("POST", "/api/v1/lint", self.lint),
        )

    async def lint(self, call: Call) -> Answer:
        """Return what is likely to hurt a mail."""
        body = read_object(call.body, (*MAIL_FIELDS, "campaign", "base_url", "from"))
        mail = read_mail(body, self._config.limits.mail_bytes).mail
        name, base_url = body.text("campaign").strip(), body.text("base_url").strip().rstrip("/")
        domain = ""
        if name and base_url:
            body.fault("base_url", "give campaign or base_url, not both")
        elif base_url and (fault := base_url_fault(base_url)):
            body.fault("base_url", fault)
        if sender := body.text("from").strip():
            try:
                domain = mail_domain(sender.rpartition("@")[2])
            except ValueError as error:
                body.fault("from", str(error))
        body.check()
        campaign = Campaign(CampaignId(0), "", base_url=base_url) if base_url else None
        if name:
            campaign = await known_campaign(self._store, name, status=400)
        return await findings(self._clerks, mail, campaign, domain)
