"""A site whose clicks are told to receivers, each of a webhook of its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claims.receiver import Receiver, receiving

from linkproxy.model import Delivery, DeliverySource
from linkproxy.outbound.signature import new_secret
from linkproxy.server.webhooks import WebhookSender
from linkproxy.store.api import DeliveryDraft, RecipientDraft
from linkproxy.store.webhooks import Progress, Webhook

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

    from tests.server.conftest import Site


async def no_wait(_seconds: float) -> None:
    """Rest for no time."""


class Told:
    """A site with receivers, each of a webhook of its name."""

    def __init__(self, site: Site, stack: AsyncExitStack) -> None:
        self.site = site
        self.stack = stack
        self.sender = self.another()

    def another(self, site: Site | None = None) -> WebhookSender:
        """Return one more sender, as another process has it."""
        site = site or self.site
        sender = WebhookSender(
            site.store, site.config.retention,
            metrics=site.server.services.metrics, clock=site.clock, wait=no_wait,
        )  # fmt: skip
        self.stack.push_async_callback(sender.close)
        return sender

    async def add(self, name: str = "crm", **more: object) -> Receiver:
        secret = new_secret()
        receiver = await self.stack.enter_async_context(receiving(secret))
        progress = Progress((await self.site.store.ends()).feed)
        given = {
            "url": receiver.url,
            "secret": secret,
            "created_at": self.site.clock.now,
            "progress": progress,
        }
        await self.site.store.add_webhook(Webhook(name, **{**given, **more}))
        return receiver

    async def click(
        self, key: str = "CtA1", who: str = "anna@example.com", headers: dict[str, str] | None = None
    ) -> int:
        """Return the visit of a person's click that has settled."""
        (recipient,) = await self.site.store.register_recipients([RecipientDraft(who)])
        delivery = Delivery(self.site.clock.now - 600, DeliverySource.MX)
        await self.site.store.add_deliveries([DeliveryDraft(self.site.campaign.id, recipient.id, delivery)])
        assert (await self.site.ask(self.site.url(key, recipient), headers=headers)).status == 302
        self.site.clock.now += 1000
        await self.site.server.services.settler.once()
        return (await self.site.visits())[-1].entry.visit_id

    async def withdraw(self) -> None:
        """Let it be known that Anna's newest click came seconds after her mail, as scanners do."""
        delivery = Delivery(self.site.clock.now - 1030, DeliverySource.MX)
        draft = DeliveryDraft(self.site.campaign.id, self.site.recipient.id, delivery)
        await self.site.store.add_deliveries([draft])
        self.site.clock.now += 1000
        await self.site.server.services.settler.once()

    async def send(self) -> None:
        """Do one pass to its end."""
        await self.sender.once()
        await self.sender.idle()

    async def webhook(self, name: str = "crm") -> Webhook:
        return next(one for one in await self.site.store.list_webhooks() if one.name == name)
