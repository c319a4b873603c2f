"""What a batch's visits may ask, read at once after the locks, and answered while they are judged.

The judge is synchronous and asks one visit at a time; a question to the server for each would cost
a round trip. So everything is read for many visits of the batch together, and each visit that is
kept is noted for those behind it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from linkproxy.model import (
    NO_DELIVERY,
    NOBODY,
    CampaignId,
    Delivery,
    DomainProfile,
    LinkKey,
    MessageLink,
    Neighbour,
    Profile,
    Recipient,
    RecipientId,
    Sibling,
    StrayTrace,
    Visit,
)
from linkproxy.store.domains import HOUR_SECONDS
from linkproxy.store.postgres_rows import text
from linkproxy.store.privacy import spellings
from linkproxy.visit.facts import MOST_SIBLINGS, KnownMessage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from linkproxy.model import ProfileScope
    from linkproxy.store.memory import CampaignTable
    from linkproxy.store.postgres_memory import Memory
    from linkproxy.store.privacy import Privacy

Message = tuple[int, int]

STRAYS_A_CLIENT = 64
"""Strays counted of one client; more of them say no more."""


class MissingError(Exception):
    """A judge asked for a domain profile that was not read; it is, and the visit is judged again."""

    def __init__(self, scope: ProfileScope, name: str) -> None:
        super().__init__(scope, name)
        self.wanted = (scope, name)


@dataclass(slots=True)
class NewReference:
    """A recipient whom a visit's reference makes known; stored if a visit wants it."""

    recipient: Recipient
    reference_hash: bytes
    wanted: bool = False


@dataclass(frozen=True, slots=True)
class NewProfile:
    """A header profile whose row is written with the visit that needs it."""

    profiles: tuple[Profile, ...]
    hash: bytes
    content: str
    used_at: float


@dataclass(slots=True)
class Known:
    """What was read for one batch. What is missing here is not in the store."""

    span: tuple[float, float]  # siblings were read from when to when
    visit_ids: list[int] = field(default_factory=list)
    campaigns: dict[int, CampaignTable] = field(default_factory=dict)
    recipients: dict[int, Recipient] = field(default_factory=dict)
    recipient_ids: dict[bytes, int] = field(default_factory=dict)  # by the hash of a reference
    new_references: dict[bytes, NewReference] = field(default_factory=dict)
    messages: set[Message] = field(default_factory=set)  # of which was read
    message_links: dict[tuple[int, int, str], MessageLink] = field(default_factory=dict)
    deliveries: dict[Message, Delivery] = field(default_factory=dict)
    siblings: dict[Message, deque[Sibling]] = field(default_factory=dict)
    gateways: dict[str, str] = field(default_factory=dict)
    domain_profiles: dict[tuple[str, str], DomainProfile] = field(default_factory=dict)
    asked: set[tuple[ProfileScope, str]] = field(default_factory=set)  # which of them were looked for
    strays: dict[str, deque[StrayTrace]] = field(default_factory=dict)
    profile_ids: dict[int, int] = field(default_factory=dict)  # by id() of what the batch came with
    new_profiles: dict[int, NewProfile] = field(default_factory=dict)


class KnownFacts:
    """The FactSource of one batch."""

    def __init__(self, known: Known, memory: Memory, privacy: Privacy) -> None:
        self.known = known
        self._memory = memory
        self.privacy = privacy

    # --- what goes out -------------------------------------------------------------------------

    def table(self, campaign_id: CampaignId) -> CampaignTable | None:
        return self.known.campaigns.get(campaign_id)

    def message_link(
        self, campaign_id: CampaignId, recipient_id: RecipientId, key: LinkKey
    ) -> MessageLink | None:
        return self.known.message_links.get((campaign_id, recipient_id, key))

    # --- people --------------------------------------------------------------------------------

    def message(self, visit: Visit) -> KnownMessage | None:
        recipient = (
            self._recipient_of_reference(visit.reference, verified=visit.verified)
            if visit.reference
            else self.known.recipients.get(visit.recipient_id)
        )
        if recipient is None:
            return None
        message = (visit.campaign_id, recipient.id)
        delivery = self.known.deliveries.get(message) or self.known.deliveries.get((message[0], NOBODY))
        return KnownMessage(recipient, delivery or NO_DELIVERY)

    def _recipient_of_reference(self, reference: str, *, verified: bool) -> Recipient | None:
        """Return the recipient of a reference; ``verified`` is this visit's, not the row's.

        An erased reference stays erased: it has none.
        """
        news = []
        for spelling in spellings(reference, verified=verified):
            found = self.privacy.reference_hash(spelling) or b""
            if known := self.known.recipients.get(self.known.recipient_ids.get(found, 0)):
                return replace(known, verified=verified)
            new = self.known.new_references.get(found)
            if new is None:
                return None
            news.append(new)
        new = next((item for item in news if item.wanted), news[0])
        if not new.wanted:
            new.wanted = True
            new.recipient = replace(
                new.recipient, reference=self.privacy.reference(text(reference)), verified=verified
            )
        return replace(new.recipient, verified=verified)

    def gateway(self, domain: str) -> str:
        return self.known.gateways.get(domain, "")

    def domain_profile(self, scope: ProfileScope, name: str) -> DomainProfile:
        if (scope, name) not in self.known.asked:
            raise MissingError(scope, name)
        return self.known.domain_profiles.get((scope, name)) or DomainProfile(scope, name)

    def neighbours(self, visit: Visit, domain: str) -> Iterable[Neighbour]:
        since = visit.at - HOUR_SECONDS
        return self._memory.neighbours.others(visit.campaign_id, domain, visit.recipient_id, since=since)

    # --- earlier visits ------------------------------------------------------------------------

    def siblings(
        self, campaign_id: CampaignId, recipient_id: RecipientId, *, since: float
    ) -> tuple[Sibling, ...]:
        found = self.known.siblings.get((campaign_id, recipient_id), ())
        return tuple(item for item in found if item.at >= since)

    def strays(self, client: str, *, since: float) -> tuple[StrayTrace, ...]:
        traces = self.known.strays.get(self.pseudonym(client, "")[0], ()) if client else ()
        return tuple(trace for trace in traces if trace.at >= since)

    def remember_visit(self, message: Message, sibling: Sibling) -> None:
        """Let later visits of the message see this one."""
        kept = self.known.siblings.setdefault(message, deque(maxlen=MOST_SIBLINGS))
        kept.append(sibling)

    def remember_stray(self, client: str, trace: StrayTrace) -> None:
        """Let later visits of the client, as the privacy setting stores it, see this one."""
        if client:
            self.known.strays.setdefault(client, deque(maxlen=STRAYS_A_CLIENT)).append(trace)

    # --- clients -------------------------------------------------------------------------------

    def pseudonym(self, client: str, network: str) -> tuple[str, str]:
        if self.privacy.client_address == "full":
            return client, network
        known = self._memory.pseudonyms.get((client, network))
        if known is None:
            known = self.privacy.pseudonym(client, network)
            self._memory.pseudonyms.put((client, network), known)
        return known

    def profile_id(self, profile: Profile) -> int:
        return self.known.profile_ids[id(profile)]
