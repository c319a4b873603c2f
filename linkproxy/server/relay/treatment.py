"""What becomes of a message: rewritten for its recipient, or passed on as it came, and why."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from enum import StrEnum
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from linkproxy.campaign.mime_parts import MOST_PARTS
from linkproxy.campaign.signatures import signatures_of
from linkproxy.campaign.targets import NoteReason
from linkproxy.logs import Event, get_logger
from linkproxy.model import BaitStyle, CampaignKind, LinkproxyError
from linkproxy.server.recipients import recipient_fault
from linkproxy.server.relay.choice import Choice, choose
from linkproxy.server.relay.replies import Reply
from linkproxy.server.rewriter import Mail
from linkproxy.store.api import RecipientDraft

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from linkproxy.config import Config
    from linkproxy.config_relay import RelaySection
    from linkproxy.model import Campaign, CampaignId, Recipient, RecipientId
    from linkproxy.server.rewriter import Rewriter
    from linkproxy.store.api import Store


class Treatment(StrEnum):
    """What was done to a message's links; only the first two track it."""

    REWRITTEN = "rewritten"  # links of the one recipient
    GROUPED = "grouped"  # links that stand for all recipients together
    OFF = "off"  # it belongs to no campaign
    SIGNED = "signed"  # rewriting would break its signature
    UNKNOWN_CAMPAIGN = "unknown_campaign"
    UNADDRESSED = "unaddressed"  # its recipient is nobody whom a link could stand for
    OVERSIZE = "oversize"  # larger, or of more parts, than is rewritten here or the upstream server takes
    FAILED = "failed"  # the rewriting or the store failed


class Refused(Exception):  # noqa: N818  (no fault: a decision on a message)
    """A message is not passed on, now or at all; ``reply`` says why."""

    def __init__(self, reply: Reply, treatment: Treatment, campaign: str) -> None:
        super().__init__(reply.text)
        self.reply = reply
        self.treatment = treatment
        self.campaign = campaign


@dataclass(frozen=True, slots=True)
class Treated:
    """A message as it is to be passed on."""

    content: bytes
    choice: Choice
    treatment: Treatment
    message: tuple[CampaignId, RecipientId] | None = None  # None: not tracked, no delivery to record

    def within(self, most_bytes: int | None) -> Treated:
        """Return it as it came if the upstream server takes that, but not what rewriting made of it."""
        if most_bytes is None or not len(self.choice.content) <= most_bytes < len(self.content):
            return self
        _log(Treatment.OVERSIZE, self.choice.campaign, f"upstream takes {most_bytes} bytes")
        return Treated(self.choice.content, self.choice, Treatment.OVERSIZE)


def wants_header(section: RelaySection, campaign: Campaign) -> bool:
    """Tell whether a campaign's mail is to get List-Unsubscribe."""
    if section.list_unsubscribe == "campaign":
        return campaign.list_unsubscribe
    marketing = section.list_unsubscribe == "marketing" and campaign.kind is CampaignKind.MARKETING
    return marketing or section.list_unsubscribe == "always"


class Treatments:
    """Decides about messages and has them rewritten."""

    def __init__(self, config: Config, store: Store, rewriter: Rewriter) -> None:
        self._config = config
        self._section = config.relay
        self._store = store
        self._rewriter = rewriter

    async def treat(self, raw: bytes, recipients: Sequence[str]) -> Treated:
        """Return the message to pass on; raise Refused where the configuration says that it waits.

        Links are in the store when this returns. Faults of the store and of rewriting end here, and
        ``[relay] on_failure`` says how.
        """
        choice = choose(raw, self._section.rules)
        if not choice.campaign:
            return Treated(choice.content, choice, Treatment.OFF)
        if found := signatures_of(raw):
            return self._signed(choice, found)
        if len(choice.content) > self._config.limits.mail_bytes:
            return self._untracked(choice, Treatment.OVERSIZE, "larger than [limits] mail_bytes")
        try:
            async with asyncio.timeout(self._section.rewrite_seconds):
                return await self._tracked(choice, recipients)
        except Refused:
            raise
        except TimeoutError:
            fault = f"not done within {self._section.rewrite_seconds:g} s"
        except LinkproxyError as error:
            fault = str(error)
        except Exception as error:  # noqa: BLE001  (whatever it is, the mail must not be lost by it)
            fault = repr(error)
        return self._failed(choice, fault)

    async def _tracked(self, choice: Choice, recipients: Sequence[str]) -> Treated:
        campaign = await self._store.find_campaign(choice.campaign)
        if campaign is None:
            return self._unknown(choice)
        draft = _draft(recipients, choice.content)
        if draft is None:
            return self._untracked(choice, Treatment.UNADDRESSED, "the recipient is no mail address")
        recipient = await self._known(draft) or (await self._rewriter.register([draft]))[0]
        shared = len(recipients) > 1
        if shared:
            # A scanner that one of them has would find the bait for all of them, and what one of them
            # does not open would speak against the clicks of the others.
            campaign = replace(campaign, bait_style=BaitStyle.NONE, opens=False)
        wanted = wants_header(self._section, campaign)
        mail = Mail(choice.content, is_message=True, list_unsubscribe=wanted, shared=shared)
        content, compiled = await self._rewriter.personal_mail(campaign, mail, recipient)
        if any(note.reason is NoteReason.TOO_MANY_PARTS for note in compiled.notes):
            return self._untracked(choice, Treatment.OVERSIZE, f"more than {MOST_PARTS:,} MIME parts")
        treatment = Treatment.GROUPED if shared else Treatment.REWRITTEN
        return Treated(content, choice, treatment, (campaign.id, recipient.id))

    async def _known(self, draft: RecipientDraft) -> Recipient | None:
        """Return a recipient whom registering would not change: reading spares each mail a commit."""
        found = await self._store.find_recipient(draft.address or draft.reference)
        if found is None or (draft.verified and not found.verified):
            return None
        return replace(found, address=draft.address, reference=draft.reference)

    def _signed(self, choice: Choice, found: Sequence[str]) -> Treated:
        refused = self._config.mail.signed == "refuse"
        outcome = "refused" if refused else "passed"
        get_logger().warning(Event.MAIL_SIGNED, campaign=choice.campaign, outcome=outcome)
        if refused:
            text = f"5.7.7 the message is signed already ({found[0]}); linkproxy must have it before that"
            raise Refused(Reply(550, text), Treatment.SIGNED, choice.campaign)
        return Treated(choice.content, choice, Treatment.SIGNED)

    def _unknown(self, choice: Choice) -> Treated:
        reply = _UNKNOWN[self._section.unknown_campaign]
        if reply is None:
            return self._untracked(choice, Treatment.UNKNOWN_CAMPAIGN, "there is no such campaign")
        _log(Treatment.UNKNOWN_CAMPAIGN, choice.campaign, "there is no such campaign")
        text = (
            f"{reply.text} there is no campaign {choice.campaign[:100]!r}; linkproxy campaign add makes one"
        )
        raise Refused(Reply(reply.code, text), Treatment.UNKNOWN_CAMPAIGN, choice.campaign)

    def _failed(self, choice: Choice, fault: str) -> Treated:
        if self._section.on_failure == "pass":
            return self._untracked(choice, Treatment.FAILED, fault)
        _log(Treatment.FAILED, choice.campaign, fault)
        reply = Reply(451, "4.3.0 the links could not be rewritten; try again")
        raise Refused(reply, Treatment.FAILED, choice.campaign)

    def _untracked(self, choice: Choice, treatment: Treatment, why: str) -> Treated:
        _log(treatment, choice.campaign, why)
        return Treated(choice.content, choice, treatment)


_UNKNOWN: Final[Mapping[str, Reply | None]] = {
    "defer": Reply(451, "4.3.5"),
    "refuse": Reply(550, "5.3.5"),
    "pass": None,
}


def _draft(recipients: Sequence[str], content: bytes) -> RecipientDraft | None:
    """Return whom the links stand for; several recipients are one group of this message alone.

    The same message to the same group has the same links when a mailer sends it again. Nobody has
    signed the group's reference, so its links opt nobody out (docs/design.md).
    """
    if len(recipients) > 1:
        group = "\0".join(sorted(recipients)).encode("utf-8", "surrogateescape")
        found = blake2b(group + b"\0\0" + content, digest_size=12, person=b"linkproxy:group")
        return RecipientDraft(reference=f"group-{found.hexdigest()}", verified=False)
    [address] = recipients
    return None if recipient_fault(address=address) else RecipientDraft(address=address)


def _log(treatment: Treatment, campaign: str, why: str) -> None:
    get_logger().warning(Event.RELAY_UNTRACKED, treatment=treatment, campaign=campaign[:100], error=why)
