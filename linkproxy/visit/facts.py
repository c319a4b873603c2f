"""What can be looked up about a visit, and the small contract that looks it up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from linkproxy.model import (
    Campaign,
    CampaignId,
    Delivery,
    Facts,
    Link,
    LinkKey,
    MessageLink,
    Profile,
    Recipient,
    RecipientId,
    Sibling,
    Visit,
)

if TYPE_CHECKING:
    from linkproxy.visit.policy import Policy


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

    def stray_count(self, client: str, *, since: float) -> int:
        """Return how many strays one client address sent; 0 for an unknown client."""

    def pseudonym(self, client: str, network: str) -> tuple[str, str]:
        """Return a client and its network as the privacy setting stores them."""

    def profile_id(self, profile: Profile) -> int:
        """Return the id of a header profile, the same for the same headers."""


def gather(
    visit: Visit,
    source: FactSource,
    *,
    campaign: Campaign,
    recipient: Recipient,
    link: Link | MessageLink,
    policy: Policy,
) -> Facts:
    """Look up what the signals may ask about a visit."""
    counts = source.link_counts(campaign.id)
    client, network = source.pseudonym(visit.client, visit.network)
    return Facts(
        campaign=campaign,
        link=link,
        link_count=counts.content,
        bait_count=counts.bait,
        profile_id=source.profile_id(visit.profile),
        client=client,
        network=network,
        zone=policy.networks.find(visit.client),
        delivery=source.delivery(campaign.id, recipient.id),
        siblings=source.siblings(campaign.id, recipient.id, since=visit.at - policy.reach_seconds),
        stray_count=source.stray_count(visit.client, since=visit.at - policy.stray_seconds),
    )
