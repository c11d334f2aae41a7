"""What two hundred notebooks cost: `python -m benchmarks.grading PART [N]`.

Makes N hand-ins of an assignment in a temporary folder, right, wrong and broken in turn, and grades N / 4, N / 2 and N
of them with two jobs, then N / 4 with one. Prints seconds, seconds a notebook, and the largest memory of the
grader alone and with all its sandbox.
"""

import importlib
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

from srlib.grading import folders, student
from srlib.grading.folders import Loaded
from srlib.grading.sandbox import processes

SETUP = "from srlib.assignments import attach, check, data, in_grader, use"
BROKEN = (
    "def (:",
    "raise RuntimeError('stop')",
    "import os\nos._exit(1)",
    "for n in range(10**6): pass\nprint('x' * 10**6)",
    "kept = [bytearray(10**8) for _ in range(40)]",
)


def hand_ins(loaded: Loaded) -> Iterator[bytes]:
    """Endlessly many notebooks: a third right, a third with mistakes, a third wrong, stubs and broken ones between."""
    answers = importlib.import_module(f"tests.grading.answers_{loaded.assignment.part}")
    stub = json.dumps(student.as_notebook(student.handed_out(loaded), loaded)).encode()
    mistakes, wrong, styles, broken = (_rows(lists) for lists in (answers.MISTAKES, answers.WRONG, answers.STYLES, {}))
    while True:
        yield loaded.master
        yield _notebook(next(mistakes))
        yield _notebook(next(wrong))
        yield loaded.master
        yield _notebook([*next(styles), *next(broken)])
        yield _notebook(next(wrong))
        yield loaded.master
        yield _notebook(next(mistakes))
        yield stub


def _rows(lists: dict[str, dict[str, str]]) -> Iterator[list[str]]:
    if not lists:
        yield from ([cell] for cell in cycle(BROKEN))
    named = [cycle(answers.values()) for answers in lists.values()]
    while True:
        yield [next(answers) for answers in named]


def _notebook(sources: list[str]) -> bytes:
    cells = [{"cell_type": "code", "metadata": {}, "outputs": [], "source": text} for text in (SETUP, *sources)]
    return json.dumps({"cells": cells, "nbformat": 4, "nbformat_minor": 5, "metadata": {}}).encode()


def grade(folder: Path, part: str, out: Path, jobs: int) -> tuple[float, float, float]:
    """Seconds, and the largest memory in MB: of the grader alone, and of all processes together."""
    words = ["grade", str(folder), "--assignment", part, "--out", str(out), "--jobs", str(jobs)]
    began, peak, alone = time.monotonic(), 0, 0
    running = subprocess.Popen(
        [sys.executable, "-m", "srlib", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    ended = threading.Event()

    def watch() -> None:
        nonlocal peak, alone
        while not ended.wait(0.5):
            alone = max(alone, processes.memory([running.pid], 0))
            peak = max(peak, processes.memory([running.pid, *processes.below(running.pid)], 0))

    watcher = threading.Thread(target=watch)
    watcher.start()
    running.wait()
    ended.set()
    watcher.join()
    return time.monotonic() - began, alone / 1e6, peak / 1e6


def main(part: str, count: int = 200) -> None:
    """Print the table."""
    loaded = folders.load(part)
    with tempfile.TemporaryDirectory() as place:
        made = list(islice(hand_ins(loaded), count))
        for size, jobs in ((count // 4, 2), (count // 2, 2), (count, 2), (count // 4, 1)):
            folder, out = Path(place, f"hand-{size}-{jobs}"), Path(place, f"out-{size}-{jobs}")
            folder.mkdir()
            for number, notebook in enumerate(made[:size]):
                (folder / f"student{number:03d}.ipynb").write_bytes(notebook)
            seconds, alone, memory = grade(folder, part, out, jobs)
            rows = len((out / "grades.csv").read_text().splitlines()) - 1
            told = (
                f"{seconds:.0f} s, {seconds / size:.2f} s each, grader {alone:.0f} MB, all {memory:.0f} MB, {rows} rows"
            )
            print(f"{part}: {size} notebooks, {jobs} jobs: {told}")


if __name__ == "__main__":
    main(sys.argv[1], *(int(text) for text in sys.argv[2:3]))
