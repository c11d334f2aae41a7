"""Clips on disk: a folder of frames is one, a folder of such folders is a set of clips, such as Vid4."""

import re
from collections.abc import Iterable
from pathlib import Path

from torch import Tensor

from srlib import images
from srlib.io import finder


def clips_in(place: Path) -> dict[str, Path]:
    """The clips of a set, name -> folder of frames, in order; none where a folder has pictures of its own.

    A clip is a subfolder with pictures, or with such a subfolder HR.

    Raises: OSError for a folder that cannot be read.
    """
    if finder.pictures(place):
        return {}
    inner = sorted(child for child in place.iterdir() if child.is_dir() and not child.name.startswith((".", "__")))
    return {child.name: child for child in inner if finder.pictures(child)}


def find_in(roots: Iterable[Path], name: str) -> Path | None:
    """The folder of a set of clips, as `datasets.find_in` finds pictures: name/HR or name, in a root or one below it.

    None if the set is in none of them.
    """
    for root in filter(Path.is_dir, roots):
        inner = sorted(child for child in root.iterdir() if child.is_dir() and not child.name.startswith("."))
        for base in (root, *inner):
            for candidate in (base / name / "HR", base / name):
                if candidate.is_dir() and clips_in(candidate):
                    return candidate
    return None


def frames_of(folder: Path) -> list[Tensor]:
    """The frames of a clip by the numbers in their names: frame 9 comes before frame 10.

    Shapes: each (1, C, H, W) in [0, 1].
    Raises: ValueError for a folder without pictures, and for pictures of several sizes, or some grey and some in
        colour; ImageError for one that cannot be read.
    """
    files = sorted(finder.pictures(folder), key=_number)
    if not files:
        raise ValueError(finder.nothing_in(folder))
    found: list[Tensor] = []
    for file in files:
        found.append(images.read(file))
        if found[-1].shape != found[0].shape:
            raise ValueError(
                f"{folder}: {files[0].name} is {_size(found[0])} and {file.name} {_size(found[-1])}; the frames of a "
                "clip are alike"
            )
    return found


def _number(path: Path) -> list[tuple[int, str]]:
    """Sorts names as people do: runs of digits by their value."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", path.name)]


def _size(image: Tensor) -> str:
    return f"{image.shape[-1]} x {image.shape[-2]} pixels, {'grey' if image.shape[1] == 1 else 'in colour'}"
