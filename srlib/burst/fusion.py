"""Fusing registered frames without a model of the blur: shift-and-add, Drizzle, Tsai and Huang's equations."""

import math

import torch
from torch import Tensor

from srlib.burst.forward_model import check_frames


def shift_and_add(frames: Tensor, shifts: Tensor, *, scale: int, grid_origin: float | None = None) -> Tensor:
    """Shift-and-add: place each lr value on the nearest hr pixel and average (Elad & Hel-Or, IEEE TIP 2001).

    An hr pixel that receives no value is filled from its neighbours.

    Args:
        shifts: (K, 2), how far the content of each frame has moved down and right, in lr pixels.
        grid_origin: the hr pixel on which the first lr pixel of an unmoved frame is centred; default (scale − 1)/2.

    Shapes: (K, C, h, w) -> (1, C, scale·h, scale·w).
    Raises: ValueError for shifts that are not finite numbers (K, 2), or that move every frame out of the picture; as
        `check_frames` for the frames.
    Differs from the paper: holes are filled from their neighbours, ring by ring.
    """
    centres = _centres(frames, shifts, scale, grid_origin)
    channels, height, width = frames.shape[1:]
    total = frames.new_zeros(channels, scale * height, scale * width)
    count = frames.new_zeros(1, scale * height, scale * width)
    for frame, (first_row, first_column) in zip(frames, centres.tolist(), strict=True):
        rows, row_inside = _nearest(first_row, height, scale)
        columns, column_inside = _nearest(first_column, width, scale)
        place = (slice(None), rows[:, None], columns[None])
        total[place] += frame[:, row_inside][:, :, column_inside]
        count[place] += 1
    return _fill(total / count.clamp_min(1), count > 0)[None]


def drizzle(
    frames: Tensor, shifts: Tensor, *, scale: int, pixfrac: float = 0.7, grid_origin: float | None = None
) -> tuple[Tensor, Tensor]:
    """Drizzle: shrink each lr pixel to a square drop and spread it by overlapping area (Fruchter & Hook, PASP 2002).

    Args:
        pixfrac: side of a drop in lr pixels: 1 spreads each value over its whole pixel, near 0 puts it on one hr pixel.
        shifts, grid_origin: as for `shift_and_add`.

    Shapes: (K, C, h, w) -> the picture (1, C, scale·h, scale·w), zero where no drop fell, and the total area of drops
        on each hr pixel (1, 1, scale·h, scale·w), in hr pixels.
    Raises: ValueError for a pixfrac outside (0, 1] and for shifts that are not finite numbers (K, 2); as `check_frames`
        for the frames.
    Differs from the paper: translations only, and all pixels have the same weight.
    """
    if not 0 < pixfrac <= 1:
        raise ValueError(f"pixfrac must be above 0 and at most 1, got {pixfrac}")
    centres = _centres(frames, shifts, scale, grid_origin)
    channels, height, width = frames.shape[1:]
    total = frames.new_zeros(channels, scale * height, scale * width)
    area = frames.new_zeros(1, scale * height, scale * width)
    for frame, (first_row, first_column) in zip(frames, centres.tolist(), strict=True):
        down = _cover(first_row, height, scale, pixfrac).to(frame)
        across = _cover(first_column, width, scale, pixfrac).to(frame)
        total += down @ frame @ across.T
        area += down.sum(1)[:, None] * across.sum(1)
    return torch.where(area > 0, total / area.clamp_min(1e-12), 0)[None], area[None]


def tsai_huang(frames: Tensor, shifts: Tensor, *, scale: int) -> Tensor:
    """Undo aliasing, frequency by frequency (Tsai & Huang, Advances in Computer Vision and Image Processing 1984).

    In an undersampled frame, scale² frequencies of the scene fold onto one. A shift rotates the phase of each by a
    different angle, so scale² frames with different shifts give as many equations. Exact for periodic pictures without
    noise or blur.

    Args:
        shifts: (K, 2), down and right in lr pixels, at least scale² different ones.

    Shapes: (K, C, h, w) -> (1, C, scale·h, scale·w); hr pixel 0 lies on lr pixel 0 of an unmoved frame.
    Raises: ValueError for fewer than scale² frames, for shifts that are not finite numbers (K, 2), and for shifts that
        leave a frequency undetermined; as `check_frames` for the frames.
    Differs from the paper: with more frames than unknowns, the system is solved by least squares.
    """
    _centres(frames, shifts, scale, 0)
    if len(frames) < scale**2:
        raise ValueError(f"×{scale} needs at least {scale**2} frames, got {len(frames)}")
    height, width = frames.shape[-2:]
    seen = torch.fft.fft2(frames.double()).permute(2, 3, 0, 1)  # (h, w, K, C)
    rows, columns = (torch.fft.fftfreq(scale * n, 1 / (scale * n), dtype=torch.float64) for n in (height, width))
    rows, columns = rows.view(scale, height), columns.view(scale, width)  # [i, u]: the i-th frequency that folds onto u
    turn_rows = torch.exp(-2j * math.pi * shifts[:, 0, None, None] * rows / height)  # (K, scale, h)
    turn_columns = torch.exp(-2j * math.pi * shifts[:, 1, None, None] * columns / width)
    system = torch.einsum("kiu,kjv->uvkij", turn_rows, turn_columns).flatten(-2) / scale**2  # (h, w, K, scale²)
    if torch.linalg.svdvals(system).min() < 1e-6:
        raise ValueError(
            "these shifts cannot separate the folded frequencies; they must differ by fractions of a pixel"
        )
    found = torch.linalg.lstsq(system, seen).solution  # (h, w, scale², C)
    found = found.view(height, width, scale, scale, -1).permute(4, 2, 0, 3, 1)
    return torch.fft.ifft2(found.reshape(-1, scale * height, scale * width)).real.to(frames)[None]


def _centres(frames: Tensor, shifts: Tensor, scale: int, grid_origin: float | None) -> Tensor:
    """(K, 2), the hr position of each frame's first pixel."""
    if shifts.ndim != 2 or shifts.shape[1] != 2 or not shifts.isfinite().all():
        raise ValueError(
            f"shifts must be finite numbers (frames, 2), got {tuple(shifts.shape)}; leave out frames with NaN"
        )
    check_frames(frames, len(shifts))
    return ((scale - 1) / 2 if grid_origin is None else grid_origin) - scale * shifts.double()


def _nearest(first: float, n: int, scale: int) -> tuple[Tensor, Tensor]:
    """The hr pixels nearest to first + scale·i that lie inside the picture, and their i."""
    at = torch.floor(first + scale * torch.arange(n, dtype=torch.float64) + 0.5).long()
    inside = (at >= 0) & (at < scale * n)
    return at[inside], inside.nonzero()[:, 0]


def _cover(first: float, n: int, scale: int, pixfrac: float) -> Tensor:
    """(scale·n, n): the length of each hr pixel that each drop covers."""
    centre = first + scale * torch.arange(n, dtype=torch.float64)
    pixel = torch.arange(scale * n, dtype=torch.float64)[:, None]
    half = scale * pixfrac / 2
    return (torch.minimum(pixel + 0.5, centre + half) - torch.maximum(pixel - 0.5, centre - half)).clamp_min(0)


def _fill(picture: Tensor, known: Tensor) -> Tensor:
    """Fill holes with the mean of the known pixels among their eight neighbours, until none is left."""
    while not known.all():
        if not known.any():
            raise ValueError("no frame overlaps the picture; are the shifts in lr pixels?")
        wide = torch.nn.functional.pad(torch.where(known, picture, 0), (1, 1, 1, 1))
        there = torch.nn.functional.pad(known.to(picture), (1, 1, 1, 1))
        height, width = picture.shape[-2:]
        total, count = 0, 0
        for down in range(3):
            for right in range(3):
                total = total + wide[:, down : down + height, right : right + width]
                count = count + there[:, down : down + height, right : right + width]
        picture = torch.where(known, picture, total / count.clamp_min(1))
        known = known | (count > 0)
    return picture
