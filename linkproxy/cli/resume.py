"""How far a run has come, so that the same command goes on where it was stopped.

A small file beside the results says which run they are of and how many are whole. It is there from
the first result to the last. Another run's results are never added to: that is told instead.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from linkproxy.cli.files import write_whole
from linkproxy.model import LinkproxyError

if TYPE_CHECKING:
    from pathlib import Path

    from linkproxy.cli.sinks import Sink

_EVERY: Final = 64
"""Results between two notes; a run that is stopped makes so many again at most."""


class Run:
    """One run's note of how far it has come; ``done`` results are whole, ``size`` bytes of an mbox."""

    def __init__(self, path: Path | None, digest: str) -> None:
        """Take up the run of this digest, or begin it; without a path nothing is noted.

        Raises LinkproxyError when the results there are another run's and not whole yet.
        """
        self._path = path
        self._digest = digest
        self.done, self.size = 0, 0
        self.resumed = False
        if path is not None and (found := _read(path)) is not None:
            if found.get("run") != digest:
                raise LinkproxyError(
                    f"{path.parent} holds a part of another run's results, which was stopped: finish that "
                    f"with the same command and files, or remove {path} to give it up"
                )
            self.done, self.size = found["done"], found["size"]
            self.resumed = True
        self._noted = self.done
        if not self.done:
            self._note()

    def add(self, sink: Sink) -> None:
        """Count a result as whole; raise LinkproxyError."""
        self.done += 1
        if self.done - self._noted >= _EVERY:
            self.save(sink)

    def save(self, sink: Sink) -> None:
        """Note how far it is, once a power cut takes no result that is noted; raise LinkproxyError."""
        if self._path is not None:
            sink.sync()
            self.size = sink.size
            self._note()

    def _note(self) -> None:
        if self._path is not None:
            told = {"run": self._digest, "done": self.done, "size": self.size}
            write_whole(self._path, json.dumps(told).encode(), durable=True)
            self._noted = self.done

    def end(self) -> None:
        """Forget the run: all its results are there."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_bytes())
        return {"run": found["run"], "done": int(found["done"]), "size": int(found["size"])}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError):
        return {"run": None}
