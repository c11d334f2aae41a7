"""DRN: a U-Net that returns a picture at every scale, and small networks that shrink its answers again."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from srlib.models.blocks import check_input, check_scale, div2k_mean
from srlib.resample import resize

PHASES = {2: 1, 4: 2, 8: 3}  # scale: how often it halves and doubles
SLOPE = 0.2


def _conv(channels_in: int, channels_out: int, kernel: int = 3) -> nn.Conv2d:
    return nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2)


class ChannelAttention(nn.Module):
    """Weigh feature maps by their means over the whole picture (Zhang et al., ECCV 2018, RCAN, sec. 3.3).

    Args:
        reduction: the number of maps is divided by this between the two convolutions; 16 in the paper.

    Shapes: (N, width, h, w) -> the same.
    Differs from the paper: at least one map is left between the convolutions; their biases start at 0.5, so that no map
        is off for every picture from the start.
    """

    def __init__(self, *, width: int, reduction: int = 16) -> None:
        super().__init__()
        inner = max(1, width // reduction)
        self.weigh = nn.Sequential(_conv(width, inner, 1), nn.ReLU(), _conv(inner, width, 1), nn.Sigmoid())
        nn.init.constant_(self.weigh[0].bias, 0.5)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weigh(F.adaptive_avg_pool2d(x, 1))


class AttentionBlock(nn.Module):
    """Residual block with channel attention, the RCAB of RCAN (Zhang et al., ECCV 2018, fig. 4).

    Shapes: (N, width, h, w) -> the same.
    Differs from the paper: nothing known.
    """

    def __init__(self, *, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _conv(width, width), nn.ReLU(), _conv(width, width), ChannelAttention(width=width)
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class Halving(nn.Sequential):
    """A convolution of stride 2 and one of stride 1, without bias: a step down in DRN, and its dual network.

    Shapes: (N, channels_in, H, W) -> (N, channels_out, ⌈H/2⌉, ⌈W/2⌉).
    """

    def __init__(self, *, channels_in: int, width: int, channels_out: int) -> None:
        super().__init__(
            nn.Conv2d(channels_in, width, 3, stride=2, padding=1, bias=False),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(width, channels_out, 3, padding=1, bias=False),
        )


class DRN(nn.Module):
    """Dual regression network: bicubic first, then down to the size of lr and up again (Guo et al., CVPR 2020, fig. 2).

    Going down, the picture is halved as often as the scale asks. Going up, blocks with channel attention and a pixel
    shuffle double it, and the features of the same size from the way down are put beside them. At each size a
    convolution makes a picture. So there are answers at ×1, ×2, ... up to the scale, and each can be compared with a
    target, and shrunk by a dual network to the one below it.

    Args:
        blocks: with channel attention, at each size on the way up.
        width: feature maps at full size; they double with each halving.

    Shapes: lr (N, 3, h, w) in [0, 1] -> sr (N, 3, scale·h, scale·w), not clamped; with `pyramid=True` the list of all
        answers, ×1 first, of which the last is sr.
    Raises: ValueError unless scale is 2, 4 or 8.
    Differs from the paper: colours lie in [0, 1], not [0, 255]; the mean colour is a constant, where in the authors'
        code its 24 numbers are trained by accident; ×2 is not in the paper.
    """

    channels = 3

    def __init__(self, *, scale: int, blocks: int, width: int) -> None:
        super().__init__()
        check_scale(scale, PHASES)
        phases = PHASES[scale]
        self.scale = scale
        self.settings = {"blocks": blocks, "width": width}
        self.register_buffer("mean_colour", div2k_mean(), persistent=False)
        self.head = _conv(3, width)
        self.down = nn.ModuleList(
            Halving(channels_in=width * 2**k, width=width * 2**k, channels_out=width * 2 ** (k + 1))
            for k in range(phases)
        )
        self.up, self.tails = nn.ModuleList(), nn.ModuleList([_conv(width * 2**phases, 3)])
        for k in range(phases, 0, -1):  # from the smallest size, whose maps no copy stands beside
            maps = width * 2 ** (k if k == phases else k + 1)
            self.up.append(_doubling(maps, width * 2 ** (k - 1), blocks))
            self.tails.append(_conv(width * 2**k, 3))

    def forward(self, lr: Tensor, *, pyramid: bool = False) -> Tensor | list[Tensor]:
        check_input(lr, self.channels)
        large = F.interpolate(lr, scale_factor=self.scale, mode="bicubic", align_corners=False)
        x, copies = self.head(large - self.mean_colour), []
        for down in self.down:
            copies.append(x)
            x = down(x)
        pictures = [self.tails[0](x) + self.mean_colour]
        for up, tail, copy in zip(self.up, self.tails[1:], reversed(copies), strict=True):
            x = torch.cat([up(x), copy], 1)  # (N, 2·maps, 2·h, 2·w)
            pictures.append(tail(x) + self.mean_colour)
        return pictures if pyramid else pictures[-1]


def _doubling(maps: int, maps_out: int, blocks: int) -> nn.Sequential:
    body = [AttentionBlock(width=maps) for _ in range(blocks)]
    return nn.Sequential(*body, _conv(maps, 4 * maps), nn.PixelShuffle(2), _conv(maps, maps_out, 1))


def dual(width: int) -> Halving:
    """A dual network: it shrinks an answer by 2 (Guo et al., CVPR 2020, sec. 3.1).

    864 parameters at width 16, 432 at 8, 1,080 at 20, 540 at 10: the widths of DRN-S and DRN-L at ×4 and ×8. Trained
    or not, it is no good at first: a random one is noise for hundreds of steps, so train it on true pairs beforehand.
    """
    return Halving(channels_in=3, width=width, channels_out=3)


class BicubicDual(nn.Module):
    """The dual network that knows the answer: it shrinks by 2 as lr was made, and has nothing to learn.

    Shapes: (N, C, H, W) -> (N, C, ⌈H/2⌉, ⌈W/2⌉).
    """

    def forward(self, x: Tensor) -> Tensor:
        return resize(x, 0.5)


def drn_s(scale: int) -> DRN:
    """DRN-S: 4,804,041 parameters at ×4 (30 blocks of width 16), 5,402,976 at ×8 (30 of 8).

    The paper's counts have 24 more, the mean colours of the authors' code.

    Raises: ValueError unless scale is 4 or 8.
    """
    check_scale(scale, (4, 8))
    return DRN(scale=scale, blocks=30, width={4: 16, 8: 8}[scale])


def drn_l(scale: int) -> DRN:
    """DRN-L: 9,825,869 parameters at ×4 (40 blocks of width 20), 10,003,994 at ×8 (36 of 10); 24 more in the paper.

    Raises: ValueError unless scale is 4 or 8.
    """
    check_scale(scale, (4, 8))
    return DRN(scale=scale, blocks={4: 40, 8: 36}[scale], width={4: 20, 8: 10}[scale])


def drn_small(scale: int) -> DRN:
    """For a laptop, 2 blocks of width 8: 21,616 parameters at ×2, 160,441 at ×4, 712,136 at ×8.

    This size is ours, not the paper's.
    """
    return DRN(scale=scale, blocks=2, width=8)
