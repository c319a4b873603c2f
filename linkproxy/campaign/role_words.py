"""Words by which links of a mail's frame are told from its content: role_words.toml, read once."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache
from importlib.resources import files
from itertools import filterfalse
from typing import TYPE_CHECKING
from unicodedata import combining, normalize

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet


class Topic(StrEnum):
    """What a link's words are about; the keys of the tables in role_words.toml."""

    LEGAL = "legal"
    LEAVE = "leave"
    PREFERENCES = "preferences"
    BROWSER = "browser"
    FRAME = "frame"


_NONE: AbstractSet[Topic] = frozenset()
_LEAVE: AbstractSet[Topic] = frozenset({Topic.LEAVE})
_POINTER_CHARACTERS = 60
_NAME_WORDS = 3  # that a list's name has, besides fillers
_MOST_TEXTS = 4096
"""Texts of links that are remembered: mails of one mailing share them, and may be compiled one by one."""

Phrase = tuple[tuple[str, ...], Topic]


@dataclass(frozen=True, slots=True, eq=False)
class Vocabulary:
    """All languages together: a mail's frame and its content may be in different ones. There is one."""

    phrases: Mapping[str, Sequence[Phrase]]  # by first word, longest first
    fillers: frozenset[str]
    words: frozenset[str]  # of phrases and fillers
    slugs: Mapping[str, Topic]  # path segments and query parts
    leaving: frozenset[str]  # those of them about leaving the list
    ambiguous: frozenset[str]  # words that mean other things as well
    leavers: frozenset[str]  # with which phrases of leaving begin
    unspaced: re.Pattern[str]  # those of the words that are written without blanks between them

    def words_in(self, text: str) -> list[str]:
        """Return a text's words as `words_of` does, and cut those of Chinese, Japanese and Korean apart."""
        words = words_of(text)
        if text.isascii() or not _UNSPACED.search("".join(words)):
            return words
        return [piece for word in words for piece in self.unspaced.split(word) if piece]

    @lru_cache(maxsize=_MOST_TEXTS)  # noqa: B019  (it lives as long as the process)
    def topics_of(self, text: str) -> AbstractSet[Topic]:
        """Return the topics of a text that is made of phrases and fillers alone, else nothing.

        "Unsubscribe from Acme Weekly" is about leaving, whatever the list is called.
        """
        words = text.lower().split()
        for word in words:
            if word not in self.words and word.isalnum() and word.isascii():
                if word is words[0]:
                    return _NONE  # nearly every link of a mail's content
                may_leave = words[0] in self.leavers or not words[0].isascii()
                return _LEAVE if may_leave and self._names_a_list(text) else _NONE
        return self.topics(self.words_in(text)) or (_LEAVE if self._names_a_list(text) else _NONE)

    def topics(self, words: Sequence[str]) -> AbstractSet[Topic]:
        """Return the topics of words that are phrases and fillers alone, else nothing."""
        found: set[Topic] = set()
        index = 0
        while index < len(words):
            phrase = self._phrase_at(words, index)
            if phrase:
                found.add(phrase[1])
                index += len(phrase[0])
            elif words[index] in self.fillers:
                index += 1
            else:
                return _NONE
        return found

    @lru_cache(maxsize=_MOST_TEXTS)  # noqa: B019  (likewise)
    def points(self, text: str) -> bool:
        """Tell whether a text says no more than "click here", so that its sentence has to tell."""
        for word in text.lower().split():
            if word not in self.fillers and word.isalnum() and word.isascii():
                return False  # nearly every link
        words = self.words_in(text) if len(text) <= _POINTER_CHARACTERS else ()
        return bool(words) and self.fillers.issuperset(words)

    def _names_a_list(self, text: str) -> bool:
        """Tell whether a short text begins with a phrase of leaving, and goes on with a list's name."""
        words = self.words_in(text) if len(text) <= _POINTER_CHARACTERS else ()
        phrase, topic = (self._phrase_at(words, 0) if words else None) or ((), Topic.FRAME)
        rest = words[len(phrase) :]
        if topic is not Topic.LEAVE or phrase[0] in self.ambiguous or not rest:
            return False
        return rest[0] in self.fillers and sum(word not in self.fillers for word in rest) <= _NAME_WORDS

    def topics_of_sentence(self, text: str) -> AbstractSet[Topic]:
        """Return the topics of a sentence, which may have words of its own if it is about leaving.

        "New notification settings in the app" is no way to set them.
        """
        words = self.words_in(text)
        if topics := self.topics(words):
            return topics
        found = (phrase for index in range(len(words)) if (phrase := self._phrase_at(words, index)))
        leaves = any(
            topic is Topic.LEAVE and (len(phrase) > 1 or phrase[0] not in self.ambiguous)
            for phrase, topic in found
        )
        return _LEAVE if leaves else _NONE

    def _phrase_at(self, words: Sequence[str], index: int) -> Phrase | None:
        for phrase in self.phrases.get(words[index], ()):
            if tuple(words[index : index + len(phrase[0])]) == phrase[0]:
                return phrase
        return None


_WORD = re.compile(r"\w+")
# Kana, Han, and the letters that Hangul is decomposed into.
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\u1100-\u11ff]")
_MAIL_ADDRESS = re.compile(r"[^\s@]+@[^\s@]+")
# Letters that Unicode does not decompose into a base letter and a mark.
_LETTERS = str.maketrans({"ø": "o", "æ": "ae", "œ": "oe", "ł": "l", "đ": "d", "\u0131": "i"})


def words_of(text: str) -> list[str]:
    """Return a text's words without case, accents and mail addresses."""
    if "@" in text:
        text = _MAIL_ADDRESS.sub(" ", text)
    return _WORD.findall(text.lower() if text.isascii() else _fold(text))


def _fold(text: str) -> str:
    decomposed = normalize("NFKD", text.casefold().translate(_LETTERS))
    return "".join(filterfalse(combining, decomposed))


@cache
def vocabulary() -> Vocabulary:
    """Return what role_words.toml holds."""
    tables = tomllib.loads((files("linkproxy.campaign") / "role_words.toml").read_text(encoding="utf-8"))
    paths = tables.pop("paths")
    doubtful = tables.pop("ambiguous")["words"]
    phrases: dict[str, list[Phrase]] = {}
    for table in tables.values():
        for topic in Topic:
            for text in table[topic]:
                words = tuple(words_of(text))
                phrases.setdefault(words[0], []).append((words, topic))
    for known in phrases.values():
        known.sort(key=lambda phrase: -len(phrase[0]))
    fillers = frozenset(
        word for table in tables.values() for text in table["filler"] for word in words_of(text)
    )
    leavers = {first for first, known in phrases.items() if any(topic is Topic.LEAVE for _, topic in known)}
    ambiguous = {word for text in doubtful for word in words_of(text)}
    known_words = fillers.union(*(words for known in phrases.values() for words, _ in known))
    unspaced = sorted(filter(_UNSPACED.search, known_words), key=len, reverse=True)
    return Vocabulary(
        phrases=phrases,
        fillers=fillers,
        words=known_words,
        slugs={slug: Topic(topic) for topic, slugs in paths.items() for slug in slugs},
        leaving=frozenset(paths[Topic.LEAVE]),
        unspaced=re.compile(f"({'|'.join(unspaced)})"),
        ambiguous=frozenset(ambiguous),
        leavers=frozenset(leavers),
    )
