"""What goes out: campaigns, links, recipients, deliveries."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from linkproxy.model.lean import lean
from linkproxy.model.words import BaitPlaces, BaitStyle, CampaignKind, DeliverySource, MachineAnswer

if TYPE_CHECKING:
    from linkproxy.model.words import CampaignId, LinkKey, LinkKind, LinkRole, RecipientId


BASE_URL: Final = re.compile(r"https?://[A-Za-z0-9:/._~-]*[A-Za-z0-9._~-]")
"""What tracked URLs can begin with: every mail program takes it for a part of a link, unquoted."""


@dataclass(frozen=True, slots=True)
class Utm:
    """UTM parameters added to targets that do not carry them; empty means none."""

    source: str = ""
    medium: str = ""
    campaign: str = ""
    term: str = ""
    content: str = ""

    def items(self) -> tuple[tuple[str, str], ...]:
        """Return the non-empty ones as (query key, value)."""
        named = {
            "utm_source": self.source,
            "utm_medium": self.medium,
            "utm_campaign": self.campaign,
            "utm_term": self.term,
            "utm_content": self.content,
        }
        return tuple((key, value) for key, value in named.items() if value)


@dataclass(frozen=True, slots=True)
class Campaign:
    """One mailing and what its links do."""

    id: CampaignId
    name: str
    kind: CampaignKind = CampaignKind.MARKETING
    base_url: str = ""  # scheme and host of its tracked URLs, without a slash at the end
    machine_answer: MachineAnswer = MachineAnswer.NEUTRAL
    bait_style: BaitStyle = BaitStyle.HIDDEN
    utm: Utm = Utm()
    rewrite_unsubscribe: bool = False  # True: detected unsubscribe links are handed to linkproxy
    created_at: float = 0.0
    click_id: str = ""  # query parameter that tells targets of the visit; "" tells them nothing
    bait_places: BaitPlaces = BaitPlaces.BOTH
    leave_shown_urls: bool = False  # True: a link whose text is a URL itself is not tracked
    opens: bool = False  # True: its HTML holds a picture that tells when it is shown
    list_unsubscribe: bool = False  # True: its messages get the headers of RFC 2369 and RFC 8058
    archived_at: float | None = None  # when lists began to leave it out; its links go on working


@lean(frozen=True, slots=True)
class Link:
    """One row of a campaign's link table."""

    campaign_id: CampaignId
    key: LinkKey
    target: str  # absolute http(s) URL; for bait and hosted unsubscribe it may be empty
    kind: LinkKind
    role: LinkRole
    position: int  # 0-based order in the mail
    style: BaitStyle = BaitStyle.NONE  # of bait links only
    shape: str = ""  # the target with its values taken out; message links are grouped by it


@lean(frozen=True, slots=True)
class MessageLink:
    """A target that belongs to one message alone (merged values)."""

    campaign_id: CampaignId
    recipient_id: RecipientId
    key: LinkKey
    target: str
    kind: LinkKind
    role: LinkRole
    position: int
    shape: str
    created_at: float = 0.0


@lean(frozen=True, slots=True)
class Recipient:
    """Whom a message was for: a mail address or an outside reference, and the mail domain.

    ``address`` and ``reference`` are as the privacy setting stores them. ``verified`` is False
    for references that a mailer put into the URL unsigned.
    """

    id: RecipientId
    address: str = ""
    reference: str = ""
    domain: str = ""
    track: bool = True
    verified: bool = True


@lean(frozen=True, slots=True)
class Delivery:
    """When a message, or a whole campaign, was accepted, and by whose word."""

    delivered_at: float
    source: DeliverySource


NO_DELIVERY = Delivery(0.0, DeliverySource.NONE)
