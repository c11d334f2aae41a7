"""A run that is killed again and again, beside one that is not. In a process of its own: each run is a fork of it."""

import os
import random
import signal
import time
from collections.abc import Callable

Run = Callable[[str, Callable[[dict], object]], object]  # folder, log


def break_off(run: Run, whole: str, broken: str, *, kills: int, rows: int) -> None:
    """Train in the folder `whole` at a stretch, in `broken` with so many kills, each after 1 to `rows` rows of the log.

    By rows, not by the clock: a fast machine must not be done before it is killed. What follows the last row until the
    signal arrives is random enough.
    """
    child, hear = _start(run, whole)
    assert os.waitpid(child, 0)[1] == 0, "the unbroken run failed"
    os.close(hear)
    moments = random.Random(0)
    for _ in range(kills):
        child, hear = _start(run, broken)
        for _ in range(moments.randint(1, rows)):
            assert os.read(hear, 1), "a resumed run failed"
        time.sleep(moments.uniform(0, 0.002))
        os.kill(child, signal.SIGKILL)
        assert os.waitpid(child, 0)[1] == signal.SIGKILL, "the run ended before it was killed"
        os.close(hear)
    child, hear = _start(run, broken)
    assert os.waitpid(child, 0)[1] == 0, "the last run failed"


def _start(run: Run, folder: str) -> tuple[int, int]:
    """The process that runs, and where it says a byte for each row. Torch is imported once, by the parent."""
    hear, say = os.pipe()
    child = os.fork()
    if not child:
        code = 1
        try:
            run(folder, lambda row: os.write(say, b"."))
            code = 0
        finally:
            os._exit(code)
    os.close(say)
    return child, hear
