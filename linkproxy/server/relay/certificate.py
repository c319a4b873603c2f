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
_WORDS: Final = {
    "": "one of them holds no PEM of its kind, or a part of one",
    "KEY_VALUES_MISMATCH": "the key is not that of the first certificate, which has to be the relay's own, "
    "with its chain behind it",
}
"""What OpenSSL's reasons come to."""

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
    certificate, key = Path(section.tls_cert_file), Path(section.tls_key_file or section.tls_cert_file)
    try:
        for file in (certificate, key):
            file.open("rb").close()  # OpenSSL does not say which of them it cannot read
        context.load_cert_chain(certificate, key, password=_no_password)
    except OSError as error:
        named = error.filename or f"{certificate}, {key}"
        reason = getattr(error, "reason", None) or ""
        fault = _WORDS.get(reason, error.strerror) if isinstance(error, ssl.SSLError) else error.strerror
        raise LinkproxyError(
            f"[relay] tls_cert_file, tls_key_file: {named}: cannot be used: {fault}. "
            "Name a certificate and its key in PEM."
        ) from None
    return context


def _no_password() -> str:
    """Refuse an encrypted key: OpenSSL would ask the terminal for a password, and all mail would wait."""
    raise LinkproxyError(
        "[relay] tls_key_file: the key is encrypted, and nobody can be asked for its password. "
        "Decrypt it (openssl pkey -in key.pem -out plain.pem), readable by linkproxy's user alone."
    )


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
