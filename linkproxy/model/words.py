"""Ids and closed vocabularies."""

from __future__ import annotations

from enum import StrEnum
from typing import NewType

CampaignId = NewType("CampaignId", int)
"""1 .. 2**32 - 1; four bytes of a token."""


RecipientId = NewType("RecipientId", int)
"""1 .. 2**40 - 1; five bytes of a token. 0 stands for nobody: the token of merge-tag mode."""


LinkKey = NewType("LinkKey", str)
"""Four base62 characters, unique within a campaign."""


TokenIds = tuple[CampaignId, RecipientId, int]
"""What a true token says: campaign, recipient (NOBODY in the reference form), signing key.

A plain tuple, since one is made for every click.
"""

NOBODY = RecipientId(0)
NO_CAMPAIGN = CampaignId(0)


class LinkproxyError(Exception):
    """A fault that the user can mend; its text says what, where and what to do."""


class Word(StrEnum):
    """A member of a closed vocabulary: hashed as the text that it equals, by C rather than by Enum."""

    __hash__ = str.__hash__


class CampaignKind(Word):
    """What a mailing is for; it sets the prior and the timing curve."""

    MARKETING = "marketing"
    TRANSACTIONAL = "transactional"


class LinkKind(Word):
    """What a link does when it is followed."""

    CONTENT = "content"
    BAIT = "bait"
    UNSUBSCRIBE = "unsubscribe"
    OPEN = "open"  # a picture that tells when a mail is shown


class LinkRole(Word):
    """Where a reader meets a link; footer, social and legal links are those nobody reads."""

    BODY = "body"
    HEADER = "header"
    FOOTER = "footer"
    SOCIAL = "social"
    LEGAL = "legal"


LOW_INTEREST_ROLES = frozenset({LinkRole.FOOTER, LinkRole.SOCIAL, LinkRole.LEGAL})


class BaitStyle(Word):
    """How a bait anchor hides; ``none`` leaves the mail without bait."""

    HIDDEN = "hidden"
    PIXEL = "pixel"
    NONE = "none"


class BaitPlaces(Word):
    """Where the bait anchors of a mail stand; always an even number of them."""

    BOTH = "both"  # one early and one late in the body
    EARLY = "early"  # two early ones
    LATE = "late"  # two late ones
    DOUBLE = "double"  # two early and two late ones


class MachineAnswer(Word):
    """What a visit far above the machine threshold gets."""

    NEUTRAL = "neutral"
    REDIRECT = "redirect"


class DeliverySource(Word):
    """Who told us when a message was accepted, and so how far off the time may be."""

    MX = "mx"
    PROVIDER = "provider"
    SMARTHOST = "smarthost"
    CAMPAIGN = "campaign"
    NONE = "none"


OF_MESSAGE = frozenset({DeliverySource.MX, DeliverySource.PROVIDER, DeliverySource.SMARTHOST})
"""Sources that speak of one message, not of a mailing."""


class Family(Word):
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


class ZoneRole(Word):
    """Who is behind a network."""

    SCANNER = "scanner"  # a security vendor's own machines
    CLOUD = "cloud"  # rented machines
    PEOPLE = "people"  # gateways, isolation browsers, relays: not blamed


class ProfileScope(Word):
    """Whose messages a domain profile was learned from."""

    DOMAIN = "domain"  # recipients of one mail domain
    GATEWAY = "gateway"  # recipients of all domains behind one gateway
    EARLY = "early"  # recipients of one mail domain, by when visits came that passed for a person's
    MAILED = "mailed"  # recipients of one mail domain, by how many of a mailing's are visited at all
    NETWORK = "network"  # anybody's, by the wide network that visits came from


class VerdictKind(Word):
    """What a visit is taken for."""

    HUMAN = "human"
    MACHINE = "machine"
    UNCERTAIN = "uncertain"


class AnswerKind(Word):
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
    PICTURE = "picture"  # 200, the picture that tells of an open
    NOT_FOUND = "not_found"  # 404


class EngagementKind(Word):
    """By whose word something is known of a visit's time at its target."""

    BEACON = "beacon"  # the script in the visitor's browser
    CALL = "call"  # the target's own server, over the JSON API


class Right(Word):
    """What an API key may do; linkproxy/server/rights.py says which calls that is."""

    EVERYTHING = "everything"
    READ = "read"  # a dashboard: sees all of it, changes nothing
    SEND = "send"  # a mailer: campaigns, their mail, its deliveries, whom to send to no more
    DELIVER = "deliver"  # who knows when mail was accepted, and tells that alone
    ENGAGE = "engage"  # a target: tells what it knows of visits, and nothing else


class TokenForm(Word):
    """Which form of tracked URL a token is signed for; each has a MAC domain of its own."""

    MESSAGE = "message"  # /{token}/{key}
    REFERENCE = "reference"  # /{token}/{key}/{reference}


class StrayReason(Word):
    """Why a request for a tracked path belongs to no visit."""

    MALFORMED = "malformed"  # not the shape of a tracked URL's token
    BAD_MAC = "bad_mac"  # forged, truncated or mutated token
    UNKNOWN_CAMPAIGN = "unknown_campaign"  # a true token of a campaign that is not there
    UNKNOWN_KEY = "unknown_key"  # a true token with a key that its campaign does not have
    BAD_REFERENCE = "bad_reference"  # counted alone: no reference (a mail address, a tag unfilled)
