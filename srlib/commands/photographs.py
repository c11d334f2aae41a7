"""Photographs of one camera, as the commands take them: a folder or one picture."""

from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from srlib import images
from srlib.commands.arguments import UsageError, complain, quiet, tell_of_subfolders
from srlib.commands.progress import Bar
from srlib.io import finder
from srlib.io.codecs import ImageError


def photographs(
    place: Path, *, recursive: bool = False, take: Callable[[Tensor], Tensor] = lambda picture: picture
) -> tuple[list[Tensor], int]:
    """Every picture that can be read, and the exit status: 2 where one could not.

    Args:
        recursive: also those in subfolders.
        take: what is kept of a picture.

    Raises: UsageError for a place that is not there, that has no pictures, or none that can be read; ImageError for a
        single picture that cannot be read.
    """
    if not place.exists():
        raise UsageError(f"{place}: no such file or folder")
    files = finder.pictures(place, recursive=recursive) if place.is_dir() else [place]
    if not files:
        raise UsageError(finder.nothing_in(place))
    if not recursive:
        tell_of_subfolders(place)
    found, status = [], 0
    for file in Bar(files, desc="reading", unit="picture", leave=False, disable=quiet()):
        try:
            found.append(take(images.read(file)))
        except ImageError as error:
            if len(files) == 1:
                raise
            status = complain(f"left out: {error}")
    if not found:
        raise UsageError(f"{place}: none of its pictures can be read")
    return found, status
