"""Modulated deformable convolution in plain PyTorch: every tap looks where an offset sends it, weighted by a mask."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def deformable_conv2d(
    x: Tensor,
    offset: Tensor,
    mask: Tensor | None,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    padding: int = 0,
) -> Tensor:
    """Convolution of stride 1 whose taps are moved and weighted, pixel by pixel (Zhu et al., CVPR 2019, eq. 1).

    At output pixel p, tap k reads x at p + p_k + offset_k by bilinear interpolation, zero beyond the border, and is
    multiplied by mask_k. With offsets 0 and masks 1 it is a convolution. The number of groups follows from the shapes:
    the maps of a group share their offsets. All taps of all groups are read by one call of `grid_sample`: the groups
    lie in the batch, the taps one below the other.

    Args:
        offset: in pixels, (down, right) for each tap, the taps of a group in the order of its kernel, row by row.
        mask: factor of each tap; None: 1.
        padding: zeros on each side of x, as for a convolution.

    Shapes: x (N, C, h, w), offset (N, 2·groups·k·k, h', w'), mask (N, groups·k·k, h', w'), weight (C', C, k, k), bias
        (C',) -> (N, C', h', w'), h' = h + 2·padding − k + 1. The order of offsets and masks is torchvision's.
    Raises: ValueError for shapes that do not belong together.
    Differs from the paper: nothing known.
    """
    groups, size = _groups(x, offset, mask, weight, padding)
    batch, channels, height, width = x.shape
    side = weight.shape[-1]
    taps = side * side
    down, right = offset.reshape(batch * groups, taps, 2, *size).unbind(2)  # (N·groups, k·k, h', w')
    along = torch.arange(side, device=x.device, dtype=offset.dtype) - padding
    rows = torch.arange(size[0], device=x.device, dtype=offset.dtype)[:, None] + down
    columns = torch.arange(size[1], device=x.device, dtype=offset.dtype) + right
    rows = rows + along.repeat_interleave(side)[:, None, None]
    columns = columns + along.repeat(side)[:, None, None]
    # grid_sample counts from −1 at the left edge of the first pixel to 1 at the right edge of the last
    grid = torch.stack([(2 * columns + 1) / width - 1, (2 * rows + 1) / height - 1], -1)
    read = F.grid_sample(
        x.reshape(batch * groups, channels // groups, height, width),
        grid.reshape(batch * groups, taps * size[0], size[1], 2).to(x.dtype),
        align_corners=False,
    ).view(batch, groups, channels // groups, taps, *size)
    if mask is not None:
        read = read * mask.to(x.dtype).reshape(batch, groups, 1, taps, *size)
    read = read.reshape(batch, channels * taps, size[0] * size[1])
    result = (weight.flatten(1).to(read) @ read).view(batch, len(weight), *size)
    return result if bias is None else result + bias.to(read).view(-1, 1, 1)


def _groups(
    x: Tensor, offset: Tensor, mask: Tensor | None, weight: Tensor, padding: int
) -> tuple[int, tuple[int, int]]:
    """The number of groups, and the size of the result."""
    taps = weight.shape[-1] ** 2
    groups = offset.shape[1] // (2 * taps)
    size = tuple(n + 2 * padding - weight.shape[-1] + 1 for n in x.shape[-2:])
    fits = (
        x.ndim == weight.ndim == 4
        and weight.shape[-1] == weight.shape[-2]
        and weight.shape[1] == x.shape[1]
        and groups > 0
        and x.shape[1] % groups == 0
        and offset.shape == (len(x), 2 * groups * taps, *size)
        and (mask is None or mask.shape == (len(x), groups * taps, *size))
    )
    if not fits:
        shapes = ", ".join(
            f"{name} {tuple(value.shape)}"
            for name, value in (("x", x), ("offset", offset), ("mask", mask), ("weight", weight))
            if value is not None
        )
        raise ValueError(
            f"x (N, C, h, w) needs an offset (N, 2·groups·k·k, h', w') and a mask of half as many: {shapes}"
        )
    return groups, size


class DeformableConv(nn.Module):
    """A deformable convolution 3×3 that computes its offsets and masks from other features (Zhu et al., CVPR 2019).

    The convolution that computes them starts at zero: every tap begins where it would lie without offsets, with a mask
    of `gain`/2.

    Args:
        groups: of maps that move together; 8 in EDVR.
        gain: the largest mask; 1 in the paper. With 2 it starts as an ordinary convolution, with 1 as half of one.

    Shapes: x, guide (N, width, h, w) -> (N, width, h, w).
    Differs from the paper: nothing known with `gain` 1.
    """

    def __init__(self, *, width: int, groups: int = 8, gain: float = 1.0) -> None:
        super().__init__()
        self.gain = gain
        self.weight = nn.Parameter(torch.empty(width, width, 3, 3))
        self.bias = nn.Parameter(torch.zeros(width))
        nn.init.uniform_(self.weight, -1 / (9 * width) ** 0.5, 1 / (9 * width) ** 0.5)
        self.guide = nn.Conv2d(width, groups * 27, 3, padding=1)
        nn.init.zeros_(self.guide.weight)
        nn.init.zeros_(self.guide.bias)

    def offsets(self, guide: Tensor) -> tuple[Tensor, Tensor]:
        """Offsets in pixels and masks between 0 and `gain`, as `deformable_conv2d` takes them."""
        found = self.guide(guide).float()
        offset, mask = found.tensor_split([found.shape[1] // 3 * 2], 1)
        return offset, self.gain * torch.sigmoid(mask)

    def forward(self, x: Tensor, guide: Tensor) -> Tensor:
        offset, mask = self.offsets(guide)
        return deformable_conv2d(x, offset, mask, self.weight, self.bias, padding=1)
