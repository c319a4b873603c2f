"""The part of the JSON API that rewrites mail: one, or many as a stream of lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from linkproxy.logs import Event, get_logger
from linkproxy.model import LinkproxyError
from linkproxy.server.api_lint import findings
from linkproxy.server.body import ApiError, Body, read_fields, read_object
from linkproxy.server.campaigns import known_campaign
from linkproxy.server.mail_body import MAIL_FIELDS, Given, read_mail
from linkproxy.server.recipients import read_recipient
from linkproxy.server.rewriter import SignedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from linkproxy.campaign.compile import Compiled, Note
    from linkproxy.config import Config
    from linkproxy.model import Campaign
    from linkproxy.server.api import Call
    from linkproxy.server.clerks import Clerks
    from linkproxy.server.rewriter import Mail, Rewriter
    from linkproxy.store.api import RecipientDraft, Store

    Answer = dict[str, Any]

MOST_RECIPIENTS = 1000
_MOST_MAILS = 4  # an answer holds as many bytes as so many mails of the largest size
_WHOM = ("recipient", "recipients", "merge_tag")
_FIELDS = ("campaign", *MAIL_FIELDS, *_WHOM, "list_unsubscribe", "signed", "lint")
_DEFAULTS = "defaults"


@dataclass(frozen=True, slots=True)
class Order:
    """A mail to be rewritten, and for whom: one of ``one``, ``tag`` and ``drafts`` alone counts."""

    campaign: str
    given: Given
    one: str
    tag: str
    drafts: Sequence[RecipientDraft]
    wants_lint: bool


class MailApi:
    """The handlers; they take a Call, or a stream's lines, and raise ApiError."""

    def __init__(self, store: Store, rewriter: Rewriter, clerks: Clerks, config: Config) -> None:
        self._store = store
        self._clerks = clerks
        self._rewriter = rewriter
        self._config = config
        self.routes: Sequence[tuple[str, str, Callable[[Call], Awaitable[Answer]]]] = (
            ("POST", "/api/v1/rewrite", self.rewrite),
        )

    async def rewrite(self, call: Call) -> Answer:
        """Rewrite one mail: for one recipient, for many, or for a merge tag."""
        return await self.fill(read_order(read_object(call.body, _FIELDS), self._config.limits.mail_bytes))

    def lines(self) -> Callable[[bytes], Awaitable[Answer]]:
        """Return what answers the lines of one stream; it remembers what lines say for those after."""
        return _Lines(self, Templates(self._rewriter), self._config.limits.mail_bytes).answer

    async def fill(self, order: Order, known: Templates | None = None) -> Answer:
        """Rewrite a mail; a template that ``known`` has is not compiled again."""
        campaign = await known_campaign(self._store, order.campaign, status=400)
        told = await findings(self._clerks, order.given.mail, campaign) if order.wants_lint else {}
        try:
            answer, compiled = await self._rewritten(campaign, order, known or Templates(self._rewriter))
        except SignedError as error:
            get_logger().warning(Event.MAIL_SIGNED, campaign=campaign.name, outcome="refused")
            raise ApiError(400, f"{order.given.field}: {error}") from None
        if getattr(compiled, "signatures", ()):
            get_logger().warning(Event.MAIL_SIGNED, campaign=campaign.name, outcome="passed")
        return {**answer, "notes": _notes(compiled.notes), **told}

    async def _rewritten(self, campaign: Campaign, order: Order, known: Templates) -> tuple[Answer, Compiled]:
        mail, field, write = order.given.mail, order.given.field, order.given.write
        if order.tag:
            compiled = await self._rewriter.prepare_mail(campaign, mail, order.tag)
            return {field: write(self._rewriter.stamp_reference(compiled, campaign))}, compiled
        people = await self._rewriter.register(order.drafts)
        if order.one:
            stamped, compiled = await self._rewriter.personal_mail(campaign, mail, people[0])
            return {field: write(stamped)}, compiled
        compiled = await known.prepare(campaign, mail)
        messages = [
            {
                "recipient": draft.address or draft.reference,
                field: write(self._rewriter.stamp(compiled, campaign, person.id)),
            }
            for draft, person in zip(order.drafts, people, strict=True)
        ]
        return {"messages": messages}, compiled


class Templates:
    """The template that was compiled last; lines of a stream mostly have the same one."""

    def __init__(self, rewriter: Rewriter) -> None:
        self._rewriter = rewriter
        self._last: tuple[Campaign, Mail, Compiled] | None = None

    async def prepare(self, campaign: Campaign, mail: Mail) -> Compiled:
        """Return a template compiled, its links stored."""
        if self._last is not None and self._last[:2] == (campaign, mail):
            return self._last[2]
        compiled = await self._rewriter.prepare_mail(campaign, mail)
        self._last = (campaign, mail, compiled)
        return compiled


class _Lines:
    """One stream: ``{"defaults": {...}}`` holds for the lines after it, other lines are mails."""

    def __init__(self, api: MailApi, templates: Templates, most_bytes: int) -> None:
        self._api = api
        self._templates = templates
        self._most_bytes = most_bytes
        self._defaults: Mapping[str, Any] = {}

    async def answer(self, data: bytes) -> Answer:
        """Answer one line; raises what the single call raises."""
        fields = read_fields(data, "line")
        if _DEFAULTS in fields:
            self._defaults = _read_defaults(fields)
            return {}
        body = Body({**_without_rivals(self._defaults, fields), **fields}, _FIELDS)
        return await self._api.fill(read_order(body, self._most_bytes), self._templates)


def _read_defaults(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    given = fields[_DEFAULTS]
    if len(fields) > 1 or not isinstance(given, dict):
        raise ApiError(400, "defaults: stands alone on its line, as an object of fields")
    Body(given, _FIELDS, f"{_DEFAULTS}.").check()
    return given


def _without_rivals(defaults: Mapping[str, Any], fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """Leave out what a line says in another form: its own mail, or its own recipients."""
    dropped = {
        name for group in (MAIL_FIELDS, _WHOM) if not fields.keys().isdisjoint(group) for name in group
    }
    return {name: value for name, value in defaults.items() if name not in dropped}


def read_order(body: Body, most_bytes: int) -> Order:
    """Read what is to be rewritten; raise ApiError (400) with every fault."""
    name = body.text("campaign", required=True)
    given = read_mail(body, most_bytes)
    if sum(body.has(field) for field in _WHOM) != 1:
        body.fault("recipient", "give one of recipient, recipients and merge_tag")
    one = body.text("recipient", required=body.has("recipient"))
    tag = body.text("merge_tag", required=body.has("merge_tag"))
    many = body.texts("recipients", most=MOST_RECIPIENTS)
    if body.has("recipients") and not many:
        body.fault("recipients", "names nobody")
    if len(many) * len(given.mail.content) > _MOST_MAILS * most_bytes:
        body.fault("recipients", "would make too large an answer; send fewer at once")
    wants_lint = body.flag("lint")
    drafts = read_drafts(body, [one] if one else many)
    body.check()
    return Order(name, given, one, tag, drafts, wants_lint)


def read_drafts(body: Body, names: Sequence[str]) -> list[RecipientDraft]:
    """Return recipients by their names; a name that is none becomes a fault of the body."""
    drafts = []
    for name in names:
        try:
            drafts.append(read_recipient(name))
        except LinkproxyError as error:
            body.fault("recipient", str(error).removeprefix("recipient: "))
    return drafts


def _notes(notes: Sequence[Note]) -> list[Answer]:
    return [{"reason": note.reason, "value": note.value, "position": note.position} for note in notes]
