"""What comes in: requests, visits, and what is known about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from linkproxy.model.lean import lean
from linkproxy.model.outgoing import NO_DELIVERY
from linkproxy.model.words import NO_CAMPAIGN, NOBODY, CampaignId

if TYPE_CHECKING:
    from linkproxy.model.outgoing import Campaign, Delivery, Link, MessageLink
    from linkproxy.model.words import (
        AnswerKind,
        EngagementKind,
        LinkKey,
        LinkKind,
        LinkRole,
        ProfileScope,
        RecipientId,
        StrayReason,
        VerdictKind,
        ZoneRole,
    )


@dataclass(frozen=True, slots=True)
class RawRequest:
    """What a server holds of a request, before anyone has read it.

    ``headers`` keep order, spelling and repetition; names and values are str, bytes above 0x7F
    decoded as surrogateescape. ``peer`` is the socket's address, "" when there is none.
    """

    method: str
    target: str  # request-target in origin form (RFC 9112 section 3.2.1)
    headers: tuple[tuple[str, str], ...]
    peer: str
    time: float
    http_version: str = "1.1"
    secure: bool = False  # the socket itself spoke TLS
    body: bytes = b""  # of POST only, bounded by the server


@lean(frozen=True, slots=True)
class Profile:
    """What a header set says of its client; the same set is the same profile.

    ``headers`` have lower-case names and lack what differs from request to request (cookies,
    forwarding, referrers). ``complete`` is False when some headers may be missing, as in a
    report of a request that was never received; then absence is no evidence.
    """

    headers: tuple[tuple[str, str], ...] = ()
    agent: str | None = None  # None: not known; "": sent none
    complete: bool = True

    def get(self, name: str) -> str | None:
        """Return the first value of a header by its lower-case name."""
        for key, value in self.headers:
            if key == name:
                return value
        return None


@lean(frozen=True, slots=True)
class Visit:
    """One HTTP request for a tracked URL, whoever made it, as intake read it."""

    at: float
    method: str
    campaign_id: CampaignId
    recipient_id: RecipientId  # NOBODY while the reference is not looked up
    key: LinkKey
    client: str  # address, "" when unknown
    network: str  # /24 or /64 of it, "" when unknown
    profile: Profile
    http_version: str = "1.1"
    secure: bool = False  # the browser spoke TLS, to us or to a trusted front
    reference: str = ""  # merge-tag mode
    verified: bool = True
    one_click: bool = False  # an RFC 8058 POST
    token: str = ""  # as it stood in the URL
    hop_at: float | None = None  # when its nonce was given out; 0: by nobody; None: it has none
    hop_cookie: bool = False  # it brought the cookie that an extra hop had set


@dataclass(frozen=True, slots=True)
class Stray:
    """A request for a tracked path that belongs to no visit."""

    at: float
    reason: StrayReason
    method: str
    target: str  # the path, cropped and without mail addresses
    client: str
    network: str
    profile: Profile
    campaign_id: CampaignId = NO_CAMPAIGN  # of a true token, likewise the recipient
    recipient_id: RecipientId = NOBODY


@lean(frozen=True, slots=True)
class StrayTrace:
    """What a judge needs of a stray."""

    at: float
    target: str  # as of a stray
    profile_id: int
    campaign_id: CampaignId = NO_CAMPAIGN  # likewise
    recipient_id: RecipientId = NOBODY


@dataclass(frozen=True, slots=True)
class StrayCounts:
    """How many strays the client of a visit sent in the same minutes."""

    message: int = 0  # changed copies of a link of the visit's message, from the visit's own burst
    alike: int = 0  # such copies under other headers and before, or other tokens with its link key
    other: int = 0  # anything else: another message's, as from behind the same NAT

    @property
    def all(self) -> int:
        """Return how many there were."""
        return self.message + self.alike + self.other


NO_STRAYS = StrayCounts()


@lean(frozen=True, slots=True)
class Sibling:
    """What a judge needs of another visit of the same message."""

    visit_id: int
    at: float
    method: str
    key: LinkKey
    kind: LinkKind
    role: LinkRole
    client: str
    network: str
    profile_id: int
    verdict: VerdictKind
    answer: AnswerKind
    hop_at: float | None = None  # as of a visit
    hop_cookie: bool = False


@dataclass(frozen=True, slots=True)
class Zone:
    """A network that is known by name."""

    name: str
    role: ZoneRole
    certain: bool = True  # False: a scanner's network that carries people too


@lean(frozen=True, slots=True)
class Neighbour:
    """The first of some visits to another message of the same campaign and recipient domain."""

    recipient_id: RecipientId
    at: float
    key: LinkKey
    profile_id: int
    delivered_at: float | None = None  # known for that very message
    unsubscribe_at: float | None = None  # when it last came for an unsubscribe link, by no one-click POST
    first_at: float = 0.0  # of all visits to that message, as far as they are remembered


@lean(frozen=True, slots=True)
class Step:
    """How many recipients of a domain were hit in step with a visit; each counts once.

    The windows are the policy's; those before a visit are known when it is answered, those around
    it when it is settled.
    """

    together: int = 0  # within seconds, in a like manner
    around: int = 0  # within the minutes around, but not within seconds
    same_delay: int = 0  # delivered at another time and hit at the same delay
    delays: int = 0  # delivered at another time, whatever their delay
    unsubscribes: int = 0  # came for an unsubscribe link


@dataclass(frozen=True, slots=True)
class Engagement:
    """What was told of a visit's time at its target; one for each kind and visit."""

    visit_id: int
    kind: EngagementKind
    first_at: float  # when the first word of it came
    at: float  # when the newest came that said more than those before
    seconds_on_page: float
    pages: int  # of the site, the first one included
    network: str = ""  # that the beacon came from, as that of a visit; "" when unknown


@dataclass(frozen=True, slots=True)
class Afterlife:
    """What was known by a time of what followed a visit at its target."""

    known_at: float
    engagements: tuple[Engagement, ...] = ()
    engaged: int = 0  # other recipients of the campaign that engagement is known of, at most MOST_ENGAGED


MOST_ENGAGED = 20
"""More of them say no more about whether a site reports engagement."""


@dataclass(frozen=True, slots=True)
class Learned:
    """What a domain profile says at the time of a visit: messages followed, worn off with age."""

    scope: ProfileScope
    name: str
    machines: float  # messages that a machine followed
    people: float  # messages that a person followed
    browsers: float = 0.0  # of the machines, those with the headers of a current browser


@lean(frozen=True, slots=True)
class Facts:
    """What was looked up about a visit; None or empty means not known, which is no evidence.

    ``siblings`` are other visits of the message within the policy's reach, in order of arrival:
    those before the visit when it is answered, those around it when it is settled.
    """

    campaign: Campaign
    link: Link | MessageLink | None = None
    link_count: int = 0  # content links of the campaign
    bait_count: int = 0
    framed: bool = False  # the campaign's own content links are all footer, social or legal
    profile_id: int = 0
    client: str = ""  # the visit's client and network as the privacy setting stores them,
    network: str = ""  # so that they compare with those of siblings
    zone: Zone | None = None  # whose network it is, looked up before the address is disguised
    asn: int = 0  # the autonomous system of its address, likewise
    listed: tuple[str, ...] = ()  # the operator's rows that mean the visit, by name, likewise
    gateway: str = ""  # who scans for the recipient's domain, as known when the visit came
    delivery: Delivery = NO_DELIVERY
    siblings: tuple[Sibling, ...] = ()
    opens: tuple[Sibling, ...] = ()  # of the message, likewise; they are no siblings
    strays: StrayCounts = NO_STRAYS
    answer: AnswerKind | None = None  # what the visit got; known when it is settled
    settled: bool = False  # siblings include what came after
    beside_driven: bool = False  # settled, and a browser as scanners drive it came from elsewhere, too
    learned: tuple[Learned, ...] = ()  # the gateway's and the domain's, where enough recipients taught them
    step: Step | None = None  # None: the recipient's domain is not known, or it is a freemail domain
    afterlife: Afterlife | None = None  # None: not settled yet, or its target was given no click id
