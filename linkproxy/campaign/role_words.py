"""Words by which links of a mail's frame are told from its content: role_words.toml, read once."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
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

Phrase = tuple[tuple[str, ...], Topic]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """All languages together: a mail's frame and its content may be in different ones."""

    phrases: Mapping[str, Sequence[Phrase]]  # by first word, longest first
    fillers: frozenset[str]
    words: frozenset[str]  # of phrases and fillers
    slugs: Mapping[str, Topic]  # path segments and query parts
    leaving: frozenset[str]  # those of them about leaving the list

    def topics_of(self, text: str) -> AbstractSet[Topic]:
        """Return the topics of a text that is made of phrases and fillers alone, else nothing."""
        for word in text.lower().split():
            if word not in self.words and word.isalnum() and word.isascii():
                return _NONE  # nearly every link of a mail's content, by its first word
        return self.topics(words_of(text))

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

    def _phrase_at(self, words: Sequence[str], index: int) -> Phrase | None:
        for phrase in self.phrases.get(words[index], ()):
            if tuple(words[index : index + len(phrase[0])]) == phrase[0]:
                return phrase
        return None


_WORD = re.compile(r"\w+")
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
    return Vocabulary(
        phrases=phrases,
        fillers=fillers,
        words=fillers.union(*(words for known in phrases.values() for words, _ in known)),
        slugs={slug: Topic(topic) for topic, slugs in paths.items() for slug in slugs},
        leaving=frozenset(paths[Topic.LEAVE]),
    )
