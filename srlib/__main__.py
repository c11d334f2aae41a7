"""`python -m srlib` is `srlib`."""

import sys
from typing import NoReturn


def run() -> NoReturn:
    """Run the command line and end the process with its exit status."""
    try:
        from srlib.cli import main  # takes seconds, in which someone may press Ctrl-C
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(main())


if __name__ == "__main__":
    run()
