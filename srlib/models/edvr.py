"""EDVR: neighbouring frames are aligned by deformable convolutions, weighed by attention and fused; and names."""

import re
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from srlib.models.blocks import ResidualBlock, check_input, check_scale
from srlib.models.state import unwrapped
from srlib.video.alignment import LEVELS, SLOPE, Alignment, doubled, leaky


def _conv(channels_in: int, channels_out: int, kernel: int = 3, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2)


class Attention(nn.Module):
    """TSA, temporal and spatial attention, in place of a plain fusion (Wang et al., EDVR, CVPRW 2019, fig. 4).

    Each pixel of each frame is weighed by its likeness to the centre's; then the fused features are scaled and shifted
    by maps that see a larger surrounding.

    Shapes: (N, T, width, h, w), h and w multiples of 4 -> (N, width, h, w).
    Differs from the paper: nothing known.
    """

    def __init__(self, *, width: int, frames: int) -> None:
        super().__init__()
        self.centre = frames // 2
        self.of_centre, self.of_frame = _conv(width, width), _conv(width, width)
        self.fuse, self.enter = _conv(frames * width, width, 1), _conv(frames * width, width, 1)
        self.middle, self.middle_out = _conv(2 * width, width, 1), _conv(width, width)
        self.quarter_in, self.quarter = _conv(width, width, 1), _conv(2 * width, width)
        self.quarter_out = _conv(width, width)
        self.join, self.factor = _conv(width, width, 1), _conv(width, width)
        self.shift = nn.Sequential(_conv(width, width, 1), nn.LeakyReLU(SLOPE), _conv(width, width, 1))

    def likeness(self, aligned: Tensor) -> Tensor:
        """How much each pixel of each frame is like the centre's, between 0 and 1: (N, T, 1, h, w)."""
        own = self.of_centre(aligned[:, self.centre])
        others = self.of_frame(aligned.flatten(0, 1)).unflatten(0, aligned.shape[:2])
        return torch.sigmoid((others * own[:, None]).sum(2, keepdim=True))

    def forward(self, aligned: Tensor) -> Tensor:
        weighed = (aligned * self.likeness(aligned)).flatten(1, 2)
        x, y = leaky(self.fuse(weighed)), leaky(self.enter(weighed))
        half = leaky(self.middle(_pooled(y)))
        quarter = leaky(self.quarter(_pooled(leaky(self.quarter_in(half)))))
        half = leaky(self.middle_out(half)) + doubled(leaky(self.quarter_out(quarter)))
        factor = self.factor(doubled(leaky(self.join(half))))
        return x * torch.sigmoid(factor) * 2 + self.shift(factor)


def _pooled(x: Tensor) -> Tensor:
    """Largest values and means of neighbourhoods at half the size: (N, C, h, w) -> (N, 2·C, h/2, w/2)."""
    return torch.cat([F.max_pool2d(x, 3, 2, 1), F.avg_pool2d(x, 3, 2, 1)], 1)


class EDVR(nn.Module):
    """Several frames to one at four times the size (Wang et al., EDVR, CVPRW 2019, fig. 2): align, fuse, reconstruct.

    The result is added to the bilinear enlargement of the centre frame.

    Args:
        frames: an odd number from 3 on, the centre among them.
        blocks: residual blocks after fusion; 10 and 40 in the paper.
        extract: residual blocks for each frame.
        groups: of maps that move together.
        attention: fuse by temporal and spatial attention (TSA); else by one 1×1 convolution.
        gain: of the masks, see `video.deformable.DeformableConv`; 1 in the paper.

    Shapes: clip (N, frames, 3, h, w) in [0, 1] -> sr of the centre frame (N, 3, 4·h, 4·w), not clamped. Sides that are
        no multiples of 4 are continued by their last pixels, and the result is cut.
    Raises: ValueError for another scale than 4, and for a number of frames that is even or below 3.
    Differs from the paper: sides need not be multiples of 4.
    """

    channels = 3
    multiple = 4  # the grid of the quarter size

    def __init__(
        self,
        *,
        scale: int = 4,
        frames: int = 5,
        width: int = 64,
        blocks: int = 10,
        extract: int = 5,
        groups: int = 8,
        attention: bool = True,
        gain: float = 1.0,
    ) -> None:
        super().__init__()
        check_scale(scale, (4,))
        if frames < 3 or frames % 2 == 0:
            raise ValueError(f"frames must be odd, at least 3, so that one is the centre; got {frames}")
        self.scale, self.frames = scale, frames
        size = {"frames": frames, "width": width, "blocks": blocks, "extract": extract, "groups": groups}
        self.settings = size | {"attention": attention, "gain": gain}
        self.head = _conv(3, width)
        self.features = nn.Sequential(*(ResidualBlock(width=width) for _ in range(extract)))
        self.down = nn.ModuleList(
            nn.Sequential(_conv(width, width, stride=2), nn.LeakyReLU(SLOPE), _conv(width, width), nn.LeakyReLU(SLOPE))
            for _ in range(LEVELS - 1)
        )
        self.align = Alignment(width=width, groups=groups, gain=gain)
        self.fuse = Attention(width=width, frames=frames) if attention else _conv(frames * width, width, 1)
        self.body = nn.Sequential(*(ResidualBlock(width=width) for _ in range(blocks)))
        inner = 64  # at large size, whatever the width
        shuffles = (nn.PixelShuffle(2), nn.LeakyReLU(SLOPE))
        self.tail = nn.Sequential(
            *(_conv(width, 4 * width), *shuffles, _conv(width, 4 * inner), *shuffles),
            *(_conv(inner, inner), nn.LeakyReLU(SLOPE), _conv(inner, 3)),
        )

    def aligned(self, clip: Tensor) -> Tensor:
        """Features of every frame, moved to the centre's: (N, T, width, h, w)."""
        size = clip.shape[:2]
        levels = [self.features(leaky(self.head(clip.flatten(0, 1))))]
        for down in self.down:
            levels.append(down(levels[-1]))
        frames = [level.unflatten(0, size) for level in levels]
        centre = [level[:, self.frames // 2] for level in frames]
        each = [self.align([level[:, k] for level in frames], centre) for k in range(self.frames)]
        return torch.stack(each, 1)

    def forward(self, clip: Tensor) -> Tensor:
        check_input(clip, self.channels, self.frames)
        height, width = clip.shape[-2:]
        whole = F.pad(clip.flatten(0, 1), (0, -width % 4, 0, -height % 4), mode="replicate").unflatten(
            0, clip.shape[:2]
        )
        aligned = self.aligned(whole)
        x = self.fuse(aligned if isinstance(self.fuse, Attention) else aligned.flatten(1, 2))
        sr = self.tail(self.body(x))
        sr = sr + F.interpolate(whole[:, self.frames // 2], scale_factor=4, mode="bilinear", align_corners=False)
        return sr[..., : 4 * height, : 4 * width]


def edvr_m(scale: int = 4) -> EDVR:
    """EDVR-M: 3,300,131 parameters, 2,996,259 without TSA, 3,316,515 for 7 frames."""
    return EDVR(scale=scale)


def edvr_l(scale: int = 4) -> EDVR:
    """EDVR-L, 128 maps and 40 blocks: 20,633,827 parameters, 19,419,875 without TSA, 20,699,363 for 7 frames."""
    return EDVR(scale=scale, width=128, blocks=40)


# Layer names of BasicSR: (theirs, ours). Its sizes count from the finest, l1 to l3; ours from the coarsest.
_LAYERS = (
    (r"conv_first", "head"),
    (r"feature_extraction\.(\d+)\.(conv[12])", r"features.\1.\2"),
    (r"conv_l2_([12])", lambda found: f"down.0.{2 * int(found[1]) - 2}"),
    (r"conv_l3_([12])", lambda found: f"down.1.{2 * int(found[1]) - 2}"),
    (r"pcd_align\.offset_conv1\.l([123])", lambda found: f"align.levels.{3 - int(found[1])}.compare"),
    (
        r"pcd_align\.offset_conv([23])\.l([123])",
        lambda found: f"align.levels.{3 - int(found[2])}.refine.{int(found[1]) - 2}",
    ),
    (r"pcd_align\.dcn_pack\.l([123])(.*)", lambda found: f"align.levels.{3 - int(found[1])}.deform{found[2]}"),
    (r"pcd_align\.feat_conv\.l([123])", lambda found: f"align.levels.{3 - int(found[1])}.merge"),
    (r"pcd_align\.cas_offset_conv([12])", lambda found: f"align.last.{int(found[1]) - 1}"),
    (r"pcd_align\.cas_dcnpack(.*)", r"align.deform\1"),
    (r"fusion", "fuse"),
    (r"reconstruction\.(\d+)\.(conv[12])", r"body.\1.\2"),
    *((name, f"tail.{place}") for name, place in (("upconv1", 0), ("upconv2", 3), ("conv_hr", 6), ("conv_last", 8))),
)
_ATTENTION = {
    "temporal_attn1": "of_centre", "temporal_attn2": "of_frame", "feat_fusion": "fuse", "spatial_attn1": "enter",
    "spatial_attn2": "middle", "spatial_attn3": "middle_out", "spatial_attn4": "join", "spatial_attn5": "factor",
    "spatial_attn_l1": "quarter_in", "spatial_attn_l2": "quarter", "spatial_attn_l3": "quarter_out",
    "spatial_attn_add1": "shift.0", "spatial_attn_add2": "shift.2",
}  # fmt: skip


def from_official(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """The weights of a published EDVR for ours; no number changes.

    Args:
        state: with the names of BasicSR (`pcd_align.dcn_pack.l1.weight`), see also `unwrapped`; or of ours, which is
            returned as it is.

    Raises: ValueError for a name that is none of these, such as those of the networks that remove blur first.
    Source: https://github.com/XPixelGroup/BasicSR
    """
    state = unwrapped(state)
    if "head.weight" in state:
        return state
    found = {}
    for name, value in state.items():
        layer, _, kind = name.rpartition(".")
        found[f"{_ours(layer)}.{kind}"] = value
    return found


def settings_of(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """The arguments of the `EDVR` that holds these weights, by our names; read off their shapes, with scale."""
    width = state["head.weight"].shape[0]
    attention = "fuse.fuse.weight" in state
    blocks, extract = (
        sum(bool(re.fullmatch(rf"{part}\.\d+\.conv1\.weight", name)) for name in state) for part in ("body", "features")
    )
    size = {"width": width, "blocks": blocks, "extract": extract, "attention": attention, "gain": 1.0}
    frames = state["fuse.fuse.weight" if attention else "fuse.weight"].shape[1] // width
    return {"scale": 4, "frames": frames, "groups": state["align.deform.guide.weight"].shape[0] // 27} | size


def _ours(layer: str) -> str:
    """Our name for a layer of a published EDVR."""
    layer = layer.replace(".conv_offset", ".guide")
    if (found := re.fullmatch(r"fusion\.(\w+)", layer)) and found[1] in _ATTENTION:
        return f"fuse.{_ATTENTION[found[1]]}"
    for theirs, ours in _LAYERS:
        if found := re.fullmatch(theirs, layer):
            return ours(found) if callable(ours) else found.expand(ours)
    raise ValueError(f"{layer!r} is no layer of a published EDVR; see the docstring of from_official for its names")
