"""Names of hosts and of mail domains, which have two spellings beyond ASCII."""

from __future__ import annotations

from idna import IDNAError, uts46_remap


def ascii_name(name: str) -> str:
    """Return a host name in A-labels (URL Standard section 3.3, domain to ASCII); one in ASCII as it is.

    By UTS 46 as browsers have it: ``faß.example`` is another host than ``fass.example``, to which
    the older rules of Python's own codec lead. What is no such name stays as it is.
    """
    if name.isascii():
        return name
    try:
        labels = uts46_remap(name, std3_rules=False, transitional=False).split(".")
    except IDNAError:
        return name
    return ".".join(
        label if label.isascii() else f"xn--{label.encode('punycode').decode()}" for label in labels
    )


def domain_name(text: str) -> str:
    """Return a mail domain, as people write it, in the one spelling that it is stored in.

    In lower case and A-labels, without an @ before it or a full stop behind. What is no domain stays
    something else.
    """
    return ascii_name(text.strip().lower().lstrip("@.")).rstrip(".")


def unicode_name(name: str) -> str:
    """Return a host name in lower case with its A-labels turned back; what is none of them stays."""
    return ".".join(map(_unicode_label, name.split("."))) if "xn--" in name else name


def _unicode_label(label: str) -> str:
    try:
        return label[4:].encode("ascii").decode("punycode") if label.startswith("xn--") else label
    except UnicodeError:
        return label
