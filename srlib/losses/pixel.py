"""Losses on pixels: functions (sr, hr) -> scalar."""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

Loss = Callable[[Tensor, Tensor], Tensor]


def l1(sr: Tensor, hr: Tensor) -> Tensor:
    """Mean absolute error (Lim et al., CVPRW 2017, sec. 3.3); its minimum is the median of the possible answers.

    Shapes: sr, hr (N, C, H, W) -> scalar.
    Raises: ValueError for unequal shapes.
    Differs from the paper: nothing known.
    """
    return F.l1_loss(sr, _same(sr, hr))


def mse(sr: Tensor, hr: Tensor) -> Tensor:
    """Mean squared error (Dong et al., ECCV 2014, eq. 4); its minimum is the mean of the possible answers.

    Shapes: sr, hr (N, C, H, W) -> scalar.
    Raises: ValueError for unequal shapes.
    Differs from the paper: SRCNN sums over the pixels of a patch and takes the mean over patches; this is the mean
        over all, which only changes the learning rate that fits.
    """
    return F.mse_loss(sr, _same(sr, hr))


def charbonnier(sr: Tensor, hr: Tensor, epsilon: float = 1e-3) -> Tensor:
    """Mean of √(d² + ε²): a parabola within ε of zero, absolute error beyond (Lai et al., CVPR 2017, eq. 3).

    Args:
        epsilon: where the corner of the absolute error is rounded off; at d = 0 the loss is ε, not 0.

    Shapes: sr, hr (N, C, H, W) -> scalar.
    Raises: ValueError for unequal shapes and for ε that is not positive.
    Differs from the paper: mean over pixels where the paper sums. BasicSR writes √(d² + ε) with ε = 1e-12, kornia
        √(d² + 1) − 1; all three are called Charbonnier.
    """
    if not epsilon > 0:
        raise ValueError(f"epsilon must be positive, got {epsilon}")
    return ((sr - _same(sr, hr)).square() + epsilon**2).sqrt().mean()


def total_variation(sr: Tensor, hr: Tensor | None = None) -> Tensor:
    """Mean absolute difference of neighbours, down plus right (Rudin, Osher & Fatemi, Physica D 1992, anisotropic).

    A term that asks for flat pictures; `hr` is not used, it is there so that every loss is called alike.

    Shapes: sr (N, C, H, W), H and W at least 2 -> scalar.
    Differs from the paper: |∂x| + |∂y| in place of √(∂x² + ∂y²), and a mean in place of the integral.
    """
    if sr.ndim != 4 or min(sr.shape[-2:]) < 2:
        raise ValueError(f"total variation needs (N, C, H, W) of at least 2 x 2 pixels, got {tuple(sr.shape)}")
    return sr.diff(dim=-2).abs().mean() + sr.diff(dim=-1).abs().mean()


def low_frequency_l1(sr: Tensor, hr: Tensor, cell: int = 16) -> Tensor:
    """L1 between the means of cells of cell² pixels: keeps colours where they were and leaves the detail free.

    Features and discriminators hardly mind when a whole region becomes a little greener; this does. Fritsche et al.
    (ICCVW 2019, sec. 3.1) compare low frequencies for the same reason.

    Shapes: sr, hr (N, C, H, W), H and W at least `cell` -> scalar.
    Raises: ValueError for unequal shapes and for pictures smaller than a cell.
    Differs from the paper: means of cells in place of a low-pass filter; rows and columns beyond the last whole cell
        do not count.
    """
    if min(sr.shape[-2:]) < cell:
        raise ValueError(f"pictures must have at least {cell} x {cell} pixels, got {tuple(sr.shape)}")
    return F.l1_loss(F.avg_pool2d(sr, cell), F.avg_pool2d(_same(sr, hr), cell))


def periodic_l1(sr: Tensor, hr: Tensor, period: int = 4) -> Tensor:
    """L1 of the part of the error that repeats every `period` pixels: a grid, as pixel shuffles draw, and a tint.

    The error is averaged over all pixels that have the same place in their period. What the picture shows averages out,
    since it knows nothing of the grid; what the last layers add at the same place of each lr pixel does not.

    Shapes: sr, hr (N, C, H, W), H and W at least `period` -> scalar.
    Raises: ValueError for unequal shapes and for pictures smaller than a period.
    Differs from the paper: it is in no paper that we know; rows and columns beyond the last whole period do not count.
    """
    height, width = (side // period for side in sr.shape[-2:])
    if min(height, width) < 1:
        raise ValueError(f"pictures must have at least {period} x {period} pixels, got {tuple(sr.shape)}")
    error = (sr - _same(sr, hr))[..., : height * period, : width * period]
    return error.unflatten(-1, (width, period)).unflatten(-3, (height, period)).mean((-4, -2)).abs().mean()


def _same(sr: Tensor, hr: Tensor) -> Tensor:
    """hr, if it has the shape of sr; torch would broadcast, and average the wrong differences."""
    if sr.shape != hr.shape:
        raise ValueError(f"sr and hr must have the same shape, got {tuple(sr.shape)} and {tuple(hr.shape)}")
    return hr
