"""Flicker: how a video's errors change from frame to frame, along a motion that is known, or estimated on hr."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from srlib import warp
from srlib.data.moving_layers import MovingLayers, side
from srlib.evaluation.clips import MADE, MADE_SEED, MADE_SIZE, SPEED, window
from srlib.images import grey
from srlib.scores import SetScores
from srlib.video.flow import moved
from srlib.video.motion import coarse_to_fine, inside, visible

WARPING = "warping error"  # its name; quote it with every number
UNIT = 255  # all values are in 255ths: levels of 8 bits
MADE_FRAMES, SPAN = 9, slice(2, 7)  # of a made clip; those that are enlarged, each with its whole window of five


def change_of_error(sr: Tensor, hr: Tensor, flow: Tensor, seen: Tensor) -> Tensor:
    """By how much the error of each point of the scene changes between consecutive frames, in 255ths.

    e_t = sr_t − hr_t is fetched along the true flow, so that one pixel follows one point of the scene. The root of the
    mean square of e_{t+1} − e_t is taken over points that both frames show. An error that stays where it is in the
    scene counts nothing; one that comes and goes counts whole. hr itself has 0. Blur moves with the scene, and so does
    a picture without any detail: a low value says that a video is calm, not that it is good; read it beside PSNR.

    Args:
        flow: from one frame, the same for all, to each: (N, T, 2, H, W), (down, right) in pixels.
        seen: whether each frame shows the point: (N, T, H, W).

    Shapes: sr, hr (N, T, C, H, W) in [0, 1] -> (N,).
    Raises: ValueError for shapes that do not fit, for a single frame, and if no point is seen in two frames in a row.
    Source: ours; `MovingLayers.whole` gives flow and seen.
    """
    if sr.shape != hr.shape or sr.ndim != 5 or flow.shape[:2] != sr.shape[:2] or flow.shape[-2:] != sr.shape[-2:]:
        raise ValueError(
            f"sr and hr must both be (N, T, C, H, W) and the flow (N, T, 2, H, W), got {tuple(sr.shape)}, "
            f"{tuple(hr.shape)} and {tuple(flow.shape)}"
        )
    if sr.shape[1] < 2:
        raise ValueError("flicker needs at least two frames")
    error = moved((sr - hr).flatten(0, 1), flow.flatten(0, 1)).unflatten(0, sr.shape[:2])
    change = error.diff(dim=1).square().mean(2)  # (N, T − 1, H, W)
    both = seen[:, 1:] & seen[:, :-1]
    count = both.sum((1, 2, 3))
    if (count == 0).any():
        raise ValueError("no point of the scene is seen in two frames in a row")
    return UNIT * ((change * both).sum((1, 2, 3)) / count).sqrt()


@torch.no_grad()
def made_flicker(net: nn.Module, stills: Sequence[Tensor]) -> float:
    """`change_of_error` of a network or an interpolator, root mean square over made clips, in 255ths of grey.

    Clips of nine frames (`MovingLayers`, up to 2 lr pixels a frame); the five in the middle are enlarged from lr of 8
    bits, and rounded to 8 bits. Two upscalers of one scale see the same clips.

    Args:
        stills: hr (1, 1 or 3, H, W); those that are too small for a clip are left out.

    Raises: ValueError if all are too small.
    """
    need = side(MADE_SIZE, net.scale, MADE_FRAMES, SPEED)
    large = [hr.expand(-1, 3, -1, -1) for hr in stills if min(hr.shape[-2:]) >= need]
    if not large:
        raise ValueError(f"no picture of {need} x {need} pixels, as clips of {MADE_FRAMES} frames need them")
    stream = MovingLayers(large, scale=net.scale, lr_size=MADE_SIZE, frames=MADE_FRAMES, speed=SPEED, seed=MADE_SEED)
    found = []
    for k in range(MADE):
        lr, hr, truth = stream.whole([k])
        places, frames = range(MADE_FRAMES)[SPAN], getattr(net, "frames", 1)
        clips = [lr[:, window(place, MADE_FRAMES, frames, "reflect")] for place in places]
        sr = torch.stack([_grey(net(clip if frames > 1 else clip[:, 0])) for clip in clips], 1)
        truths = truth.flow[:, SPAN], truth.visible[:, SPAN]
        found.append(change_of_error(sr, torch.stack([_grey(frame) for frame in hr[:, SPAN].unbind(1)], 1), *truths))
    return torch.cat(found).square().mean().sqrt().item()


def _grey(image: Tensor) -> Tensor:
    return (grey(image.clamp(0, 1)) * UNIT).round() / UNIT


@dataclass(frozen=True)
class Motion:
    """Where the next frame shows what a frame shows.

    Args:
        flow: (1, 2, H, W), (down, right) in pixels.
        seen: (1, H, W), whether it does.
    """

    flow: Tensor
    seen: Tensor


@torch.no_grad()
def motions(hr: Sequence[Tensor]) -> list[Motion]:
    """The motion between consecutive frames, estimated on hr; what fails the check forward and backward is not seen.

    Shapes: each (1, C, H, W) in [0, 1] -> one motion fewer.
    """
    found, luma = [], [grey(frame) for frame in hr]
    for here, there in zip(luma[:-1], luma[1:], strict=True):
        forward, backward = coarse_to_fine(here, there), coarse_to_fine(there, here)
        found.append(Motion(forward, visible(forward, backward)))
    return found


@torch.no_grad()
def warping_error(frames: Sequence[Tensor], along: Sequence[Motion]) -> float:
    """How far each frame is from the next one, warped to it along `motions`: root mean square in 255ths.

    Of a video alone, without its hr. **A blurred video scores better**: where nothing is sharp, little can differ, and
    interpolation, which warps, costs nothing. Bicubic enlargement beats every sharp result, and hr itself, whose value
    has to stand beside it: below that of hr lies blur, and not stability. Compare upscalers of like sharpness, or see
    `change_of_error`.

    Args:
        frames: in order, whatever was compared: luma of the protocol. Smaller than hr at its ends: the motions are cut.

    Shapes: each (1, C, H, W) in [0, 1].
    Raises: ValueError for another number of motions, and if nothing is seen twice.
    Differs from the paper: Lai et al., ECCV 2018, eq. 6 to 8, take the mean square, in colour, and FlowNet2 on the
        frames themselves; here it is its root, and a flow of our own on hr, the same for all upscalers.
    """
    if len(frames) != len(along) + 1 or not along:
        raise ValueError(f"{len(frames)} frames need {len(frames) - 1} motions, at least one; got {len(along)}")
    total, count = 0.0, 0
    for here, there, motion in zip(frames[:-1], frames[1:], along, strict=True):
        height, width = here.shape[-2:]
        flow = motion.flow[..., :height, :width]
        seen = motion.seen[..., :height, :width] & inside(flow)
        change = (warp.flow(there.float(), flow, "bicubic") - here.float()).square().mean(1)
        total, count = total + change[seen].sum(dtype=torch.float64).item(), count + int(seen.sum())
    if count == 0:
        raise ValueError("no pixel was found again in the next frame")
    return UNIT * (total / count) ** 0.5


@dataclass(frozen=True)
class FlickerScores(SetScores):
    """The warping error of one upscaler on a set of clips, beside that of hr itself; in 255ths.

    Args:
        rows: of each clip its name, "warping_error" and "hr".
    """

    @property
    def warping_error(self) -> float:
        """Mean over clips."""
        return self.mean("warping_error")

    @property
    def hr(self) -> float:
        """Mean of hr's own over clips."""
        return self.mean("hr")

    def as_dict(self) -> dict:
        """As `SetScores.as_dict`, with the measure and its unit, and "clips" in place of "images"."""
        found = super().as_dict()
        clips = {"clips": found.pop("images")}
        return {"measure": WARPING, "unit": "255ths"} | found | clips
