"""Bicubic enlargement, and blocks to channels, from layers that every runtime has: padding, convolution, shuffle."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from srlib.models.blocks import check_input, check_scale
from srlib.resample import named, taps

REACH = 2  # lr pixels on each side that an output pixel may depend on


class Polyphase(nn.Module):
    """`resize(lr, scale)` as polyphase filters: convolution, pixel shuffle (Crochiere & Rabiner, Proc. IEEE 1981).

    Enlarging by a whole factor uses the same weights in every block. So the scale² positions of a block, its phases,
    are maps of one convolution. `srlib.onnx_export` uses it to replace an `Interpolator`, whose loop over bands cannot
    be exported as a graph.

    Shapes: lr (N, channels, h, w) -> (N, channels, scale·h, scale·w), for every h and w from 1.
    Raises: ValueError unless scale is a positive integer.
    Differs from the paper: the paper's filters are one-dimensional and have no borders.
    """

    def __init__(self, *, scale: int, channels: int) -> None:
        super().__init__()
        check_scale(scale)
        self.scale = scale
        self.channels = channels
        rows = _phases(scale)
        kernels = torch.einsum("ai,bj->abij", rows, rows).flatten(0, 1)  # place a·scale + b, as pixel_shuffle has it
        self.register_buffer("kernels", kernels[:, None].repeat(channels, 1, 1, 1).float(), persistent=False)

    def forward(self, lr: Tensor) -> Tensor:
        check_input(lr, self.channels)
        x = F.pad(lr, (1, 1, 1, 1), mode="replicate")  # the mirror's first ring repeats the border: a | a b … z | z
        # its second ring repeats the next pixel, b a | a b, or the only pixel if there is one
        x = torch.cat([x[:, :, 2:3], x, x[:, :, -3:-2]], 2)
        x = torch.cat([x[..., 2:3], x, x[..., -3:-2]], 3)
        x = F.conv2d(x, self.kernels, groups=self.channels)  # (N, C, h + 4, w + 4) -> (N, C·s², h, w)
        return F.pixel_shuffle(x, self.scale)


class StridedUnshuffle(nn.Module):
    """`srlib.models.esrgan.Unshuffle` as a convolution: each of its kernels picks one pixel of a block.

    Continuing every picture by `fold` − 1 pixels, and leaving the rest over, takes no arithmetic on its size, which few
    runtimes read.

    Shapes: (N, channels, h, w) -> (N, channels·fold², ⌈h/fold⌉, ⌈w/fold⌉).
    """

    def __init__(self, *, fold: int, channels: int) -> None:
        super().__init__()
        self.fold, self.channels = fold, channels
        one = torch.eye(fold**2).view(fold**2, 1, fold, fold)
        self.register_buffer("kernels", one.repeat(channels, 1, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x, (0, self.fold - 1, 0, self.fold - 1), mode="replicate")
        return F.conv2d(x, self.kernels, stride=self.fold, groups=self.channels)


def _phases(scale: int) -> Tensor:
    """The weights of the `scale` output pixels inside an lr pixel, on that pixel and `REACH` pixels to each side.

    Shapes: -> (scale, 2 · REACH + 1) float64.
    """
    middle = 2 * REACH  # far enough from the border that nothing is mirrored
    index, weight = taps(2 * middle + 1, (2 * middle + 1) * scale, scale, named("bicubic"))
    inside = slice(middle * scale, (middle + 1) * scale)
    rows = torch.zeros(scale, 2 * middle + 1, dtype=torch.float64).scatter_add_(1, index[inside], weight[inside])
    return rows[:, middle - REACH : middle + REACH + 1]
