"""Motion between two frames by comparing shifts: a cost volume, its soft minimum, and moving features along."""

import torch
import torch.nn.functional as F
from torch import Tensor


def shifts(radius: int, device: torch.device | str | None = None) -> Tensor:
    """All whole shifts (down, right) up to a radius, row by row: (K, 2) with K = (2·radius + 1)²."""
    along = torch.arange(-radius, radius + 1, device=device)
    return torch.stack(torch.meshgrid(along, along, indexing="ij"), -1).flatten(0, 1)


def cost_volume(centre: Tensor, other: Tensor, *, radius: int = 3, window: int = 5) -> Tensor:
    """How badly each pixel's surrounding fits the other frame at each whole shift: mean absolute differences.

    Beyond the border the other frame is repeated. Inside autocast, too, it is computed in the precision of its input.

    Args:
        radius: largest shift, in pixels.
        window: side of the surrounding, odd.

    Shapes: centre, other (N, C, h, w) -> (N, K, h, w), in the order of `shifts`.
    Raises: ValueError for frames of unequal shapes, and an even window.
    """
    if centre.shape != other.shape or centre.ndim != 4:
        raise ValueError(f"two frames (N, C, h, w) of one shape, got {tuple(centre.shape)} and {tuple(other.shape)}")
    if window % 2 == 0:
        raise ValueError(f"window must be odd, got {window}")
    height, width = centre.shape[-2:]
    padded = F.pad(other, (radius,) * 4, mode="replicate")
    found = []
    for down in range(2 * radius + 1):
        for right in range(2 * radius + 1):
            seen = padded[..., down : down + height, right : right + width]
            found.append((centre - seen).abs().mean(1))
    cost = torch.stack(found, 1)
    with torch.autocast(cost.device.type, enabled=False):  # products of rounded costs would confuse shifts
        return _band(height, window, cost) @ cost @ _band(width, window, cost).mT


def _band(size: int, window: int, like: Tensor) -> Tensor:
    """The matrix that takes means of a window, of what lies inside: (size, size).

    Up to some hundred pixels its product is several times as fast on a processor as PyTorch's pooling.
    """
    place = torch.arange(size, device=like.device)
    near = ((place[:, None] - place).abs() <= window // 2).to(like.dtype)
    return near / near.sum(1, keepdim=True)


def soft_minimum(cost: Tensor, *, sharpness: float | Tensor = 60.0, reach: int | None = 1) -> Tensor:
    """The shift of least cost, to a fraction of a pixel: a mean of shifts, weighted by softmax(−sharpness · cost).

    Over all shifts the mean is pulled to zero wherever several fit, as on flat ground, since shifts lie around zero. So
    only those within `reach` of the best are taken.

    Args:
        sharpness: per unit of cost.
        reach: in pixels; None: all shifts.

    Shapes: cost (N, K, h, w) as of `cost_volume` -> (N, 2, h, w), (down, right) in pixels.
    Raises: ValueError for a number of shifts that is no odd square.
    """
    side = round(cost.shape[1] ** 0.5)
    if side * side != cost.shape[1] or side % 2 == 0:
        raise ValueError(f"the cost of (2·radius + 1)² shifts is needed, got {cost.shape[1]}")
    radius = side // 2
    if reach is None:
        steps = shifts(radius, cost.device).to(cost.dtype)  # (K, 2)
        with torch.autocast(cost.device.type, enabled=False):
            return torch.einsum("nkhw,kd->ndhw", (-sharpness * cost).softmax(1), steps)
    best = cost.detach().argmin(1, keepdim=True)  # (N, 1, h, w)
    near = shifts(reach, cost.device).view(1, -1, 2, 1, 1)  # (1, K', 2, 1, 1)
    steps = torch.stack([best // side, best % side], 2) + near  # (N, K', 2, h, w), counted from 0
    inside = ((steps >= 0) & (steps < side)).all(2)
    down, right = steps.clamp(0, side - 1).unbind(2)
    logits = (-sharpness * cost.gather(1, down * side + right)).masked_fill(~inside, float("-inf"))
    return (logits.softmax(1)[:, :, None] * (steps - radius)).sum(1)


def moved(features: Tensor, flow: Tensor) -> Tensor:
    """Features of another frame at the places that a flow points to, bilinear; the border is repeated.

    As `warp.flow`, which mirrors at the border, and fast enough for training.

    Shapes: features (N, C, h, w), flow (N, 2, h, w), (down, right) in pixels -> (N, C, h, w).
    """
    height, width = features.shape[-2:]
    rows = torch.arange(height, device=flow.device, dtype=flow.dtype)[:, None] + flow[:, 0]
    columns = torch.arange(width, device=flow.device, dtype=flow.dtype) + flow[:, 1]
    grid = torch.stack([(2 * columns + 1) / width - 1, (2 * rows + 1) / height - 1], -1)
    return F.grid_sample(features, grid.to(features.dtype), padding_mode="border", align_corners=False)
