"""What the commands share: argument types, the usage error, error output, progress bars."""

import argparse
import math
import sys
from collections.abc import Callable
from pathlib import Path

import torch

from srlib.commands.progress import Bar
from srlib.io import finder

NO_MEMORY = "not enough memory; try a smaller --tile or picture"


class UsageError(ValueError):
    """The command line has a wrong or missing argument."""


def scale(text: str) -> float:
    """Type of `--scale`: a number above 0 and at most 16; a whole number becomes an int.

    Raises: ArgumentTypeError for anything else.
    """
    value = float(text) if is_number(text) else math.nan
    if not 0 < value <= 16:
        raise argparse.ArgumentTypeError(f"{text!r} is not a scale between 0 and 16")
    return int(value) if value == int(value) else value


def is_number(text: str) -> bool:
    """Whether a word is a finite number."""
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def positive(text: str) -> int:
    """Type of a count: 1, 2, ...

    Raises: ArgumentTypeError for anything else.
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive integer")
    return int(text)


def above_zero(text: str) -> float:
    """Type of a rate or a length: any number above 0.

    Raises: ArgumentTypeError for anything else.
    """
    value = float(text) if is_number(text) else math.nan
    if not value > 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


def border(text: str) -> int:
    """Type of a number of pixels: 0, 1, ...

    Raises: ArgumentTypeError for anything else.
    """
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of pixels")
    return int(text)


def quality(text: str) -> int:
    """Type of `--quality`: 1 to 100.

    Raises: ArgumentTypeError for anything else.
    """
    if not text.isdecimal() or not 1 <= int(text) <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} is not a quality between 1 and 100")
    return int(text)


def shard(text: str) -> tuple[int, int]:
    """Type of `--shard`: (i, n) of "i/n", counted from 1.

    Raises: ArgumentTypeError for anything else.
    """
    words = text.split("/")
    i, n = (int(word) if word.isdecimal() else 0 for word in (words if len(words) == 2 else "00"))
    if not 1 <= i <= n:
        raise argparse.ArgumentTypeError(f"{text!r} is not a shard I/N such as 1/8, ..., 8/8")
    return i, n


def name_part(text: str) -> str:
    """Type of `--suffix`: something to put into a file's name.

    Raises: ArgumentTypeError for nothing, and for what leads into another folder.
    """
    if not text or any(mark in text for mark in "/\\\0"):
        raise argparse.ArgumentTypeError(f"{text!r} cannot be part of a file's name")
    return text


def device(name: str) -> torch.device:
    """Type of `--device`.

    Raises: ArgumentTypeError for a device that is unknown or unavailable.
    """
    try:
        found = torch.device(name)
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError) as error:
        raise argparse.ArgumentTypeError(f"device {name!r} is not available; try --device cpu") from error
    return found


def complain(error: object) -> int:
    """Print an error as one line on stderr and return its exit status."""
    note(error)
    return 2


def note(text: object) -> None:
    """Print one line on stderr: what a user should know, beside the results."""
    if sys.stderr is not None:  # closed by whoever wants no errors; print would take standard output
        print(f"srlib: {' '.join(str(text).split())}", file=sys.stderr)


def tell_of_subfolders(place: Path) -> None:
    """Say what a folder with pictures holds below, which is not taken without --recursive."""
    if place.is_dir() and finder.directly(place) and (missed := finder.left_out(place)):
        note(f"left out: {missed} of {place}; use --recursive")


def is_out_of_memory(error: Exception) -> bool:
    """Torch raises OutOfMemoryError on a GPU, but a plain RuntimeError on the CPU."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def quiet() -> bool:
    """Whether to hide progress bars: stderr is not a terminal."""
    return sys.stderr is None or not sys.stderr.isatty()


def follow(bar: Bar) -> Callable[[int, int | None], None]:
    """A function (done, total) that moves the bar."""

    def progress(done: int, total: int | None) -> None:
        bar.total = total
        bar.update(done - bar.n)

    return progress
