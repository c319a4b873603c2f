"""What can be looked up about a visit, and the small contract that looks it up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from linkproxy.model import (
    NO_DELIVERY,
    NO_STRAYS,
    Campaign,
    CampaignId,
    Delivery,
    DomainProfile,
    Facts,
    Link,
    LinkKey,
    LinkKind,
    MessageLink,
    Neighbour,
    Profile,
    ProfileScope,
    Recipient,
    RecipientId,
    Sibling,
    Step,
    StrayCounts,
    StrayTrace,
    Visit,
)
from linkproxy.model.lean import lean
from linkproxy.visit import in_step, learn, opens, reputation, resemblance

if TYPE_CHECKING:
    from collections.abc import Iterable

    from linkproxy.visit.in_step import StepRules
    from linkproxy.visit.policy import Policy


# To read a member off its class costs 0.08 us before Python 3.12.
_OPEN = LinkKind.OPEN
_GATEWAY, _DOMAIN = ProfileScope.GATEWAY, ProfileScope.DOMAIN
_EARLY, _MAILED, _NETWORK = ProfileScope.EARLY, ProfileScope.MAILED, ProfileScope.NETWORK

MOST_SIBLINGS = 512
"""How many earlier visits of a message a judge is shown, the newest: a flood makes it no slower."""

LOOK_BACK_SECONDS = opens.DAY_SECONDS
"""How far back a judge looks at a message, at the most; ``[policy] reach_seconds`` is no longer."""


@dataclass(frozen=True, slots=True)
class LinkCounts:
    """What judging asks of a campaign's links as a whole: how many by kind, and where readers meet them."""

    content: int = 0
    bait: int = 0
    framed: bool = False  # the content links are all footer, social or legal


class Links(Protocol):
    """A campaign's links, read together or as they are asked for."""

    def get(self, key: LinkKey, /) -> Link | None: ...


@dataclass(frozen=True, slots=True)
class CampaignTable:
    """A campaign with its link table, and when the mailing as a whole was delivered."""

    campaign: Campaign
    links: Links
    counts: LinkCounts
    delivery: Delivery = NO_DELIVERY


@lean(frozen=True, slots=True)
class KnownMessage:
    """Whom a message is for, and its delivery: its own, else the campaign's, else NO_DELIVERY."""

    recipient: Recipient
    delivery: Delivery


class FactSource(Protocol):
    """What a store answers inside its write transaction; each call sees the visits before."""

    def table(self, campaign_id: CampaignId) -> CampaignTable | None: ...

    def message_link(
        self, campaign_id: CampaignId, recipient_id: RecipientId, key: LinkKey
    ) -> MessageLink | None: ...

    def message(self, visit: Visit) -> KnownMessage | None:
        """Return the message that a visit is for, None when its recipient is erased or nobody.

        Its recipient may lack address and reference, which nobody asks for who judges.
        A reference that is new makes its recipient known, unless it was erased.
        """

    def siblings(
        self, campaign_id: CampaignId, recipient_id: RecipientId, *, since: float
    ) -> tuple[Sibling, ...]:
        """Return earlier visits of the message, in order of arrival; ``since`` is a day back at the most."""

    def strays(self, client: str, *, since: float) -> tuple[StrayTrace, ...]:
        """Return the newest strays that one client address sent; none for an unknown client."""

    def pseudonym(self, client: str, network: str) -> tuple[str, str]:
        """Return a client and its network as the privacy setting stores them."""

    def profile_id(self, profile: Profile) -> int:
        """Return the id of a header profile, the same for the same headers."""

    def gateway(self, domain: str) -> str:
        """Return who scans for a mail domain, "" when that is not known."""

    def domain_profile(self, scope: ProfileScope, name: str) -> DomainProfile:
        """Return what was learned of a domain, gateway or network; the name is not empty."""

    def neighbours(self, visit: Visit, domain: str) -> Iterable[Neighbour]:
        """Return the other recipients of the visit's campaign and this domain that were visited before.

        One each, those that came last first; bounded, and of the last hour only.
        """


class Systems(Protocol):
    """What knows which autonomous system an address belongs to; it answers from memory."""

    def asn(self, client: str) -> int:
        """Return the number, 0 when it is not known. Never raises."""


class NoSystems:
    """Knows none: no network database is configured."""

    def asn(self, client: str) -> int:  # noqa: ARG002  (the contract's signature)
        return 0


NO_SYSTEMS = NoSystems()


def gather(
    visit: Visit,
    source: FactSource,
    *,
    table: CampaignTable,
    message: KnownMessage,
    link: Link | MessageLink,
    policy: Policy,
    systems: Systems = NO_SYSTEMS,
) -> Facts:
    """Look up what the signals may ask about a visit."""
    at, address, operator = visit.at, visit.client, policy.operator
    recipient, delivery, counts = message.recipient, message.delivery, table.counts
    domain, gateway, step = recipient.domain, "", None
    client, network = source.pseudonym(address, visit.network)
    profile_id, asn = source.profile_id(visit.profile), systems.asn(address)
    agent = visit.profile.agent
    listed = operator.find(address, asn=asn, agent=agent, domain=domain) if operator.rows else ()
    if domain:
        gateway = source.gateway(domain)
        if policy.is_freemail(domain, gateway):
            domain = ""
        else:
            step = _step(visit, profile_id, delivery, source.neighbours(visit, domain), policy.in_step)
    taught = _taught(source, gateway, domain, network)
    strays = source.strays(address, since=at - policy.stray_seconds)
    reach = opens.DAY_SECONDS if link.kind is _OPEN else policy.reach_seconds
    siblings = source.siblings(visit.campaign_id, recipient.id, since=at - reach)
    # By place, in the order of the fields: it is made for every click, and names cost time.
    facts = Facts(
        table.campaign, link, counts.content, counts.bait, counts.framed, profile_id, client, network,
        policy.networks.find(address, asn), asn, listed, gateway, delivery, siblings, (),
        _strays_of(visit, profile_id, strays) if strays else NO_STRAYS,
        None, False, False, learn.recall(taught, at, policy.learning) if taught else (), step,
    )  # fmt: skip
    return opens.beside(facts, siblings) if siblings or link.kind is _OPEN else facts


def _taught(source: FactSource, gateway: str, domain: str, network: str) -> list[DomainProfile]:
    """Return what anybody has taught of a visit's gateway, domain and network."""
    named = [(_GATEWAY, gateway)] if gateway else []
    if domain:
        named += ((_DOMAIN, domain), (_EARLY, domain), (_MAILED, domain))
    if wide := reputation.name_of(network):
        named.append((_NETWORK, wide))
    found = []
    for scope, name in named:
        profile = source.domain_profile(scope, name)
        if profile.recipients:
            found.append(profile)
    return found


def _step(
    visit: Visit, profile_id: int, delivery: Delivery, others: Iterable[Neighbour], rules: StepRules
) -> Step:
    seen = in_step.Seen(visit.at, visit.key, profile_id, in_step.delivered_at(delivery))
    return in_step.step(seen, others, rules, most=rules.most)


def _strays_of(visit: Visit, profile_id: int, strays: tuple[StrayTrace, ...]) -> StrayCounts:
    return resemblance.count(visit, profile_id, strays, (visit.token,) if visit.token else ())
