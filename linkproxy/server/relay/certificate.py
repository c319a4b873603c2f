"""The certificate that mailers see after STARTTLS, and when it ends."""

from __future__ import annotations

import re
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from linkproxy.logs import Event, get_logger
from linkproxy.model import LinkproxyError

if TYPE_CHECKING:
    from linkproxy.config_relay import RelaySection
    from linkproxy.telemetry import Metrics

_PEM: Final = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)  # RFC 7468
_UTC_TIME: Final = 0x17  # tags of DER (X.690)
_VERSION: Final = 0xA0


class Certificate:
    """What STARTTLS offers, None without a certificate: read at the start, and again when it was renewed.

    Raises LinkproxyError at the start. Whoever is connected goes on with the one before.
    """

    def __init__(self, section: RelaySection, metrics: Metrics) -> None:
        self._section = section
        self._metrics = metrics
        self.context = tls_context(section)
        self._note_end()

    def renew(self) -> None:
        """Read the files again; those that cannot be used change nothing."""
        if not self._section.tls_cert_file:
            get_logger().warning(
                Event.RELOAD_FAILED,
                error="[relay] tls_cert_file names nothing to read again; restart the relay",
            )
            return
        try:
            self.context = tls_context(self._section)
        except LinkproxyError as error:
            get_logger().error(Event.RELAY_CERTIFICATE_FAILED, error=str(error))
        else:
            ends = self._note_end()
            get_logger().info(
                Event.RELAY_CERTIFICATE_READ, ends=datetime.fromtimestamp(ends, UTC).isoformat()
            )

    def _note_end(self) -> float:
        ends = ends_at(Path(self._section.tls_cert_file)) if self.context is not None else 0.0
        self._metrics.relay_certificate_end_seconds.set(ends)
        return ends


def tls_context(section: RelaySection) -> ssl.SSLContext | None:
    """Return what STARTTLS offers; None without a certificate. Raises LinkproxyError."""
    if not section.tls_cert_file:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(section.tls_cert_file, section.tls_key_file or None)
    except OSError as error:
        raise LinkproxyError(
            f"[relay] tls_cert_file, tls_key_file: {section.tls_cert_file}: cannot be used: "
            f"{error.strerror or error}. Name a certificate and its key in PEM."
        ) from None
    return context


def ends_at(file: Path) -> float:
    """Return when a file's first certificate ends, in seconds since 1970; 0 when that cannot be read.

    The standard library tells it of a peer's certificate alone. By RFC 5280 section 4.1: a sequence whose
    first part has version, serial number, algorithm, issuer, and then begin and end.
    """
    try:
        pem = _PEM.search(file.read_text("latin-1"))
        whole = ssl.PEM_cert_to_DER_cert(pem[0]) if pem else b""
        parts = _parts(_parts(whole)[0][1])[0][1]
        fields = [part for part in _parts(parts) if part[0] != _VERSION]
        tag, end = _parts(fields[3][1])[1]
        # Years of two digits are of 1950 to 2049 (RFC 5280 section 4.1.2.5.1).
        text = end.decode("ascii")
        text = ("19" if text >= "50" else "20") + text if tag == _UTC_TIME else text
        return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except (OSError, ValueError, IndexError):
        return 0.0


def _parts(content: bytes) -> list[tuple[int, bytes]]:
    """Return the values that stand one behind the other in DER, as (tag, content)."""
    found = []
    while content:
        length, start = content[1], 2
        if length >= 0x80:  # so many bytes of length follow
            start += length - 0x80
            length = int.from_bytes(content[2:start], "big")
        found.append((content[0], content[start : start + length]))
        content = content[start + length :]
    return found
