"""What the store knows about a visit, asked inside the write transaction."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from itertools import chain
from sys import intern
from typing import TYPE_CHECKING

from linkproxy.model import (
    NO_DELIVERY,
    NOBODY,
    CampaignId,
    Delivery,
    LinkKey,
    MessageLink,
    Profile,
    Recipient,
    RecipientId,
    Sibling,
    Stray,
    StrayTrace,
    Visit,
)
from linkproxy.store import sqlite_rows as rows
from linkproxy.store.domains import HOUR_SECONDS
from linkproxy.store.memory import day_end
from linkproxy.store.privacy import spellings
from linkproxy.store.sqlite_domains import domain_profile
from linkproxy.store.sqlite_gateways import gateway_of
from linkproxy.store.sqlite_queries import FIRST_ID
from linkproxy.store.sqlite_session import CampaignTable, HeldProfile, KnownProfile, Message, visits_by_id
from linkproxy.store.sqlite_tables import read_table
from linkproxy.visit.facts import LOOK_BACK_SECONDS, MOST_SIBLINGS, KnownMessage

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from linkproxy.model import DomainProfile, Neighbour, ProfileScope
    from linkproxy.store.api import Pending
    from linkproxy.store.sqlite_session import Session


_MOST_MESSAGES = 64
"""That one statement asks for: SQLite keeps one ready for each number of them."""


@lru_cache(maxsize=2 * _MOST_MESSAGES)
def _messages(number: int, *, settled: bool) -> str:
    """Return the statement that reads what judging asks of so many messages that are not remembered.

    Its first column is the message's place among those asked for, its last tells whether it was visited
    before; of settled visits only if so asked. Nothing that judging does not ask: each column of a row
    costs as much as going down an index, and lets the other thread in.
    """
    same = "o.campaign_id = m.column2 AND o.recipient_id = m.column3"
    found = [f"EXISTS (SELECT 1 FROM {name} o WHERE {same})" for name in ("open_visit", "message_visit")]
    return f"""SELECT m.column1, r.domain, {rows.TRACKED}, r.verified, d.delivered_at, d.source,
    {" OR ".join(found if settled else found[:1])}
FROM (VALUES {", ".join(f"({place}, ?, ?)" for place in range(number))}) m
LEFT JOIN recipient r ON r.id = m.column3
LEFT JOIN delivery d ON d.campaign_id = m.column2 AND d.recipient_id = m.column3"""


@lru_cache(maxsize=_MOST_MESSAGES)
def _earlier(number: int) -> str:
    """Return the statement that reads the newest indexed visits of so many messages, in order of arrival."""
    same = "campaign_id = m.column1 AND recipient_id = m.column2"
    return f"""SELECT m.column1, m.column2, {rows.SIBLING}
FROM (VALUES {", ".join(["(?, ?)"] * number)}) m CROSS JOIN visit ON visit.id IN (
    SELECT visit_id FROM (
        SELECT visit_id FROM open_visit WHERE {same} AND visit_id <= ?
        UNION ALL SELECT visit_id FROM message_visit WHERE {same}
    ) ORDER BY visit_id DESC LIMIT {MOST_SIBLINGS}
) ORDER BY id"""


_SETTLED_SINCE = f"""SELECT 1 FROM settled_visit
WHERE campaign_id = :campaign AND visit_id >= {FIRST_ID} LIMIT 1"""


class SqliteFacts:
    """The FactSource of one batch; ``now`` is the time of the visit being judged."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._db = session.db
        self._memory = session.memory
        self._now = 0.0
        self._next_profile = 0
        self._new_profiles: dict[int, tuple[Profile, str, float]] = {}
        self._new_messages: list[Message] = []

    def expect(self, pending: Sequence[Pending]) -> None:
        """Read what is not remembered of the messages that a batch is about, many by one statement."""
        known, siblings = self._memory.messages, self._memory.siblings
        asked = {(item.campaign_id, item.recipient_id): None for item in pending if item.recipient_id}
        cold = [message for message in asked if not (message in known and message in siblings)]
        if not cold:
            return
        campaigns = {campaign_id for campaign_id, _ in cold}
        settled = {each for each in campaigns if self._has_settled(each, pending[0].at)}
        recent = [message for message in cold if message[0] in settled] if settled else []
        quiet = [message for message in cold if message[0] not in settled] if settled else cold
        visited = self._visited(recent, settled=True) + self._visited(quiet, settled=False)
        for start in range(0, len(visited), _MOST_MESSAGES):
            self._read_earlier(visited[start : start + _MOST_MESSAGES])

    def _visited(self, messages: Sequence[Message], *, settled: bool) -> list[Message]:
        """Remember messages, and return those with earlier visits that are not remembered."""
        siblings, visited = self._memory.siblings, []
        for start in range(0, len(messages), _MOST_MESSAGES):
            some = messages[start : start + _MOST_MESSAGES]
            for row in self._db.execute(_messages(len(some), settled=settled), [*chain.from_iterable(some)]):
                message = some[row[0]]
                self._learn_message(message, row)
                if message in siblings:
                    continue
                if row[-1] or message in self._session.open:
                    visited.append(message)
                else:
                    siblings[message] = []
        return visited

    def _has_settled(self, campaign_id: CampaignId, at: float) -> bool:
        """Tell whether a campaign has settled visits that a judge may be shown: of the last two days.

        Most visits of a large file are older, and whether a message was among them is a page to read.
        What is settled from now on is noted by ``Session.tell``. Two days, since a visit that comes from
        the spill file looks back from a moment that has gone by.
        """
        known = self._memory.settled.get(campaign_id)
        if known is None:
            asked = {"campaign": campaign_id, "since": at - 2 * LOOK_BACK_SECONDS}
            known = self._db.execute(_SETTLED_SINCE, asked).fetchone() is not None
            self._memory.settled.put(campaign_id, known)
        return known

    def _read_earlier(self, messages: Sequence[Message]) -> None:
        """Remember the visits of messages; those that wait for the index have come last."""
        siblings, opened = self._memory.siblings, self._session.open
        siblings.update((message, []) for message in messages)
        asked = [*chain.from_iterable(messages), opened.indexed]
        indexed = self._db.execute(_earlier(len(messages)), asked)
        late = [*chain.from_iterable(opened.of(message) for message in messages)]
        for row in chain(indexed, visits_by_id(self._db, late)):
            known = siblings[row[:2]]
            known.append(rows.sibling_from(row[2:]))
            if len(known) > MOST_SIBLINGS:
                del known[0]

    def _learn_message(self, message: Message, row: rows.Row) -> None:
        """Remember a message by its row of the statement of ``_messages``; none whose recipient is erased."""
        _, domain, track, verified, delivered_at, source, _ = row
        if domain is None:
            return
        if source is not None:
            delivery = Delivery(delivered_at, rows.DELIVERY_SOURCES[source])
        elif (table := self.table(CampaignId(message[0]))) is not None:
            delivery = table.delivery
        else:
            return
        recipient = Recipient(RecipientId(message[1]), "", "", intern(domain), track != 0, verified != 0)
        self._memory.messages[message] = KnownMessage(recipient, delivery)
        self._new_messages.append(message)

    def forget_but(self, visited: Sequence[Message]) -> None:
        """Forget messages that were read and got no visit: of theirs, other processes tell no news."""
        for message in set(self._new_messages).difference(visited):
            self._memory.messages.drop(message)

    def at(self, request: Visit | Stray) -> SqliteFacts:
        """Return the source as a request's judge asks it."""
        self._now = request.at
        return self

    # --- what goes out -------------------------------------------------------------------------

    def message_link(
        self, campaign_id: CampaignId, recipient_id: RecipientId, key: LinkKey
    ) -> MessageLink | None:
        row = self._db.execute(
            f"SELECT {rows.MESSAGE_LINK} FROM message_link "
            "WHERE campaign_id = ? AND recipient_id = ? AND key = ?",
            (campaign_id, recipient_id, rows.plain(key)),
        ).fetchone()
        return rows.message_link_from(row) if row else None

    def table(self, campaign_id: CampaignId) -> CampaignTable | None:
        table = self._memory.campaigns.get(campaign_id)
        if table is None:
            table = read_table(self._db, campaign_id)
            if table is not None:
                self._memory.campaigns.put(campaign_id, table)
        return table

    # --- people --------------------------------------------------------------------------------

    def message(self, visit: Visit) -> KnownMessage | None:
        if not visit.reference:
            message = (visit.campaign_id, visit.recipient_id)
            return self._memory.messages.get(message) or self._known_message(message)
        recipient = self._recipient_of_reference(visit.reference, verified=visit.verified)
        if recipient is None:
            return None
        known = self._known_message((visit.campaign_id, recipient.id))
        return KnownMessage(recipient, known.delivery if known else NO_DELIVERY)

    def _known_message(self, message: Message) -> KnownMessage | None:
        known = self._memory.messages.get(message)
        if known is None and message[1] != NOBODY:
            self._learn_message(message, self._db.execute(_messages(1, settled=False), message).fetchone())
            known = self._memory.messages.get(message)
        return known

    def _recipient_of_reference(self, reference: str, *, verified: bool) -> Recipient | None:
        """Return the recipient of a reference; ``verified`` is this visit's, not the row's.

        An erased reference stays erased: it has none.
        """
        for spelling in spellings(reference, verified=verified):
            found = self._session.privacy.reference_hash(spelling)
            row = self._db.execute(
                f"SELECT {rows.RECIPIENT} FROM recipient r WHERE r.reference_hash = ?", (found,)
            ).fetchone()
            if row is not None:
                return replace(rows.recipient_from(row), verified=verified)
            erased = self._db.execute("SELECT 1 FROM erased_reference WHERE reference_hash = ?", (found,))
            if erased.fetchone():
                return None
        return self._register(reference, verified=verified)

    def _register(self, reference: str, *, verified: bool) -> Recipient:
        privacy = self._session.privacy
        stored = privacy.reference(rows.plain(reference))
        (new_id,) = self._db.execute(
            "INSERT INTO recipient (reference_hash, address, reference, domain, track, verified) "
            "VALUES (?, '', ?, '', 1, ?) RETURNING id",
            (privacy.reference_hash(reference), stored, verified),
        ).fetchone()
        return Recipient(RecipientId(new_id), reference=stored, verified=verified)

    def gateway(self, domain: str) -> str:
        known = self._memory.gateways.get(domain)
        return gateway_of(self._session, domain) if known is None and domain else known or ""

    def domain_profile(self, scope: ProfileScope, name: str) -> DomainProfile:
        return self._memory.learned.get((scope, name)) or domain_profile(self._session, scope, name)

    def neighbours(self, visit: Visit, domain: str) -> Iterable[Neighbour]:
        since = visit.at - HOUR_SECONDS
        return self._memory.neighbours.others(visit.campaign_id, domain, visit.recipient_id, since=since)

    # --- earlier visits ------------------------------------------------------------------------

    def siblings(
        self, campaign_id: CampaignId, recipient_id: RecipientId, *, since: float
    ) -> tuple[Sibling, ...]:
        known = self._message((campaign_id, recipient_id))
        return tuple([item for item in known if item.at >= since]) if known else ()

    def strays(self, client: str, *, since: float) -> tuple[StrayTrace, ...]:
        known = self._memory.strays
        traces = known.get(self.pseudonym(client, "")[0]) if known and client else None
        return tuple(trace for trace in traces if trace.at >= since) if traces else ()

    def remember_visit(self, message: Message, sibling: Sibling) -> None:
        """Let later visits of the message see this one, which is not in the journal yet."""
        known = self._message(message)
        known.append(sibling)
        if len(known) > MOST_SIBLINGS:
            del known[0]

    def _message(self, message: Message) -> list[Sibling]:
        known = self._memory.siblings.get(message)
        if known is None:
            self._read_earlier((message,))
            known = self._memory.siblings[message]
        return known

    # --- clients -------------------------------------------------------------------------------

    def pseudonym(self, client: str, network: str) -> tuple[str, str]:
        if self._session.privacy.client_address == "full":
            return client, network
        known = self._memory.pseudonyms.get((client, network))
        if known is None:
            known = self._session.privacy.pseudonym(client, network)
            self._memory.pseudonyms.put((client, network), known)
        return known

    def profile_id(self, profile: Profile) -> int:
        """Return a profile's id; the row of a new one is written with the visit that needs it."""
        now = self._now
        held = self._memory.held.get(id(profile))
        if held is not None and now < held.known.until:
            return held.known.id
        known = self._memory.profiles.get(profile)
        if known is None or now >= known.until:
            known = KnownProfile(self._stored_profile(profile), day_end(now))
            self._memory.profiles.put(profile, known)
        self._memory.held.put(id(profile), HeldProfile(profile, known))
        return known.id

    def _stored_profile(self, profile: Profile) -> int:
        content = rows.profile_content(profile)
        row = self._db.execute(
            "UPDATE profile SET used_at = max(used_at, ?) WHERE hash = ? RETURNING id",
            (self._now, rows.profile_hash(content)),
        ).fetchone()
        if row:
            return int(row[0])
        for new_id, (_, new_content, _) in self._new_profiles.items():
            if new_content == content:  # of an earlier visit of the batch, on another day
                return new_id
        self._next_profile = max(self._next_profile, self._session.sequence("profile")) + 1
        self._new_profiles[self._next_profile] = (profile, content, self._now)
        return self._next_profile

    def write_profiles(self, used: set[int]) -> None:
        """Write the new profiles that something stored refers to, and forget the others."""
        for profile_id, (profile, content, used_at) in self._new_profiles.items():
            if profile_id not in used:
                self._memory.profiles.drop(profile)
                self._memory.held.clear()
                continue
            agent = None if profile.agent is None else rows.plain(profile.agent)
            self._db.execute(
                "INSERT INTO profile (id, hash, agent, content, used_at) VALUES (?, ?, ?, ?, ?)",
                (profile_id, rows.profile_hash(content), agent, content, used_at),
            )
        self._new_profiles.clear()
