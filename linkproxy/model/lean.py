"""How the values of the click path, and links, are declared: frozen to the type checker, plain at run time.

``dataclass(frozen=True)`` sets each field by ``object.__setattr__``, which makes a value of twenty
fields cost 2 us instead of 0.5; a visit makes eight values, and a mail one for each link. mypy, which
checks the whole package, takes ``lean`` for ``dataclass`` and refuses every assignment to a field.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = ["lean"]

if TYPE_CHECKING:
    from dataclasses import dataclass as lean
else:
    from dataclasses import dataclass

    def lean(*, frozen: bool, slots: bool):  # noqa: ANN201  (as dataclass, which the checker sees)
        """Return a class decorator: equality and hash as of a frozen dataclass."""
        return dataclass(slots=slots, unsafe_hash=frozen)
