"""Many recipients of one domain, for the claims about domains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from linkproxy.model import Delivery, DeliverySource, Recipient
from linkproxy.server.settler import settle_due
from linkproxy.store.api import DeliveryDraft, Filter, RecipientDraft

if TYPE_CHECKING:
    from linkproxy.model import Judged, Verdict

START = 1_795_000_000.0
"""The world's NOW."""

LIBRARY = (("User-Agent", "python-requests/2.32.3"), ("Accept", "*/*"))


@dataclass
class Company:
    """The recipients of one mail domain in a world."""

    world: Any
    people: list[Recipient]

    async def deliver(self, *at: float) -> None:
        """Deliver to all at one time, or to each at its own, in seconds after START."""
        times = at * len(self.people) if len(at) == 1 else at
        await self.world.store.add_deliveries(
            [
                DeliveryDraft(self.world.campaign.id, person.id, Delivery(START + when, DeliverySource.MX))
                for person, when in zip(self.people, times, strict=True)
            ]
        )


async def company(world: Any, count: int, domain: str = "company.example", first: int = 0) -> Company:
    """Register recipients of a domain."""
    drafts = [RecipientDraft(f"person{number}@{domain}") for number in range(first, first + count)]
    return Company(world, await world.store.register_recipients(drafts))


async def settle_all(world: Any, at: float) -> None:
    """Settle what is due so many seconds after START."""
    await settle_due(world.store, world.policy, START + at)


async def settled(world: Any) -> dict[int, Verdict]:
    """Return the settled verdicts by visit id."""
    rows = [row.entry async for row in world.store.visits(Filter())]
    return {entry.visit_id: entry.settled for entry in rows if entry.settled is not None}


def spread(number: int) -> str:
    """Return an address in a network of its own."""
    return f"198.18.{number % 250}.{number // 250 + 1}"


def weight_of(name: str, found: Verdict) -> float:
    """Return what a signal weighed, 0 when it was silent."""
    return next((item.weight for item in found.evidence if item.name == name), 0.0)


def in_step(judged: Judged) -> list[str]:
    """Return the signals of the family in-step that spoke."""
    return [item.name for item in judged.verdict.evidence if item.name.startswith("in-step.")]
