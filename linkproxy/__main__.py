"""``python -m linkproxy`` is the command ``linkproxy``."""

from linkproxy.cli.main import main

if __name__ == "__main__":
    main()
