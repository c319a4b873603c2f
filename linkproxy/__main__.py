"""The command ``linkproxy``, also as ``python -m linkproxy``: what can be interrupted before it is read."""

from __future__ import annotations

import sys
from typing import NoReturn

INTERRUPTED = 130
"""Exit code of what SIGINT ended, as shells give it: 128 and the signal's number."""


def main() -> NoReturn:
    """Run the command line and exit; whoever interrupts while it is imported sees no traceback."""
    try:
        from linkproxy.cli.main import main as command

        command()
    except KeyboardInterrupt:
        sys.stderr.write("linkproxy: interrupted.\n")
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
