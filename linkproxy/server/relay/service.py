"""The relay as a whole: what it is made of, a message's way through, start and stop."""

from __future__ import annotations

import asyncio
import socket
from functools import partial
from typing import TYPE_CHECKING, Final

from linkproxy.logs import Event, get_logger
from linkproxy.model import Delivery, DeliverySource, LinkproxyError
from linkproxy.server.relay.admission import Admission, Users, faults
from linkproxy.server.relay.certificate import Certificate, tls_context
from linkproxy.server.relay.conversation import Conversation
from linkproxy.server.relay.deliveries import Deliveries
from linkproxy.server.relay.pool import Bounds, Pool
from linkproxy.server.relay.treatment import Refused, Treatments
from linkproxy.server.relay.upstream import UpstreamError, connect, route
from linkproxy.store.api import DeliveryDraft

if TYPE_CHECKING:
    from collections.abc import Callable

    from linkproxy.config import Config
    from linkproxy.config_relay import RelaySection
    from linkproxy.server.relay.replies import Reply
    from linkproxy.server.relay.transaction import Transaction
    from linkproxy.server.relay.treatment import Treated
    from linkproxy.server.rewriter import Rewriter
    from linkproxy.store.api import Store
    from linkproxy.telemetry import Metrics

_NAME: Final = "localhost.localdomain"  # what a machine without a name is called in greetings


class Relay:
    """What all conversations share. Raises LinkproxyError with every fault of its settings."""

    def __init__(
        self, config: Config, store: Store, rewriter: Rewriter, metrics: Metrics, clock: Callable[[], float]
    ) -> None:
        section = config.relay
        check(section)
        way = route(section)
        self.config = config
        self.metrics = metrics
        self.admission = Admission(section)
        self.users = Users(section.users_file) if section.users_file else None
        self.certificate = Certificate(section, metrics)
        self.hostname = own_name(section)
        self.takes_logins = section.clients != "address"
        bounds = Bounds(
            section.upstream_connections,
            section.upstream_idle_seconds,
            section.upstream_messages,
            section.upstream_seconds,
        )
        self.pool = Pool(partial(connect, way, self.hostname), bounds, metrics)
        self.deliveries = Deliveries(store, metrics)
        self.conversations: set[Conversation] = set()
        self.stopping = False
        self._treatments = Treatments(config, store, rewriter)
        self._sending: set[asyncio.Task[Reply]] = set()
        self._quiet = asyncio.Event()
        self._clock = clock

    def admits_another(self) -> bool:
        """Tell whether there is room for one more conversation."""
        if len(self.conversations) < self.config.relay.client_connections and not self.stopping:
            return True
        self.metrics.relay_refusals.labels(reason="connections").inc()
        return False

    def conversation(self) -> Conversation:
        """Return what leads a new connection's conversation."""
        return Conversation(self)

    # --- a message -----------------------------------------------------------------------------

    async def pass_on(self, transaction: Transaction, raw: bytes) -> Reply:
        """Rewrite a message, send it, and return the last word on it.

        Once its links are stored it is sent whoever goes away meanwhile, so that an acceptance is
        always recorded; before that, a mailer that goes away takes its message with it, and so it does
        while a long one is on its way: it would be sent again and again, and delivered each time.
        """
        begun = asyncio.get_running_loop().time()
        try:
            treated = await self._treatments.treat(raw, transaction.recipients)
        except Refused as refused:
            transaction.end()
            self._count(refused.treatment, refused.reply, refused.campaign, len(raw))
            return refused.reply
        except BaseException:
            transaction.end()
            raise
        treated = treated.within(transaction.upstream.most_bytes)
        sending = asyncio.get_running_loop().create_task(self._send(transaction, treated))
        self._sending.add(sending)
        sending.add_done_callback(self._sent)
        try:
            reply = await asyncio.shield(sending)
        except asyncio.CancelledError:
            transaction.upstream.take_back()
            raise
        self.metrics.relay_seconds.observe(asyncio.get_running_loop().time() - begun)
        return reply

    def _sent(self, sending: asyncio.Task[Reply]) -> None:
        self._sending.discard(sending)
        self._note_quiet()

    async def _send(self, transaction: Transaction, treated: Treated) -> Reply:
        unsure = False
        try:
            reply = transaction.unfit(treated.content, treated.choice.header_end)
            if reply is None:
                reply = await transaction.send(treated.content)
        except UpstreamError as error:
            reply, unsure = error.reply, error.unsure
        finally:
            transaction.end()
        if reply.good and treated.message is not None:
            delivery = Delivery(self._clock(), DeliverySource.SMARTHOST)
            self.deliveries.add(DeliveryDraft(*treated.message, delivery))
        self._count(
            treated.treatment,
            reply,
            treated.choice.campaign,
            len(treated.content),
            "unsure" if unsure else "",
        )
        return reply

    def _count(self, treatment: str, reply: Reply, campaign: str, size: int, word: str = "") -> None:
        answer = word or reply.word
        self.metrics.relay_messages.labels(treatment=treatment, answer=answer).inc()
        get_logger().info(
            Event.RELAY_MESSAGE,
            treatment=treatment,
            answer=answer,
            code=reply.code,
            campaign=campaign[:100],
            bytes=size,
        )

    def left(self, conversation: Conversation) -> None:
        """Hear that a connection has ended."""
        self.conversations.discard(conversation)
        self._note_quiet()

    def _note_quiet(self) -> None:
        if self.stopping and not self.conversations and not self._sending:
            self._quiet.set()

    # --- the end -------------------------------------------------------------------------------

    async def stop(self) -> None:
        """Finish the messages under way, within ``[relay] shutdown_seconds``, and take no other."""
        self.stopping = True
        self._note_quiet()
        for conversation in tuple(self.conversations):
            conversation.leave()
        try:
            async with asyncio.timeout(self.config.relay.shutdown_seconds):
                await self._quiet.wait()
        except TimeoutError:
            get_logger().error(Event.STOPPED, incomplete=True)
            for conversation in tuple(self.conversations):
                conversation.cut()
            for sending in tuple(self._sending):
                sending.cancel()
            await asyncio.gather(*self._sending, return_exceptions=True)
        await self.pool.close()
        await self.deliveries.close()


def own_name(section: RelaySection) -> str:
    """Return the name in greetings; asks the system, and so perhaps the DNS, when none is set."""
    return section.hostname or socket.getfqdn() or _NAME


def check(section: RelaySection) -> None:
    """Raise LinkproxyError with every fault of the settings that can be seen without the network."""
    found = faults(section)
    for one in (route, tls_context):
        try:
            one(section)
        except LinkproxyError as error:
            found += str(error).splitlines()
    if section.clients != "address" and section.users_file:
        try:
            Users(section.users_file).read()
        except LinkproxyError as error:
            found += str(error).splitlines()
    if found:
        raise LinkproxyError("\n".join(found))
