"""LapSRN: every level of a pyramid doubles the picture and adds the residual that its features predict; and names."""

import re
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from srlib.models.blocks import check_input, check_scale
from srlib.models.state import unwrapped

LEVELS = {2: 1, 4: 2, 8: 3}  # scale: how often it doubles
SLOPE = 0.2  # of every LeakyReLU
ROWS = {3: (1, 2, 1), 4: (1, 3, 3, 1)}  # side of a kernel: four times its row for bilinear doubling
BORDERS = {"repeat": "replicate", "zero": "constant"}  # what lies beyond the border: its name in torch


def _conv(channels_in: int, channels_out: int) -> nn.Conv2d:
    return nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False)


class Doubling(nn.Module):
    """×2 by learned weights that start as bilinear interpolation, each map by itself.

    Four taps are a transposed convolution. Three taps of stride 2 would lie half a pixel of the larger picture off, as
    no odd kernel can be centred on a block of two. So pixels are repeated first and then convolved: as many weights,
    centred, and with the row (1, 2, 1) / 4 bilinear too. Inside the picture it is the transposed convolution whose
    kernel is the three taps, turned by 180°, convolved with (1, 1). Beyond the border either sees the border's values
    again; with zeros there, a constant 1 becomes 0.75 at the edges and 0.5625 in the corners.

    Args:
        kernel: side, 3 or 4.
        border: what lies beyond it: "repeat", its values again, or "zero", as in published codes.

    Shapes: (N, channels, h, w) -> (N, channels, 2·h, 2·w).
    Raises: ValueError for another kernel or border.
    """

    def __init__(self, *, channels: int, kernel: int, border: str = "repeat") -> None:
        super().__init__()
        if kernel not in ROWS:
            raise ValueError(f"kernel must be 3 (repeat, convolve) or 4 (transposed convolution), got {kernel!r}")
        if border not in BORDERS:
            raise ValueError(f"border must be one of {', '.join(BORDERS)}, got {border!r}")
        self.mode = BORDERS[border]
        if kernel == 4:
            self.conv = nn.ConvTranspose2d(channels, channels, 4, stride=2, padding=3, bias=False)  # 3 = 1 + 2 · pad
        else:
            self.conv = nn.Conv2d(channels, channels, 3, bias=False)
        row = torch.tensor(ROWS[kernel]) / 4
        with torch.no_grad():
            self.conv.weight.copy_(torch.eye(channels)[..., None, None] * row[:, None] * row)

    def forward(self, x: Tensor) -> Tensor:
        if isinstance(self.conv, nn.ConvTranspose2d):
            return self.conv(F.pad(x, (1, 1, 1, 1), mode=self.mode))
        return self.conv(F.pad(F.interpolate(x, scale_factor=2, mode="nearest"), (1, 1, 1, 1), mode=self.mode))


class Level(nn.Module):
    """One level: convolve the features, double them and the picture, and add what the features say it lacks.

    Shapes: features (N, width, h, w), picture (N, channels, h, w) -> the same two, twice as large.
    """

    def __init__(self, *, channels: int, width: int, depth: int, kernel: int, border: str) -> None:
        super().__init__()
        layers = [layer for _ in range(depth) for layer in (_conv(width, width), nn.LeakyReLU(SLOPE))]
        doubling = Doubling(channels=width, kernel=kernel, border=border)
        self.features = nn.Sequential(*layers, doubling, nn.LeakyReLU(SLOPE))
        self.residual = _conv(width, channels)
        self.enlarge = Doubling(channels=channels, kernel=4, border=border)
        for layer in layers[::2]:
            nn.init.kaiming_normal_(layer.weight, a=SLOPE)
        nn.init.zeros_(self.residual.weight)

    def forward(self, features: Tensor, picture: Tensor) -> tuple[Tensor, Tensor]:
        features = self.features(features)
        return features, self.enlarge(picture) + self.residual(features)


class LapSRN(nn.Module):
    """A Laplacian pyramid from small to large (Lai et al., CVPR 2017, fig. 1): one level for each ×2.

    The residuals start at zero, so the untrained network is bilinear interpolation, level by level.

    Args:
        width: feature maps.
        depth: convolutions of a level before it doubles (d in the paper), at least 1.
        kernel: side of the kernels that double the features: 3, pixels repeated and convolved, or 4, a transposed
            convolution. Those that double the picture have 4.
        shared: one level, applied once for each ×2 (Lai et al., TPAMI 2018, MS-LapSRN); the number of parameters and
            their names then are the same at every scale.
        border: of every `Doubling`: "repeat", or "zero" as in published codes.

    Shapes: lr (N, channels, h, w) in [0, 1] -> sr (N, channels, scale·h, scale·w), not clamped; with `pyramid=True` the
        list of all levels, ×2 first, of which the last is sr.
    Raises: ValueError unless scale is 2, 4 or 8, for depth below 1, and for a kernel or border other than these.
    Differs from the paper: with 3 taps, pixels are repeated and convolved, where a transposed convolution of stride 2
        would move the features by half a pixel of the larger picture; where the picture and the features are doubled,
        the border's values are repeated beyond it, since zeros darken the border; the residuals' convolutions start at
        zero instead of at He's values; each map starts as its own bilinear enlargement. `shared` applies the layers
        of a level once, without the recursion and the skips that MS-LapSRN has inside a level.
    """

    def __init__(
        self,
        *,
        scale: int,
        channels: int = 1,
        width: int = 64,
        depth: int = 10,
        kernel: int = 3,
        shared: bool = False,
        border: str = "repeat",
    ) -> None:
        super().__init__()
        check_scale(scale, LEVELS)
        if depth < 1:
            raise ValueError(f"depth must be at least 1, the convolutions of a level; got {depth}")
        self.scale = scale
        self.answers = tuple(2**k for k in range(1, LEVELS[scale] + 1))
        self.channels = channels
        size = {"channels": channels, "width": width, "depth": depth, "kernel": kernel, "border": border}
        self.settings = size | {"shared": shared}
        self.head = nn.Sequential(_conv(channels, width), nn.LeakyReLU(SLOPE))
        nn.init.kaiming_normal_(self.head[0].weight, a=SLOPE)
        number = 1 if shared else LEVELS[scale]
        self.levels = nn.ModuleList(Level(**size) for _ in range(number))

    def forward(self, lr: Tensor, *, pyramid: bool = False) -> Tensor | list[Tensor]:
        check_input(lr, self.channels)
        features, picture, pictures = self.head(lr), lr, []
        for k in range(LEVELS[self.scale]):
            features, picture = self.levels[k % len(self.levels)](features, picture)
            pictures.append(picture)  # (N, C, 2ᵏ⁺¹·h, 2ᵏ⁺¹·w)
        return pictures if pyramid else picture


def lapsrn(scale: int) -> LapSRN:
    """LapSRN with 10 layers a level on Y: 406,672 parameters at ×2, 812,768 at ×4, 1,218,864 at ×8.

    No layer has a bias. A level has 10 · 36,864 weights in its convolutions, 36,864 where it doubles the features, 576
    for the residual and 16 where it doubles the picture; the entrance has 576. Two levels make 812,768, the 812k of the
    paper, where the features are doubled by 3×3 kernels.

    With `kernel=4`, as in the known ports, there are 435,344 at ×2, 870,112 at ×4 and 1,304,880 at ×8. With `depth=5`,
    which the paper takes for ×8, there are 665,904, and 751,920 with both. With `shared=True` every scale has what ×2
    has. That the 812k are counted with 3×3 follows from the sum alone.
    """
    return LapSRN(scale=scale)


def lapsrn_small(scale: int) -> LapSRN:
    """For a laptop, RGB, 32 maps, 5 layers a level: 57,168 parameters at ×2, 113,472 at ×4, 169,776 at ×8.

    This size is ours, not the paper's.
    """
    return LapSRN(scale=scale, channels=3, width=32, depth=5)


# Layer names of pytorch-LapSRN, whose levels count from 1.
_LAYERS = (
    (re.compile(r"conv_input"), "head.0"),
    (re.compile(r"convt_F(\d+)\.0\.cov_block\.(\d+)"), "features"),
    (re.compile(r"convt_R(\d+)"), "residual"),
    (re.compile(r"convt_I(\d+)"), "enlarge.conv"),
)


def from_official(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """The weights of a ported LapSRN for ours with `kernel=4` and `border="zero"`.

    The authors' own weights are files of MatConvNet, which are not read; the port's names are those that PyTorch code
    uses. Its Y lies in [0, 1] like ours, and no layer has a bias.

    Args:
        state: with the names of pytorch-LapSRN (`convt_F1.0.cov_block.0.weight`), see also `unwrapped`; or of ours,
            which is returned as it is.

    Raises: ValueError for a name that is none of these.
    Source: https://github.com/twtygqyy/pytorch-LapSRN
    """
    state = unwrapped(state)
    if "head.0.weight" in state:
        return state
    return {f"{_ours(name.rpartition('.')[0], state)}.weight": value for name, value in state.items()}


def _ours(layer: str, state: Mapping[str, Tensor]) -> str:
    """Our name for a layer of a ported LapSRN."""
    for names, ours in _LAYERS:
        if found := names.fullmatch(layer):
            if ours == "head.0":
                return ours
            level = f"levels.{int(found[1]) - 1}"
            if ours != "features":
                return f"{level}.{ours}"
            doubles = state[f"{layer}.weight"].shape[-1] == 4
            return f"{level}.features.{found[2]}" + (".conv" if doubles else "")
    raise ValueError(f"{layer!r} is no layer of a ported LapSRN; see the docstring of from_official for its names")


def settings_of(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """The arguments of the `LapSRN` that holds these weights of a port, by our names; read off shapes, with scale.

    What lies beyond the border leaves no trace in a file; it is zero there.
    """
    levels = 1 + max(int(name.split(".")[1]) for name in state if name.startswith("levels."))
    depth = sum(bool(re.fullmatch(r"levels\.0\.features\.\d+\.weight", name)) for name in state)
    width, channels = state["head.0.weight"].shape[:2]
    kernel = state[f"levels.0.features.{2 * depth}.conv.weight"].shape[-1]
    size = {"channels": channels, "width": width, "depth": depth, "kernel": kernel, "border": "zero"}
    return {"scale": 2**levels} | size | {"shared": False}
