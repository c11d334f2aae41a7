"""Motion between large frames: shifts compared at half the size, then steps to a fraction of a pixel; what is seen."""

import torch
import torch.nn.functional as F
from torch import Tensor

from srlib import warp
from srlib.video.flow import cost_volume, shifts, soft_minimum

LEVELS, RADIUS = 2, 6  # sizes; the search at the smallest one
WINDOW, SMOOTH = 9, 7  # pixels; sides of what is compared, and of the mean that keeps neighbours together
STILL = 5e-4  # cost of a pixel of motion: on flat ground, where everything fits, nothing moves
SHARPNESS = 10.0  # of the soft minimum, per least cost: a fit without rest decides alone
ROUNDS = 3  # of the step to a fraction of a pixel, at each size
FINEST = 1024  # parts of a pixel that a motion is rounded to


def coarse_to_fine(centre: Tensor, other: Tensor, *, levels: int = LEVELS, radius: int = RADIUS) -> Tensor:
    """How far the content of each pixel has moved in the other frame, up to radius · 2^(levels − 1) pixels and a bit.

    At the smallest size, shifts are compared (`flow.cost_volume`, `flow.soft_minimum`). From there on, at each size,
    the motion takes steps of least squares on gradients (Lucas and Kanade, IJCAI 1981), and means of it over some
    pixels keep neighbours together: a step assumes that a whole window has moved by one motion. Equal frames have none
    at all. `warp.flow` fetches here, and not `flow.moved`, which is faster, and right to five digits.

    Args:
        levels: sizes, each half of the one before.
        radius: of the search at the smallest size, in its pixels.

    Shapes: luma (N, 1, H, W) in [0, 1], both -> (N, 2, H, W), (down, right) in pixels, in steps of 1/1024.
    Raises: ValueError for frames of unequal shapes.
    Differs from the paper: it starts from whole shifts of least absolute difference; a step is at most half a pixel.
    """
    if centre.shape != other.shape or centre.ndim != 4:
        raise ValueError(f"two frames (N, 1, H, W) of one shape, got {tuple(centre.shape)} and {tuple(other.shape)}")
    pyramid = [(centre, other)]
    while len(pyramid) < levels:
        pyramid.append(tuple(F.avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False) for x in pyramid[-1]))
    flow = _searched(*pyramid[-1], radius)
    for level, (here, there) in enumerate(reversed(pyramid)):
        if level:
            height, width = here.shape[-2:]
            flow = 2 * flow.repeat_interleave(2, -2).repeat_interleave(2, -1)[..., :height, :width]
        for _ in range(ROUNDS):
            flow = _smooth(flow)
            flow = flow + _step(here, warp.flow(there, flow))
    return (_smooth(flow) * FINEST).round() / FINEST


def _searched(centre: Tensor, other: Tensor, radius: int) -> Tensor:
    """The shift of least cost, between two where both fit alike: (N, 2, h, w)."""
    cost = cost_volume(centre, other, radius=radius, window=WINDOW)
    cost = cost + STILL * shifts(radius, cost.device).to(cost).norm(dim=1).view(1, -1, 1, 1)
    return soft_minimum(cost, sharpness=SHARPNESS / (cost.amin(1, keepdim=True) + 1e-5))


def _smooth(flow: Tensor) -> Tensor:
    return F.avg_pool2d(F.pad(flow, (SMOOTH // 2,) * 4, mode="replicate"), SMOOTH, 1)


def _step(centre: Tensor, seen: Tensor) -> Tensor:
    """One step of Lucas and Kanade: the motion that explains, in each window, what differs between two frames."""
    both = F.pad((centre + seen) / 2, (1,) * 4, mode="replicate")
    down, right = (both[..., 2:, 1:-1] - both[..., :-2, 1:-1]) / 2, (both[..., 1:-1, 2:] - both[..., 1:-1, :-2]) / 2
    left = centre - seen
    terms = torch.cat([down * down, right * right, down * right, down * left, right * left], 1)
    dd, rr, dr, dl, rl = F.avg_pool2d(terms, WINDOW, 1, WINDOW // 2, count_include_pad=False).split(1, 1)
    dd, rr = dd + 1e-5, rr + 1e-5  # flat ground says nothing, and along an edge only what is across is known
    area = dd * rr - dr * dr
    return torch.cat([rr * dl - dr * rl, dd * rl - dr * dl], 1).div(area).clamp(-0.5, 0.5)


def visible(forward: Tensor, backward: Tensor) -> Tensor:
    """Whether the other frame shows a pixel's content: it lies inside, and the way back leads to where one began.

    |f + b|² ≤ 0.01 · (|f|² + |b|²) + 0.5, with b at the place where f leads (Sundaram et al., ECCV 2010, eq. 5).

    Shapes: (N, 2, H, W) from here to there, and from there to here -> bool (N, H, W).
    """
    back = warp.flow(backward, forward)
    apart = (forward + back).square().sum(1)
    return inside(forward) & (apart <= 0.01 * (forward.square().sum(1) + back.square().sum(1)) + 0.5)


def inside(flow: Tensor) -> Tensor:
    """Whether a flow leads to a place between the centres of the frame's outer pixels.

    Shapes: (N, 2, H, W) -> bool (N, H, W).
    """
    height, width = flow.shape[-2:]
    rows = torch.arange(height, device=flow.device)[:, None] + flow[:, 0]
    columns = torch.arange(width, device=flow.device) + flow[:, 1]
    return (rows >= 0) & (rows <= height - 1) & (columns >= 0) & (columns <= width - 1)
