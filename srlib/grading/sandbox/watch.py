"""Whether a notebook's processes use more than they may, looked at some ten times a second."""

import os
import time

from srlib.grading.sandbox import processes
from srlib.grading.sandbox.limits import Limits

_EVERY = 0.1
_SPARE_TASKS = 8  # above what the kernel's own limit forbids


class Watch:
    """Watches everything below this process.

    Args:
        limits: the limits.
        folder: the notebook's folder.
        measured: its size is counted here, since it is no file system with a size of its own.
    """

    def __init__(self, limits: Limits, folder: str, *, measured: bool):
        self.limits, self.folder, self.measured, self.last = limits, folder, measured, 0.0

    def too_much(self, spared: int, now: bool = False) -> str:
        """What is used too much of, in words; empty if nothing is, or it was looked at a moment ago.

        Args:
            spared: a child whose end somebody else waits for.
            now: look in any case.
        """
        if not now and time.monotonic() < self.last + _EVERY:
            return ""
        self.last = time.monotonic()
        processes.reap(spared)
        found = processes.below(os.getpid())
        if processes.memory(found, self.limits.memory) > self.limits.memory:
            return f"used more than {self.limits.memory / 1e9:g} GB of memory"
        if processes.tasks(found) > self.limits.processes + _SPARE_TASKS:
            return f"had more than {self.limits.processes} processes"
        most = self.limits.file_bytes * 1.05 + 65_536
        if self.measured and processes.size_of(self.folder, most) > most:
            return f"wrote more than {self.limits.file_bytes / 1e6:g} MB of files"
        return ""

    def waited(self, notebook: int) -> float:
        """Seconds that a call has waited for a processor on a busy machine; at most twice its limit.

        Args:
            notebook: the process that has forked the call's.
        """
        found = [process for process in processes.below(os.getpid()) if process != notebook]
        return min(max(map(processes.waited, found), default=0.0), 2 * self.limits.call_seconds)
