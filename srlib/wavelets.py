"""The Haar wavelet: a picture as a half-sized one and what that lacks, by sums and differences of 2 × 2 pixels."""

from collections.abc import Sequence

import torch
from torch import Tensor

from srlib.resample import mirrored

DETAILS = ("LH", "HL", "HH")  # low across and high down, high across and low down, high both ways


def haar(image: Tensor) -> tuple[Tensor, Tensor]:
    """One level of the orthonormal Haar transform (Mallat, IEEE TPAMI 1989), by slices.

    Of every block of pixels (a b; c d) it keeps LL = (a + b + c + d) / 2, and the differences
    LH = (a + b − c − d) / 2, HL = (a − b + c − d) / 2 and HH = (a − b − c + d) / 2. LH is large at a horizontal edge,
    HL at a vertical one. The squares of all coefficients sum to those of the pixels, if both sides are even.

    Shapes: image (..., H, W) floating point -> LL (..., ⌈H/2⌉, ⌈W/2⌉) and details (..., 3, ⌈H/2⌉, ⌈W/2⌉) in the order
        of `DETAILS`. An odd side is continued by its last row or column, whose difference to itself is 0.
    Raises: TypeError for an integer image; ValueError for one without height and width, or empty.
    Differs from the paper: only the shortest of its wavelets; borders as said under shapes.
    """
    _check(image)
    image = _even(image)
    upper, lower = image[..., ::2, :], image[..., 1::2, :]
    sums, differences = upper + lower, upper - lower
    left, right = sums[..., ::2], sums[..., 1::2]
    below_left, below_right = differences[..., ::2], differences[..., 1::2]
    details = [below_left + below_right, left - right, below_left - below_right]
    return (left + right) / 2, torch.stack(details, dim=-3) / 2


def inverse_haar(low: Tensor, details: Tensor, size: tuple[int, int] | None = None) -> Tensor:
    """The picture that `haar` turns into these coefficients.

    Args:
        size: (height, width) of the picture; default: twice that of `low`. An odd one drops the row or column that
            `haar` put there.

    Shapes: low (..., h, w), details (..., 3, h, w) -> (..., H, W).
    Raises: TypeError for integers; ValueError for shapes and sizes that do not belong together.
    """
    _check(low)
    height, width = low.shape[-2:]
    if details.shape != (*low.shape[:-2], 3, height, width):
        raise ValueError(f"details must be (..., 3, h, w) beside low (..., h, w), got {details.shape} and {low.shape}")
    size = (2 * height, 2 * width) if size is None else tuple(size)
    if tuple((n + 1) // 2 for n in size) != (height, width):
        raise ValueError(f"a picture of size {size} has no coefficients of size {(height, width)}")
    horizontal, vertical, diagonal = details.unbind(-3)
    rows = []
    for sign in (1, -1):  # the upper pixels of each block, then the lower
        even, odd = low + sign * horizontal, vertical + sign * diagonal
        rows.append(torch.stack([even + odd, even - odd], dim=-1).flatten(-2))
    return torch.stack(rows, dim=-2).flatten(-3, -2)[..., : size[0], : size[1]] / 2


def haar_levels(image: Tensor, levels: int) -> tuple[Tensor, list[Tensor]]:
    """The Haar transform of the picture, then that of its LL, and so on: the last LL, and all details, finest first.

    Args:
        levels: how often; once a side is a single pixel, its LL grows by √2 a level and nothing is gained.

    Shapes: (..., H, W) -> LL (..., h, w) and `levels` times (..., 3, h, w), each level half as large as that before.
    Raises: as `haar`; ValueError for levels below 1.
    """
    if levels < 1:
        raise ValueError(f"levels must be at least 1, got {levels}")
    details = []
    for _ in range(levels):
        image, found = haar(image)
        details.append(found)
    return image, details


def inverse_haar_levels(low: Tensor, details: Sequence[Tensor], size: tuple[int, int] | None = None) -> Tensor:
    """The picture that `haar_levels` turns into these coefficients; the sizes between are those of the details.

    Args:
        details: finest first.
        size: (height, width) of the picture; default: twice that of the finest details.

    Shapes: as `haar_levels` gives them -> (..., H, W).
    Raises: as `inverse_haar`.
    """
    sizes = [size, *(tuple(found.shape[-2:]) for found in details[:-1])]
    for found, target in zip(reversed(details), reversed(sizes), strict=True):
        low = inverse_haar(low, found, target)
    return low


def _even(image: Tensor) -> Tensor:
    for axis in (-2, -1):
        side = image.shape[axis]
        if side % 2:
            image = image.index_select(axis, mirrored(torch.arange(side + 1, device=image.device), side))
    return image


def _check(image: Tensor) -> None:
    if not image.is_floating_point():
        raise TypeError(f"wavelets need a float image in [0, 1], got {image.dtype}; convert with srlib.images")
    if image.ndim < 2 or 0 in image.shape[-2:]:
        raise ValueError(f"wavelets need an image (..., H, W) that is not empty, got shape {tuple(image.shape)}")
