"""Reading a JSON object field by field, with all its faults at once."""

from __future__ import annotations

import difflib
import json
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

from linkproxy.model import LinkproxyError
from linkproxy.query.filters import can_have_been, read_time, unknown
from linkproxy.store.api import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Choice = TypeVar("Choice", bound=StrEnum)

MOST_ROWS = 1000
"""Of one answer; who wants more asks for the next page, or for a shorter time."""

_SHOWN = 60
"""Characters of a value that a fault shows."""

_MOST_UNKNOWN = 20
"""Fields of an object that are told to be none; a list that was sent as an object has thousands."""


_FLAGS = {"": False, "0": False, "false": False, "no": False, "1": True, "true": True, "yes": True}


class ApiError(Exception):
    """An answer that is not what was asked for: a status and one sentence for each fault.

    ``retry_seconds``: when the same may be asked again; None where nothing is known of that.
    """

    def __init__(self, status: int, *errors: str, retry_seconds: int | None = None) -> None:
        super().__init__("; ".join(errors))
        self.status = status
        self.errors = errors
        self.retry_seconds = retry_seconds


def refusal(error: Exception) -> ApiError | None:
    """Return how an error is told; None for one that is a fault of linkproxy."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, StoreError):
        return ApiError(503, str(error))
    return ApiError(400, *str(error).splitlines()) if isinstance(error, LinkproxyError) else None


def fault_record(status: int, *errors: str) -> dict[str, Any]:
    """Return the one shape of what goes wrong."""
    return {"ok": False, "error": "; ".join(errors), "errors": list(errors), "status": status}


def refuse_parameters(query: Iterable[str]) -> None:
    """Raise ApiError (400) if there are any: the call takes none."""
    if faults := unknown(query, ()):
        raise ApiError(400, *faults)


def read_flag(query: dict[str, str], name: str) -> bool:
    """Take a parameter that is true or false out of a query; false when it is not given."""
    text = query.pop(name, "").lower()
    if text not in _FLAGS:
        raise ApiError(400, f"{name}: {text[:_SHOWN]!r} is neither true nor false")
    return _FLAGS[text]


def read_object(data: bytes, known: Sequence[str]) -> Body:
    """Return the JSON object in a request's body; raise ApiError (400).

    A field that is not in ``known`` is a fault, noted in the body.
    """
    return Body(read_fields(data), known)


def read_fields(data: bytes, what: str = "body") -> dict[str, Any]:
    """Return a JSON object; raise ApiError (400) that speaks of the body, or of ``what`` else it is."""
    try:
        value = json.loads(data)
    except UnicodeDecodeError:
        raise ApiError(400, f"the {what} is not UTF-8") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}" if what == "body" else f"column {error.colno}"
        raise ApiError(400, f"the {what} is not JSON: {error.msg.removesuffix(' at')} at {where}") from None
    except ValueError:
        raise ApiError(400, f"the {what} is not JSON that makes sense: a number is too long") from None
    except RecursionError:
        raise ApiError(400, f"the {what} is not JSON that makes sense: it is nested too deep") from None
    if not isinstance(value, dict):
        raise ApiError(400, f"the {what} is not a JSON object")
    return value


class Body:
    """An object's fields; what is wrong with them gathers in ``faults`` until ``check``."""

    def __init__(self, fields: dict[str, Any], known: Sequence[str], where: str = "") -> None:
        self._fields = fields
        self._where = where
        self.faults: list[str] = []
        strange = [name for name in fields if name not in known]
        for name in strange[:_MOST_UNKNOWN]:
            shown = name[:_SHOWN]
            near = difflib.get_close_matches(shown, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(known)}"
            self.fault(shown, f"there is no such field; {hint}")
        if (more := len(strange) - _MOST_UNKNOWN) > 0:
            self.fault(f"{more:,} more fields", "there are no such fields")

    def fault(self, name: str, what: str) -> None:
        """Note what is wrong with a field."""
        self.faults.append(f"{self._where}{name}: {what}")

    def check(self) -> None:
        """Raise ApiError (400) if anything was wrong."""
        if self.faults:
            raise ApiError(400, *self.faults)

    def has(self, name: str) -> bool:
        """Return whether a field is given and not null."""
        return self._fields.get(name) is not None

    def text(self, name: str, *, required: bool = False) -> str:
        """Return a string, "" when it is not given."""
        value = self._fields.get(name)
        if value is None or value == "":
            if required:
                self.fault(name, "is missing")
            return ""
        return value if self._is_text(name, value) else ""

    def number(self, name: str, *, most: float, usual: float = 0.0) -> float:
        """Return a number from ``usual`` up, ``usual`` when it is not given."""
        value = self._fields.get(name)
        if value is None:
            return usual
        if isinstance(value, bool) or not isinstance(value, int | float) or not usual <= value <= most:
            self.fault(name, f"{_begin(value)} is not a number from {usual:g} to {most:g}")
            return usual
        return float(value)

    def flag(self, name: str) -> bool:
        """Return true or false, false when it is not given."""
        value = self._fields.get(name)
        if value is not None and not isinstance(value, bool):
            self.fault(name, "is neither true nor false")
        return value is True

    def choice(self, name: str, default: Choice) -> Choice:
        """Return one of an enumeration's values."""
        value = self._fields.get(name)
        if value is None:
            return default
        kind = type(default)
        if isinstance(value, str) and value in set(kind):
            return kind(value)
        self.fault(name, f"{_begin(value)} is not one of {', '.join(kind)}")
        return default

    def time(self, name: str, *, now: float) -> float:
        """Return a time given as ISO 8601 or as seconds since the epoch; now when it is not given."""
        value = self._fields.get(name)
        if value is None:
            return now
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            self.fault(name, "is neither ISO 8601 text nor seconds since 1970")
            return now
        try:
            at = read_time(value, now=now) if isinstance(value, str) else float(value)
        except (ValueError, OverflowError) as error:
            self.fault(name, str(error))
            return now
        if not can_have_been(at, now=now):
            self.fault(name, "cannot be; seconds since 1970 are wanted, or ISO 8601 text")
        return at

    def texts(self, name: str, *, most: int) -> list[str]:
        """Return a list of strings."""
        return [item for item in self._list(name, most) if self._is_text(name, item)]

    def objects(self, name: str, known: Sequence[str], *, most: int) -> list[Body]:
        """Return a list of objects; pass their faults on with ``absorb``."""
        bodies = []
        for at, item in enumerate(self._list(name, most)):
            if isinstance(item, dict):
                bodies.append(Body(item, known, f"{name}[{at}]."))
            else:
                self.fault(f"{name}[{at}]", "is not an object")
        return bodies

    def mapping(self, name: str, known: Sequence[str]) -> dict[str, str]:
        """Return an object of strings, with these names only."""
        value = self._fields.get(name)
        if value is None:
            return {}
        if not isinstance(value, dict):
            self.fault(name, "is not an object")
            return {}
        inner = Body(value, known, f"{name}.")
        texts = {key: inner.text(key) for key in known if inner.has(key)}
        self.absorb(inner)
        return texts

    def absorb(self, inner: Body) -> None:
        """Take over the faults of an object inside this one."""
        self.faults += inner.faults

    def _list(self, name: str, most: int) -> list[Any]:
        value = self._fields.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            self.fault(name, "is not a list")
            return []
        if len(value) > most:
            self.fault(name, f"has {len(value)} items; send at most {most} at once")
            return []
        return value

    def _is_text(self, name: str, item: object) -> bool:
        if not isinstance(item, str):
            self.fault(name, f"{_begin(item)} is not a string")
            return False
        try:
            item.encode()
        except UnicodeEncodeError:
            self.fault(name, "holds half a surrogate pair, which is no character")
            return False
        return True


def _begin(value: object) -> str:
    """Return how a value begins as JSON; the rest of one of a hundred megabytes is not written out."""
    text = ""
    for part in json.JSONEncoder().iterencode(value[:_SHOWN] if isinstance(value, str) else value):
        text += part
        if len(text) >= _SHOWN:
            break
    return text[:_SHOWN]
