"""A stored target as the value of a Location header."""

from __future__ import annotations

from urllib.parse import quote

from linkproxy.model.names import ascii_name

_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))


def location(target: str) -> str:
    """Return a target in printable ASCII; one that is printable ASCII already is not touched.

    A host beyond ASCII is written in A-labels, everything else UTF-8 percent-encoded, as a browser
    does when the link is followed without us. Blanks and control characters are encoded too, so that
    no target can start a header of its own.
    """
    if target.isascii() and target.isprintable() and " " not in target:
        return target
    scheme, mark, rest = target.partition("://")
    end = min((at for sign in "/?#" if (at := rest.find(sign)) >= 0), default=len(rest))
    return quote(
        scheme + mark + _ascii_host(rest[:end]) + rest[end:], safe=_PRINTABLE, errors="surrogatepass"
    )


def _ascii_host(host: str) -> str:
    """Return a host, and a port behind it, in ASCII."""
    if host.isascii():
        return host
    name, *port = host.split(":")
    return ":".join([ascii_name(name), *port])
