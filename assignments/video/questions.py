"""Assignment on video: warp by flow, deformable taps, weights over time, the frame that is odd, seven frames fused."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from srlib.burst.forward_model import ForwardModel
from srlib.burst.reconstruction import map_estimate
from srlib.data.datasets import photo
from srlib.data.dead_leaves import dead_leaves
from srlib.grading.questions import AnswerError, Assignment, FunctionQuestion, MeasuredQuestion, Mistake, ValueQuestion
from srlib.metrics import Protocol
from srlib.resample import resize
from srlib.warp import translate

FRAMES, CENTRE, SCALE = 7, 3, 2
SIGMA, NOISE = 0.8, 3 / 255  # of the camera of `fuse`: blur in hr pixels, and noise
PROTOCOL = Protocol("y", 8, 8)
CLIPS, SIDE, REACH = 6, 28, 2.0  # of `odd`; pixels, and the largest motion from the centre frame


def _read(x: Tensor, rows: Tensor, columns: Tensor, border: str) -> Tensor:
    """Bilinear values at places in pixels: x (N, C, h, w), places (N, h', w') -> (N, C, h', w')."""
    height, width = x.shape[-2:]
    grid = torch.stack([(2 * columns + 1) / width - 1, (2 * rows + 1) / height - 1], -1)
    return F.grid_sample(x.double(), grid.double(), padding_mode=border, align_corners=False).to(x)


def _warp(sign: int = 1, swapped: bool = False) -> Callable:
    """Each pixel shows the place of `frame` that its flow (down, right) points to; or with the flow misread.

    Shapes: frame (N, C, h, w), flow (N, 2, h, w) -> (N, C, h, w).
    """

    def answer(frame: Tensor, flow: Tensor) -> Tensor:
        down, right = (sign * (flow.flip(1) if swapped else flow)).unbind(1)
        rows = torch.arange(frame.shape[2], dtype=flow.dtype)[:, None] + down
        return _read(frame, rows, torch.arange(frame.shape[3], dtype=flow.dtype) + right, "border")

    return answer


def _deformed(order: str = "tap, (down, right)") -> Callable:
    """A convolution without padding whose taps are moved by offsets; or by offsets read in another order.

    Shapes: x (N, C, h, w), offset (N, 2·k·k, h − k + 1, w − k + 1), weight (C', C, k, k) -> (N, C', h − k + 1, …).
    """

    def answer(x: Tensor, offset: Tensor, weight: Tensor) -> Tensor:
        side, size = weight.shape[-1], offset.shape[-2:]
        if order == "(down, right), tap":
            down, right = offset.unflatten(1, (2, -1)).unbind(1)
        else:
            down, right = offset.unflatten(1, (-1, 2)).unbind(2)
        if order == "tap, (right, down)":
            down, right = right, down
        result = 0
        for tap in range(side * side):
            rows = torch.arange(size[0], dtype=x.dtype)[:, None] + tap // side + down[:, tap]
            columns = torch.arange(size[1], dtype=x.dtype) + tap % side + right[:, tap]
            read = _read(x, rows, columns, "zeros")
            result = result + torch.einsum("oc,nchw->nohw", weight[:, :, tap // side, tap % side], read)
        return result

    return answer


def _fused(share: Callable[[Tensor], Tensor] = lambda likeness: likeness.softmax(1)) -> Callable:
    """Frames joined by weights that say how like the centre each of them is; or with the softmax over another axis.

    Shapes: frames (N, T, C, h, w), features (N, T, D, h, w) -> (N, C, h, w).
    """

    def answer(frames: Tensor, features: Tensor, sharpness: float) -> Tensor:
        centre = features[:, features.shape[1] // 2, None]
        likeness = sharpness * (features * centre).sum(2)  # (N, T, h, w)
        return (share(likeness)[:, :, None] * frames).sum(1)

    return answer


def _one(places: Tensor, generator: Generator) -> Tensor:
    """Offsets in eighths of a pixel, so that no place is halfway; some are whole, some lead far beyond the border."""
    eighths = torch.randint(-21, 22, places.shape, generator=generator)
    whole = torch.rand(places.shape, generator=generator) < 0.2
    eighths = torch.where(whole, eighths // 8 * 8, eighths)
    return (eighths + (eighths % 8 == 4)) / 8 + places


def _warps(generator: Generator) -> list[tuple]:
    probes = []
    for batch, channels, height, width in ((1, 1, 5, 8), (2, 3, 9, 6), (3, 2, 1, 7), (1, 3, 16, 11)):
        frame = torch.rand(batch, channels, height, width, generator=generator)
        flow = _one(torch.zeros(batch, 2, height, width), generator)
        flow[:, :, 0, 0] = torch.tensor([-1.25, 2.625])  # beyond the border
        probes.append((frame, flow))
    return probes


def _deformations(generator: Generator) -> list[tuple]:
    probes = []
    for batch, inputs, outputs, side, height, width in (
        (1, 1, 1, 3, 5, 7), (2, 2, 3, 3, 6, 4), (1, 3, 2, 1, 4, 6), (3, 1, 2, 5, 7, 8),
    ):  # fmt: skip
        size = height - side + 1, width - side + 1
        offset = _one(torch.zeros(batch, 2 * side * side, *size), generator)
        offset[:, :2, 0, 0] = torch.tensor([-0.625, 1.25])  # half outside: what lies inside still counts
        weight = torch.randn(outputs, inputs, side, side, generator=generator) / side
        probes.append((torch.rand(batch, inputs, height, width, generator=generator) + 0.2, offset, weight))
    return probes


def _attentions(generator: Generator) -> list[tuple]:
    probes = []
    for batch, frames, channels, maps, height, width, sharpness in (
        (1, 3, 1, 2, 4, 5, 1.0), (2, 5, 3, 4, 3, 6, 0.5), (3, 7, 1, 1, 5, 2, 2.0), (2, 3, 2, 6, 4, 4, 0.75),
    ):  # fmt: skip
        features = torch.randn(batch, frames, maps, height, width, generator=generator)
        pictures = torch.rand(batch, frames, channels, height, width, generator=generator)
        probes.append((pictures, features, sharpness))
    return probes


def _odd(generator: Generator) -> tuple[dict[str, Tensor], list[int]]:
    """Clips of a still scene and a shaking camera, and the frame of each that something covers a piece of."""
    clips, odd = [], []
    colours = photo("coffee").mean(1, keepdim=True)
    for _ in range(CLIPS):
        scene = dead_leaves(SIDE + 12, generator, colours, radius_min=1.5)
        motion = REACH * (2 * torch.rand(FRAMES, 2, generator=generator) - 1)
        motion[CENTRE] = 0
        bad = int(torch.randint(FRAMES - 1, (), generator=generator))
        bad += bad >= CENTRE
        others = [k for k in range(FRAMES) if k not in (bad, CENTRE)]
        far = others[int(torch.randint(len(others), (), generator=generator))]
        motion[far] = REACH * (2 * torch.randint(0, 2, (2,), generator=generator) - 1)  # this one moves most
        cut = slice(6, 6 + SIDE)
        frames = torch.cat([translate(scene, *shift.tolist())[..., cut, cut] for shift in motion])[:, 0]
        at = 7 + (SIDE - 15) * torch.rand(2, generator=generator)
        away = (torch.arange(SIDE)[:, None] - at[0]) ** 2 + (torch.arange(SIDE) - at[1]) ** 2
        frame = frames[bad]
        frames[bad] = torch.where(away < 3.5**2, torch.where(frame > 0.5, frame - 0.3, frame + 0.3), frame)
        frames += 2 / 255 * torch.randn(frames.shape, generator=generator)
        clips.append((255 * frames.clamp(0, 1)).round().to(torch.uint8))
        odd.append(bad)
    return {"clips": torch.stack(clips)}, odd


def _judge_odd(truth: list[int], values: dict[str, Any]) -> tuple[float, str]:
    value = values.get("odd")
    try:
        found = torch.as_tensor(value, dtype=torch.float64).flatten().tolist()
    except (TypeError, ValueError, RuntimeError, OverflowError):
        return 0.0, f"`odd` must be {CLIPS} numbers of frames."
    if len(found) != CLIPS:
        return 0.0, f"`odd` must be {CLIPS} numbers, one for each clip; there are {len(found)}."
    right = sum(a == b for a, b in zip(found, truth, strict=True))
    if right == CLIPS:
        return 1.0, "right."
    if sum(a == b + 1 for a, b in zip(found, truth, strict=True)) == CLIPS:
        return 0.0, "these are the right frames counted from 1; count from 0."
    hint = f"{right} of {CLIPS} frames are right; two may be luck. Align every frame before you compare."
    return max(right - 2, 0) / (CLIPS - 2), hint


def _taken(hr: Tensor, generator: Generator) -> Tensor:
    """Seven frames of a camera that moves by up to 1.5 lr pixels; every pair of half pixels comes once at least."""
    halves = torch.tensor([[0, 1], [1, 0], [1, 1], [0, 0], [0, 1], [1, 0], [1, 1]]) / 2  # the centre is the fourth
    order = torch.randperm(FRAMES - 1, generator=generator)
    others = halves[order + (order >= CENTRE)]
    others = others + torch.randint(-1, 1, others.shape, generator=generator)
    others = others + 0.4 * torch.rand(others.shape, generator=generator) - 0.2
    shifts = torch.cat([others[:CENTRE], torch.zeros(1, 2), others[CENTRE:]])
    frames = ForwardModel(shifts, scale=SCALE, sigma=SIGMA)(hr[None])
    return (frames + NOISE * torch.randn(frames.shape, generator=generator)).clamp(0, 1)


def _bicubic(frames: Tensor) -> Tensor:
    return resize(frames[CENTRE : CENTRE + 1], SCALE)[0]


def _one_frame(frames: Tensor) -> Tensor:
    """What the centre frame gives alone, its blur undone."""
    camera = ForwardModel(torch.zeros(1, 2), scale=SCALE, sigma=SIGMA)
    return map_estimate(frames[CENTRE : CENTRE + 1], camera, weight=0.01)[0].clamp(0, 1)


def _measure(apply: Callable, pictures: Sequence[Tensor], generator: Generator) -> tuple[float, str]:
    """Mean PSNR of the centre frame at twice the size, by `PROTOCOL`."""
    scores, plain = [], []
    for hr in pictures:
        frames = _taken(hr, generator)
        got = apply(frames)
        if got.shape != hr.shape:
            raise AnswerError(f"your result has the shape {tuple(got.shape)}, expected {tuple(hr.shape)}.")
        for found, sr in ((scores, got), (plain, _bicubic(frames))):
            found.append(PROTOCOL.psnr(sr[None].clamp(0, 1).to(hr), hr[None], SCALE).item())
    score, bicubic = (sum(values) / len(values) for values in (scores, plain))
    return score, f"Bicubic interpolation of the centre frame has {bicubic:.2f} dB."


_EXAMPLES = torch.Generator().manual_seed(0)

ASSIGNMENT = Assignment(
    part="video",
    title="Frames that help each other",
    questions=(
        FunctionQuestion(
            "warp", 4, _warp(), _warps,
            [(torch.arange(12.0).view(1, 1, 3, 4) / 10, _one(torch.zeros(1, 2, 3, 4), _EXAMPLES))],
            {
                "down and right are exchanged: the first map of the flow is down.": Mistake(_warp(swapped=True), 0.4),
                "the flow was subtracted; a pixel shows its own place plus the flow.": Mistake(_warp(sign=-1), 0.4),
            },
        ),
        FunctionQuestion(
            "deformed", 4, _deformed(), _deformations,
            [
                (torch.arange(9.0).view(1, 1, 3, 3) / 10, _one(torch.zeros(1, 18, 1, 1), _EXAMPLES),
                 torch.arange(-4.0, 5.0).view(1, 1, 3, 3) / 4),
                (torch.arange(4.0).view(1, 1, 2, 2), torch.tensor([0, 0.25, 0, 0, -0.5, 0, 0, 1]).view(1, 2, 2, 2),
                 torch.ones(1, 1, 1, 1)),
            ],
            {
                "right was read before down: each tap has (down, right), in this order.": Mistake(
                    _deformed("tap, (right, down)"), 0.4
                ),
                "this reads all downs first, then all rights; they alternate, tap by tap.": Mistake(
                    _deformed("(down, right), tap"), 0.4
                ),
            },
        ),
        FunctionQuestion(
            "fused", 4, _fused(), _attentions,
            [(torch.rand(1, 3, 1, 2, 2, generator=_EXAMPLES), torch.randn(1, 3, 2, 2, 2, generator=_EXAMPLES), 1.0)],
            {
                f"the softmax goes over {axis}; the weights of a pixel's frames must add up to 1.": Mistake(
                    _fused(share), 0.4
                )
                for axis, share in (
                    ("the clips (axis 0), which have nothing to do with each other", lambda s: s.softmax(0)),
                    ("the rows of a frame", lambda s: s.softmax(2)),
                    ("the columns of a frame", lambda s: s.softmax(3)),
                    ("all pixels of a frame together", lambda s: s.flatten(2).softmax(2).view_as(s)),
                )
            },
        ),
        ValueQuestion("odd", 3, ("odd",), _odd, _judge_odd, ([0] * CLIPS,)),
        MeasuredQuestion("fuse", 5, _measure, _one_frame, picture_size=64, pictures=2),
    ),
)  # fmt: skip
