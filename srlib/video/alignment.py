"""Alignment of features by deformable convolutions, coarse to fine: PCD."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from srlib.video.deformable import DeformableConv

SLOPE = 0.1  # of every LeakyReLU
LEVELS = 3  # sizes at which frames are aligned: 1, 1/2, 1/4


def _conv(channels_in: int, channels_out: int) -> nn.Conv2d:
    return nn.Conv2d(channels_in, channels_out, 3, padding=1)


def leaky(x: Tensor) -> Tensor:
    """Leaky ReLU with EDVR's slope."""
    return F.leaky_relu(x, SLOPE)


def doubled(x: Tensor) -> Tensor:
    """Features at twice the size, bilinear: (N, C, h, w) -> (N, C, 2·h, 2·w)."""
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


class AlignedLevel(nn.Module):
    """One size of the pyramid: motion is looked for, the neighbour moved, and what the coarser size found is added.

    Args:
        gain: of the masks, see `DeformableConv`.
        coarsest: the first size, which no other comes before.

    Shapes: neighbour, centre (N, width, h, w); motion and moved of the coarser size (N, width, h/2, w/2) -> motion,
        moved (N, width, h, w); `motion` holds features from which offsets are made, in pixels of its own size.
    """

    def __init__(self, *, width: int, groups: int, gain: float, coarsest: bool) -> None:
        super().__init__()
        self.compare = _conv(2 * width, width)
        self.refine = nn.ModuleList(
            [_conv(width, width)] if coarsest else [_conv(2 * width, width), _conv(width, width)]
        )
        self.deform = DeformableConv(width=width, groups=groups, gain=gain)
        self.merge = None if coarsest else _conv(2 * width, width)

    def forward(
        self, neighbour: Tensor, centre: Tensor, coarse: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        motion = leaky(self.compare(torch.cat([neighbour, centre], 1)))
        if coarse is not None:
            motion = torch.cat([motion, 2 * doubled(coarse[0])], 1)  # twice the size, twice as many pixels
        for layer in self.refine:
            motion = leaky(layer(motion))
        moved = self.deform(neighbour, motion)
        if coarse is not None:
            moved = self.merge(torch.cat([moved, doubled(coarse[1])], 1))
        return motion, moved


class Alignment(nn.Module):
    """PCD: features of a neighbour are moved to the centre's, coarse to fine (Wang et al., EDVR, CVPRW 2019, fig. 3).

    Its letters stand for pyramid, cascading, deformable.

    Offsets are found at a quarter of the size, doubled and refined at half and at full size; a last deformable
    convolution corrects what is left.

    Shapes: two lists of features (N, width, h, w), (N, width, h/2, w/2), (N, width, h/4, w/4) -> (N, width, h, w).
    Differs from the paper: nothing known with `gain` 1.
    """

    def __init__(self, *, width: int, groups: int = 8, gain: float = 1.0) -> None:
        super().__init__()
        self.levels = nn.ModuleList(
            AlignedLevel(width=width, groups=groups, gain=gain, coarsest=k == 0) for k in range(LEVELS)
        )
        self.last = nn.ModuleList([_conv(2 * width, width), _conv(width, width)])
        self.deform = DeformableConv(width=width, groups=groups, gain=gain)

    def forward(self, neighbour: list[Tensor], centre: list[Tensor]) -> Tensor:
        found = None
        for level, other, own in zip(self.levels, neighbour[::-1], centre[::-1], strict=True):
            motion, moved = level(other, own, found)
            found = motion, moved if level is self.levels[-1] else leaky(moved)
        motion = torch.cat([moved, centre[0]], 1)
        for layer in self.last:
            motion = leaky(layer(motion))
        return leaky(self.deform(moved, motion))
