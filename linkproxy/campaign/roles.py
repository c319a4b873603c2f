"""Roles: where a reader meets a link, told from its text, its target and its place.

In this order, the first that holds decides (docs/rewriting-roles.md has examples):

1. ``data-linkproxy-role`` on the element
2. social: a sender's profile or a share button on a known network
3. legal: the text is made of legal phrases, or a legal page is named and linked
4. footer: the link is about leaving the list, or stands in the mail's closing block
5. header: the mail as a web page, the logo, the navigation above the content
6. body: everything else, so that doubt never makes a link one that nobody reads

The words and the hosts are data: role_words.toml and social_hosts.toml, with source and date.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from linkproxy.campaign.links import shape
from linkproxy.campaign.role_words import Topic, vocabulary, words_of
from linkproxy.campaign.social_hosts import social_hosts
from linkproxy.model import LinkRole

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from collections.abc import Set as AbstractSet

    from linkproxy.campaign.html import FoundLink
    from linkproxy.campaign.links import Web

ROLE_ATTRIBUTE = "data-linkproxy-role"
HAND_OVER_ATTRIBUTE = "data-linkproxy"
HAND_OVER_UNSUBSCRIBE = "unsubscribe"

# Looking a member up in its enumeration costs CPython 3.11 as much as a small regular expression.
_HEADER, _BODY, _FOOTER = LinkRole.HEADER, LinkRole.BODY, LinkRole.FOOTER
_BROWSER, _LEGAL = Topic.BROWSER, Topic.LEGAL
_ROLES = {role.value: role for role in LinkRole}
_ANYWHERE = frozenset({Topic.FRAME})
_LEAVE = frozenset({Topic.LEAVE})
_LEAVING = frozenset({Topic.LEAVE, Topic.PREFERENCES})

_GAP = 2  # links without evidence that a closing block may hold in a row
_PARAGRAPH = 8  # words: what stands above a button of the content, and between links of a frame seldom
_NAVIGATION = range(3, 9)  # short links in a row that make a navigation bar
_DIVIDER = 2  # words that may stand between them, for such as "or"
_TEXT_READ = 200  # characters of a link's text; phrases of a mail's frame are far shorter


@dataclass(frozen=True, slots=True)
class Frame:
    """Where a mail's content lies: positions ``header_end`` up to, not including, ``footer_start``."""

    header_end: int
    footer_start: int


class _Seen(NamedTuple):
    """What one link shows by itself."""

    topics: AbstractSet[Topic]
    social: bool
    host: str  # "" if it is no link to the web
    path: str
    text: str

    @property
    def words(self) -> Sequence[str]:  # of the text
        return words_of(self.text[:_TEXT_READ])

    @property
    def segments(self) -> Sequence[str]:  # of the path
        return self.path.strip("/").split("/") if self.path else []

    @property
    def home(self) -> bool:  # leads to a site's root and looks like its logo
        return bool(self.host) and not self.path.strip("/") and _names_host(self.words, self.host)

    @property
    def short(self) -> bool:  # could stand in a navigation bar
        is_plain = bool(self.host) and self.topics <= _ANYWHERE
        return is_plain and len(self.segments) < 2 and 0 < len(self.words) < 3

    @property
    def closing(self) -> bool:  # what closing blocks are made of
        return self.social or not self.topics <= _ANYWHERE

    @property
    def beside(self) -> bool:  # stands in closing blocks and elsewhere: contact, help, an app's badge
        return not self.host or self.host in social_hosts().beside or Topic.FRAME in self.topics

    @property
    def candidate(self) -> bool:  # could be content
        return not (self.closing or self.beside or self.home)

    @property
    def content(self) -> bool:  # surely stands in no closing block
        return len(self.segments) > 1 or len(self.words) > 3


class Assigned(NamedTuple):
    """What was told of one link."""

    role: LinkRole
    unsubscribe: bool = False  # leaves the list, or leads to its preference centre


_IN_HEADER, _IN_BODY, _IN_FOOTER = map(Assigned, (_HEADER, _BODY, _FOOTER))


def assign(links: Sequence[FoundLink], words_before: Callable[[int], int] = lambda _: 0) -> list[Assigned]:
    """Return what each link of one mail is, in its order.

    ``words_before`` tells how many words stand between a link, by its position, and the one before it.
    """
    look = _Reader().look
    seen = [look(link) for link in links]
    total, frame = len(links), _frame(seen, words_before)
    footer_start = frame.footer_start
    # What nearly every link is told by: its place alone.
    assigned = [_IN_HEADER] * frame.header_end
    assigned += [_IN_BODY] * (footer_start - frame.header_end) + [_IN_FOOTER] * (total - footer_start)
    for position, (link, facts) in enumerate(zip(links, seen, strict=True)):
        if facts.topics or facts.social or link.attributes:
            role = _explicit_role(link) or _role(facts, position, total, frame)
            assigned[position] = Assigned(role, _is_leaving(link, facts))
    return assigned


# --- the rules ---------------------------------------------------------------------------------


def _explicit_role(link: FoundLink) -> LinkRole | None:
    named = link.attributes.get(ROLE_ATTRIBUTE)
    return _ROLES.get(named.strip().lower()) if named else None


def _role(seen: _Seen, position: int, total: int, frame: Frame) -> LinkRole:
    if seen.social:
        return LinkRole.SOCIAL
    topics = seen.topics
    if topics and _LEGAL in topics:
        return LinkRole.LEGAL
    if position >= frame.footer_start or (topics and not _LEAVING.isdisjoint(topics)):
        return _FOOTER
    if topics and _BROWSER in topics:
        return _HEADER if position < total / 2 else _FOOTER
    return _HEADER if position < frame.header_end else _BODY


def _is_leaving(link: FoundLink, seen: _Seen) -> bool:
    if seen.topics and not _LEAVING.isdisjoint(seen.topics):
        return True
    wish = link.attributes.get(HAND_OVER_ATTRIBUTE)
    return wish is not None and wish.strip().lower() == HAND_OVER_UNSUBSCRIBE


def _frame(seen: Sequence[_Seen], words_before: Callable[[int], int]) -> Frame:
    """Return where the content lies. A frame is around something: what alone can be content is."""
    header_end = _header_end(seen, words_before)
    start = _footer_start(seen, words_before)
    candidates = [
        position for position, facts in enumerate(seen) if facts.candidate and position >= header_end
    ]
    if candidates and candidates[0] >= start:
        start = candidates[-1] + 1
    return Frame(min(header_end, start), start)


def _footer_start(seen: Sequence[_Seen], words_before: Callable[[int], int]) -> int:
    """Return where the closing block begins, ``len(seen)`` if there is none.

    Read from the end: it begins with the first social, legal or leaving link before which
    nothing but such links stand, words of a frame, and few others without a paragraph of their own.
    """
    start, gap = len(seen), 0
    for position in range(len(seen) - 1, -1, -1):
        facts = seen[position]
        if facts.closing:
            start, gap = position, 0
        elif not facts.beside:
            gap += 1
            if facts.content or gap > _GAP or words_before(position) > _PARAGRAPH:
                break
    return start


def _header_end(seen: Sequence[_Seen], words_before: Callable[[int], int]) -> int:
    end = 0
    while end < len(seen) and (seen[end].home or seen[end].social or _BROWSER in seen[end].topics):
        end += 1
    bar, most = end, min(len(seen), end + _NAVIGATION.stop)
    while bar < most and seen[bar].short and (bar == end or words_before(bar) <= _DIVIDER):
        bar += 1
    return bar if bar - end in _NAVIGATION and bar < len(seen) else end


# --- what one link shows -----------------------------------------------------------------------

_WEB = re.compile(r"https?://([^/?#:]*)[^/?#]*([^?#]*)\??([^#]*)")
# What a search is about, or a campaign is called, says nothing of the page.
_SEARCHED = re.compile(r"(?:\A|(?<=&))(?:utm_\w+|q|s|query|search|term|keywords?)=[^&]*")
# {{unsubscribe}}, *|UNSUB|*, [unsubscribe], %unsubscribe_url%, <%asm_group_unsubscribe_url%>, $UNSUB$
_LEAVING_TAG = re.compile(r"[{|\[%<$][^}|\]>]{0,80}unsub")
_OF_IDENTIFIER = re.compile(r"[0-9=]")
_CLAUSE_END = re.compile(r"[.!?;|\u3002](?:\s|\Z)")
_NAMING_ATTRIBUTES = ("rel", "class", "id", "name", "title")


class _Reader:
    """Looks at the links of one mail."""

    def __init__(self) -> None:
        self._known = vocabulary()
        self._slugs = self._known.slugs.keys()
        self._is_social = social_hosts().is_social
        self._told = ""  # what told of the link before, and stands behind it

    def look(self, link: FoundLink) -> _Seen:
        text = link.text
        told, self._told = self._told, ""
        topics = (
            self._known.topics_of(text[:_TEXT_READ])
            if link.beside is None
            else self._of_sentence(*link.beside, told)
        )
        host, path, query = link.usual or _parts(link.value)
        host = host.removeprefix("www.")
        last = path.rstrip("/").rpartition("/")[2].partition(".")[0].replace("_", "-")
        label = host.partition(".")[0]
        # /unsubscribe/7/1f9c: behind the word stands who it is, which is no word of an article's name.
        if not last.isalpha() and _OF_IDENTIFIER.search(last) and self._leaves(path) and _is_identifier(last):
            topics = topics | _LEAVE
        if query or last in self._slugs or label in self._slugs:
            topics = topics | self._target_topics((last, label), query, text, topics)
        if (not link.usual and _LEAVING_TAG.search(link.value.lower())) or (
            link.attributes and _is_named_leaving(link)
        ):
            topics = topics | _LEAVE
        # As _Seen(...), in half the time.
        return tuple.__new__(_Seen, (topics, self._is_social(host, path), host, path, text))

    def _of_sentence(self, before: str, behind: str, told: str) -> AbstractSet[Topic]:
        """Return the topics of the sentence of a link such as "here", not if ``told`` of the last."""
        if before != told and (topics := self._known.topics_of_sentence(_last_clause(before))):
            return topics
        topics = self._known.topics_of_sentence(_CLAUSE_END.split(behind)[0])
        self._told = behind if topics else ""
        return topics

    def _leaves(self, path: str) -> bool:
        return not self._known.leaving.isdisjoint(path.split("/"))

    def _target_topics(
        self, places: tuple[str, str], query: str, text: str, of_text: AbstractSet[Topic]
    ) -> AbstractSet[Topic]:
        """Return what a target is about, by the end of its path, the begin of its host, and its query."""
        known = self._known
        if self._slugs.isdisjoint([*places, *_words_of_query(query)]):
            return frozenset()  # nearly every query
        names = self._slugs & [*places, *_words_of_query(_SEARCHED.sub("", query))]
        if text and not of_text and not known.points(text) and not known.topics_of_sentence(text):
            names -= known.ambiguous  # "Your taste" may lead to /preferences too
        topics = {known.slugs[name] for name in names}
        if (
            _LEGAL in topics
            and _LEGAL not in of_text
            and not any(_LEGAL in known.topics([word]) for word in words_of(text[:_TEXT_READ]))
        ):
            topics.discard(_LEGAL)  # "Read more" may lead to /privacy too
        return topics


def _words_of_query(query: str) -> list[str]:
    return query.replace("_", "-").replace(";", "&").replace("=", "&").split("&")


def _is_identifier(last: str) -> bool:
    """Tell whether a path's last segment is a number or drawn at random, such as base64 or a UUID."""
    return last.isalnum() or last[-1:].isdigit() or last.endswith("=") or shape(f"/{last}") != f"/{last}"


def _last_clause(before: str) -> str:
    """Return how the sentence begins that a link goes on with, or the question that it answers."""
    *_, last = _CLAUSE_END.split(before.rstrip("?:\uff1a\uff1f"))
    return last


def _parts(url: str) -> Web:
    web = _WEB.match(url.lower())
    return web.groups() if web else ("", "", "")


def _names_host(words: Sequence[str], host: str) -> bool:
    named = "".join(words).removesuffix("logo")
    return named in host.replace("-", "") or (len(words) < 4 and host.partition(".")[0] in named)


def _is_named_leaving(link: FoundLink) -> bool:
    parts = " ".join(link.attributes.get(name, "") for name in _NAMING_ATTRIBUTES).lower().split()
    return any(vocabulary().slugs.get(part) is Topic.LEAVE or "unsubscribe" in part for part in parts)
