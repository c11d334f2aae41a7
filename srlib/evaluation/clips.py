"""Scores of clips such as Vid4: how frames are degraded, which are scored, what lies beyond the ends; all named."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor, nn

from srlib import metrics
from srlib.data.moving_layers import MovingLayers, side
from srlib.evaluation.clip_degradations import bicubic_down
from srlib.images import quantised
from srlib.metrics import Protocol
from srlib.scores import Scores
from srlib.video.clips import Padding, window

WHOLE = Protocol("y", 0, 8)
MADE, MADE_SIZE, MADE_SEED = 24, 32, 7_000  # clips of stills for each set, their side in lr pixels, and the seed
SPEED = 2.0  # lr pixels a frame, at most


class CentreCopies(nn.Module):
    """A video network that is shown the centre frame in place of its neighbours: what it gains, it has not from them.

    Shapes: clip (N, T, C, h, w) -> sr of the centre frame.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net, self.scale, self.channels, self.frames = net, net.scale, net.channels, net.frames

    def forward(self, clip: Tensor) -> Tensor:
        middle = self.frames // 2
        return self.net(clip[:, middle : middle + 1].expand_as(clip).contiguous())


@dataclass(frozen=True)
class ClipProtocol:
    """What has to be said beside a number of a video network.

    Args:
        degrade: hr frames -> lr frames; None: `bicubic_down` to the scale of the upscaler.
        name: of the degradation: BI, BD.
        pictures: colour, border and rounding of each frame.
        first, last: frames first to last − 1 are scored, counted from 0; last None: to the end. All frames are seen.
        padding: what stands for frames before the first and after the last: "new", frames from the other side of the
            window, as in EDVR's code; "reflect"; "repeat".
    """

    degrade: Callable[[Tensor], Tensor] | None = None
    name: str = "BI"
    pictures: Protocol = WHOLE
    first: int = 0
    last: int | None = None
    padding: Padding = "new"

    def describe(self, scale: int) -> str:
        """In words, to print with every number."""
        return f"{self.name}, {self.pictures.describe(scale)}, {self.span}, ends {self.padding}"

    @property
    def span(self) -> str:
        """Which frames are scored, in words."""
        end = "the end" if self.last is None else self.last - 1
        return "all frames" if (self.first, self.last) == (0, None) else f"frames {self.first} to {end}"


@dataclass(frozen=True)
class ClipScores(Scores):
    """Scores of an upscaler on a set of clips: a row per clip, the mean over its frames; means are over clips.

    Args:
        clips: name -> the scores of its frames.
    """

    clips: Mapping[str, Scores]
    unit: ClassVar[str] = "clip"

    def as_dict(self) -> dict:
        """As `Scores.as_dict`, with "clips" in place of "images": each with its means and its frames."""
        found = super().as_dict()
        frames = [{"frames": scores.as_dict()["images"]} for scores in self.clips.values()]
        rows = [row | more for row, more in zip(found.pop("images"), frames, strict=True)]
        return found | {"clips": rows}


def mean_of_clips(clips: Mapping[str, Scores]) -> ClipScores:
    """The scores of a set.

    Raises: ValueError for no clips.
    """
    if not clips:
        raise ValueError("no clip was scored")
    rows = tuple({"name": name, "psnr": found.psnr, "ssim": found.ssim} for name, found in clips.items())
    first = next(iter(clips.values()))
    return ClipScores(first.protocol, rows, first.scale, clips)


@torch.no_grad()
def evaluate_clip(
    net: nn.Module,
    hr: Sequence[Tensor],
    protocol: ClipProtocol | None = None,
    *,
    each: Callable[[Tensor, Tensor], None] | None = None,
) -> Scores:
    """Degrade a clip, enlarge each frame, and score those that the protocol names; the mean is over frames.

    A network of one frame, or an interpolator, is scored frame by frame as `metrics.evaluate` does.

    Args:
        net: with `scale`, and `frames` if it sees several; in evaluation mode.
        hr: the frames (1, 3, H, W) in [0, 1], in order.
        each: is given sr and hr of each frame that is scored, in order.

    Raises: ValueError for no frames to score, for frames of several sizes, and as `metrics.evaluate`.
    """
    protocol = protocol or ClipProtocol()
    places = range(len(hr))[protocol.first : protocol.last]
    if not places:
        raise ValueError(f"{protocol.span} are none of a clip of {len(hr)}")
    if len({frame.shape for frame in hr}) > 1:
        raise ValueError("frames of a clip must have one size and one number of channels")
    degrade = protocol.degrade or partial(bicubic_down, scale=net.scale)
    if getattr(net, "frames", 1) == 1:
        found = metrics.enlarged(net, ((f"frame {k}", hr[k]) for k in places), protocol.pictures, degrade)
    else:
        found = _enlarged(net, hr, places, degrade, protocol.padding)
    scores = metrics.compare(_told(found, each), protocol.pictures, net.scale)
    return replace(scores, protocol=protocol.describe(net.scale))


def _told(triples: Iterator, each: Callable | None) -> Iterator[tuple[str, Tensor, Tensor]]:
    for name, sr, hr in triples:
        if each is not None:
            each(sr, hr)
        yield name, sr, hr


def _enlarged(
    net: nn.Module, hr: Sequence[Tensor], places: range, degrade: Callable, padding: Padding
) -> Iterator[tuple[str, Tensor, Tensor]]:
    height, width = (n - n % net.scale for n in hr[0].shape[-2:])
    whole = [frame[..., :height, :width] for frame in hr]
    lr = [quantised(degrade(frame)).expand(-1, net.channels, -1, -1) for frame in whole]
    for k in places:
        clip = torch.stack([lr[n] for n in window(k, len(lr), net.frames, padding)], 1)
        sr = net(clip)
        yield f"frame {k}", sr.mean(1, keepdim=True) if whole[k].shape[1] == 1 else sr, whole[k]


def made_name(name: str) -> str:
    """What clips made of the stills of a set are called where scores stand."""
    return f"{name} in motion"


def is_large_enough(still: Tensor, net: nn.Module, scale: int) -> bool:
    """Whether clips can be made of a still for `made_scores`."""
    return min(still.shape[-2:]) >= side(MADE_SIZE, scale, net.frames, SPEED)


@torch.no_grad()
def made_scores(
    net: nn.Module, sets: Mapping[str, Sequence[tuple]], scales: Sequence[int]
) -> dict[str, dict[str, dict[str, float]]]:
    """PSNR and SSIM of clips that are made of the stills of each set (`MovingLayers`): {scale: {name: scores}}.

    The protocol is that of papers; the name says that these are not the pictures of the set: "Set5 in motion". They are
    for the choice of settings; the scores of papers are `evaluate_clip`'s, of clips that a camera took.

    Args:
        sets: name -> (title, hr, ...) of stills; those that are too small for a clip are left out.

    Raises: ValueError for a set without a still that is large enough.
    """
    device, found = next(net.parameters()).device, {}
    for scale in scales:
        for name, pictures in sets.items():
            stills = [hr.expand(-1, 3, -1, -1) for _, hr, *_ in pictures if is_large_enough(hr, net, scale)]
            if not stills:
                need = side(MADE_SIZE, scale, net.frames, SPEED)
                raise ValueError(f"{name} has no picture of {need} x {need} pixels, as clips at ×{scale} need them")
            stream = MovingLayers(
                stills, scale=scale, lr_size=MADE_SIZE, frames=net.frames, speed=SPEED, seed=MADE_SEED
            )
            clips = ((f"clip {k}", *stream.batch([k])) for k in range(MADE))
            triples = ((title, net(clip.to(device)).cpu(), hr) for title, clip, hr in clips)
            scores = metrics.compare(triples, metrics.PAPER, scale)
            found.setdefault(str(scale), {})[made_name(name)] = {"psnr": scores.psnr, "ssim": scores.ssim}
    return found
