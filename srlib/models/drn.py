"""DRN: a U-Net that returns a picture at every scale, and small networks that shrink its answers again; and names."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from srlib.models.blocks import check_input, check_scale, div2k_mean, mean_colour
from srlib.models.state import unwrapped
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
        mean: the colour that is subtracted before the first layer and added after the last; None: that of DIV2K.

    Shapes: lr (N, 3, h, w) in [0, 1] -> sr (N, 3, scale·h, scale·w), not clamped; with `pyramid=True` the list of all
        answers, ×1 first, of which the last is sr.
    Raises: ValueError unless scale is 2, 4 or 8.
    Differs from the paper: colours lie in [0, 1], not [0, 255]; the mean colour is a constant, where in the authors'
        code its 24 numbers are trained by accident; ×2 is not in the paper.
    """

    channels = 3
    blend = 24  # lr pixels over which tiles fade into each other, since attention sees the whole picture

    def __init__(self, *, scale: int, blocks: int, width: int, mean: Sequence[float] | None = None) -> None:
        super().__init__()
        check_scale(scale, PHASES)
        phases = PHASES[scale]
        self.scale = scale
        self.answers = tuple(2**k for k in range(phases + 1))
        self.settings = {"blocks": blocks, "width": width} | ({} if mean is None else {"mean": list(mean)})
        self.register_buffer("mean_colour", mean_colour(mean), persistent=False)
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


# Layer names of the authors' code: (theirs, ours). Pixel shuffles and activations have numbers there and here.
_LAYERS = (
    (r"down\.(\d+)\.dual_module\.0\.0", r"down.\1.0"),
    (r"down\.(\d+)\.dual_module\.1", r"down.\1.2"),
    (r"up_blocks\.(\d+)\.(\d+)\.body\.([02])", r"up.\1.\2.body.\3"),
    (r"up_blocks\.(\d+)\.(\d+)\.body\.3\.conv_du\.([02])", r"up.\1.\2.body.3.weigh.\3"),
    (r"up_blocks\.(\d+)\.(\d+)\.0", r"up.\1.\2"),  # the convolution before a shuffle
    (r"tail\.(\d+)", r"tails.\1"),
    (r"head", "head"),
)
RANGE = 255.0  # of colours in the authors' code; ours is 1


def from_official(state: Mapping[str, Any]) -> tuple[dict[str, Tensor], list[float]]:
    """The weights of a published DRN for ours, and the colour that it subtracts.

    Colours lie in [0, 1] here, where theirs lie in [0, 255]. Convolutions, slopes and shuffles pass a factor on, if
    biases are divided by it. The sigmoid of the channel attention does not: so the first convolution there, which sees
    means of maps, gets weights 255 times as large and keeps its bias. The two mean shifts were trained by accident and
    may mix colours a little. The first is folded into the first layer, the second into those that make pictures.

    Args:
        state: with the names of the authors' code (`up_blocks.0.0.body.0.weight`), see also `unwrapped`; or of ours,
            which is returned as it is, with the mean of DIV2K.

    Raises: ValueError for a name that is none of these, and for a mean shift that cannot be inverted.
    Source: https://github.com/guoyongcs/DRN
    """
    state = unwrapped(state)
    if "tails.0.weight" in state:
        return state, div2k_mean().flatten().tolist()
    found = {}
    for name, value in state.items():
        layer, _, kind = name.rpartition(".")
        if layer not in ("sub_mean", "add_mean"):
            ours = _ours(layer, state)
            inside = ours.endswith("weigh.0")
            factor = (
                RANGE if inside and kind == "weight" else 1 / RANGE if kind == "bias" and "weigh" not in ours else 1
            )
            found[f"{ours}.{kind}"] = value * factor
    mix, shift = (
        state[f"sub_mean.{kind}"].double().flatten(1 if kind == "weight" else 0) for kind in ("weight", "bias")
    )
    try:
        mean = -torch.linalg.solve(mix, shift / RANGE)  # W x + b = W (x + W⁻¹ b)
    except torch.linalg.LinAlgError as error:
        raise ValueError("sub_mean.weight loses colours; this network cannot hold it") from error
    found["head.weight"] = torch.einsum("ochw,ci->oihw", found["head.weight"].double(), mix).float()
    mix, shift = (
        state[f"add_mean.{kind}"].double().flatten(1 if kind == "weight" else 0) for kind in ("weight", "bias")
    )
    for name in [name for name in found if name.startswith("tails.")]:
        mixed = torch.tensordot(mix, found[name].double(), 1)
        found[name] = (mixed if name.endswith("weight") else mixed + shift / RANGE - mean).float()
    return found, mean.tolist()


def _ours(layer: str, state: Mapping[str, Tensor]) -> str:
    """Our name for a layer of a published DRN."""
    for theirs, ours in _LAYERS:
        if found := re.fullmatch(theirs, layer):
            return found.expand(ours)
    if found := re.fullmatch(r"up_blocks\.(\d+)\.(\d+)", layer):  # 1×1, one place later here, after the shuffle
        return f"up.{found[1]}.{int(found[2]) + 1}"
    raise ValueError(f"{layer!r} is no layer of a published DRN; see the docstring of from_official for its names")


def settings_of(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """The arguments of the `DRN` that holds these weights, by our names; read off their shapes, with scale."""
    blocks = sum(bool(re.fullmatch(r"up\.0\.\d+\.body\.0\.weight", name)) for name in state)
    phases = sum(bool(re.fullmatch(r"tails\.\d+\.weight", name)) for name in state) - 1
    return {"scale": 2**phases, "blocks": blocks, "width": state["head.weight"].shape[0]}
