"""Compact: plain convolutions at low resolution, one pixel shuffle, the nearest pixel added; its published names."""

import math
import re
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from srlib.models.blocks import check_input, check_scale, he_
from srlib.models.state import unwrapped

SLOPES = {"relu": 0.0, "leakyrelu": 0.1}  # the two activations without weights that the authors' code also has


class Compact(nn.Module):
    """Convolutions with PReLU, then a pixel shuffle; what is learned is the difference to the nearest pixel.

    It is called SRVGGNetCompact in the code of Real-ESRGAN, where it came after the paper. Most community weights for
    photographs and drawings from the wild have this shape, since all of its work is done at low resolution.

    Args:
        convolutions: between the first and the last; 16 for films of drawings, 32 for photographs.
        channels: of the pictures, 3 for RGB, 1 for luma.

    Shapes: lr (N, channels, h, w) in [0, 1] -> sr (N, channels, scale·h, scale·w), not clamped.
    Raises: ValueError unless scale is a positive integer.
    Source: https://github.com/xinntao/Real-ESRGAN
    """

    def __init__(self, *, scale: int, width: int = 64, convolutions: int = 16, channels: int = 3) -> None:
        super().__init__()
        check_scale(scale)
        self.scale = scale
        self.channels = channels
        self.settings = {"width": width, "convolutions": convolutions, "channels": channels}
        layers, before = [], channels
        for _ in range(convolutions + 1):
            layers += [nn.Conv2d(before, width, 3, padding=1), nn.PReLU(width)]
            before = width
        self.body = nn.Sequential(*layers, nn.Conv2d(width, channels * scale**2, 3, padding=1))
        he_(self, slope=0.25)
        nn.init.normal_(self.body[-1].weight, std=0.001)  # it starts near the nearest pixel

    def forward(self, lr: Tensor) -> Tensor:
        check_input(lr, self.channels)
        detail = F.pixel_shuffle(self.body(lr), self.scale)  # (N, C·s², h, w) -> (N, C, s·h, s·w)
        return detail + F.interpolate(lr, scale_factor=self.scale, mode="nearest")


def compact(scale: int) -> Compact:
    """Compact with 16 convolutions of width 64: 600,652 parameters at ×2, 609,307 at ×3, 621,424 at ×4.

    With 32 convolutions there are 1,213,296 at ×4.
    """
    return Compact(scale=scale)


def from_official(state: Mapping[str, Tensor], *, activation: str | None = None) -> dict[str, Tensor]:
    """The weights of a published SRVGGNetCompact for `Compact`; the names are the same.

    ReLU is a PReLU with slopes of 0, and LeakyReLU one with slopes of 0.1, so files that were trained with either fit
    exactly, too.

    Args:
        state: its tensors by name, also inside `params`, `params_ema` and others, see `unwrapped`.
        activation: "relu" or "leakyrelu", for a file that holds no slopes.

    Raises: ValueError for a name of another network, and for a file that has no slopes and no `activation`.
    """
    state = unwrapped(state)
    for name in state:
        if not re.fullmatch(r"body\.\d+\.(weight|bias)", name):
            raise ValueError(f"{name!r} is no layer of a published Compact (SRVGGNetCompact)")
    width, last = state["body.0.weight"].shape[0], _last(state)
    slopes = [f"body.{k}.weight" for k in range(1, last, 2)]
    if not any(name in state for name in slopes):
        if activation not in SLOPES:
            raise ValueError(f"it holds no slopes of PReLU; say which it was trained with: {' or '.join(SLOPES)}")
        return state | {name: torch.full((width,), SLOPES[activation]) for name in slopes}
    one = {name: state[name].expand(width) for name in slopes if name in state and state[name].numel() == 1}
    return state | one


def settings_of(state: Mapping[str, Tensor]) -> dict[str, int]:
    """The arguments of the `Compact` that holds these weights, scale included, read off their shapes.

    Raises: ValueError for pictures of 2 or more than 3 channels, and where the last layer makes no whole blocks.
    """
    first, last = state["body.0.weight"], _last(state)
    width, channels = first.shape[0], first.shape[1]
    if channels not in (1, 3):
        raise ValueError(f"body.0.weight takes {channels} channels; a picture here has 1 or 3")
    maps = state[f"body.{last}.weight"].shape[0]
    scale = math.isqrt(maps // channels)
    if maps != channels * scale**2:
        raise ValueError(f"body.{last}.weight makes {maps} maps, no whole blocks of pixels in {channels} channels")
    return {"scale": scale, "width": width, "convolutions": (last - 2) // 2, "channels": channels}


def _last(state: Mapping[str, Tensor]) -> int:
    """The place of the last convolution."""
    return max(int(name.split(".")[1]) for name in state)
