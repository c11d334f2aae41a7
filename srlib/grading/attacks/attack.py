"""Hostile notebooks, each small and bounded in itself: limited loops, limited bytes, limited time.

They are run inside the sandbox only, never by hand. Those that signal or fork begin with GUARD: they look
whether process 1 is the sandbox's own and their parent, and otherwise do nothing.
"""

from dataclasses import dataclass
from pathlib import Path

HOME = str(Path.home())  # of the grader, not of the sandbox
CHECKOUT = str(Path(__file__).resolve().parents[3])

GUARD = """
import os
def _inside():
    try:
        with open("/proc/1/cmdline", "rb") as file:
            return b"grading.sandbox.server" in file.read() and os.getppid() == 1
    except OSError:
        return False
if not _inside():
    raise SystemExit("not in the sandbox's own process namespace: nothing is done")
import signal, time
"""
LATER = "import time\nend = time.monotonic() + 8\n"  # every loop ends by itself after this


@dataclass(frozen=True)
class Attack:
    """One attack.

    Args:
        cell: the hostile cell, between two innocent ones.
        bad: the cell defines `bad`, which is called between two innocent calls.
        status: what the reply to `bad` may be.
        raises: part of the cell's error, where there must be one.
        dropped: the cell ends its process and is left out in the next run; None: either.
        empty: `bad()` returns what it achieved, as a list of texts, which must be empty.
    """

    cell: str
    bad: bool = False
    status: tuple[str, ...] = ()
    raises: str = ""
    dropped: bool | None = False
    empty: bool = False


def tries(setup: str, *lines: str) -> Attack:
    """An attack of several attempts, each of which must fail."""
    body = "".join(
        f"    try:\n        {line}\n        done.append({line!r})\n    except Exception: pass\n" for line in lines
    )
    return Attack(f"{setup}\ndef bad():\n    done = []\n{body}    return done", bad=True, status=("value",), empty=True)
