"""Moving pictures: the eight flips and turns of the square, and sub-pixel translation."""

from torch import Tensor

from srlib.resample import Kernel, resize

DIHEDRAL = range(8)


def dihedral(image: Tensor, k: int) -> Tensor:
    """The k-th of the eight symmetries of the square: bit 0 flips columns, bit 1 flips rows, bit 2 transposes.

    Shapes: (..., H, W) -> (..., H, W), or (..., W, H) for k ≥ 4.
    """
    if k not in DIHEDRAL:
        raise ValueError(f"k must be 0 to 7, got {k}")
    flips = [dim for dim, bit in ((-1, 1), (-2, 2)) if k & bit]
    image = image.flip(flips) if flips else image
    return image.mT if k & 4 else image


def inverse_dihedral(image: Tensor, k: int) -> Tensor:
    """Undo `dihedral(image, k)`.

    Shapes: (..., H, W) -> (..., H, W), or (..., W, H) for k ≥ 4.
    """
    if k not in DIHEDRAL:
        raise ValueError(f"k must be 0 to 7, got {k}")
    return dihedral(image.mT, k & 3) if k & 4 else dihedral(image, k)


def translate(image: Tensor, down: float, right: float, kernel: str | Kernel = "bicubic") -> Tensor:
    """Move the content by a sub-pixel amount; what enters at the border is mirrored.

    Args:
        down, right: in pixels; negative moves up and left.

    Shapes: (..., H, W) -> (..., H, W).
    """
    return resize(image, 1.0, kernel=kernel, offset=(-down, -right))
