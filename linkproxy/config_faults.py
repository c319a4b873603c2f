"""Faults of a configuration in the words of the person who wrote it."""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, get_args

from linkproxy.config_values import expected, is_secret
from linkproxy.model import LinkproxyError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pydantic import BaseModel, ValidationError
    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails


_TABLES: Final = "domains"
_TABLES_AS_JSON: Final = '{"click.brand.example": {"name": "Brand"}}'
_ROWS: Final = ("relay", "rules")
# Also one with characters that a URL would have to encode: that is what makes its URL a fault.
_PASSWORD: Final = re.compile(r'(?<=://)([^:@]*:).*(?=@)|(password=)[^&\s"]*', re.DOTALL)


class ConfigError(LinkproxyError):
    """Every fault of the configuration, one a line."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where values came from: the file's name, and environment variables by section and key."""

    file: str
    names: Mapping[tuple[str, ...], str]

    def of(self, path: tuple[str, ...]) -> str:
        """Return how a message begins that speaks of ``path``."""
        if path in self.names:
            return f"{self.names[path]}:"
        for names, variable in self.names.items():
            if names[: len(path)] == path:
                return f"{variable}:"
        section, *rest = path
        named = section if section.startswith("[") else f"[{section}]"
        # Rows and tables that a variable holds as JSON are in no file.
        whole = _ROWS if section.startswith("[[") else (section.partition(".")[0],)
        return f"{self.names.get(whole, self.file)}: {named}" + (f" {'.'.join(rest)}:" if rest else "")


def describe(error: ValidationError, config: type[BaseModel], origin: Origin) -> list[str]:
    """Return one line for each fault that pydantic found."""
    return [_line(details, config, origin) for details in error.errors(include_url=False)]


def _line(details: ErrorDetails, config: type[BaseModel], origin: Origin) -> str:
    path = _path(details["loc"])
    start = origin.of(path)
    kind = details["type"]
    if kind == "extra_forbidden":
        noun = "setting" if len(path) > 1 or path in origin.names else "section"
        return f"{start} is not a {noun}.{_nearest(path, config)}"
    if kind in {"model_type", "dict_type", "model_attributes_type"}:
        return f"{start} {_no_table(path, origin)}"
    if kind == "value_error":
        words = str(details["ctx"]["error"])
        return f"{start} {_shown(details['input'])} {words}." if len(path) > 1 else f"{start} {words}."
    field = _field(path, config)
    shown = "" if is_secret(field) else f" {_shown(details['input'])}"
    return f"{start}{shown} is not {expected(field)}."


def _no_table(path: tuple[str, ...], origin: Origin) -> str:
    """Return what is said of something else where settings belong."""
    if path in origin.names:
        if path == (_TABLES,):
            return f"is not JSON such as {_TABLES_AS_JSON}."
        return f"is a section. Name a key of it: {origin.names[path]}__KEY."
    if path[0].startswith("[["):
        return "is not a table. Write [[relay.rules]] above each rule."
    return f"is not a section. Write [{path[0]}] on a line of its own and its keys below."


def _path(loc: tuple[int | str, ...]) -> tuple[str, ...]:
    """Return section and key; a table of a section, as in [domains."HOST"], is a section by itself.

    So is a row of [[relay.rules]], named by its place from 1.
    """
    if loc[:2] == _ROWS and len(loc) > 2:
        return (f"[[relay.rules]] {int(loc[2]) + 1}", *(str(key) for key in loc[3:4]))
    name, *rest = (str(part) for part in loc)
    if name == _TABLES and rest:
        table, *keys = rest
        return (f'{name}."{table}"', *(key for key in keys[:1] if key != "[key]"))
    return (name, *rest[:1])


def _section(name: str, config: type[BaseModel]) -> Any:
    if name.startswith("[["):
        outer, key = _ROWS
        return get_args(_section(outer, config).model_fields[key].annotation)[0]
    section = config.model_fields[name.partition(".")[0]].annotation
    return section if "." not in name else get_args(section)[1]


def _field(path: tuple[str, ...], config: type[BaseModel]) -> FieldInfo:
    field: FieldInfo = _section(path[0], config).model_fields[path[1]]
    return field


def _nearest(path: tuple[str, ...], config: type[BaseModel]) -> str:
    names: Iterable[str] = config.model_fields
    if len(path) > 1:
        names = _section(path[0], config).model_fields
    near = difflib.get_close_matches(path[-1], list(names), n=1)
    if near:
        return f" Did you mean {near[0]}?"
    if homes := _sections_with(path[-1], config):
        return f" It belongs in {' or '.join(homes)}."
    return f" There are: {', '.join(names)}."


def _sections_with(key: str, config: type[BaseModel]) -> list[str]:
    """Return the sections that have a setting of this name, as a file writes them."""
    sections = {name: field.annotation for name, field in config.model_fields.items() if name != _TABLES}
    return [f"[{name}]" for name, kind in sections.items() if key in getattr(kind, "model_fields", {})]


def _shown(value: Any) -> str:
    """Return a value as a message may have it, which ends up in logs: cropped, passwords of URLs hidden."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    text = _PASSWORD.sub(lambda found: f"{found[1] or found[2]}***", text)
    return text if len(text) <= 80 else f"{text[:77]}..."
