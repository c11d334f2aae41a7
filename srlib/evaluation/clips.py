"""Scores of clips such as Vid4: how frames are degraded, which are scored, what lies before the first; all named."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from srlib import metrics
from srlib.data.moving_layers import MovingLayers, side
from srlib.degradations import Blur, gaussian_kernel
from srlib.images import quantised
from srlib.metrics import Protocol
from srlib.resample import resize
from srlib.scores import Scores

Padding = Literal["new", "reflect", "repeat"]
WHOLE = Protocol("y", 0, 8)
MADE, MADE_SIZE, MADE_SEED = 24, 32, 7_000  # clips of stills for each set, their side in lr pixels, and the seed
ALIGNED = (0.375, 0.375)  # lr pixels from the first of four pixels to the middle of the four


def bicubic_down(hr: Tensor, scale: int = 4) -> Tensor:
    """BI: bicubic downscaling, as MATLAB's `imresize`.

    Shapes: (N, C, scale·h, scale·w) -> (N, C, h, w).
    """
    return resize(hr, 1 / scale)


def blurred_down(hr: Tensor, scale: int = 4) -> Tensor:
    """BD: Gaussian blur of σ = 0.4 · scale hr pixels, 1.6 for ×4, then the first pixel of each block.

    The first pixel lies (scale − 1)/2 hr pixels up and left of the middle of its block. Whoever enlarges BD frames on
    the usual grid gets a picture that is misplaced by so much: 1.5 pixels at ×4.

    Shapes: (N, C, scale·h, scale·w) -> (N, C, h, w).
    """
    return Blur(gaussian_kernel(0.4 * scale))(hr)[..., ::scale, ::scale]


class Shifted(nn.Module):
    """An interpolation that knows where BD frames were sampled, and puts them there.

    Shapes: (N, C, h, w) -> (N, C, scale·h, scale·w).
    """

    channels = None

    def __init__(self, scale: int = 4, offset: tuple[float, float] = ALIGNED) -> None:
        super().__init__()
        self.scale, self.offset = scale, offset

    def forward(self, lr: Tensor) -> Tensor:
        return resize(lr, self.scale, offset=self.offset)


@dataclass(frozen=True)
class ClipProtocol:
    """What has to be said beside a number of a video network.

    Args:
        degrade: hr frames -> lr frames; None: `bicubic_down`.
        name: of the degradation: BI, BD.
        pictures: colour, border and rounding of each frame.
        first, last: of the frames that are scored, from 0; last None: to the end. All frames are seen.
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
        span = "all frames" if (self.first, self.last) == (0, None) else f"frames {self.first} to {self.last or 'end'}"
        return f"{self.name}, {self.pictures.describe(scale)}, {span}, ends {self.padding}"


def window(place: int, total: int, frames: int, padding: Padding = "new") -> list[int]:
    """The numbers of the frames that a network sees for one frame of a clip.

    Of a clip of ten and windows of five, frame 0 sees 4, 3, 0, 1, 2 with "new", 2, 1, 0, 1, 2 with "reflect", and 0, 0,
    0, 1, 2 with "repeat". In a clip that is shorter than the window, numbers are brought inside by repetition.

    Raises: ValueError for an unknown padding, and a place outside the clip.
    """
    if padding not in ("new", "reflect", "repeat"):
        raise ValueError(f"padding must be new, reflect or repeat, got {padding!r}")
    if not 0 <= place < total:
        raise ValueError(f"frame {place} is not in a clip of {total}")
    reach, last, found = frames // 2, total - 1, []
    for k in range(place - reach, place + reach + 1):
        if k < 0:
            k = {"new": place + reach - k, "reflect": -k, "repeat": 0}[padding]
        elif k > last:
            k = {"new": place - reach - (k - last), "reflect": 2 * last - k, "repeat": last}[padding]
        found.append(min(max(k, 0), last))
    return found


@torch.no_grad()
def evaluate_clip(net: nn.Module, hr: Sequence[Tensor], protocol: ClipProtocol | None = None) -> Scores:
    """Degrade a clip, enlarge each frame, and score those that the protocol names; the mean is over frames.

    A network of one frame, or an interpolator, is scored frame by frame as `metrics.evaluate` does.

    Args:
        net: with `scale`, and `frames` if it sees several; in evaluation mode.
        hr: the frames (1, 3, H, W) in [0, 1], in order.

    Raises: ValueError for no frames to score, and as `metrics.evaluate`.
    """
    protocol = protocol or ClipProtocol()
    places = range(len(hr))[protocol.first : protocol.last]
    if not places:
        raise ValueError(f"frames {protocol.first} to {protocol.last or 'end'} are none of a clip of {len(hr)}")
    named = [(f"frame {k}", hr[k]) for k in places]
    if getattr(net, "frames", 1) == 1:
        found = metrics.evaluate(net, named, protocol.pictures, protocol.degrade or bicubic_down)
    else:
        found = metrics.compare(_enlarged(net, hr, places, protocol), protocol.pictures, net.scale)
    return replace(found, protocol=protocol.describe(net.scale))


def _enlarged(
    net: nn.Module, hr: Sequence[Tensor], places: range, protocol: ClipProtocol
) -> Iterator[tuple[str, Tensor, Tensor]]:
    height, width = (n - n % net.scale for n in hr[0].shape[-2:])
    whole = [frame[..., :height, :width] for frame in hr]
    degrade = protocol.degrade or bicubic_down
    lr = [quantised(degrade(frame)) for frame in whole]
    for k in places:
        clip = torch.stack([lr[n] for n in window(k, len(lr), net.frames, protocol.padding)], 1)
        yield f"frame {k}", net(clip), whole[k]


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
        need = side(MADE_SIZE, scale, net.frames, 2.0)
        for name, pictures in sets.items():
            stills = [hr.expand(-1, 3, -1, -1) for _, hr, *_ in pictures if min(hr.shape[-2:]) >= need]
            if not stills:
                raise ValueError(f"{name} has no picture of {need} x {need} pixels, as clips at ×{scale} need them")
            stream = MovingLayers(stills, scale=scale, lr_size=MADE_SIZE, frames=net.frames, seed=MADE_SEED)
            clips = ((f"clip {k}", *stream.batch([k])) for k in range(MADE))
            triples = ((title, net(clip.to(device)).cpu(), hr) for title, clip, hr in clips)
            scores = metrics.compare(triples, metrics.PAPER, scale)
            found.setdefault(str(scale), {})[f"{name} in motion"] = {"psnr": scores.psnr, "ssim": scores.ssim}
    return found
