"""EDSR and MDSR: SRResNet without batch norm, wider, with scaled residuals; one body for several scales; and names."""

import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from srlib.models.blocks import (
    SHUFFLE_FACTORS,
    ResidualBlock,
    check_input,
    check_scale,
    div2k_mean,
    mean_colour,
    upsampler,
)
from srlib.models.state import unwrapped

RANGE = 255.0  # of colours in the published codes; ours is 1


def _conv(channels_in: int, channels_out: int) -> nn.Conv2d:
    return nn.Conv2d(channels_in, channels_out, 3, padding=1)


def _body(blocks: int, width: int, residual_scale: float) -> nn.Sequential:
    residuals = [ResidualBlock(width=width, residual_scale=residual_scale) for _ in range(blocks)]
    return nn.Sequential(*residuals, _conv(width, width))


class EDSR(nn.Module):
    """Residual blocks without batch norm at low resolution, then pixel shuffles (Lim et al., CVPRW 2017, fig. 3).

    Args:
        residual_scale: factor on each block's residual; 0.1 in the paper for width 256.
        tail: "paper" enlarges the feature maps and converts them to colours at high resolution; "light" computes the
            colours of all scale² positions at low resolution and shuffles them, as ESPCN does.
        mean: the colour that is subtracted before the first layer and added after the last; None: that of DIV2K.

    Shapes: lr (N, 3, h, w) in [0, 1] -> sr (N, 3, scale·h, scale·w), not clamped.
    Raises: ValueError unless scale is 2, 3, 4 or 8, and for an unknown tail.
    Differs from the paper: colours lie in [0, 1], not [0, 255]; the mean is a constant and not among the parameters,
        where the authors' code has a frozen convolution; "light" is not in the paper.
    """

    channels = 3

    def __init__(
        self,
        *,
        scale: int,
        blocks: int,
        width: int,
        residual_scale: float = 1.0,
        tail: str = "paper",
        mean: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        check_scale(scale, SHUFFLE_FACTORS)
        if tail not in ("paper", "light"):
            raise ValueError(f'tail must be "paper" or "light", got {tail!r}')
        self.scale = scale
        self.settings = {"blocks": blocks, "width": width, "residual_scale": residual_scale, "tail": tail}
        if mean is not None:
            self.settings["mean"] = list(mean)
        self.register_buffer("mean", mean_colour(mean), persistent=False)
        self.head = _conv(3, width)
        self.body = _body(blocks, width, residual_scale)
        if tail == "paper":
            self.tail = nn.Sequential(upsampler(scale, width), _conv(width, 3))
        else:
            self.tail = nn.Sequential(_conv(width, 3 * scale**2), nn.PixelShuffle(scale))

    def forward(self, lr: Tensor) -> Tensor:
        check_input(lr, self.channels)
        x = self.head(lr - self.mean)
        x = x + self.body(x)
        return self.tail(x) + self.mean  # (N, width, h, w) -> (N, 3, s·h, s·w)


def edsr(scale: int) -> EDSR:
    """EDSR, 32 blocks of width 256: 40,729,603 parameters at ×2, 43,680,003 at ×3, 43,089,923 at ×4.

    Raises: as `EDSR`.
    """
    return EDSR(scale=scale, blocks=32, width=256, residual_scale=0.1)


def edsr_baseline(scale: int) -> EDSR:
    """The paper's baseline, 16 blocks of width 64: 1,369,859 parameters at ×2, 1,554,499 at ×3, 1,517,571 at ×4."""
    return EDSR(scale=scale, blocks=16, width=64)


def edsr_small(scale: int) -> EDSR:
    """For a laptop, 8 blocks of width 32 and the light tail: 161,580 parameters at ×2, 165,915 at ×3, 171,984 at ×4.

    This size is ours, not the paper's.
    """
    return EDSR(scale=scale, blocks=8, width=32, tail="light")


class MDSR(nn.Module):
    """One body for several scales, each with its own first blocks and upsampler (Lim et al., CVPRW 2017, fig. 5).

    `head` and `body` have the names and shapes of `EDSR`, so weights can be copied by name.

    Args:
        scale: the default of `forward`; may be set to another of `scales` later.

    Shapes: lr (N, 3, h, w) in [0, 1] -> sr (N, 3, scale·h, scale·w), not clamped.
    Raises: ValueError for a scale that is not among `scales`, and for `scales` other than 2, 3, 4 and 8.
    Differs from the paper: as for `EDSR`.
    """

    channels = 3

    def __init__(
        self, *, scale: int = 4, scales: tuple[int, ...] = (2, 3, 4), blocks: int = 16, width: int = 64
    ) -> None:
        super().__init__()
        for choice in scales:
            check_scale(choice, SHUFFLE_FACTORS)
        self.scales = tuple(scales)
        self.scale = scale
        self.settings = {"scales": list(scales), "blocks": blocks, "width": width}
        self.register_buffer("mean", div2k_mean(), persistent=False)
        self.head = _conv(3, width)
        first = {str(s): [ResidualBlock(width=width, kernel=5) for _ in range(2)] for s in self.scales}
        self.first = nn.ModuleDict({key: nn.Sequential(*pair) for key, pair in first.items()})
        self.body = _body(blocks, width, 1.0)
        self.upsample = nn.ModuleDict({str(s): upsampler(s, width) for s in self.scales})
        self.tail = _conv(width, 3)

    @property
    def scale(self) -> int:
        return self._scale

    @scale.setter
    def scale(self, scale: int) -> None:
        check_scale(scale, self.scales)
        self._scale = scale

    def forward(self, lr: Tensor, scale: int | None = None) -> Tensor:
        check_input(lr, self.channels)
        scale = self.scale if scale is None else scale
        check_scale(scale, self.scales)
        x = self.first[str(scale)](self.head(lr - self.mean))
        x = x + self.body(x)
        return self.tail(self.upsample[str(scale)](x)) + self.mean  # (N, width, h, w) -> (N, 3, s·h, s·w)


def mdsr(scale: int = 4, blocks: int = 16) -> MDSR:
    """MDSR for ×2, ×3 and ×4: 3,227,203 parameters with 16 blocks, 7,953,987 with the paper's 80."""
    return MDSR(scale=scale, blocks=blocks)


# Layer names of EDSR-PyTorch and of BasicSR. The four frozen tensors of the mean shift are read, and not kept.
_SHIFT = ("sub_mean", "add_mean")
_BODY = re.compile(r"body\.(\d+)\.(?:body\.([02])|conv([12]))")
_UPSAMPLE = re.compile(r"(?:tail\.0|upsample)\.(\d+)")
# In an MDSR each scale has its first blocks and its upsampling, numbered by the place of the scale.
_BRANCH = re.compile(r"pre_process\.(\d+)\.([01])\.body\.([02])|upsample\.(\d+)\.(\d+)")
_OTHERS = {"head.0": "head", "conv_first": "head", "tail.1": "tail.1", "conv_last": "tail.1", "tail.0": "tail"}


def from_official(state: Mapping[str, Tensor], *, mean: Sequence[float] | None = None) -> dict[str, Tensor]:
    """The weights of a published EDSR or MDSR for ours, which have colours in [0, 1] where theirs lie in [0, 255].

    Between two mean shifts there is nothing but convolutions, ReLU and sums, so 255 times the picture gives 255 times
    the result if every bias is 255 times as large, too. Dividing the biases by 255 therefore turns one network into the
    other. The weights stay as they are.

    Args:
        state: with the names of EDSR-PyTorch (`body.0.body.0.weight`) or of BasicSR (`body.0.conv1.weight`), see also
            `unwrapped`; or of ours, which is returned as it is.
        mean: what the network it is for subtracts; None: the mean of DIV2K.

    Raises: ValueError for a name that is none of these, and for a file that subtracts another mean.
    """
    state = unwrapped(state)
    if "head.weight" in state:
        return state
    theirs, top = mean_of(state)
    if theirs != (None if mean is None else list(mean)):
        raise ValueError(f"sub_mean subtracts {theirs or 'the mean of DIV2K'}, not {mean or 'the mean of DIV2K'}")
    last = max((int(found[1]) for name in state if (found := re.match(r"body\.(\d+)\.(?:body|conv)", name))), default=0)
    found, scales = {}, _branches(state)
    for name, value in state.items():
        layer, _, kind = name.rpartition(".")
        if layer not in _SHIFT:
            found[f"{_ours(layer, last + 1, scales)}.{kind}"] = value / top if kind == "bias" else value
    return found


def _branches(state: Mapping[str, Tensor]) -> list[int]:
    """The scales of a published MDSR, in the order of its branches: each stage makes 4 or 9 times as many maps."""
    found: dict[int, int] = {}
    for name, value in state.items():
        if (match := re.fullmatch(r"upsample\.(\d+)\.\d+\.weight", name)) and value.ndim == 4:
            found[int(match[1])] = found.get(int(match[1]), 1) * round((value.shape[0] / value.shape[1]) ** 0.5)
    return [found[k] for k in sorted(found)]


def _ours(layer: str, blocks: int, scales: Sequence[int]) -> str:
    """Our name for a layer of a published EDSR; `scales`: of the branches of an MDSR."""
    if found := _BRANCH.fullmatch(layer):
        scale = scales[int(found[1] or found[4])]
        return f"upsample.{scale}.{found[5]}" if found[5] else f"first.{scale}.{found[2]}.conv{1 + int(found[3]) // 2}"
    if layer in ("conv_after_body", f"body.{blocks}"):
        return f"body.{blocks}"
    if found := _BODY.fullmatch(layer):
        return f"body.{found[1]}.conv{found[3] or 1 + int(found[2]) // 2}"
    if found := _UPSAMPLE.fullmatch(layer):
        return f"tail.0.{found[1]}"
    if layer in _OTHERS:
        return _OTHERS[layer]
    raise ValueError(f"{layer!r} is no layer of a published EDSR; see the docstring of from_official for its names")


def mean_of(state: Mapping[str, Tensor]) -> tuple[list[float] | None, float]:
    """The mean colour that a published EDSR subtracts, in [0, 1], and the range of its colours.

    None is the mean of DIV2K. BasicSR keeps both in code and not in the file: the mean of DIV2K, and 255.

    Raises: ValueError for a mean shift that also mixes or scales colours, or does not add what it has subtracted.
    """
    if not any(f"{name}.bias" in state for name in _SHIFT):
        return None, RANGE
    for name in _SHIFT:
        if not torch.equal(state[f"{name}.weight"].float().flatten(1).cpu(), torch.eye(3)):
            raise ValueError(f"{name}.weight mixes or scales the colours; EDSR here only subtracts a mean")
    taken, known = -state["sub_mean.bias"].double().cpu(), div2k_mean().double().flatten()
    if not torch.allclose(taken, state["add_mean.bias"].double().cpu()):
        raise ValueError("add_mean.bias does not add what sub_mean.bias subtracts")
    top = (taken / known).mean().item()
    if top > 0 and torch.allclose(taken, top * known, rtol=1e-4):
        return None, float(round(top)) if abs(top - round(top)) < 1e-3 else top
    return (taken / RANGE).tolist(), RANGE


def settings_of(state: Mapping[str, Tensor]) -> dict[str, int | str | list[int]]:
    """The arguments of the `EDSR` or `MDSR` that holds these weights, by our names; read off their shapes, with scale.

    The factor on the residuals leaves no trace in a file.

    Raises: ValueError for an upsampling that is neither ×2 nor ×3 at a time.
    """
    width = state["head.weight"].shape[0]
    blocks = sum(bool(re.fullmatch(r"body\.\d+\.conv1\.weight", name)) for name in state)
    if scales := sorted({int(name.split(".")[1]) for name in state if name.startswith("first.")}):
        return {"scale": scales[-1], "scales": scales, "blocks": blocks, "width": width}
    if "tail.0.weight" in state:
        factor, stages, tail = round((state["tail.0.weight"].shape[0] / 3) ** 0.5), 1, "light"
    else:
        stages, tail = sum(bool(re.fullmatch(r"tail\.0\.\d+\.weight", name)) for name in state), "paper"
        factor = round((state["tail.0.0.weight"].shape[0] / width) ** 0.5)
    return {"scale": factor**stages, "blocks": blocks, "width": width, "tail": tail}
