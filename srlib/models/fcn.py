"""The first fully convolutional networks: SRCNN and VDSR enlarge, then repair; FSRCNN and ESPCN enlarge last."""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

from srlib.models.blocks import check_input, check_scale, he_
from srlib.models.interpolators import bicubic


class SRCNN(nn.Module):
    """Three convolutions on the bicubically enlarged picture (Dong et al., TPAMI 2016, eq. 1-3, fig. 2).

    Args:
        kernels: sides of the three kernels, odd.
        widths: feature maps after the first and after the second convolution.

    Shapes: lr (N, channels, h, w) in [0, 1] -> sr (N, channels, scale·h, scale·w), not clamped.
    Raises: ValueError unless scale is a positive integer.
    Differs from the paper: zero padding keeps the picture's size, where the paper's convolutions lose a border; He's
        initialisation instead of N(0, 0.001²); the enlargement is part of the network.
    """

    def __init__(
        self,
        *,
        scale: int,
        channels: int = 1,
        kernels: tuple[int, int, int] = (9, 5, 5),
        widths: tuple[int, int] = (64, 32),
    ) -> None:
        super().__init__()
        check_scale(scale)
        self.scale = scale
        self.channels = channels
        self.settings = {"channels": channels, "kernels": list(kernels), "widths": list(widths)}
        self.enlarge = bicubic(scale)
        self.extract = nn.Conv2d(channels, widths[0], kernels[0], padding=kernels[0] // 2)
        self.map = nn.Conv2d(widths[0], widths[1], kernels[1], padding=kernels[1] // 2)
        self.reconstruct = nn.Conv2d(widths[1], channels, kernels[2], padding=kernels[2] // 2)
        he_(self)

    def forward(self, lr: Tensor) -> Tensor:
        check_input(lr, self.channels)
        x = self.enlarge(lr)  # bicubic: (N, C, h, w) -> (N, C, s·h, s·w)
        x = F.relu(self.extract(x))
        x = F.relu(self.map(x))
        return self.reconstruct(x)


def srcnn(scale: int) -> SRCNN:
    """SRCNN 9-5-5 on Y, 57,281 parameters; `kernels=(9, 1, 5)` has 8,129 and (9, 3, 5) has 24,513."""
    return SRCNN(scale=scale)


class FSRCNN(nn.Module):
    """Shrink, map and expand features, then enlarge by a transposed convolution (Dong et al., ECCV 2016, fig. 2).

    Args:
        width: feature maps after the first layer and before the last (d in the paper).
        shrink: feature maps in between (s in the paper).
        blocks: mapping layers (m in the paper).

    Shapes: lr (N, channels, h, w) in [0, 1] -> sr (N, channels, scale·h, scale·w), not clamped.
    Raises: ValueError unless scale is an integer from 1 to 9.
    Differs from the paper: zero padding. The last kernel is centred on the pixel it enlarges, exactly at ×3, and within
        half an sr pixel at ×2 and ×4, where an odd kernel cannot be. With the common padding of 4 at every scale, it
        would be off by 0.5, 1 and 1.5 pixels, and at ×4 too short on one side for bilinear interpolation.
    """

    def __init__(self, *, scale: int, channels: int = 1, width: int = 56, shrink: int = 12, blocks: int = 4) -> None:
        super().__init__()
        check_scale(scale, range(1, 10))  # a longer stride would leave gaps between the nine taps
        self.scale = scale
        self.channels = channels
        self.settings = {"channels": channels, "width": width, "shrink": shrink, "blocks": blocks}
        self.extract = nn.Sequential(nn.Conv2d(channels, width, 5, padding=2), nn.PReLU(width))
        self.shrink = nn.Sequential(nn.Conv2d(width, shrink, 1), nn.PReLU(shrink))
        mapping = [(nn.Conv2d(shrink, shrink, 3, padding=1), nn.PReLU(shrink)) for _ in range(blocks)]
        self.map = nn.Sequential(*[layer for pair in mapping for layer in pair])
        self.expand = nn.Sequential(nn.Conv2d(shrink, width, 1), nn.PReLU(width))
        padding = (10 - scale) // 2  # tap t of pixel i adds to s·i − padding + t; s·i + (s − 1)/2 is the pixel's centre
        spare = 2 * padding + scale - 9  # rows missing to reach s·h
        self.enlarge = nn.ConvTranspose2d(width, channels, 9, stride=scale, padding=padding, output_padding=spare)
        he_(self, slope=0.25)
        nn.init.normal_(self.enlarge.weight, std=0.001)
        nn.init.zeros_(self.enlarge.bias)

    def forward(self, lr: Tensor) -> Tensor:
        check_input(lr, self.channels)
        x = self.expand(self.map(self.shrink(self.extract(lr))))
        return self.enlarge(x)  # (N, width, h, w) -> (N, C, s·h, s·w)


def fsrcnn(scale: int) -> FSRCNN:
    """FSRCNN(56, 12, 4) on Y, 12,809 parameters at every scale; the paper's 12,464 counts only the weights."""
    return FSRCNN(scale=scale)


def fsrcnn_s(scale: int) -> FSRCNN:
    """FSRCNN-s(32, 5, 1) on Y, 4,086 parameters at every scale; 3,937 without biases and slopes."""
    return FSRCNN(scale=scale, width=32, shrink=5, blocks=1)


class VDSR(nn.Module):
    """A deep stack of 3×3 convolutions that predicts the residual to bicubic (Kim et al., CVPR 2016, fig. 2).

    The last layer starts at zero, so the untrained network is bicubic interpolation.

    Args:
        depth: number of convolutions, at least 2.

    Shapes: lr (N, channels, h, w) in [0, 1] -> sr (N, channels, scale·h, scale·w), not clamped.
    Raises: ValueError unless scale is a positive integer and depth at least 2.
    Differs from the paper: the last layer starts at zero instead of He's values; a network has one `scale`, although
        its weights fit all scales; the enlargement is part of the network.
    """

    def __init__(self, *, scale: int, channels: int = 1, width: int = 64, depth: int = 20) -> None:
        super().__init__()
        check_scale(scale)
        if depth < 2:
            raise ValueError(f"depth must be at least 2, a first and a last layer; got {depth}")
        self.scale = scale
        self.channels = channels
        self.settings = {"channels": channels, "width": width, "depth": depth}
        self.enlarge = bicubic(scale)
        layers = [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
        for _ in range(depth - 2):
            layers += [nn.Conv2d(width, width, 3, padding=1), nn.ReLU()]
        self.body = nn.Sequential(*layers)
        self.tail = nn.Conv2d(width, channels, 3, padding=1)
        he_(self)
        nn.init.zeros_(self.tail.weight)

    def forward(self, lr: Tensor) -> Tensor:
        check_input(lr, self.channels)
        x = self.enlarge(lr)  # bicubic: (N, C, h, w) -> (N, C, s·h, s·w)
        return x + self.tail(self.body(x))


def vdsr(scale: int) -> VDSR:
    """VDSR with 20 layers on Y, 665,921 parameters at every scale; 664,704 without biases."""
    return VDSR(scale=scale)


class ESPCN(nn.Module):
    """Three convolutions at low resolution, then a pixel shuffle (Shi et al., CVPR 2016, eq. 1-4, fig. 1).

    Every layer pads with the border's values. With zero padding, a net this small wastes filters on the borders of the
    training patches, which costs 0.1 dB on Set5 ×4 after 12,000 steps.

    Args:
        width: feature maps after the first convolution; the second has half as many.
        activation: called without arguments to make the layer.

    Shapes: lr (N, channels, h, w) in [0, 1] -> sr (N, channels, scale·h, scale·w), not clamped.
    Raises: ValueError unless scale is a positive integer.
    Differs from the paper: the padding, which the paper does not mention; He's initialisation.
    """

    def __init__(
        self, *, scale: int, channels: int = 1, width: int = 64, activation: Callable[[], nn.Module] = nn.Tanh
    ) -> None:
        super().__init__()
        check_scale(scale)
        self.scale = scale
        self.channels = channels
        self.settings = {"channels": channels, "width": width}
        self.head = nn.Conv2d(channels, width, 5, padding=2, padding_mode="replicate")
        self.body = nn.Conv2d(width, width // 2, 3, padding=1, padding_mode="replicate")
        self.tail = nn.Conv2d(width // 2, channels * scale**2, 3, padding=1, padding_mode="replicate")
        self.activation = activation()
        he_(self)

    def forward(self, lr: Tensor) -> Tensor:
        check_input(lr, self.channels)
        x = self.activation(self.head(lr))
        x = self.activation(self.body(x))
        return F.pixel_shuffle(self.tail(x), self.scale)  # (N, C·s², h, w) -> (N, C, s·h, s·w)


def espcn(scale: int) -> ESPCN:
    """ESPCN on Y, 21,284 parameters at ×2, 22,729 at ×3, 24,752 at ×4."""
    return ESPCN(scale=scale)
