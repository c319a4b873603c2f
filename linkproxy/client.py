"""A linkproxy server for programs that send mail: its JSON API in calls that wait for the answer.

Standard library alone, one connection that is kept between calls, and no event loop, so that a web
worker can use it. Not to be shared by threads.
"""

from __future__ import annotations

import base64
import json
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import SplitResult, urlsplit

from linkproxy.model import LinkproxyError

if TYPE_CHECKING:
    from collections.abc import Iterable

_TRIES = 2  # a server may have closed a connection that was idle; the calls can be repeated


class ClientError(LinkproxyError):
    """What the server refused, or that it did not answer (``status`` 0); the text says why."""

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


class Client:
    """The calls that a sender needs; each raises ClientError."""

    def __init__(self, url: str, key: str, *, timeout_seconds: float = 10.0) -> None:
        """Take the private listener's address, ``http://127.0.0.1:8081``, and an API key that may send."""
        parts = _parts(url)
        if parts is None or not parts.hostname:
            raise ClientError(f"{url!r} is not the address of a server; write it as http://127.0.0.1:8081")
        if parts.username is not None:  # not shown: errors end up in logs
            raise ClientError("the server's address has a user in it, who is not sent; the key opens the API")
        key = key.strip()  # of a file, it ends in a line feed
        if not (key.isascii() and key.isprintable()):
            raise ClientError("the API key has characters that no key has; `linkproxy keys add` prints one")
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._connection = kind(parts.hostname, parts.port, timeout=timeout_seconds)
        self._where = f"{parts.scheme}://{parts.netloc}"
        self._path = parts.path.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        self._connection.close()

    def rewrite_message(
        self, message: bytes, *, campaign: str, recipient: str, list_unsubscribe: bool | None = None
    ) -> bytes:
        """Return a whole message (RFC 5322) with its links tracked for its recipient.

        The recipient is an address or a reference. A message that is signed already comes back as it was.
        ``list_unsubscribe`` adds the headers of that name, or does not; None: as the campaign says.
        """
        mail = {"message": base64.b64encode(message).decode("ascii"), "list_unsubscribe": list_unsubscribe}
        answer = self._post("rewrite", {"campaign": campaign, "recipient": recipient, **mail})
        return base64.b64decode(answer["message"])

    def rewrite_html(self, html: str, *, campaign: str, recipient: str) -> str:
        """Return HTML with its links tracked for its recipient."""
        answer = self._post("rewrite", {"campaign": campaign, "recipient": recipient, "html": html})
        return str(answer["html"])

    def rewrite_text(self, text: str, *, campaign: str, recipient: str) -> str:
        """Return a plain text with its URLs tracked for its recipient."""
        answer = self._post("rewrite", {"campaign": campaign, "recipient": recipient, "text": text})
        return str(answer["text"])

    def deliver(self, recipients: Iterable[str], *, campaign: str, source: str = "smarthost") -> None:
        """Tell that mail was accepted now, and by whose word; judging by time goes by it."""
        told = [{"recipient": recipient, "source": source} for recipient in recipients]
        self._post("deliveries", {"campaign": campaign, "deliveries": told})

    def _post(self, call: str, fields: dict[str, Any]) -> dict[str, Any]:
        status, data = self._exchange(f"{self._path}/api/v1/{call}", json.dumps(fields).encode())
        try:
            answer = json.loads(data)
            if answer["ok"] is True:
                return dict(answer)
            text = str(answer["error"])
        except (ValueError, TypeError, KeyError):
            text = f"answers with status {status} and nothing that linkproxy would say"
        raise ClientError(f"linkproxy at {self._where}: {text}", status)

    def _exchange(self, path: str, body: bytes) -> tuple[int, bytes]:
        for left in reversed(range(_TRIES)):
            try:
                self._connection.request("POST", path, body, self._headers)
                response = self._connection.getresponse()
                return response.status, response.read()
            except (OSError, HTTPException) as error:
                self._connection.close()
                if isinstance(error, TimeoutError | ConnectionRefusedError) or not left:
                    raise ClientError(f"linkproxy at {self._where} cannot be reached: {error!r}") from None
        raise AssertionError  # the last try returned or raised


def _parts(url: str) -> SplitResult | None:
    """Return the parts of a server's address; None for one that cannot be asked."""
    if not url.isascii() or not url.isprintable() or " " in url:
        return None
    try:
        parts = urlsplit(url)
        sound = parts.scheme in {"http", "https"} and parts.port != 0
    except ValueError:
        return None
    return parts if sound else None
