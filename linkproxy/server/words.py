"""What the pages say, by language: ``templates/words.LANGUAGE.toml``, and English where that lacks a text."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Final

from linkproxy.model import LinkproxyError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

ENGLISH: Final = "en"
UNNAMED: Final = "_unnamed"
"""What the name of a text ends with that takes the other's place where the brand has no name."""


class Words:
    """Texts by name, in one language; ``{brand}`` and ``{host}`` in them are filled in."""

    def __init__(self, texts: Mapping[str, str], brand: str) -> None:
        self._texts = texts
        self._brand = brand

    def say(self, name: str, host: str = "") -> str:
        """Return a text; it is text and no markup, whatever is filled in."""
        unnamed = None if self._brand else self._texts.get(name + UNNAMED)
        return (unnamed or self._texts[name]).format(brand=self._brand, host=host)


def read_words(folders: Sequence[Path], language: str) -> dict[str, str]:
    """Return the texts of a language, those of the first folder before those of the next.

    Raises LinkproxyError, also for a text that no page has, which is a slip of the pen.
    """
    texts = _together(folders, ENGLISH, {})
    known = {**texts}
    if language != ENGLISH:
        if not any((folder / _file(language)).is_file() for folder in folders):
            there = sorted(
                {path.name.split(".")[1] for folder in folders for path in folder.glob(_file("*"))}
            )
            raise LinkproxyError(
                f"language: there is no {_file(language)}. There are: {', '.join(there)}; "
                "put one of your own into templates_dir."
            )
        texts |= _together(folders, language, known)
    return texts


def _together(folders: Sequence[Path], language: str, known: Mapping[str, str]) -> dict[str, str]:
    texts: dict[str, str] = {}
    for folder in reversed(folders):
        if (path := folder / _file(language)).is_file():
            texts |= _read(path, known or texts)
    return texts


def _file(language: str) -> str:
    return f"words.{language}.toml"


def _read(path: Path, known: Mapping[str, str]) -> dict[str, str]:
    try:
        texts = tomllib.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError) as error:
        raise LinkproxyError(f"{path.name}: {error}") from None
    for name, text in texts.items():
        if known and name not in known:
            raise LinkproxyError(f"{path.name}: {name}: no page has such a text")
        try:
            text.format(brand="", host="")
        except (AttributeError, LookupError, ValueError):
            raise LinkproxyError(
                f"{path.name}: {name}: use a text with no more in braces than {{brand}} and {{host}}"
            ) from None
    return texts
