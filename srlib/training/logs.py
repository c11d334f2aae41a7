"""What a training run writes down: rows in a CSV file and TensorBoard's, and where its time went."""

import csv
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from srlib.io import atomic

CSV = "log.csv"


class Logs:
    """Rows of numbers, in a CSV file, in TensorBoard's file where that is installed, and to a function.

    Args:
        folder: None: no files.
        history: rows of the run so far; a longer file, left by a run that was killed, is cut back to them.
        log: called with each new row.
    """

    def __init__(self, folder: Path | None, history: list[dict], log: Callable[[dict], None] | None = None):
        self.folder, self.log, self._board = folder, log, None
        self._columns: list[str] = []
        if folder is None:
            return
        self._rewrite(history)
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            return
        last = history[-1]["step"] if history else 0
        self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=last + 1)

    def add(self, row: dict[str, float]) -> None:
        """Note one row; `row["step"]` is its place."""
        if self.folder:
            if new := [name for name in row if name not in self._columns]:
                self._rewrite(read_log(self.folder), self._columns + new)
            with (self.folder / CSV).open("a", newline="", encoding="utf-8") as file:
                csv.DictWriter(file, self._columns, lineterminator="\n").writerow(row)
        if self._board:
            for name, value in row.items():
                self._board.add_scalar(name, value, row["step"])
        if self.log:
            self.log(row)

    def close(self) -> None:
        """End TensorBoard's file."""
        if self._board:
            self._board.close()

    def _rewrite(self, rows: list[dict], columns: list[str] | None = None) -> None:
        self._columns = columns or list(dict.fromkeys(name for row in rows for name in row))
        atomic.write_table(self.folder / CSV, rows, self._columns)


def read_log(folder: str | os.PathLike) -> list[dict[str, float]]:
    """The rows of a run's `log.csv`; what a row lacks is not in it."""
    with Path(folder, CSV).open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        return [{name: float(text) for name, text in row.items() if text} for row in rows]


class Clock:
    """Seconds of training, without the time spent on evaluation and files, and the share spent waiting for data."""

    def __init__(self, seconds: float = 0.0):
        self.before, self.start = seconds, time.perf_counter()
        self.data_time = self.away = 0.0
        self._last = seconds

    @property
    def seconds(self) -> float:
        return self.before + time.perf_counter() - self.start - self.away

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Time in here is spent on getting data."""
        start = time.perf_counter()
        yield
        self.data_time += time.perf_counter() - start

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Time in here does not count."""
        start = time.perf_counter()
        yield
        self.away += time.perf_counter() - start

    def row(self, images: int) -> dict[str, float]:
        """Seconds in all; share of waiting and images a second since the last row."""
        seconds = self.seconds
        passed = max(seconds - self._last, 1e-9)
        row = {"seconds": seconds, "data_time": self.data_time / passed, "images_per_second": images / passed}
        self._last, self.data_time = seconds, 0.0
        return row
