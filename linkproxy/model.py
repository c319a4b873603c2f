"""The nouns everyone passes: frozen values without I/O and without a framework's types.

Times are seconds since the Unix epoch, UTC, as float, and end in ``_at``; spans end in
``_seconds``. Weights and scores are decibans (tenths of a power of ten of likelihood ratio;
Good, "Weight of evidence: a brief survey", 1985): +10 is ten times likelier from a machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

CampaignId = NewType("CampaignId", int)
"""1 .. 2**32 - 1; four bytes of a token."""

RecipientId = NewType("RecipientId", int)
"""1 .. 2**40 - 1; five bytes of a token. 0 stands for nobody: the token of merge-tag mode."""

LinkKey = NewType("LinkKey", str)
"""Four base62 characters, unique within a campaign."""

NOBODY = RecipientId(0)


class LinkproxyError(Exception):
    """A fault that the user can mend; its text says what, where and what to do."""


class CampaignKind(StrEnum):
    """What a mailing is for; it sets the prior and the timing curve."""

    MARKETING = "marketing"
    TRANSACTIONAL = "transactional"


class LinkKind(StrEnum):
    """What a link does when it is followed."""

    CONTENT = "content"
    BAIT = "bait"
    UNSUBSCRIBE = "unsubscribe"


class LinkRole(StrEnum):
    """Where a reader meets a link; footer, social and legal links are those nobody reads."""

    BODY = "body"
    HEADER = "header"
    FOOTER = "footer"
    SOCIAL = "social"
    LEGAL = "legal"


LOW_INTEREST_ROLES = frozenset({LinkRole.FOOTER, LinkRole.SOCIAL, LinkRole.LEGAL})


class BaitStyle(StrEnum):
    """How a bait anchor hides; ``none`` leaves the mail without bait."""

    HIDDEN = "hidden"
    PIXEL = "pixel"
    NONE = "none"


class MachineAnswer(StrEnum):
    """What a visit far above the machine threshold gets."""

    NEUTRAL = "neutral"
    REDIRECT = "redirect"


class DeliverySource(StrEnum):
    """Who told us when a message was accepted, and so how far off the time may be."""

    MX = "mx"
    PROVIDER = "provider"
    SMARTHOST = "smarthost"
    CAMPAIGN = "campaign"
    NONE = "none"


class Family(StrEnum):
    """Evidence of one family is correlated: only its strongest on each side counts."""

    REQUEST = "request"
    NETWORK = "network"
    TIMING = "timing"
    MESSAGE = "message"
    BAIT = "bait"
    MUTATION = "mutation"
    REDIRECT_FOLLOWING = "redirect-following"
    IN_STEP = "in-step"
    AFTERLIFE = "afterlife"
    OPERATOR = "operator"  # the operator's own lists


class ZoneRole(StrEnum):
    """Who is behind a network."""

    SCANNER = "scanner"  # a security vendor's own machines
    CLOUD = "cloud"  # rented machines
    PEOPLE = "people"  # gateways, isolation browsers, relays: not blamed


class ProfileScope(StrEnum):
    """Whose messages a domain profile was learned from."""

    DOMAIN = "domain"  # recipients of one mail domain
    GATEWAY = "gateway"  # recipients of all domains behind one gateway


class VerdictKind(StrEnum):
    """What a visit is taken for."""

    HUMAN = "human"
    MACHINE = "machine"
    UNCERTAIN = "uncertain"


class AnswerKind(StrEnum):
    """What a request gets. docs/judging.md has the table of who gets which."""

    REDIRECT = "redirect"  # 302 to the target
    HOP = "hop"  # 302 to this same link with a nonce: the extra hop, once
    NEUTRAL = "neutral"  # 200, the neutral page
    RETRY = "retry"  # 503 no-store: a browser that speculates asks again on the real click
    PRECHECK = "precheck"  # 200 without redirect: an Office program looks before the browser goes
    BAIT = "bait"  # 200, the bait's landing page (or 302 to the operator's own)
    UNSUBSCRIBE = "unsubscribe"  # 200, the page that asks
    UNSUBSCRIBED = "unsubscribed"  # 200, the page that confirms; the opt-out is stored
    CONTINUED = "continued"  # 303 to the target, after Continue or "I am a person"
    NOT_FOUND = "not_found"  # 404


class EngagementKind(StrEnum):
    """By whose word something is known of a visit's time at its target."""

    BEACON = "beacon"  # the script in the visitor's browser
    CALL = "call"  # the target's own server, over the JSON API


class TokenForm(StrEnum):
    """The three forms of tracked URL; each has a MAC domain of its own."""

    MESSAGE = "message"  # /{token}/{key}
    REFERENCE = "reference"  # /{token}/{key}/{reference}
    HOP = "hop"  # /{token}/{key}/~{nonce}


class StrayReason(StrEnum):
    """Why a request for a tracked path belongs to no visit."""

    MALFORMED = "malformed"  # not the shape of a tracked URL's token
    BAD_MAC = "bad_mac"  # forged, truncated or mutated token
    UNKNOWN_CAMPAIGN = "unknown_campaign"  # a true token of a campaign that is not there
    UNKNOWN_KEY = "unknown_key"  # a true token with a key that its campaign does not have
    BAD_REFERENCE = "bad_reference"  # a reference that is no reference (a mail address, a tag unfilled)


# --- what goes out -----------------------------------------------------------------------------


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
    leave_shown_urls: bool = False  # True: a link whose text is a URL itself is not tracked


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class Delivery:
    """When a message, or a whole campaign, was accepted, and by whose word."""

    delivered_at: float
    source: DeliverySource


NO_DELIVERY = Delivery(0.0, DeliverySource.NONE)


# --- what comes in -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TokenIds:
    """What a true token says; ``recipient_id`` is NOBODY in the reference form."""

    campaign_id: CampaignId
    recipient_id: RecipientId
    signing_key_id: int


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


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
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
    target: str  # cropped
    client: str
    network: str
    profile: Profile
    campaign_id: CampaignId = CampaignId(0)  # known for unknown_key only
    recipient_id: RecipientId = NOBODY


@dataclass(frozen=True, slots=True)
class StrayTrace:
    """What a judge needs of a stray."""

    at: float
    target: str  # cropped
    profile_id: int
    campaign_id: CampaignId = CampaignId(0)  # as of a stray
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


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class Neighbour:
    """The first of some visits to another message of the same campaign and recipient domain."""

    recipient_id: RecipientId
    at: float
    key: LinkKey
    profile_id: int
    delivered_at: float | None = None  # known for that very message
    unsubscribe_at: float | None = None  # when it last came for an unsubscribe link, by no one-click POST


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class Facts:
    """What was looked up about a visit; None or empty means not known, which is no evidence.

    ``siblings`` are other visits of the message within the policy's reach, in order of arrival:
    those before the visit when it is answered, those around it when it is settled.
    """

    campaign: Campaign
    link: Link | MessageLink | None = None
    link_count: int = 0  # content links of the campaign
    bait_count: int = 0
    profile_id: int = 0
    client: str = ""  # the visit's client and network as the privacy setting stores them,
    network: str = ""  # so that they compare with those of siblings
    zone: Zone | None = None  # whose network it is, looked up before the address is disguised
    asn: int = 0  # the autonomous system of its address, likewise
    listed: tuple[str, ...] = ()  # the operator's rows that mean the visit, by name, likewise
    gateway: str = ""  # who scans for the recipient's domain, as known when the visit came
    delivery: Delivery = NO_DELIVERY
    siblings: tuple[Sibling, ...] = ()
    strays: StrayCounts = StrayCounts()
    answer: AnswerKind | None = None  # what the visit got; known when it is settled
    settled: bool = False  # siblings include what came after
    learned: tuple[Learned, ...] = ()  # the gateway's and the domain's, where enough recipients taught them
    step: Step | None = None  # None: the recipient's domain is not known, or it is a freemail domain
    afterlife: Afterlife | None = None  # None: not settled yet, or its target was given no click id


@dataclass(frozen=True, slots=True)
class Evidence:
    """One signal that spoke."""

    name: str
    family: Family
    weight: float  # decibans; positive: machine
    source: str = ""  # where the weight comes from
    counted: bool = True  # False: overshadowed by a stronger one of its family
    decisive: bool = False  # alone enough for machine, whatever speaks against
    detail: str = ""  # what was seen, for a person to read


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a visit is taken for, and why."""

    kind: VerdictKind
    score: float  # decibans
    prior: float  # decibans
    evidence: tuple[Evidence, ...]
    policy: str = ""  # hash of the rule set
    broken: tuple[str, ...] = ()  # signals that failed: no evidence, but counted in metrics

    @property
    def probability(self) -> float:
        """Return the probability of a machine, 0 to 1."""
        return float(1 / (1 + 10 ** (-self.score / 10)))

    @property
    def reasons(self) -> tuple[str, ...]:
        """Return the names of the counted signals, strongest first."""
        counted = [item for item in self.evidence if item.counted and item.weight]
        return tuple(item.name for item in sorted(counted, key=lambda item: -abs(item.weight)))


@dataclass(frozen=True, slots=True)
class Answer:
    """What to send; ``target`` is set where a page or a redirect leads somewhere."""

    kind: AnswerKind
    target: str = ""


@dataclass(frozen=True, slots=True)
class Judged:
    """A visit with everything that was made of it; what the journal stores."""

    visit: Visit
    facts: Facts
    verdict: Verdict
    answer: Answer
    recipient: Recipient | None = None
    visit_id: int = 0  # set by the store


@dataclass(frozen=True, slots=True)
class Unlogged:
    """A visit that is answered and leaves no trace: erased, or opted out of tracking.

    ``opt_out`` is the exception: who is not tracked can still unsubscribe, and that is stored.
    """

    answer: Answer
    opt_out: Unsubscribe | None = None


# --- what is kept ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """A visit as the journal holds it.

    ``verdict`` and ``answer`` are those of the moment of the visit; ``settled`` is the revised
    verdict, None while the hold window is open. ``visit.client`` and ``visit.network`` are as
    the privacy setting stores them.
    """

    visit_id: int
    visit: Visit
    facts: Facts  # frozen: what was known then; without siblings
    verdict: Verdict
    answer: AnswerKind
    recipient: Recipient
    settled: Verdict | None = None
    settled_at: float | None = None
    settled_step: Step | None = None  # frozen when it was settled
    settled_afterlife: Afterlife | None = None  # likewise


@dataclass(frozen=True, slots=True)
class Click:
    """A settled human visit, double requests merged."""

    visit_id: int
    at: float
    campaign_id: CampaignId
    recipient_id: RecipientId
    key: LinkKey
    score: float
    reasons: tuple[str, ...]
    verified: bool = True
    merged: int = 0  # further requests that this click stands for


@dataclass(frozen=True, slots=True)
class MessageHistory:
    """The visits of one message in order of arrival, settled ones within reach included.

    ``open_ids`` are those not settled yet. ``clicked`` are visits that the click log holds
    already, so that a double request merges with a click of an earlier pass.
    """

    entries: tuple[JournalEntry, ...]
    open_ids: frozenset[int]
    clicked: frozenset[int]
    delivery: Delivery = NO_DELIVERY  # as known now, which may be later than the visits
    neighbours: tuple[Neighbour, ...] | None = None  # None: not looked up, so what was frozen holds
    engagements: tuple[Engagement, ...] | None = None  # of all its visits; None as above
    engaged: int = 0  # as of an Afterlife
    known_at: float = 0.0  # when it is settled


@dataclass(frozen=True, slots=True)
class Lesson:
    """What one message teaches of its domain and gateway; its counts are 0 or 1.

    ``domain`` and ``gateway`` are "" where nothing is to be learned of them.
    """

    domain: str
    gateway: str
    recipient_id: RecipientId
    half_life_seconds: float
    machines: int = 0
    people: int = 0
    baits_offered: int = 0  # a machine followed a message with bait
    baited: int = 0  # ... and took it
    browsers: int = 0  # a machine had the headers of a current browser
    delay_seconds: float | None = None  # of the first machine visit, since delivery


@dataclass(frozen=True, slots=True)
class DomainProfile:
    """What the messages of a recipient domain or gateway have taught.

    Counts are of messages, each worn off by half in every half-life up to ``taught_at``.
    """

    scope: ProfileScope
    name: str
    machines: float = 0.0
    people: float = 0.0
    baits_offered: float = 0.0
    baited: float = 0.0
    browsers: float = 0.0
    delays: float = 0.0  # machine visits whose delay is known
    delay_ln_sum: float = 0.0  # natural logarithms of those delays in seconds
    taught_at: float = 0.0
    recipients: int = 0  # different ones that taught, at most MOST_TEACHERS


MOST_TEACHERS = 200
"""Recipients of a domain profile that are told apart; more of them change nothing."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a settle pass made of a message."""

    revised: tuple[tuple[int, Verdict], ...]  # visit id and settled verdict
    clicks: tuple[Click, ...]  # new ones
    settled_at: float
    withdrawn: tuple[int, ...] = ()  # clicks of an earlier pass that are none, by visit id
    steps: tuple[tuple[int, Step], ...] = ()  # what the settled verdicts went by, to be frozen
    afterlives: tuple[tuple[int, Afterlife], ...] = ()  # likewise
    lesson: Lesson | None = None  # what the message teaches, once


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """An opt-out that a person, or a mailbox provider for one (RFC 8058), sent."""

    at: float
    campaign_id: CampaignId
    recipient_id: RecipientId
    one_click: bool
