"""Coverage-guided fuzzing of whole messages, by hand: docs/mail.md says how.

What a whole message must keep is asserted by tests/claims/messages.py, as the tests do.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[1]))

with atheris.instrument_imports(include=["linkproxy.campaign"]):
    from claims.messages import PIECES, assert_faithful


def compile_one(data: bytes) -> None:
    """Compile and stamp a message, and compare what Python's parser finds before and after."""
    assert_faithful(data)


def dictionary(path: Path) -> None:
    """Write what messages are made of, as libFuzzer reads it."""
    lines = ("".join(f"\\x{byte:02x}" for byte in piece) for piece in PIECES)
    path.write_text("".join(f'"{line}"\n' for line in lines), encoding="ascii")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--dictionary"]:
        dictionary(Path(sys.argv[2]))
        sys.exit()
    atheris.Setup(sys.argv, compile_one)
    atheris.Fuzz()
