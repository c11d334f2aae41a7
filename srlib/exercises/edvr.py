"""Exercises on neighbouring frames: flow from costs, one deformable tap, windows between cuts, a clip that is fused."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from srlib.data.datasets import photo
from srlib.exercises import Exercise
from srlib.metrics import Protocol
from srlib.resample import resize
from srlib.video.flow import shifts, soft_minimum

SCALE = 2
ENOUGH = 1.0  # dB
PLACES = ((-3, 2), (0, 0), (2, -1))  # (down, right) of the three frames, in hr pixels
MARGIN = 4  # hr pixels that a frame may move
CROPS = ("astronaut", 340, 120), ("chelsea", 0, 160), ("coffee", 160, 0), ("rocket", 280, 0)  # first row and column


def _flow(
    weigh: Callable[[Tensor], Tensor] = lambda logits: logits.softmax(0),
    sign: int = -1,
    change: Callable[[Tensor], Tensor] = lambda steps: steps,
) -> Callable:
    """The mean of all shifts (down, right), weighted by softmax(−sharpness · cost); or with something exchanged.

    Shapes: cost (K, h, w) -> (2, h, w).
    """

    def answer(cost: Tensor, sharpness: float) -> Tensor:
        steps = change(shifts(round((len(cost) ** 0.5 - 1) / 2)).to(cost.dtype))
        return torch.einsum("khw,kd->dhw", weigh(sign * sharpness * cost), steps)

    return answer


def _zero(x: Tensor, row: Tensor, column: Tensor) -> Tensor:
    inside = (row >= 0) & (row < x.shape[0]) & (column >= 0) & (column < x.shape[1])
    return _repeated(x, row, column) * inside


def _repeated(x: Tensor, row: Tensor, column: Tensor) -> Tensor:
    return x[row.clamp(0, x.shape[0] - 1), column.clamp(0, x.shape[1] - 1)]


def _from_the_end(x: Tensor, row: Tensor, column: Tensor) -> Tensor:
    return _zero(x, torch.where(row < 0, row + x.shape[0], row), torch.where(column < 0, column + x.shape[1], column))


def _tap(
    read: Callable[[Tensor, Tensor, Tensor], Tensor] = _zero,
    first: Callable[[Tensor], Tensor] = torch.floor,
    share: Callable[[Tensor, int], Tensor] = lambda part, second: part if second else 1 - part,
    turned: Callable[[Tensor], Tensor] = lambda offset: offset,
    masked: bool = True,
    whole: bool = False,
) -> Callable:
    """mask times x at each pixel's place plus its offset (down, right), bilinear; or with something exchanged.

    Shapes: x (h, w), offset (2, h, w), mask (h, w) -> (h, w).
    """

    def answer(x: Tensor, offset: Tensor, mask: Tensor) -> Tensor:
        height, width = x.shape
        down, right = turned(offset)
        rows, columns = torch.arange(height)[:, None] + down, torch.arange(width) + right
        top, left = first(rows), first(columns)
        found = torch.zeros_like(x)
        for a in (0, 1):
            for b in (0, 1):
                weight = share(rows - top, a) * share(columns - left, b)
                found += weight * read(x, top.long() + a, left.long() + b)
        if whole:
            found *= (rows >= 0) & (rows <= height - 1) & (columns >= 0) & (columns <= width - 1)
        return mask * found if masked else found

    return answer


def _other_corners(x: Tensor, offset: Tensor, mask: Tensor) -> Tensor:
    height, width = x.shape
    rows, columns = torch.arange(height)[:, None] + offset[0], torch.arange(width) + offset[1]
    grid = torch.stack([2 * columns / (width - 1) - 1, 2 * rows / (height - 1) - 1], -1)
    return mask * F.grid_sample(x[None, None], grid[None], align_corners=False)[0, 0]


def _turned(k: int, first: int, last: int, again: int = 0) -> int:
    """The frame that is met on a walk that turns round at the ends; `again` 1: and stays there for a frame."""
    while not first <= k <= last:
        k = first if first == last else 2 * first - again - k if k < first else 2 * last + again - k
    return k


def _turned_once(k: int, first: int, last: int) -> int:
    return min(max(2 * first - k if k < first else 2 * last - k if k > last else k, first), last)


def _window(bring: Callable[..., int] = _turned, cut: bool = True, late: int = 0, more: int = 0) -> Callable:
    """The frames for frame `place`, all of its scene; or brought inside otherwise, or with another first or last."""

    def answer(place: int, total: int, reach: int, cuts: Sequence[int]) -> list[int]:
        starts = [0, *(start + late for start in cuts if cut), total]
        first = max(start for start in starts if start <= place)
        last = min(start + more * (start < total) for start in starts if start > place) - 1
        return [bring(k, first, last) for k in range(place - reach, place + reach + 1)]

    return answer


def handheld(hr: Tensor) -> tuple[Tensor, Tensor]:
    """Three frames from a hand that always moves in the same way, each with every second pixel, and the centre's hr.

    Pixel (y, x) of a frame is hr pixel (2y + down, 2x + right), with (down, right) = (−3, 2), (0, 0) and (2, −1) for
    the earlier, the centre and the later frame.

    Shapes: (N, C, H, W), H and W even -> frames (N, 3, C, H/2 − 4, W/2 − 4), and hr (N, C, H − 8, W − 8).
    """
    height, width = (n - MARGIN for n in hr.shape[-2:])
    frames = [hr[..., MARGIN + a : height + a : SCALE, MARGIN + b : width + b : SCALE] for a, b in PLACES]
    return torch.stack(frames, 1), hr[..., MARGIN:height, MARGIN:width]


@torch.no_grad()
def judge(net: Callable[[Tensor], Tensor]) -> tuple[float, float]:
    """How many dB a network gains from real neighbours on four photographs, from 0 to 1, and what was noticed.

    The gain is over copies of the centre frame or its interpolation, whichever is better; the second stands for a hint.

    Raises: ValueError for a result that is no sr of the right shape.
    """
    crops = [photo(name)[..., top : top + 104, left : left + 104] for name, top, left in CROPS]
    clip, hr = handheld(torch.cat(crops).mean(1, keepdim=True))
    clips = {"copies": clip[:, 1:2].expand_as(clip), "backwards": clip.flip(1), "real": clip}
    srs = {name: _sr(net, frames, hr) for name, frames in clips.items()} | {"interpolated": interpolated(clip[:, 1])}
    psnr = {name: Protocol("y", 4, None).psnr(sr, hr, SCALE).mean().item() for name, sr in srs.items()}
    same = [name for name, sr in srs.items() if torch.allclose(sr, srs["real"], rtol=0, atol=0.002)]
    gain = psnr["real"] - max(psnr["copies"], psnr["interpolated"])
    if gain > 0 and "copies" not in same:
        return min(gain, ENOUGH), 0.0
    noticed = max(clips, key=psnr.__getitem__)
    if len(same) > 1:
        noticed = "interpolated" if "interpolated" in same else "centre" if "copies" in same else "any order"
    return 0.0, 1.0 + list(NOTICED).index(noticed)


def interpolated(frame: Tensor) -> Tensor:
    """Bicubic, on the grid of frames that hold the first pixel of each block."""
    return resize(frame, SCALE, offset=(0.25, 0.25))


def _sr(net: Callable[[Tensor], Tensor], clip: Tensor, hr: Tensor) -> Tensor:
    sr = net(clip)
    shape = tuple(sr.shape) if isinstance(sr, Tensor) else f"a {type(sr).__name__}"
    if shape != tuple(hr.shape):
        raise ValueError(f"for frames {tuple(clip.shape)} the network must return sr {tuple(hr.shape)}, got {shape}")
    return sr


NOTICED = {
    "interpolated": "this is bicubic interpolation of the centre frame; if a network made it, it adds nothing.",
    "centre": "the neighbours make no difference to the network: it looks at the centre frame alone.",
    "any order": "the order of the frames makes no difference, and they do not help: a mean without alignment blurs.",
    "copies": "the network does better with copies of the centre frame: was it trained on copies, or not at all?",
    "backwards": "the network does better when the clip runs backwards: it was trained on frames in another order.",
    "real": "the neighbours help, but the network is still behind interpolation: train it for longer, or let it add to "
    "the interpolated centre frame.",
}


def _costs(seed: int, radius: int, height: int, width: int) -> Tensor:
    return torch.rand((2 * radius + 1) ** 2, height, width, generator=torch.Generator().manual_seed(seed))


def _taps(seed: int, height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """Some offsets are whole, some lead beyond the border, and none ends halfway or exactly on the last pixel."""
    rng = torch.Generator().manual_seed(seed)
    eighths = torch.randint(-19, 20, (2, height, width), generator=rng)
    eighths = torch.where(torch.rand(2, height, width, generator=rng) < 0.2, eighths // 8 * 8, eighths)
    to_last = torch.stack(torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")).flip(1, 2)
    eighths = eighths + ((eighths % 8 == 4) | (eighths == 8 * to_last))
    x, mask = torch.rand(2, height, width, generator=rng) + 0.2
    return x, eighths / 8, mask


EXERCISES: dict[str, Exercise] = {
    "flow": Exercise(
        _flow(),
        [(_costs(0, 1, 2, 4), 4.0), (_costs(1, 2, 3, 5), 8.0), (_costs(2, 3, 4, 2), 15.0)],
        {
            "large costs got the large weights: the softmax is of minus sharpness · cost.": _flow(sign=1),
            "the flow points backwards: its shifts go from (−r, −r) to (r, r).": _flow(change=torch.neg),
            "down and right are exchanged: right changes fastest.": _flow(change=lambda steps: steps.flip(1)),
            "the shifts are counted from 0; the middle one is (0, 0).": _flow(change=lambda steps: steps - steps[0]),
            "this is the shift of least cost alone; the mean of all shifts is asked for.": _flow(
                lambda logits: (logits == logits.amax(0)).to(logits)
            ),
            "these are only the shifts beside the best one; the mean of all shifts is asked for.": (
                lambda cost, sharpness: soft_minimum(cost[None], sharpness=sharpness)[0]
            ),
            "the weights of a pixel must add up to 1: divide by their sum.": _flow(torch.exp),
            "the softmax goes over axis 1, not over the shifts (axis 0).": _flow(lambda logits: logits.softmax(1)),
            "the softmax goes over the last axis, not over the shifts.": _flow(lambda logits: logits.softmax(-1)),
            "the weights add up to 1 over all pixels together; they must do so for each pixel.": _flow(
                lambda logits: logits.flatten().softmax(0).view_as(logits)
            ),
        },
    ),
    "tap": Exercise(
        _tap(),
        [_taps(0, 4, 5), _taps(1, 6, 4), _taps(2, 5, 7)],
        {
            "the offset was subtracted; the tap looks at its own place plus the offset.": _tap(turned=torch.neg),
            "down and right are exchanged: down is the first map.": _tap(turned=lambda offset: offset.flip(0)),
            "the border is repeated; beyond it pixels count as 0.": _tap(_repeated),
            "a negative index counts from the other end; such a pixel counts as 0.": _tap(_from_the_end),
            "the whole value is 0 as soon as one corner is outside; the corners inside still count.": _tap(whole=True),
            "the mask is missing.": _tap(masked=False),
            "this is the nearest pixel; take the bilinear mean of four.": _tap(
                first=torch.round, share=lambda part, second: torch.full_like(part, 1 - second)
            ),
            "the weights are exchanged: the nearer pixel has the larger one.": _tap(
                share=lambda part, second: 1 - part if second else part
            ),
            "between −1 and 0 the first corner is −1: round down (floor), not towards zero.": _tap(first=torch.trunc),
            "at a whole place all weights are 0: the second corner is floor + 1, not ceil.": _tap(
                share=lambda part, second: part if second else (1 - part) * (part > 0)
            ),
            "the places are scaled for `align_corners=True`, and `grid_sample` was called without it.": _other_corners,
        },
    ),
    "window": Exercise(
        _window(),
        [
            *((place, 9, 2, [4, 5]) for place in (0, 1, 3, 4, 5, 8)),
            *((place, 12, 3, [2, 8]) for place in (0, 1, 2, 5, 7, 8, 11)),
            (2, 6, 2, []),
            (5, 6, 3, []),
        ],
        {
            "the windows cross the cuts: take frames of one scene alone.": _window(cut=False),
            "a cut is the first frame of the new scene; here it is the last of the old one.": _window(late=1),
            "the scene ends one frame too late: its last frame is the one before the next cut.": _window(more=1),
            "the end frame comes twice: turn round at it, so that the next is its neighbour.": _window(
                lambda k, first, last: _turned(k, first, last, again=1)
            ),
            "the end frame is repeated; turn round at it.": _window(lambda k, first, last: min(max(k, first), last)),
            "in a short scene the window must turn round more than once.": _window(_turned_once),
            "the window goes on at the scene's other end; turn round instead.": _window(
                lambda k, first, last: first + (k - first) % (last - first + 1)
            ),
        },
    ),
    "fuse": Exercise(
        lambda judge: (ENOUGH, 0.0),
        [(judge,)],
        {hint: (lambda judge, number=number: (0.0, number)) for number, hint in enumerate(NOTICED.values(), 1)},
    ),
}
