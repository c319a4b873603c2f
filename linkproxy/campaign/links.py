"""Links: keys for the table, what a target may be, UTM parameters, and a target's shape.

Targets are looked at as the WHATWG URL Standard (https://url.spec.whatwg.org/) reads them, and
never written anew: what a person reaches is what the sender wrote, byte for byte.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Collection, Sequence
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address
from itertools import islice
from typing import cast
from unicodedata import normalize
from urllib.parse import quote, unquote

from linkproxy.model import LinkKey, LinkproxyError

KEY_CHARACTERS = 4
KEY_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
KEYS_PER_CAMPAIGN = 1_000_000
"""Of 62**4 = 14.8 million: keys stay sparse, so that a guessed one is nearly always unknown."""

TARGET_CHARACTERS = 8192
HOST_CHARACTERS = 254
"""Of a name in DNS (RFC 1035 section 2.3.4), with the dot at its end; what is longer is no host."""

Draw = Callable[[int], bytes]
"""Draws so many random bytes; ``secrets.token_bytes`` outside tests."""

# A byte for a character: those beyond the last whole run through the alphabet are not used, so that
# all keys are equally likely.
_RUNS_THROUGH = 256 // len(KEY_ALPHABET)
_CHARACTERS = bytes(KEY_ALPHABET * (_RUNS_THROUGH + 1), "ascii")[:256]
_KEY = re.compile(f".{{{KEY_CHARACTERS}}}")
_UNUSED = bytes(range(_RUNS_THROUGH * len(KEY_ALPHABET), 256))


def new_keys(count: int, taken: Collection[LinkKey], draw: Draw = secrets.token_bytes) -> list[LinkKey]:
    """Draw keys that are neither in ``taken`` nor twice; LinkproxyError if the table is too full."""
    if len(taken) + count > KEYS_PER_CAMPAIGN:
        raise LinkproxyError(
            f"the campaign would have {len(taken) + count} links, more than {KEYS_PER_CAMPAIGN}; "
            "start another campaign for the rest"
        )
    used = frozenset(taken)
    keys: dict[str, None] = {}
    while len(keys) < count:
        # A byte more for each than it needs, since some are not used.
        drawn = (
            draw((KEY_CHARACTERS + 1) * (count - len(keys))).translate(_CHARACTERS, _UNUSED).decode("ascii")
        )
        keys |= dict.fromkeys(_KEY.findall(drawn))
        for key in used.intersection(keys):
            del keys[key]
    return cast("list[LinkKey]", list(islice(keys, count)))


# --- what a target may be ----------------------------------------------------------------------

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_WEB = re.compile(r"https?:(//)?([^/?#]*)", re.IGNORECASE)
# Nearly every URL, in lower case. Nothing in it is of a merge tag but "__" and "-name-", or
# to be percent-encoded.
_USUAL = re.compile(
    r"https?://([a-z0-9.-]{0,100})((?:/[a-z0-9_.:/=+,;!()&-]{0,4000})?)(?:\?([a-z0-9_.:/?=+,;!()&-]{0,4000}))?"
)
_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f-\x9f\ud800-\udfff]")
_PORT = re.compile(r"[0-9]{0,5}")
# URL Standard section 3.1, forbidden domain code points; U+FFFD is what bad UTF-8 becomes, and
# quotes and braces stand in no host that resolves, but in merge tags.
_NOT_IN_HOST = re.compile(r"[\x00-\x20\x7f#/:<>?@\[\\\]^|%\ufffd\"'`{}]")
# Section 3.5, "ends in a number": such a host is an IPv4 address or nothing.
_ENDS_IN_NUMBER = re.compile(r"(?:^|\.)(?:[0-9]+|0[xX][0-9A-Fa-f]*)\.?$")
_NUMBER = re.compile(r"0[xX][0-9A-Fa-f]*|0[0-7]*|[1-9][0-9]*")


Web = tuple[str, ...]
"""Host, path and query of a URL, in lower case."""


def read_usual(url: str) -> Web | None:
    """Return the parts of a URL such as nearly all are, within what a target may have; None for others."""
    if not url.isascii() or "__" in url or "=-" in url or "/-" in url:
        return None
    usual = _USUAL.fullmatch(url.lower())
    return usual.groups("") if usual else None


def target_fault(url: str) -> str | None:
    """Return why a URL cannot be a target, as a phrase for the user; None when it can.

    Blanks around it are the caller's to trim: a target goes into a header as it is. ``//`` must
    follow the scheme, since clients resolve ``https:host`` and ``https:/host`` of a redirect
    against the host that redirects.
    """
    if len(url) > TARGET_CHARACTERS:
        return f"is longer than {TARGET_CHARACTERS} characters"
    if _UNPRINTABLE.search(url):
        return "has blanks or control characters in it"
    web = _WEB.match(url)
    if web:
        return authority_fault(web[2]) if web[1] else "has no // after http: or https:"
    scheme = _SCHEME.match(url)
    return f"is {scheme[1].lower()}:, not http or https" if scheme else "is no absolute URL"


@lru_cache(maxsize=1024)  # a mail has many links and few hosts
def authority_fault(authority: str) -> str | None:
    """Return why a URL with this user name, host and port cannot be a target, as `target_fault` does."""
    if "@" in authority:
        return "carries a user name before the host"
    if "\\" in authority:
        return "has a backslash in its host, which programs read in two ways"
    if authority.startswith("["):
        literal, _, port = authority.rpartition("]")
        if not _is_ipv6(literal[1:]) or port[:1] not in {"", ":"}:
            return f"has the host {authority[:80]!r}, which is no IPv6 address"
        port = port[1:]
    else:
        host, _, port = authority.partition(":")
        if fault := _host_fault(host):
            return fault
    if not _PORT.fullmatch(port) or int(port or "0") > 65535:
        return f"has the port {port[:12]!r}, which is none"
    return None


def _host_fault(host: str) -> str | None:
    # NFKC and the ideographic full stop: the part of UTS 46 that can change what a host is.
    mapped = normalize("NFKC", unquote(host)).replace("\u3002", ".")
    shown = repr(host[:80])
    if not mapped.strip("."):
        return "has no host"
    if _NOT_IN_HOST.search(mapped):
        return f"has a host with characters that no host has: {shown}"
    if _ENDS_IN_NUMBER.search(mapped):
        return None if _is_ipv4(mapped) else f"has the host {shown}, which is no IPv4 address"
    labels = mapped.removesuffix(".").split(".")
    if not all(labels):
        return f"has a host with an empty label: {shown}"
    if len(mapped) > HOST_CHARACTERS or any(_label_bytes(label) > 63 for label in labels):
        return f"has a host that is longer than DNS allows: {shown}"
    return None


def _label_bytes(label: str) -> int:
    """Return a label's length in DNS; non-ASCII is written ``xn--`` and punycode there (RFC 5890)."""
    return len(label) if label.isascii() else len(b"xn--" + label.lower().encode("punycode"))


def _is_ipv4(host: str) -> bool:
    """Section 3.5, the IPv4 parser: one to four numbers, decimal, octal or hexadecimal."""
    parts = host.removesuffix(".").split(".")
    if len(parts) > 4 or len(host) > 80 or not all(_NUMBER.fullmatch(part) for part in parts):
        return False
    numbers = [_ipv4_number(part) for part in parts]
    return all(number <= 255 for number in numbers[:-1]) and numbers[-1] < 256 ** (5 - len(numbers))


def _ipv4_number(part: str) -> int:
    if part[:2].lower() == "0x":
        return int(part[2:] or "0", 16)
    return int(part, 8 if part.startswith("0") else 10)


def _is_ipv6(literal: str) -> bool:
    try:
        return IPv6Address(literal).scope_id is None
    except AddressValueError:
        return False


# --- UTM parameters ----------------------------------------------------------------------------

_SEPARATOR = re.compile(r"([&;])")


def add_parameters(url: str, wanted: Sequence[tuple[str, str]]) -> str:
    """Return the URL with the query parameters it does not carry yet, before its fragment.

    A parameter is there already whatever the case or percent-encoding of its name, and also
    behind a ``;``. All other bytes stay. New ones follow ``&``, the only separator that
    analytics scripts know (URL Standard section 5.1).
    """
    if not wanted:
        return url
    rest, hash_mark, fragment = url.partition("#")
    _, question_mark, query = rest.partition("?")
    present = {unquote(part.partition("=")[0]).strip("+ ").lower() for part in _SEPARATOR.split(query)}
    new = [(name, value) for name, value in wanted if name.lower() not in present]
    added = "&".join(f"{name}={quote(value, safe='')}" for name, value in new)
    if not added:
        return url
    if not question_mark:
        glue = "?"
    elif not query or query.endswith("&"):
        glue = ""
    else:
        glue = "&"
    return f"{rest}{glue}{added}{hash_mark}{fragment}"


# --- shape -------------------------------------------------------------------------------------

_ORIGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[/\\]*[^/\\?#]*")
_UUID = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)
_HEX = re.compile(r"(?=.*[0-9])[0-9a-f]{8,}", re.IGNORECASE)
_LONG_NUMBER = re.compile(r"[0-9]{5,}")
_RANDOM_ALPHABET = re.compile(r"[A-Za-z0-9_=+.~%-]{8,}")
_PIECE_ENDS = re.compile(r"[-_.]")
_KINDS = tuple(re.compile(kind) for kind in ("[a-z]", "[A-Z]", "[0-9]"))
_RUNS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_EMBEDDED_DIGITS = re.compile(r"[A-Za-z][0-9]+(?=[A-Za-z])")


def shape(url: str) -> str:
    """Return the URL with its values taken out: what targets of one template have in common.

    Scheme and host in lower case. In path segments and parameter names digits become ``{n}``,
    hexadecimal and random text ``{id}``, mail addresses ``{address}``; parameter values become
    ``{}``; of a fragment only ``#`` is left.
    """
    rest, hash_mark, _ = url.partition("#")
    path, question_mark, query = rest.partition("?")
    origin = _ORIGIN.match(path)
    start = origin.end() if origin else 0
    segments = "/".join(_segment_shape(segment) for segment in path[start:].split("/"))
    parameters = "".join(_parameter_shape(part) for part in _SEPARATOR.split(query))
    return f"{path[:start].lower()}{segments}{question_mark}{parameters}{hash_mark}"


def _parameter_shape(part: str) -> str:
    name, equals, value = part.partition("=")
    return f"{_segment_shape(name)}{equals}{'{}' if value else ''}"


def _segment_shape(segment: str) -> str:
    if segment.isdecimal():
        return "{n}"
    if "@" in segment or "%40" in segment:
        return "{address}"
    if _UUID.fullmatch(segment) or _HEX.fullmatch(segment) or _looks_random(segment):
        return "{id}"
    return _LONG_NUMBER.sub("{n}", segment)


def _looks_random(segment: str) -> bool:
    """Tell ``dGhpcyBpcyBhIHRva2Vu`` from ``spring-sale-for-members``.

    Words have long runs of one kind of letter; random text changes its kind at nearly every
    character. A segment with a separator every few characters is judged piece by piece.
    """
    pieces = _PIECE_ENDS.split(segment)
    if len(pieces) > 2 and len(segment) < 12 * len(pieces):
        return any(_is_random_piece(piece) for piece in pieces)
    return bool(_RANDOM_ALPHABET.fullmatch(segment)) and _is_random_piece(segment)


def _is_random_piece(piece: str) -> bool:
    if len(piece) < 8:
        return False
    runs = _RUNS.findall(piece)
    mean_run = sum(map(len, runs)) / max(len(runs), 1)
    embedded_digits = len(_EMBEDDED_DIGITS.findall(piece))
    if len(piece) < 16:
        return mean_run < 2.4 and (embedded_digits > 1 or all(kind.search(piece) for kind in _KINDS))
    return mean_run < 2.6 or embedded_digits > 1
