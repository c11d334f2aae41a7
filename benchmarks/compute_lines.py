"""What every chapter's compute line should say, by the clock: this judges seconds, so leave the machine alone.

    python -m benchmarks.compute_lines [PAGE ...]

Runs the chapters one by one on two cores, at the size that the site shows, and prints the seconds of each, its
processor seconds, those of the probe, and what the chapter's line says. Fails where a line is wrong by more than a
factor of two. Nothing is taken from the cache of the book.

The last line is what `LINE_SECONDS` in `book/_tools/probe.py` should be, where this machine writes the compute lines:
seconds by the clock over probes, the geometric mean of the chapters. The book's tests multiply a chapter's probes by
it, on whatever machine they run.
"""

import os
import re
import statistics
import sys
import tempfile
from pathlib import Path

from nbclient.exceptions import CellExecutionError

from book._tools import execute
from book._tools.pages import chapters, source

CORES = 2
STATED = re.compile(r"\*\*CPU\*\* (\d+(?:\.\d+)?) (s|min)")


def pin() -> None:
    """Keep this process, and the kernels that it starts, on two cores."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:CORES]))
    os.environ.setdefault("OMP_NUM_THREADS", str(CORES))


def stated(page: str) -> float:
    """The seconds that a chapter's compute line gives for a processor."""
    number, unit = STATED.search(source(page).read_text(encoding="utf-8")).groups()
    return float(number) * {"s": 1, "min": 60}[unit]


def main() -> int:
    pin()
    wrong, rates = [], []
    with tempfile.TemporaryDirectory() as folder:
        execute.BUILD = Path(folder)
        execute.CACHE, execute.SITE = execute.BUILD / "cache", execute.BUILD / "html"
        print(f"{'chapter':<40} says  took processor  probe  probes memory")
        for page in sys.argv[1:] or chapters():
            says = stated(page)
            try:
                ran = execute.run(source(page))
            except CellExecutionError as error:
                wrong.append(f"{page} fails: {error.ename}: {error.evalue}")
                continue
            rates.append(ran.seconds / ran.probes)
            print(
                f"{page:<40} {says:3.0f} s {ran.seconds:3.0f} s {ran.processor_seconds:7.0f} s "
                f"{ran.probe_seconds:5.2f} s {ran.probes:6.0f} {ran.megabytes:5.0f} MB",
                flush=True,
            )
            if not 0.5 <= ran.seconds / says <= 2:
                wrong.append(f"{page} says {says:.0f} s; it took {ran.seconds:.0f} s")
    print("\n".join(wrong) or "every line is true within a factor of two", file=sys.stderr)
    if rates:
        print(f"LINE_SECONDS = {statistics.geometric_mean(rates):.2f}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
