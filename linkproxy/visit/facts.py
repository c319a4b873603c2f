"""What can be looked up about a visit, and the small contract that looks it up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from linkproxy.model import (
    Campaign,
    CampaignId,
    Delivery,
    DomainProfile,
    Facts,
    Link,
    LinkKey,
    MessageLink,
    Neighbour,
    Profile,
    ProfileScope,
    Recipient,
    RecipientId,
    Sibling,
    StrayCounts,
    StrayTrace,
    Visit,
)
from linkproxy.visit import in_step, learn, reputation, resemblance

if TYPE_CHECKING:
    from collections.abc import Iterable

    from linkproxy.visit.policy import Policy


MOST_SIBLINGS = 512
"""How many earlier visits of a message a judge is shown, the newest: a flood makes it no slower."""


@dataclass(frozen=True, slots=True)
class LinkCounts:
    """How many links a campaign has, by kind."""

    content: int = 0
    bait: int = 0


class FactSource(Protocol):
    """What a store answers inside its write transaction; each call sees the visits before."""

    def campaign(self, campaign_id: CampaignId) -> Campaign | None: ...

    def link_counts(self, campaign_id: CampaignId) -> LinkCounts: ...

    def link(
        self, campaign_id: CampaignId, recipient_id: RecipientId, key: LinkKey
    ) -> Link | MessageLink | None: ...

    def recipient(self, recipient_id: RecipientId) -> Recipient | None:
        """Return a recipient, None when erased."""

    def recipient_of_reference(self, reference: str, *, verified: bool) -> Recipient:
        """Return the recipient of a reference, registering one that is new."""

    def delivery(self, campaign_id: CampaignId, recipient_id: RecipientId) -> Delivery:
        """Return the message's delivery, else the campaign's, else NO_DELIVERY."""

    def siblings(
        self, campaign_id: CampaignId, recipient_id: RecipientId, *, since: float
    ) -> tuple[Sibling, ...]:
        """Return earlier visits of the message, in order of arrival."""

    def strays(self, client: str, *, since: float) -> tuple[StrayTrace, ...]:
        """Return the newest strays that one client address sent; none for an unknown client."""

    def pseudonym(self, client: str, network: str) -> tuple[str, str]:
        """Return a client and its network as the privacy setting stores them."""

    def profile_id(self, profile: Profile) -> int:
        """Return the id of a header profile, the same for the same headers."""

    def gateway(self, domain: str) -> str:
        """Return who scans for a mail domain, "" when that is not known."""

    def domain_profile(self, scope: ProfileScope, name: str) -> DomainProfile | None:
        """Return what was learned of a domain or gateway; of the name "" that is nothing."""

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
NO_STRAYS = StrayCounts()


def gather(
    visit: Visit,
    source: FactSource,
    *,
    campaign: Campaign,
    recipient: Recipient,
    link: Link | MessageLink,
    policy: Policy,
    systems: Systems = NO_SYSTEMS,
) -> Facts:
    """Look up what the signals may ask about a visit."""
    gateway = source.gateway(recipient.domain)
    domain = "" if policy.is_freemail(recipient.domain, gateway) else recipient.domain
    delivery = source.delivery(campaign.id, recipient.id)
    counts = source.link_counts(campaign.id)
    client, network = source.pseudonym(visit.client, visit.network)
    profile_id = source.profile_id(visit.profile)
    asn = systems.asn(visit.client)
    strays = source.strays(visit.client, since=visit.at - policy.stray_seconds)
    return Facts(
        campaign=campaign,
        link=link,
        link_count=counts.content,
        bait_count=counts.bait,
        profile_id=profile_id,
        client=client,
        network=network,
        zone=policy.networks.find(visit.client, asn),
        asn=asn,
        listed=policy.operator.find(
            visit.client, asn=asn, agent=visit.profile.agent, domain=recipient.domain
        ),
        gateway=gateway,
        delivery=delivery,
        siblings=source.siblings(campaign.id, recipient.id, since=visit.at - policy.reach_seconds),
        strays=resemblance.count(visit, profile_id, strays) if strays else NO_STRAYS,
        learned=learn.recall(
            (
                source.domain_profile(ProfileScope.GATEWAY, gateway),
                source.domain_profile(ProfileScope.DOMAIN, domain),
                source.domain_profile(ProfileScope.EARLY, domain),
                source.domain_profile(ProfileScope.NETWORK, reputation.name_of(network)),
            ),
            visit.at,
            policy.learning,
        ),
        step=in_step.step(
            in_step.Seen(visit.at, visit.key, profile_id, in_step.delivered_at(delivery)),
            source.neighbours(visit, domain),
            policy.in_step,
            most=policy.in_step.most,
        )
        if domain
        else None,
    )
