"""Shared parts of networks: the residual block, the pixel-shuffle upsampler, DIV2K's mean colour, input checks."""

from collections.abc import Callable, Collection, Sequence

import torch
from torch import Tensor, nn

SHUFFLE_FACTORS = {2: (2,), 3: (3,), 4: (2, 2), 8: (2, 2, 2)}  # ×4 in two steps of ×2, as SRResNet and EDSR do


class ResidualBlock(nn.Module):
    """Residual block x + a · conv(activation(conv(x))), with or without batch norm after each convolution.

    With batch norm and PReLU it is the block of SRResNet (Ledig et al., CVPR 2017, fig. 4), with ReLU and no batch norm
    that of EDSR (Lim et al., CVPRW 2017, fig. 2c).

    Args:
        kernel: side of both kernels, odd.
        activation: called without arguments to make the layer.
        residual_scale: the factor a; 0.1 in EDSR, without which training 256 feature maps is unstable.

    Shapes: (N, width, h, w) -> the same.
    Differs from the paper: nothing known.
    """

    def __init__(
        self,
        *,
        width: int,
        kernel: int = 3,
        norm: bool = False,
        activation: Callable[[], nn.Module] = nn.ReLU,
        residual_scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, kernel, padding=kernel // 2)
        self.norm1 = nn.BatchNorm2d(width) if norm else nn.Identity()
        self.activation = activation()
        self.conv2 = nn.Conv2d(width, width, kernel, padding=kernel // 2)
        self.norm2 = nn.BatchNorm2d(width) if norm else nn.Identity()
        self.residual_scale = residual_scale

    def forward(self, x: Tensor) -> Tensor:
        y = self.activation(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        return torch.add(x, y, alpha=self.residual_scale)  # x + a·y without a second copy of y


def upsampler(scale: int, width: int, activation: Callable[[], nn.Module] | None = None) -> nn.Sequential:
    """Convolutions to factor² times the maps, each followed by a pixel shuffle; ×4 is twice ×2, ×8 three times ×2.

    Args:
        activation: makes the layer after each shuffle (SRResNet: PReLU); None: no layer (EDSR).

    Shapes: (N, width, h, w) -> (N, width, scale·h, scale·w).
    Raises: ValueError unless scale is 2, 3, 4 or 8.
    """
    check_scale(scale, SHUFFLE_FACTORS)
    layers = []
    for factor in SHUFFLE_FACTORS[scale]:
        layers += [nn.Conv2d(width, width * factor**2, 3, padding=1), nn.PixelShuffle(factor)]
        if activation is not None:
            layers.append(activation())
    return nn.Sequential(*layers)


def mean_colour(mean: Sequence[float] | None = None) -> Tensor:
    """The colour that a network subtracts and adds again, (3, 1, 1); None: that of DIV2K."""
    return div2k_mean() if mean is None else torch.tensor(mean).view(3, 1, 1)


def div2k_mean() -> Tensor:
    """Mean colour of DIV2K's training pictures, which EDSR subtracts, in [0, 1]; shape (3, 1, 1)."""
    return torch.tensor([0.4488, 0.4371, 0.4040]).view(3, 1, 1)


def he_(module: nn.Module, slope: float = 0.0) -> None:
    """Draw every convolution's weights from N(0, 2 / ((1 + slope²) · inputs)), in place (He et al., ICCV 2015, eq. 15).

    Biases are set to zero.

    Args:
        slope: of the activation on the negative side; 0 for ReLU, 0.25 for a new PReLU.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, a=slope, nonlinearity="leaky_relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def check_scale(scale: int, choices: Collection[int] | None = None) -> None:
    """Check that `scale` is one of `choices`, or, without choices, a positive integer.

    Raises: ValueError for any other scale.
    """
    whole = isinstance(scale, int) and not isinstance(scale, bool)
    if choices is None and not (whole and scale >= 1):
        raise ValueError(f"scale must be a positive integer such as 2, 3 or 4, got {scale!r}")
    if choices is not None and not (whole and scale in choices):
        raise ValueError(f"scale must be one of {', '.join(map(str, choices))}, got {scale!r}")


def check_input(lr: Tensor, channels: int, frames: int = 1) -> None:
    """Check that `lr` is a batch of float pictures with this number of channels, or of clips with as many frames.

    Raises: TypeError for integers; ValueError for another shape.
    """
    if not lr.is_floating_point():
        raise TypeError(f"lr is {lr.dtype}; networks need floats in [0, 1], see srlib.images.from_uint8")
    clip = () if frames == 1 else (frames,)
    if lr.ndim != 4 + len(clip) or tuple(lr.shape[1:-2]) != (*clip, channels):
        colour = {1: "Y only: convert with srlib.images.to_y", 3: "RGB"}.get(channels, f"{channels} channels")
        need = ", ".join(map(str, ("N", *clip, channels, "h", "w")))
        raise ValueError(f"lr must be ({need}), {colour}; got shape {tuple(lr.shape)}")


def check_picture(picture: Tensor, channels: int, size: int | None = None) -> None:
    """Check that `picture` is a batch that a discriminator takes.

    Args:
        size: side of the pictures; None: any.

    Raises: ValueError for another shape.
    """
    sides = (size, size) if size else tuple(picture.shape[-2:])
    if picture.ndim != 4 or tuple(picture.shape[1:]) != (channels, *sides):
        need = f"(N, {channels}, {size or 'H'}, {size or 'W'})"
        raise ValueError(f"this discriminator takes pictures {need}, got shape {tuple(picture.shape)}")
