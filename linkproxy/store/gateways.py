"""The part of the store's contract about gateways: who scans for the mail domains of recipients.

``Store`` in ``api.py`` includes it, so every engine does all of this.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence


MOST_SECONDS = 30 * 86_400.0
"""No answer is kept longer: what ends later was looked up by a clock that was ahead, and is due."""


class LookupOutcome(StrEnum):
    """What came of asking for a domain's mail servers."""

    FOUND = "found"
    NONE = "none"  # the domain has no mail servers, or is none
    FAILED = "failed"  # nobody answered; what was known before still holds
    UNASKED = ""  # not looked up yet


@dataclass(frozen=True, slots=True)
class DomainGateway:
    """What is known of one mail domain."""

    domain: str  # lower case
    name: str = ""  # of the gateway; "" when its mail servers belong to none that is known
    mx: tuple[str, ...] = ()  # its mail servers, the most preferred one first
    outcome: LookupOutcome = LookupOutcome.UNASKED
    looked_up_at: float = 0.0
    expires_at: float = 0.0  # from then on it is due again


class GatewayStore(Protocol):
    """What every engine does about gateways."""

    async def list_gateways(self) -> list[DomainGateway]:
        """Return what is known of every mail domain, in order of domain."""

    async def list_gateways_due(self, *, now: float, limit: int) -> list[DomainGateway]:
        """Return domains that are to be looked up, those that wait longest first.

        They are due when they have expired at ``now``, or are to only after ``MOST_SECONDS``.
        """

    async def put_gateways(self, rows: Sequence[DomainGateway]) -> None:
        """Replace what is known of some domains; visits from now on see it.

        Domains that no recipient has any more are forgotten instead.
        """
