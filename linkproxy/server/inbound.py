"""Taking in what providers tell by webhook: the edge of linkproxy/inbound. docs/deliveries.md is its page."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from linkproxy.inbound.base import Delivered, Fault, Outcome, Subscription, read
from linkproxy.inbound.mailgun import MAILGUN, signed_mailgun
from linkproxy.inbound.providers import PROVIDERS
from linkproxy.logs import Event, get_logger
from linkproxy.model import Delivery, LinkproxyError
from linkproxy.query.filters import can_have_been, delivery_fault
from linkproxy.server.body import ApiError
from linkproxy.server.recipients import read_recipient
from linkproxy.store.api import DeliveryDraft, RecipientDraft, StoreError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from linkproxy.campaign.tokens import Keyring
    from linkproxy.inbound.base import Provider, Told
    from linkproxy.model import Campaign
    from linkproxy.server.api import Answer, Call
    from linkproxy.store.api import Store
    from linkproxy.telemetry import Metrics

PATH: Final = "/inbound/"
_TOGETHER: Final = 500
"""Deliveries of one write: visits wait for it."""
_MINUTE_SECONDS: Final = 60.0
_DAY_SECONDS: Final = 86_400.0
_MOST_SAID: Final = 100

_Found = tuple["Campaign", RecipientDraft, Delivery]


class Inbound:
    """Records the deliveries that providers tell of, and counts everything else that they tell."""

    def __init__(
        self,
        store: Store,
        keyring: Keyring,
        metrics: Metrics,
        clock: Callable[[], float],
        *,
        mailgun_key: str = "",
    ) -> None:
        self._store = store
        self._keyring = keyring
        self._metrics = metrics
        self._clock = clock
        signed = {MAILGUN.name: signed_mailgun(mailgun_key, clock)} if mailgun_key else {}
        self._providers: Mapping[str, Provider] = {**PROVIDERS, **signed}
        self._said: set[tuple[str, ...]] = set()
        self._said_until = 0.0
        self.routes: Sequence[tuple[str, str, Callable[[Call], Awaitable[Answer]]]] = (
            ("POST", f"{PATH}{{provider}}", self.take),
        )

    async def take(self, call: Call) -> Answer:
        """Take a request of a provider, and tell how many events had which outcome.

        Only what is no JSON, and a store that fails, are errors: a provider sends again whatever it gets
        an error for.
        """
        provider = self._providers.get(call.path["provider"])
        if provider is None:
            raise ApiError(404, f"there is no such provider; there are: {', '.join(PROVIDERS)}")
        counts: Counter[str] = Counter(dict.fromkeys(Outcome, 0))
        try:
            told = self._read(provider, call.body, counts)
            try:
                await self._sort_out(provider, told, counts)
            except StoreError as error:
                counts[Outcome.FAILED] = len(told) - counts.total()
                raise ApiError(provider.again, str(error)) from None
        finally:
            for outcome, count in counts.items():
                self._metrics.inbound_events.labels(provider=provider.name, outcome=outcome).inc(count)
        del counts[Outcome.FAILED]
        return dict(counts)

    def _read(self, provider: Provider, body: bytes, counts: Counter[str]) -> Sequence[Told]:
        try:
            return read(provider, body)
        except LinkproxyError as error:
            self._complain(provider, Fault(str(error)), counts)
            raise

    async def _sort_out(self, provider: Provider, told: Sequence[Told], counts: Counter[str]) -> None:
        delivered: list[Delivered] = []
        for item in told:
            match item:
                case Delivered():
                    delivered.append(item)
                case Outcome():
                    counts[item] += 1
                case Fault():
                    self._complain(provider, item, counts)
                case Subscription():
                    counts[Outcome.OTHER] += 1
                    self._say(Event.INBOUND_SUBSCRIPTION, provider, topic=item.topic, url=item.url)
        found = await self._find(provider, delivered, counts)
        for start in range(0, len(found), _TOGETHER):
            await self._record(provider, found[start : start + _TOGETHER], counts)

    async def _find(
        self, provider: Provider, delivered: Sequence[Delivered], counts: Counter[str]
    ) -> list[_Found]:
        """Return whose the deliveries are, the oldest first: of two copies the later one counts."""
        campaigns = {name: await self._campaign(name) for name in {item.campaign for item in delivered}}
        found: list[_Found] = []
        for item in sorted(delivered, key=lambda item: item.at):
            campaign, told = campaigns[item.campaign], Delivery(item.at, provider.source)
            if campaign is None:
                counts[Outcome.UNKNOWN_CAMPAIGN] += 1
                self._say(Event.INBOUND_CAMPAIGN_UNKNOWN, provider, campaign=item.campaign[:120])
            elif isinstance(draft := self._whose(item), Fault):
                self._complain(provider, draft, counts)
            elif fault := self._time_fault(campaign, told):
                self._complain(provider, fault, counts)
            else:
                found.append((campaign, draft, told))
        return found

    def _time_fault(self, campaign: Campaign, told: Delivery) -> Fault | None:
        now, at = self._clock(), told.delivered_at
        if not can_have_been(at, now=now) or delivery_fault(told, now=now):
            return Fault("its time cannot be, or is ahead of this machine's")
        # Links are made before mail is sent. Seconds taken for milliseconds are a time in 1970.
        if at < campaign.created_at - _DAY_SECONDS:
            return Fault("its time is before the campaign was made")
        return None

    async def _campaign(self, name: str) -> Campaign | None:
        # PostgreSQL takes no NUL in text, and would say that the store fails.
        return None if "\0" in name else await self._store.find_campaign(name)

    def _whose(self, item: Delivered) -> RecipientDraft | Fault:
        """Return the recipient as visits know it: of a signed reference by what was signed."""
        if reference := self._keyring.check_reference(item.who):
            return RecipientDraft(reference=reference[0])
        try:
            return read_recipient(item.who)
        except LinkproxyError:
            # The text says whose address it is.
            return Fault("the recipient is neither an address nor a reference")

    async def _kept(
        self, provider: Provider, told: Sequence[_Found], counts: Counter[str]
    ) -> Sequence[_Found]:
        """Return what may be recorded: mail may come days after it was sent, and its recipient be erased.

        A link for an address is made after the address is registered, so one that is unknown has no link any
        more or never had one. References are registered by their first visit.
        """
        drafts = [draft for _, draft, _ in told]
        erased = await self._store.erased_references(draft.reference for draft in drafts if draft.reference)
        known = await self._store.known_addresses(draft.address for draft in drafts if draft.address)
        found: list[_Found] = []
        for item in told:
            campaign, draft, _ = item
            if draft.reference in erased:
                counts[Outcome.ERASED] += 1
            elif draft.address and draft.address not in known:
                counts[Outcome.UNKNOWN_RECIPIENT] += 1
                self._say(Event.INBOUND_RECIPIENT_UNKNOWN, provider, campaign=campaign.name)
            else:
                found.append(item)
        return found

    async def _record(self, provider: Provider, told: Sequence[_Found], counts: Counter[str]) -> None:
        found = await self._kept(provider, told, counts)
        if not found:
            return
        people = await self._store.register_recipients([draft for _, draft, _ in found])
        drafts = [
            DeliveryDraft(campaign.id, person.id, delivery)
            for person, (campaign, _, delivery) in zip(people, found, strict=True)
        ]
        recorded = await self._store.add_deliveries(drafts)
        counts[Outcome.RECORDED] += recorded
        counts[Outcome.UNCHANGED] += len(drafts) - recorded

    def _complain(self, provider: Provider, fault: Fault, counts: Counter[str]) -> None:
        counts[Outcome.MALFORMED] += 1
        self._say(Event.INBOUND_MALFORMED, provider, error=fault.text)

    def _say(self, event: Event, provider: Provider, **fields: str) -> None:
        """Log a warning, the same once a minute: a mailing has thousands of events."""
        now = self._clock()
        if now >= self._said_until:
            self._said.clear()
            self._said_until = now + _MINUTE_SECONDS
        this = (event, provider.name, *fields.values())
        if this not in self._said and len(self._said) < _MOST_SAID:
            self._said.add(this)
            get_logger().warning(event, provider=provider.name, **fields)
