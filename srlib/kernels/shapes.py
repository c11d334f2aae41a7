"""Blurs that are no Gaussians, and a list of likely ones, from which a search for an unknown kernel starts."""

import math
from functools import lru_cache

import torch
from torch import Tensor

from srlib.degradations import gaussian_kernel, motion_kernel


def disc_kernel(radius: float) -> Tensor:
    """The blur of a lens that is out of focus: a disc with its edge pixels in part, sum one.

    Args:
        radius: in pixels.

    Shapes: (size, size) float64 with the smallest odd size that holds it.
    Raises: ValueError for a radius that is not positive.
    """
    if not radius > 0:
        raise ValueError(f"radius must be positive, got {radius}")
    reach, parts = math.ceil(radius - 0.5), 8
    steps = (torch.arange((2 * reach + 1) * parts, dtype=torch.float64) + 0.5) / parts - reach - 0.5
    inside = (steps[:, None].square() + steps.square() <= radius**2).double()
    kernel = inside.unflatten(1, (-1, parts)).unflatten(0, (-1, parts)).sum((1, 3))
    return kernel / kernel.sum()


def two_spots(distance: float, angle: float, share: float = 0.5, sigma: float = 0.8) -> Tensor:
    """The blur of a camera that jumped once: two Gaussian spots, sum one.

    Args:
        distance: between the spots, in pixels.
        angle: of the line through them, degrees anticlockwise from the horizontal.
        share: of the light in the spot that lies in the direction of `angle`.
        sigma: of each spot, in pixels.

    Shapes: (size, size) float64, odd.
    """
    reach = math.ceil(distance / 2 + 4 * sigma)
    steps = torch.arange(-reach, reach + 1, dtype=torch.float64)
    right, up = (distance / 2 * turn(math.radians(angle)) for turn in (math.cos, math.sin))

    def spot(x: float, y: float) -> Tensor:
        return torch.exp(-((steps - x).square() + (-steps[:, None] - y).square()) / (2 * sigma**2))

    kernel = share * spot(right, up) + (1 - share) * spot(-right, -up)
    return kernel / kernel.sum()


@lru_cache(maxsize=4)
def likely(size: int) -> Tensor:
    """Gaussians, discs, straight motion and two spots of many sizes and directions, each on `size`² taps.

    Shapes: (K, size, size) float64, each with sum one.
    """
    found = [gaussian_kernel(sigma) for sigma in (0.6, 1.0, 1.5, 2.0, 2.5, 3.0)]
    found += [disc_kernel(half / 2) for half in range(2, 12)]
    for angle in torch.arange(0, 180, 22.5).tolist():
        found += [motion_kernel(length, angle) for length in (3, 4.5, 6, 8, 10, 13)]
        found += [two_spots(far, angle, share) for far in (2, 3, 4, 5, 6, 8) for share in (0.5, 0.7)]
    return torch.stack([resized(kernel, size) for kernel in found if len(kernel) <= size + 4])


def resized(kernel: Tensor, size: int) -> Tensor:
    """The kernel cut or filled up with zeros to `size`² taps around its centre, sum one.

    Args:
        size: odd, as the side of the kernel.

    Shapes: (k, k) -> (size, size).
    """
    more = (size - len(kernel)) // 2
    kernel = torch.nn.functional.pad(kernel, (more, more, more, more))
    return kernel / kernel.sum()


def described(taps: Tensor) -> tuple[float, float, float]:
    """(σ₁, σ₂, angle) of any kernel, by its second moments: the larger first; degrees anticlockwise, 0 to 180.

    Shapes: taps (k, k), sum one.
    """
    steps = torch.arange(len(taps), dtype=torch.float64) - len(taps) // 2
    taps = taps.double()
    right, up = steps.expand(taps.shape), -steps[:, None].expand(taps.shape)
    right, up = right - (taps * right).sum(), up - (taps * up).sum()
    rows = [[(taps * a * b).sum() for b in (right, up)] for a in (right, up)]
    values, axes = torch.linalg.eigh(torch.tensor(rows, dtype=torch.float64))
    across, along = values.clamp_min(0).sqrt().tolist()
    return along, across, math.degrees(math.atan2(axes[1, 1], axes[0, 1])) % 180
