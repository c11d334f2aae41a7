"""A video network grown out of one for single pictures: at its start it is that network, to the bit."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from srlib.images import to_y
from srlib.models.blocks import check_input
from srlib.models.edsr import EDSR
from srlib.models.edvr import Attention
from srlib.video.alignment import LEVELS, SLOPE, Alignment
from srlib.video.flow import cost_volume, moved, shifts, soft_minimum

Align = Literal["none", "flow", "pcd"]
RADIUS, WINDOW = 4, 9  # of the search for motion, in lr pixels
STILL = 5e-4  # cost of a pixel of motion: on flat ground, where everything fits, nothing moves
GROUPS, GAIN = 4, 2.0  # of deformable convolutions: half as many groups as in EDVR, and masks that begin at 1


class GrownEDSR(EDSR):
    """EDSR for the centre frame, with what the neighbours add to its first features.

    Motion is found by comparing shifts of luma. A neighbour's features are fetched from the nearest whole pixel, not
    interpolated: what makes it worth having are samples between those of the centre, and interpolation would blur
    them. The fraction that is left, and how badly the frames fit there, are told beside it. A small network, the same
    for all neighbours, looks at each beside the centre; one convolution, zero at first, makes of all of them what is
    added. With EDVR (Wang et al., CVPRW 2019) it shares the order: align, fuse, reconstruct the centre frame. For
    comparison, EDVR's own alignment and attention can take the places of ours.

    Args:
        frames: an odd number from 3 on, the centre among them.
        inner: maps for each neighbour.
        align: "flow", "none" to fetch every pixel from its own place, or "pcd": EDVR's deformable convolutions.
        attention: weigh frames and places by EDVR's TSA before the last convolution.
        scale, blocks, width, tail: as for `EDSR`.

    Shapes: clip (N, frames, 3, h, w) in [0, 1] -> sr of the centre frame (N, 3, scale·h, scale·w), not clamped.
    Raises: ValueError for a number of frames that is even or below 3, for an unknown way to align, and as `EDSR`.
    Source: ours.
    """

    def __init__(
        self,
        *,
        scale: int,
        blocks: int,
        width: int,
        tail: str = "paper",
        frames: int = 5,
        inner: int = 32,
        align: Align = "flow",
        attention: bool = False,
    ) -> None:
        super().__init__(scale=scale, blocks=blocks, width=width, tail=tail)
        if frames < 3 or frames % 2 == 0:
            raise ValueError(f"frames must be odd, at least 3, so that one is the centre; got {frames}")
        if align not in ("none", "flow", "pcd"):
            raise ValueError(f'align must be "none", "flow" or "pcd", got {align!r}')
        self.frames, self.align = frames, align
        self.settings |= {"frames": frames, "inner": inner, "align": align, "attention": attention}
        del self.settings["residual_scale"]
        self.pair = nn.Sequential(
            nn.Conv2d(2 * width + 3, inner, 3, padding=1),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(inner, inner, 3, padding=1),
            nn.LeakyReLU(SLOPE),
        )
        if align == "pcd":
            self.down = nn.ModuleList(
                nn.Sequential(nn.Conv2d(width, width, 3, 2, 1), nn.LeakyReLU(SLOPE)) for _ in range(LEVELS - 1)
            )
            self.pcd = Alignment(width=width, groups=GROUPS, gain=GAIN)
        if attention:
            self.attention = Attention(width=inner, frames=frames)
        self.fuse = nn.Conv2d(inner if attention else (frames - 1) * inner, width, 3, padding=1)
        nn.init.zeros_(self.fuse.weight)
        nn.init.zeros_(self.fuse.bias)

    def neighbours(self, clip: Tensor) -> Tensor:
        """The frames beside the centre: (N, frames, ...) -> (N, frames − 1, ...)."""
        middle = self.frames // 2
        return torch.cat([clip[:, :middle], clip[:, middle + 1 :]], 1)

    @torch.no_grad()
    def motion(self, clip: Tensor) -> tuple[Tensor, Tensor]:
        """Where each neighbour shows what the centre shows, and how badly it fits: (M, 2, h, w), (M, 1, h, w).

        M = N·(frames − 1); the flow is (down, right) in lr pixels.
        """
        luma = to_y(clip.flatten(0, 1).float()).unflatten(0, clip.shape[:2])
        others = self.neighbours(luma)
        centre = luma[:, self.frames // 2, None].expand_as(others).flatten(0, 1)
        others = others.flatten(0, 1)
        if self.align != "flow":
            still = torch.zeros_like(centre).expand(-1, 2, -1, -1)
            return still, cost_volume(centre, others, radius=0, window=WINDOW)
        cost = cost_volume(centre, others, radius=RADIUS, window=WINDOW)
        far = shifts(RADIUS, cost.device).to(cost).norm(dim=1).view(1, -1, 1, 1)
        return soft_minimum(cost + STILL * far), cost.amin(1, keepdim=True)

    def fetched(self, others: Tensor, centre: Tensor, flow: Tensor) -> Tensor:
        """Each neighbour's features at the centre's places: (M, C, h, w), (N, C, h, w) -> (M, C, h, w)."""
        if self.align != "pcd":
            return moved(others, flow)
        levels, own = [_whole(others)], [_whole(centre)]
        for down in self.down:
            levels.append(down(levels[-1]))
            own.append(down(own[-1]))
        own = [level.repeat_interleave(self.frames - 1, 0) for level in own]
        return self.pcd(levels, own)[..., : centre.shape[-2], : centre.shape[-1]]

    def fused(self, seen: Tensor) -> Tensor:
        """What all frames together add to the centre's features: (N, T, inner, h, w) -> (N, width, h, w)."""
        if not hasattr(self, "attention"):
            return self.fuse(seen.flatten(1, 2))
        height, width = seen.shape[-2:]
        return self.fuse(self.attention(_whole(seen.flatten(0, 1)).unflatten(0, seen.shape[:2]))[..., :height, :width])

    def forward(self, clip: Tensor) -> Tensor:
        check_input(clip, self.channels, self.frames)
        count, middle = len(clip), self.frames // 2
        x = self.head(clip[:, middle] - self.mean)  # on its own: the parent's bits, whatever the number of clips
        others = self.head((self.neighbours(clip) - self.mean).flatten(0, 1))
        flow, misfit = self.motion(clip)
        whole = flow.round()
        others = self.fetched(others, x, whole)
        told = torch.cat([flow - whole, 10 * misfit], 1).to(others.dtype)
        centre = x.repeat_interleave(self.frames - 1, 0)
        seen = self.pair(torch.cat([centre, others, told], 1)).unflatten(0, (count, self.frames - 1))
        if hasattr(self, "attention"):  # compares frames with the centre, so that the centre is among them
            own = self.pair(torch.cat([x, x, torch.zeros_like(told[:count])], 1))[:, None]
            seen = torch.cat([seen[:, :middle], own, seen[:, middle:]], 1)
        x = x + self.fused(seen)
        x = x + self.body(x)
        return self.tail(x) + self.mean


class CentreEDSR(EDSR):
    """EDSR as a network of clips that looks at the centre frame alone: what a video network has to be better than.

    Args:
        frames: of a clip.
        scale, blocks, width, tail: as for `EDSR`.

    Shapes: clip (N, frames, 3, h, w) in [0, 1] -> sr of the centre frame (N, 3, scale·h, scale·w), not clamped.
    Raises: as `EDSR`.
    Source: ours.
    """

    def __init__(self, *, scale: int, blocks: int, width: int, tail: str = "paper", frames: int = 5) -> None:
        super().__init__(scale=scale, blocks=blocks, width=width, tail=tail)
        self.frames = frames
        self.settings |= {"frames": frames}
        del self.settings["residual_scale"]

    def forward(self, clip: Tensor) -> Tensor:
        check_input(clip, self.channels, self.frames)
        return super().forward(clip[:, self.frames // 2])


def _whole(x: Tensor) -> Tensor:
    """Continued by the last pixels to sides that can be halved twice."""
    return F.pad(x, (0, -x.shape[-1] % 4, 0, -x.shape[-2] % 4), mode="replicate")


def edvr_small(scale: int) -> GrownEDSR:
    """Grown out of `edsr_small`, five frames: 227,052 parameters at ×2, 231,387 at ×3, 237,456 at ×4."""
    return GrownEDSR(scale=scale, blocks=8, width=32, tail="light")


def edvr_small_alone(scale: int) -> CentreEDSR:
    """EDSR-small in a clip: 161,580 parameters at ×2, 165,915 at ×3, 171,984 at ×4; the control of `edvr_small`."""
    return CentreEDSR(scale=scale, blocks=8, width=32, tail="light", frames=5)
