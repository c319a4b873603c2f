"""What a setting's value must look like; every check says in words what it wants."""

from __future__ import annotations

import ipaddress
import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, get_args, get_origin
from urllib.parse import urlsplit

import annotated_types
from pydantic import BaseModel, SecretStr
from pydantic_core import PydanticCustomError

from linkproxy.model import BASE_URL

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo


class _Anchor:
    """Marks a setting that holds a path, relative to the configuration file's folder."""

    def __repr__(self) -> str:
        return "ANCHORED"


ANCHORED: Final = _Anchor()
SQLITE: Final = "sqlite:"
POSTGRES: Final = "postgresql://"
_DNS_PORT: Final = 53
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2
_HOST_NAME: Final = re.compile(r"[0-9A-Za-z._-]+|\[[0-9A-Fa-f:.]+\]")


def number(value: object) -> object:
    """Refuse true and false, which pydantic would take for 1 and 0."""
    if isinstance(value, bool):
        raise PydanticCustomError("not_a_number", "is not a number")
    return value


def url(value: str) -> str:
    """Accept "" or an absolute http(s) URL."""
    if value and not _is_web(value):
        raise ValueError('is not a web address such as "https://brand.example/"')
    return value


def base_url(value: str) -> str:
    """Accept scheme and host of an http(s) URL; a slash at the end is dropped."""
    value = value.removesuffix("/")
    if not _is_web(value) or urlsplit(value)[2:] != ("", "", "") or value[-1] in "?#":
        raise ValueError('is not scheme and host alone, such as "https://click.brand.example"')
    if not BASE_URL.fullmatch(value):
        raise ValueError("cannot begin links in mail: write https://, then letters, digits and :._~- alone")
    return value


def inner_host(value: str) -> str:
    """Accept the address of a listener that is not for the world; "" would stand for every address."""
    if not value.strip():
        raise ValueError('names no address, and would open it on all of them; such as "127.0.0.1"')
    return value


def host_names(value: list[str]) -> list[str]:
    """Accept what a Host header (RFC 9110 section 7.2) can say before its port; returned in lower case."""
    for item in value:
        if not _HOST_NAME.fullmatch(item):
            raise ValueError(
                f'holds "{item}", which is not a name alone such as "stats.brand.example" or "[::1]"; '
                "leave out scheme, port and path"
            )
    return [item.lower() for item in value]


def header_name(value: str) -> str:
    """Accept the name of a header, or nothing; returned in lower case."""
    if value and not _HEADER_NAME.fullmatch(value):
        raise ValueError('is no name of a header, such as "X-JA4"')
    return value.lower()


def _is_web(value: str) -> bool:
    try:
        parts = urlsplit(value)
        port_is_sound = parts.port is None or parts.port > 0
    except ValueError:
        return False
    plain = re.fullmatch(r"[!-~]+", value) is not None
    named = bool(parts.hostname) and parts.username is None
    return plain and named and port_is_sound and parts.scheme in {"http", "https"}


def networks(value: list[str]) -> list[str]:
    """Accept IP addresses and networks in CIDR form."""
    for item in value:
        try:
            ipaddress.ip_network(item)
        except ValueError:
            raise ValueError(
                f'holds "{item}", which is not an address or network such as "10.0.0.0/8"'
            ) from None
    return value


def name_servers(value: list[str]) -> list[str]:
    """Accept IP addresses, each with a port or without."""
    for item in value:
        try:
            name_server(item)
        except ValueError:
            raise ValueError(
                f'holds "{item}", which is not an address such as "192.0.2.53" or "192.0.2.53:5353"'
            ) from None
    return value


def name_server(text: str) -> tuple[str, int]:
    """Return address and port of a name server; raise ValueError for what is neither."""
    host, colon, port = text.rpartition(":")
    if not colon or (":" in host and not host.startswith("[")):
        return str(ipaddress.ip_address(text.strip("[]"))), _DNS_PORT
    number = int(port)
    if not 0 < number < 1 << 16:
        raise ValueError(f"{number} is no port")
    return str(ipaddress.ip_address(host.strip("[]"))), number


def host(value: str) -> str:
    """Accept a host name as it stands in a URL, without port, in lower case."""
    if re.fullmatch(r"(?!-)[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})*", value) is None:
        raise ValueError('is not a host name such as "click.brand.example", in lower case')
    return value


def colour(value: str) -> str:
    """Accept #rrggbb alone, since the value stands in a style sheet."""
    if re.fullmatch(r"#[0-9a-fA-F]{6}", value) is None:
        raise ValueError('is not a colour such as "#1f4e79"')
    return value


def language(value: str) -> str:
    """Accept the form of a language's name (RFC 5646), which is part of a file's name."""
    if re.fullmatch(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}", value) is None:
        raise ValueError('is no language such as "de" or "pt-BR"')
    return value


def place(value: str) -> str:
    """Accept what can name a file or folder, or nothing."""
    if "\0" in value:
        raise ValueError("names no file")
    try:
        Path(value).expanduser()
    except RuntimeError:
        raise ValueError("has a ~ of which no home folder is known; write the whole path") from None
    return value


def places(value: list[str]) -> list[str]:
    """Accept what can name files."""
    return [place(item) for item in value]


def path(value: str) -> str:
    """Accept what can name a file."""
    if not value:
        raise ValueError("names no file")
    return place(value)


def store_url(value: str) -> str:
    """Accept ``sqlite:FILE`` and ``postgresql://USER@HOST/DATABASE``, the latter without a password."""
    if value.startswith(POSTGRES):
        return _postgres_url(value)
    if not value.startswith(SQLITE) or value == SQLITE:
        raise ValueError('is not a store such as "sqlite:linkproxy.db" or "postgresql://user@host/database"')
    place(value.removeprefix(SQLITE))
    return value


def _postgres_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        password, _ = parts.password, parts.port
    except ValueError:
        raise ValueError(
            "is no URL such as postgresql://user@host/database, "
            "or postgresql://user@/database?host=one,two&port=5432,5432 for several hosts"
        ) from None
    if password is not None or "password=" in parts.query:
        raise ValueError("holds a password, which would be shown; write it into store.password_file")
    if not parts.path.strip("/"):
        raise ValueError("names no database; write postgresql://user@host/database")
    return value


Model = TypeVar("Model", bound=BaseModel)


def anchor(section: Model, folder: Path) -> Model:
    """Return the section with its relative paths made absolute; "" stays "" (none)."""
    values = {name: getattr(section, name) for name in type(section).model_fields}
    for name, field in type(section).model_fields.items():
        if ANCHORED in field.metadata and values[name]:
            value = values[name]
            several = isinstance(value, list)
            values[name] = (
                [_anchored(item, folder) for item in value] if several else _anchored(value, folder)
            )
    # Not model_copy: what was set by hand must stay told from what is a default.
    return type(section).model_construct(_fields_set=section.model_fields_set, **values)


def _anchored(value: str, folder: Path) -> str:
    if value.startswith(POSTGRES):
        return value
    scheme = SQLITE if value.startswith(SQLITE) else ""
    return scheme + str(folder / Path(value.removeprefix(scheme)).expanduser())


def expected(field: FieldInfo) -> str:
    """Say what a setting takes, as in "a whole number between 0 and 65535"."""
    kind: Any = field.annotation
    if choices := choices_of(field):
        return "one of " + ", ".join(f'"{choice}"' for choice in choices)
    if kind in {int, float}:
        return _number("a whole number" if kind is int else "a number", field)
    if kind is bool:
        return "true or false"
    if get_origin(kind) is list and get_args(kind) != (str,):
        return "tables, one for each rule"
    if get_origin(kind) is list:
        return 'a list of texts such as ["one", "two"]'
    longest = [item.max_length for item in field.metadata if isinstance(item, annotated_types.MaxLen)]
    return f"a text of at most {longest[0]} characters" if longest else "a text"


def choices_of(field: FieldInfo) -> tuple[str, ...]:
    """Return what a setting can be chosen from; empty if it is not a choice."""
    kind: Any = field.annotation
    if get_origin(kind) is Literal:
        return get_args(kind)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return tuple(member.value for member in kind)
    return ()


def is_secret(field: FieldInfo) -> bool:
    """Whether a setting's value must never be shown."""
    return field.annotation is SecretStr


def _number(noun: str, field: FieldInfo) -> str:
    low = [item.ge for item in field.metadata if isinstance(item, annotated_types.Ge)]
    high = [item.le for item in field.metadata if isinstance(item, annotated_types.Le)]
    return f"{noun} between {low[0]} and {high[0]}" if low and high else noun
