"""What a reader on Binder gets: every chapter on one core, its seconds and its memory.

    python -m benchmarks.binder [PAGE ...]

Runs the chapters at the size that the site shows, pinned to one core, and fails where a kernel takes more than
1.5 GB: Binder gives 2 GB, and JupyterLab needs its part. Nothing is taken from the cache of the book.
"""

import os
import sys
import tempfile
from pathlib import Path

from book._tools import execute
from book._tools.pages import chapters, source

MOST_MEGABYTES = 1500


def pin() -> None:
    """Keep this process, and the kernels that it starts, on one core."""
    if not hasattr(os, "sched_setaffinity"):
        raise SystemExit("this system cannot pin a process to one core: run it on Linux")
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def measure(pages: list[str]) -> list[str]:
    """Print a line for each chapter; the chapters that took too much memory come back."""
    too_large = []
    for page in pages:
        ran = execute.run(source(page))
        print(f"{page:<40} {ran.seconds:7.0f} s {ran.megabytes:7.0f} MB", flush=True)
        if ran.megabytes > MOST_MEGABYTES:
            too_large.append(page)
    return too_large


def main() -> int:
    pin()
    with tempfile.TemporaryDirectory() as folder:
        execute.BUILD = Path(folder)
        execute.CACHE, execute.SITE = execute.BUILD / "cache", execute.BUILD / "html"
        too_large = measure(sys.argv[1:] or chapters())
    for page in too_large:
        print(f"{page} takes more than {MOST_MEGABYTES} MB", file=sys.stderr)
    return 1 if too_large else 0


if __name__ == "__main__":
    sys.exit(main())
