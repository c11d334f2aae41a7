"""Frames in a row: the window around each of a stream that never lies in memory whole, and where scenes are cut."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from statistics import median
from typing import Literal, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

Padding = Literal["new", "reflect", "repeat"]
_Item = TypeVar("_Item")

BLOCKS = (18, 32)  # of a frame, down and across, whose means are compared
MOTION = (3, 5)  # blocks that a picture may have moved by, down and across
LEAST, RATIO = 0.05, 2.0  # of a cut: its difference, and that difference through what is usual
USUAL = 12  # differences whose median is the usual one


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


def windows(
    stream: Iterable[_Item],
    frames: int,
    padding: Padding = "reflect",
    cuts: Callable[[Iterable[_Item]], Iterable[tuple[_Item, bool]]] | None = None,
) -> Iterator[list[_Item]]:
    """For each frame of a stream the frames that a network sees, itself in the middle; as `window` counts them.

    No more than 2·frames of them are held at a time, however long the stream is.

    Args:
        frames: of a window, odd.
        cuts: such as `scenes`: gives each frame with whether a scene begins there. A window ends where its scene does,
            as it would where the stream does.

    Raises: ValueError for a number of frames that is even or below 1, and as `window`.
    """
    if frames < 1 or frames % 2 == 0:
        raise ValueError(f"a window has an odd number of frames, so that one is in the middle; got {frames}")
    reach = frames // 2
    held: deque[_Item] = deque()
    first = place = 0  # the number of held[0], and of the next frame to be given its window, in this scene

    def ready(total: int) -> Iterator[list[_Item]]:
        nonlocal first, place
        found = window(place, total, frames, padding)
        yield [held[k - first] for k in found]
        place += 1
        while first < place - 2 * reach:  # "new" looks back so far from the last frame
            held.popleft()
            first += 1

    for item, begins in cuts(stream) if cuts else ((item, False) for item in stream):
        if begins:
            while place < first + len(held):
                yield from ready(first + len(held))
            held.clear()
            first = place = 0
        held.append(item)
        if (total := first + len(held)) > max(place + reach, 2 * reach):
            yield from ready(total)
            while place + reach < total:  # the first frames wait for a whole window together
                yield from ready(total)
    while place < first + len(held):
        yield from ready(first + len(held))


def scenes(
    stream: Iterable[_Item], pixels: Callable[[_Item], Tensor] = lambda item: item
) -> Iterator[tuple[_Item, bool]]:
    """Each frame with whether a scene begins there, one frame late.

    Frames are compared as means of 18 × 32 blocks of brightness; a picture may have moved by up to 3 blocks down and 5
    across, so that a pan is no cut. It is one where the smallest difference across it, from either of the two frames
    before to either of the two after, is at least `LEAST` = 0.05 of the way from black to white, and `RATIO` = 2 times
    what is usual there: the differences just before and after, and the median of the last twelve. So a flash of one
    frame, whose two sides look alike, is no cut, nor is a fade.

    Args:
        pixels: of a frame: (1, C, h, w) in [0, 1].
    """
    usual: deque[float] = deque(maxlen=USUAL)  # from frame to frame
    held: deque[tuple[_Item, Tensor]] = deque(maxlen=4)  # two before and two after the place that is looked at
    for item in stream:
        held.append((item, _blocks(pixels(item))))
        if len(held) == 2:
            yield held[0][0], False
        elif len(held) > 2:
            yield held[-2][0], _begins([seen for _, seen in held], usual)
    if held:
        item, last = held[-1]
        before = [seen for _, seen in held][-3:-1]
        yield item, bool(before) and _begins([*before, last, last], usual)  # nothing comes after it


def _begins(blocks: list[Tensor], usual: deque[float]) -> bool:
    """Whether a scene begins at the last but one of three or four frames, whose difference goes to the usual ones."""
    *before, now, after = blocks
    step = difference(before[-1], now)
    found = step >= LEAST  # most are not, and nothing else has to be looked at
    if found:
        least = min(step, *(difference(a, b) for a in before for b in (now, after)))
        around = [difference(now, after), *(difference(a, b) for a, b in zip(before, before[1:], strict=False))]
        found = least >= max(LEAST, RATIO * max(around), RATIO * median(usual or [0.0]))
    usual.append(step)
    return found


def difference(before: Tensor, after: Tensor) -> float:
    """How unlike two frames of blocks are: the mean absolute difference where they fit best, moved by whole blocks.

    Shapes: (rows, columns) twice -> a number from 0 to 1.
    """
    rows, columns = after.shape
    down, across = (min(reach, side - 1) for reach, side in zip(MOTION, after.shape, strict=True))
    found = []
    for y in range(-down, down + 1):
        for x in range(-across, across + 1):
            moved = before[max(0, y) : rows + min(0, y), max(0, x) : columns + min(0, x)]
            here = after[max(0, -y) : rows + min(0, -y), max(0, -x) : columns + min(0, -x)]
            found.append((moved - here).abs().mean())
    return float(torch.stack(found).min())


@torch.no_grad()
def _blocks(frame: Tensor) -> Tensor:
    """Means of brightness of at most 18 × 32 blocks; brightness is the mean of the channels."""
    size = [min(side, most) for side, most in zip(frame.shape[-2:], BLOCKS, strict=True)]
    return F.adaptive_avg_pool2d(frame.mean(1, keepdim=True).float().cpu(), size)[0, 0]
