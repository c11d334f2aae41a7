"""Pixel losses: functions (sr, hr) -> scalar."""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

Loss = Callable[[Tensor, Tensor], Tensor]


def l1(sr: Tensor, hr: Tensor) -> Tensor:
    """Mean absolute error (Lim et al., CVPRW 2017, sec. 3.3); it is minimal at the median of the possible answers.

    Shapes: sr, hr (N, C, H, W) -> scalar.
    Raises: ValueError for unequal shapes.
    Differs from the paper: nothing known.
    """
    return F.l1_loss(sr, _same(sr, hr))


def mse(sr: Tensor, hr: Tensor) -> Tensor:
    """Mean squared error (Dong et al., ECCV 2014, eq. 4); it is minimal at the mean of the possible answers.

    Shapes: sr, hr (N, C, H, W) -> scalar.
    Raises: ValueError for unequal shapes.
    Differs from the paper: SRCNN sums over the pixels of a patch and takes the mean over patches; this is the mean over
        both, which only changes the right learning rate.
    """
    return F.mse_loss(sr, _same(sr, hr))


def charbonnier(sr: Tensor, hr: Tensor, epsilon: float = 1e-3) -> Tensor:
    """Mean of √(d² + ε²): a parabola within ε of zero, absolute error beyond (Lai et al., CVPR 2017, eq. 3).

    Args:
        epsilon: width of the rounded corner of the absolute error; at d = 0 the loss is ε, not 0.

    Shapes: sr, hr (N, C, H, W) -> scalar.
    Raises: ValueError for unequal shapes, and for an epsilon that is not positive.
    Differs from the paper: the mean over pixels, where the paper sums. BasicSR has √(d² + ε) with ε = 1e-12, kornia
        √(d² + 1) − 1; all three are called Charbonnier.
    """
    if not epsilon > 0:
        raise ValueError(f"epsilon must be positive, got {epsilon}")
    return ((sr - _same(sr, hr)).square() + epsilon**2).sqrt().mean()


def total_variation(sr: Tensor, hr: Tensor | None = None) -> Tensor:
    """Anisotropic total variation: mean absolute difference of neighbours (Rudin et al., Physica D 1992).

    The sum of the vertical and the horizontal mean; a regulariser that favours flat pictures. `hr` is ignored: it is
    there because every loss takes (sr, hr).

    Shapes: sr (N, C, H, W), H and W at least 2 -> scalar.
    Raises: ValueError for pictures that are not (N, C, H, W) or are smaller than 2 x 2 pixels.
    Differs from the paper: |∂x| + |∂y| instead of √(∂x² + ∂y²), and a mean instead of the integral.
    """
    if sr.ndim != 4 or min(sr.shape[-2:]) < 2:
        raise ValueError(f"total variation needs (N, C, H, W) of at least 2 x 2 pixels, got {tuple(sr.shape)}")
    return sr.diff(dim=-2).abs().mean() + sr.diff(dim=-1).abs().mean()


def low_frequency_l1(sr: Tensor, hr: Tensor, cell: int = 16) -> Tensor:
    """L1 between the means of cells of cell² pixels: it fixes colours but not detail (Fritsche et al., ICCVW 2019).

    Feature losses and discriminators hardly notice when a whole region becomes a little greener; this loss does, as the
    comparison of low frequencies in the paper, sec. 3.1.

    Shapes: sr, hr (N, C, H, W), H and W at least `cell` -> scalar.
    Raises: ValueError for unequal shapes and for pictures smaller than a cell.
    Differs from the paper: cell means instead of a low-pass filter; rows and columns after the last whole cell are
        ignored.
    """
    if min(sr.shape[-2:]) < cell:
        raise ValueError(f"pictures must have at least {cell} x {cell} pixels, got {tuple(sr.shape)}")
    return F.l1_loss(F.avg_pool2d(sr, cell), F.avg_pool2d(_same(sr, hr), cell))


def periodic_l1(sr: Tensor, hr: Tensor, period: int = 4) -> Tensor:
    """L1 of the part of the error that repeats every `period` pixels: a grid pattern of pixel shuffles, or a tint.

    The error is averaged over all pixels at the same position in their period. Errors from the picture's content
    average out; a pattern that the last layers add to every lr pixel does not. Rows and columns after the last whole
    period are ignored. We know of no paper that has this loss.

    Shapes: sr, hr (N, C, H, W), H and W at least `period` -> scalar.
    Raises: ValueError for unequal shapes and for pictures smaller than a period.
    """
    height, width = (side // period for side in sr.shape[-2:])
    if min(height, width) < 1:
        raise ValueError(f"pictures must have at least {period} x {period} pixels, got {tuple(sr.shape)}")
    error = (sr - _same(sr, hr))[..., : height * period, : width * period]
    return error.unflatten(-1, (width, period)).unflatten(-3, (height, period)).mean((-4, -2)).abs().mean()


def _same(sr: Tensor, hr: Tensor) -> Tensor:
    """Return hr after checking that it has the shape of sr; torch would broadcast instead."""
    if sr.shape != hr.shape:
        raise ValueError(f"sr and hr must have the same shape, got {tuple(sr.shape)} and {tuple(hr.shape)}")
    return hr
