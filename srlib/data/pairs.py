"""Given pairs of lr and hr from two folders: matched by name, their sizes checked, cut alike where they are huge."""

from collections.abc import Callable, Sequence
from pathlib import Path

from torch import Tensor

from srlib import images
from srlib.data.datasets import PIECE, find
from srlib.io import finder


def load_pairs(
    lr: Sequence[str], hr: Sequence[str], *, scale: int, lr_size: int, leave_out: Callable[[str], None]
) -> tuple[dict[str, list[Tensor]], dict[str, list[str]]]:
    """Load training pairs; also one line per source, for each role.

    A partner has the same name, whatever its format; an lr may also have the scale at its end, 0001x4 for 0001.

    Args:
        lr, hr: folders or names of sets; the k-th of one belongs to the k-th of the other.
        lr_size: the least length of the shorter side of an lr picture, in pixels.
        leave_out: called with "file: reason" for a pair that cannot be used, since one picture is unreadable or small.

    Shapes: {"lr": (1, 1 or 3, h, w) each, "hr": (1, 1 or 3, scale·h, scale·w) each}, uint8, in one order.
    Raises: FileNotFoundError or ValueError for a source that is missing or has no pictures; ValueError for folders that
        are not two and two, a picture without a partner, two pictures of one name, an hr whose sides are not `scale`
        times those of its lr, and if no pair can be used.
    """
    if len(lr) != len(hr):
        raise ValueError(f"pairs need as many folders of lr as of hr, got {len(lr)} and {len(hr)}")
    pictures: dict[str, list[Tensor]] = {"hr": [], "lr": []}
    lines: dict[str, list[str]] = {"hr": [], "lr": []}
    for lr_source, hr_source in zip(lr, hr, strict=True):
        used = 0
        for small, large in _matched(_files(lr_source), _files(hr_source), lr_source, hr_source, scale):
            pair = _read(small, large, scale, lr_size, leave_out)
            if pair is not None:
                used += 1
                for role, pieces in zip(("lr", "hr"), pair, strict=True):
                    pictures[role] += pieces
        lines["hr"].append(f"{hr_source}: {used} pictures")
        lines["lr"].append(f"{lr_source}: {used} pictures")
    if not pictures["lr"]:
        raise ValueError(f"no usable pair of at least {lr_size} x {lr_size} lr pixels in {', '.join(lr)}")
    return pictures, lines


def read_pairs(lr: str, hr: str, *, scale: int) -> list[tuple[str, Tensor, Tensor]]:
    """All pairs of two folders or sets, matched as by `load_pairs`: (name, hr, lr).

    Shapes: hr (1, 1 or 3, scale·h, scale·w), lr (1, 1 or 3, h, w), float32 in [0, 1].
    Raises: as `load_pairs`; ImageError for a picture that cannot be read.
    """
    found = []
    for small, large in _matched(_files(lr), _files(hr), lr, hr, scale):
        pair = images.read(large), images.read(small)
        _check_sizes(small, large, *pair, scale)
        found.append((large.stem, *pair))
    return found


def _files(source: str) -> dict[str, Path]:
    """The pictures of a folder or a set by their names without suffix."""
    path = Path(source) if Path(source).is_dir() else find(source)
    found: dict[str, Path] = {}
    for file in finder.pictures(path):
        if file.stem in found:
            raise ValueError(f"{file}: has the name of {found[file.stem].name}; among pairs it means one picture")
        found[file.stem] = file
    if not found:
        raise ValueError(f"{path}: no pictures in this folder, nor in its subfolder HR")
    return found


def _matched(
    small: dict[str, Path], large: dict[str, Path], lr_source: str, hr_source: str, scale: int
) -> list[tuple[Path, Path]]:
    partners = {}
    for name, file in small.items():
        partner = name if name in large else name.removesuffix(f"x{scale}")
        if partner not in large:
            raise ValueError(f"{file}: has no partner of this name in {hr_source}; take it out, or add its hr")
        if partner in partners:
            raise ValueError(f"{file}: has the partner of {partners[partner].name}, {large[partner]}")
        partners[partner] = file
    if lonely := [file for name, file in large.items() if name not in partners]:
        raise ValueError(f"{lonely[0]}: has no partner of this name in {lr_source}; take it out, or add its lr")
    return [(partners[name], file) for name, file in large.items()]


def _read(
    small: Path, large: Path, scale: int, lr_size: int, leave_out: Callable[[str], None]
) -> tuple[list[Tensor], list[Tensor]] | None:
    """One pair as bytes, in pieces."""
    try:
        lr, hr = (images.to_uint8(images.read(file)) for file in (small, large))
    except images.ImageError as error:
        leave_out(str(error))
        return None
    _check_sizes(small, large, hr, lr, scale)
    height, width = lr.shape[-2:]
    if min(height, width) < lr_size:
        leave_out(f"{small}: {width} x {height} pixels, smaller than a patch of {lr_size} x {lr_size}")
        return None
    return _pieces(lr, 1, scale, lr_size), _pieces(hr, scale, scale, lr_size)


def _check_sizes(small: Path, large: Path, hr: Tensor, lr: Tensor, scale: int) -> None:
    (height, width), (rows, columns) = lr.shape[-2:], hr.shape[-2:]
    if (rows, columns) != (height * scale, width * scale):
        raise ValueError(
            f"{large}: {columns} x {rows} pixels; at ×{scale} the hr of {small.name}, {width} x {height}, has "
            f"{width * scale} x {height * scale}"
        )


def _pieces(picture: Tensor, factor: int, scale: int, lr_size: int) -> list[Tensor]:
    """Cut at the same places of the scene: `factor` is 1 for lr and the scale for hr."""
    cuts = []
    for side in picture.shape[-2:]:
        side //= factor
        count = max(1, min(-(-side * scale // PIECE), side // lr_size))
        cuts.append([k * side // count * factor for k in range(1, count)])
    bands = picture.tensor_split(cuts[0], -2)
    return [piece.clone() for band in bands for piece in band.tensor_split(cuts[1], -1)]
