"""What the commands share: types of their arguments, the error for wrong words, progress, text files."""

import argparse
import math
import sys
from collections.abc import Callable

import torch

from srlib.commands.progress import Bar


class UsageError(ValueError):
    """The command's words are off."""


def scale(text: str) -> float:
    """Type of `--scale`: a number above 0 and at most 16; an int where it is whole."""
    value = float(text) if _is_number(text) else math.nan
    if not 0 < value <= 16:
        raise argparse.ArgumentTypeError(f"{text!r} is not a scale between 0 and 16")
    return int(value) if value == int(value) else value


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def positive(text: str) -> int:
    """Type of a count: 1, 2, ..."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive integer")
    return int(text)


def above_zero(text: str) -> float:
    """Type of a rate or a length: any number above 0."""
    value = float(text) if _is_number(text) else math.nan
    if not value > 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


def border(text: str) -> int:
    """Type of a number of pixels: 0, 1, ..."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of pixels")
    return int(text)


def device(name: str) -> torch.device:
    """Type of `--device`, if it can be used."""
    try:
        found = torch.device(name)
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError) as error:
        raise argparse.ArgumentTypeError(f"device {name!r} cannot be used here; try --device cpu") from error
    return found


def complain(error: object) -> int:
    """One line on stderr; the exit status of an error."""
    print(f"srlib: {' '.join(str(error).split())}", file=sys.stderr)
    return 2


def quiet() -> bool:
    """Whether progress has nobody to look at it."""
    return not sys.stderr.isatty()


def follow(bar: Bar) -> Callable[[int, int | None], None]:
    """A function (done, total) that moves the bar."""

    def progress(done: int, total: int | None) -> None:
        bar.total = total
        bar.update(done - bar.n)

    return progress
