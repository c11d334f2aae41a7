"""sr and lr that agree: what shrinking cannot see, and the ways to make a picture shrink to the lr that was given.

Shrinking by a whole scale is linear, A, with as many equations as lr has pixels, and scale² unknowns for each. Whatever
lies in its null space can be added to sr, and lr never tells.
"""

from functools import lru_cache

import torch
from torch import Tensor

from srlib.resample import resize, weights


def shrink(picture: Tensor, scale: int) -> Tensor:
    """A, the way lr is made in this course: bicubic, with antialiasing.

    Shapes: (..., scale·h, scale·w) -> (..., h, w).
    Raises: ValueError for a size that is no multiple of the scale; as `resample.resize`.
    """
    if scale < 1 or any(n % scale for n in picture.shape[-2:]):
        raise ValueError(f"the size {tuple(picture.shape[-2:])} must be a multiple of the scale, got scale {scale}")
    return resize(picture, 1 / scale)


def inconsistency(sr: Tensor, lr: Tensor) -> Tensor:
    """Mean absolute difference of the shrunk sr and lr, of each picture; 0 means that lr could have been made of sr.

    Shapes: sr (N, C, scale·h, scale·w), lr (N, C, h, w) -> (N,), in the units of the pictures.
    Raises: ValueError for shapes that do not belong together.
    """
    return (shrink(sr, _scale(sr, lr)) - lr).abs().mean((1, 2, 3))


def back_project(sr: Tensor, lr: Tensor, *, steps: int = 1) -> Tensor:
    """Add to sr what lr has and the shrunk sr lacks, enlarged by bicubic interpolation; again for each step.

    The error of lr falls with every step: fast at low frequencies, slowly near lr's Nyquist, where enlarging and
    shrinking each lose power. Nothing is trained, and no network is asked.

    Shapes: sr (N, C, scale·h, scale·w), lr (N, C, h, w) -> as sr, not clamped.
    Raises: ValueError for shapes that do not belong together.
    Source: Irani & Peleg, CVGIP 1991, for one frame.
    Differs from the paper: the kernel that draws the error back is bicubic interpolation.
    """
    scale = _scale(sr, lr)
    for _ in range(steps):
        sr = sr + resize(lr - shrink(sr, scale), scale)
    return sr


def nearest_consistent(sr: Tensor, lr: Tensor) -> Tensor:
    """The picture nearest to sr, by squared difference, among all that shrink to lr: sr + A⁺ (lr − A sr).

    If the true picture shrinks to lr, it is never farther from the true picture than sr was.

    Shapes: sr (N, C, scale·h, scale·w), lr (N, C, h, w) -> as sr, not clamped.
    Raises: ValueError for shapes that do not belong together.
    """
    return sr + _seen(lr - shrink(sr, _scale(sr, lr)), sr)


def invisible(picture: Tensor, scale: int) -> Tensor:
    """The part of a picture that shrinking turns to zero, x − A⁺ A x: its projection onto the null space of A.

    Shapes: (..., scale·h, scale·w) -> the same.
    Raises: as `shrink`.
    """
    return picture - _seen(shrink(picture, scale), picture)


def _scale(sr: Tensor, lr: Tensor) -> int:
    scale = sr.shape[-1] // max(1, lr.shape[-1])
    if sr.shape != (*lr.shape[:-2], *(scale * n for n in lr.shape[-2:])) or sr.ndim != 4:
        raise ValueError(f"sr and lr must be (N, C, scale·h, scale·w) and (N, C, h, w), got {sr.shape}, {lr.shape}")
    return scale


def _seen(lr: Tensor, like: Tensor) -> Tensor:
    """A⁺ lr, the smallest picture that shrinks to lr; A works on rows and columns apart, and so does A⁺."""
    rows, columns = (
        _pseudo_inverse(large, small).to(like)
        for large, small in zip(like.shape[-2:], lr.shape[-2:], strict=True)
    )  # fmt: skip
    return rows @ lr @ columns.mT


@lru_cache(maxsize=64)
def _pseudo_inverse(large: int, small: int) -> Tensor:
    return torch.linalg.pinv(weights(large, small, small / large))
