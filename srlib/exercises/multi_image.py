"""Exercises on multi-image super-resolution: phase correlation, shift-and-add, an adjoint, phases, a median."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from srlib.exercises import Exercise


def phase(reference: Tensor, moved: Tensor) -> tuple[int, int]:
    """How far the content of `reference` has moved down and right, in whole pixels, at most half the picture.

    Shapes: (h, w) twice.
    """
    surface = _surface(reference, moved)
    return _signed(_peak(surface), surface)


def _surface(reference: Tensor, moved: Tensor, angles_only: bool = True) -> Tensor:
    cross = torch.fft.fft2(moved) * torch.fft.fft2(reference).conj()
    return torch.fft.ifft2(cross / cross.abs().clamp_min(1e-12) if angles_only else cross).real


def _peak(surface: Tensor) -> tuple[int, int]:
    return divmod(int(surface.argmax()), surface.shape[1])


def _signed(peak: tuple[int, int], surface: Tensor) -> tuple[int, int]:
    """Convert circular indices to signed shifts."""
    return tuple(n - size if n > size // 2 else n for n, size in zip(peak, surface.shape, strict=True))


def _by_height(reference: Tensor, moved: Tensor) -> tuple[int, int]:
    surface = _surface(reference, moved)
    return _signed(divmod(int(surface.argmax()), len(surface)), surface)


def add(frames: Tensor, shifts: Tensor, scale: int) -> tuple[Tensor, Tensor]:
    """Shift-and-add: each value at its nearest hr pixel, averaged, zero where there is none; also the counts.

    Shapes: frames (K, h, w), shifts (K, 2) in lr pixels -> (scale·h, scale·w) twice.
    """
    total, count = _added(frames, shifts, scale)
    return total / count.clamp_min(1), count


def _added(
    frames: Tensor,
    shifts: Tensor,
    scale: int,
    *,
    half: float = 0.5,
    first: float | None = None,
    wrap: bool = False,
    keep: bool = False,
) -> tuple[Tensor, Tensor]:
    """Sum and count. half: added before rounding down; first: hr place of pixel 0; keep: the last value alone."""
    sizes = [scale * n for n in frames.shape[1:]]
    total, count = frames.new_zeros(sizes), frames.new_zeros(sizes)
    start = (scale - 1) / 2 if first is None else first
    for frame, shift in zip(frames, shifts.double().tolist(), strict=True):
        at, values = [], frame
        for axis, d in enumerate(shift):
            place = torch.floor(start - scale * d + scale * torch.arange(frame.shape[axis]) + half).long()
            place = place % sizes[axis] if wrap else place
            inside = (place >= 0) & (place < sizes[axis])
            at.append(place[inside])
            values = values.index_select(axis, inside.nonzero()[:, 0])
        at = at[0][:, None], at[1]
        total[at] = values if keep else total[at] + values
        count[at] += 1
    return total, count


def _wrong_add(change: Callable = lambda shifts, scale: shifts, **how) -> Callable:
    """Shift-and-add with other shifts, rounding, first pixel or border."""

    def wrong(frames: Tensor, shifts: Tensor, scale: int) -> tuple[Tensor, Tensor]:
        total, count = _added(frames, change(shifts, scale), scale, **how)
        return total if how.get("keep") else total / count.clamp_min(1), count

    return wrong


def adjoint(y: Tensor, kernel: Tensor, scale: int) -> Tensor:
    """Bᵀ Dᵀ y for B a convolution with zeros around the picture and D = [..., ::scale, ::scale].

    Shapes: y (N, 1, h, w), kernel (kh, kw), both odd -> (N, 1, scale·h, scale·w).
    """
    return _spread(_stuffed(y, scale), kernel)


def _stuffed(y: Tensor, scale: int, first: int = 0) -> Tensor:
    x = y.new_zeros(*y.shape[:2], *(scale * n for n in y.shape[2:]))
    x[..., first::scale, first::scale] = y
    return x


def _spread(x: Tensor, kernel: Tensor) -> Tensor:
    """Correlation, which is convolution with the turned kernel."""
    return F.conv2d(x, kernel[None, None].to(x), padding=[n // 2 for n in kernel.shape])


def phases(shifts: Tensor, scale: int) -> int:
    """The number of hr pixels of an lr pixel that the frames' samples fall into."""
    return _distinct(_within(shifts, scale))


def _within(shifts: Tensor, scale: int) -> Tensor:
    return torch.floor((scale - 1) / 2 - scale * shifts.double() + 0.5).long() % scale


def _distinct(values: Tensor) -> int:
    return len(set(map(tuple, values.tolist())))


def median(frames: Tensor, shifts: Tensor, scale: int) -> Tensor:
    """Shift-and-add with the median instead of the mean; zero where there is no value.

    Shapes: frames (K, h, w), shifts (K, 2) in lr pixels -> (scale·h, scale·w).
    """
    return _placed(frames, shifts, scale).nanquantile(0.5, 0).nan_to_num(0)


def _placed(frames: Tensor, shifts: Tensor, scale: int) -> Tensor:
    """(K, scale·h, scale·w): each frame on the hr grid, NaN where it has no value."""
    alone = [_added(frames[k : k + 1], shifts[k : k + 1], scale) for k in range(len(frames))]
    return torch.stack([torch.where(count > 0, total, torch.nan) for total, count in alone])


def _unmoved(frames: Tensor, shifts: Tensor, scale: int) -> Tensor:
    return frames.quantile(0.5, 0).repeat_interleave(scale, 0).repeat_interleave(scale, 1)


def _noise(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(sum(shape)))


def _moved(height: int, width: int, down: int, right: int) -> tuple[Tensor, Tensor]:
    """A picture and a moved copy of it, with grain and uneven light."""
    picture = _noise(height, width)
    light = torch.linspace(0, 6, height)[:, None] + torch.linspace(0, 3, width)
    return picture + light, picture.roll((down, right), (0, 1)) + light + 0.05 * _noise(width, height).T


_SHIFTS = torch.tensor([[0.0, 0.0], [0.3, -0.7], [-1.1, 0.45], [0.3, -0.7], [0.8, 1.6]])
_MANY = torch.cat([_SHIFTS, _SHIFTS.flip(0, 1) / 2, -_SHIFTS / 3])
_SKEW = torch.tensor([[0.1, 0.4, 0.0], [0.0, 0.2, 0.0], [0.0, 0.0, 0.3]])
_WIDE = torch.tensor([[0.0, 0.1, 0.2, 0.0, 0.1], [0.3, 0.2, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.1, 0.0]])

EXERCISES: dict[str, Exercise] = {
    "phase": Exercise(
        phase,
        [_moved(24, 37, 3, -5), _moved(31, 20, -9, 4), _moved(16, 16, 6, 7)],
        {
            "the sign: the conjugate belongs on the reference. With it on the other picture (or with fft2 for ifft2) "
            "you get the way back.": lambda a, b: tuple(-n for n in phase(a, b)),
            "the amplitudes are still in it. The strong coarse frequencies, such as light that falls from one side, "
            "pull the peak to zero. Divide by cross.abs().": lambda a, b: _signed(
                _peak(surface := _surface(a, b, False)), surface
            ),
            "the peak's index itself: it counts in a circle. Beyond half the picture it means a negative shift; "
            "subtract the size.": lambda a, b: _peak(_surface(a, b)),
            "rows and columns are swapped: return (down, right), the row of the peak first.": (
                lambda a, b: phase(a, b)[::-1]
            ),
            "the flat index was taken apart with the height. A row has w entries: divmod(index, w).": _by_height,
        },
    ),
    "add": Exercise(
        add,
        [(_noise(5, 6, 9), _SHIFTS, 2), (_noise(5, 7, 5), _SHIFTS, 3)],
        {
            "the sign: where the content has moved down, the frame looks further up. Subtract scale · shift.": (
                _wrong_add(lambda shifts, scale: -shifts)
            ),
            "rounded down, which moves the picture by half a pixel on average. Nearest is floor(place + 1/2).": (
                _wrong_add(half=0.0)
            ),
            "this is the sum: where several values meet, divide by how many there are.": _added,
            "where several values meet, the last one won. Add them up and divide by their number.": (
                _wrong_add(keep=True)
            ),
            "the first lr pixel is not on hr pixel 0. Its centre is the middle of its block, (scale − 1)/2.": (
                _wrong_add(first=0.0)
            ),
            "the shifts are in lr pixels; on the hr grid they are scale times as long.": (
                _wrong_add(lambda shifts, scale: shifts / scale)
            ),
            "down and right are swapped: shifts[:, 0] moves rows.": _wrong_add(lambda shifts, scale: shifts.flip(1)),
            "what leaves at one side came in at the other. Values that fall outside are lost.": _wrong_add(wrap=True),
        },
    ),
    "adjoint": Exercise(
        adjoint,
        [(_noise(2, 1, 4, 5), _SKEW, 2), (_noise(1, 1, 3, 4), _WIDE, 3)],
        {
            "the kernel was used the way it blurs. The transpose uses it turned by 180°, which is what conv2d does "
            "with the kernel as it is.": lambda y, kernel, scale: _spread(_stuffed(y, scale), kernel.flip(0, 1)),
            "pixels repeated: the transpose of keeping one pixel in s² is to put zeros on the others. Repeating is the "
            "transpose of a sum over the block.": lambda y, kernel, scale: _spread(
                F.interpolate(y, scale_factor=scale), kernel
            ),
            "interpolated: a fine way to enlarge, and not the transpose. Put zeros between the pixels.": (
                lambda y, kernel, scale: _spread(F.interpolate(y, scale_factor=scale, mode="bilinear"), kernel)
            ),
            "multiplied by scale²: that keeps the brightness, as an inverse would. The transpose does not.": (
                lambda y, kernel, scale: scale**2 * adjoint(y, kernel, scale)
            ),
            "the order: (D B)ᵀ = Bᵀ Dᵀ. First the zeros, then the kernel, which is given in hr pixels.": (
                lambda y, kernel, scale: _stuffed(_spread(y, kernel), scale)
            ),
            "the values belong on the first pixel of each block, the one that ::scale keeps.": (
                lambda y, kernel, scale: _spread(_stuffed(y, scale, scale // 2), kernel)
            ),
            "only zeros were put between. Bᵀ is missing.": lambda y, kernel, scale: _stuffed(y, scale),
        },
    ),
    "phases": Exercise(
        phases,
        [
            (torch.tensor([[0.0, 0.0], [1.0, -2.0], [3.0, 1.0]]), 2),
            (torch.tensor([[0.0, 0.0], [0.45, 0.0], [0.0, 0.55], [1.1, -0.1], [0.2, 2.0]]), 2),
            (torch.tensor([[0.0, 0.0], [0.3, 0.3], [-0.35, 0.7], [0.1, -0.1], [0.68, 1.31], [2.0, 0.34]]), 3),
        ],
        {
            "whole shifts count as different places here. A frame moved by one lr pixel has its samples in the same "
            "places: take the remainder by scale.": lambda shifts, scale: _distinct(
                torch.floor((scale - 1) / 2 - scale * shifts.double() + 0.5).long()
            ),
            "not rounded: two places in one hr pixel count once.": lambda shifts, scale: _distinct(
                (1e6 * (shifts.double() % 1)).round()
            ),
            "rows and columns counted apart and multiplied. Count the pairs that occur.": (
                lambda shifts, scale: (
                    len(_within(shifts, scale)[:, 0].unique()) * len(_within(shifts, scale)[:, 1].unique())
                )
            ),
            "rows only: a frame also moves right.": lambda shifts, scale: len(_within(shifts, scale)[:, 0].unique()),
            "scale² is what can be reached. Count what these frames reach.": lambda shifts, scale: scale**2,
        },
    ),
    "median": Exercise(
        median,
        [(_noise(15, 5, 7), _MANY, 2), (_noise(15, 4, 4) - 0.5, _MANY, 3)],
        {
            "this is the mean, which one outlier can move.": lambda *given: add(*given)[0],
            "of an even number of values torch.median takes the lower of the two in the middle. The median is their "
            "mean: nanquantile(0.5, 0).": lambda *given: _placed(*given).nanmedian(0).values.nan_to_num(0),
            "the places that a frame does not reach were counted as zeros. Leave them out: NaN, and nanquantile.": (
                lambda *given: _placed(*given).nan_to_num(0).quantile(0.5, 0)
            ),
            "NaN where nothing fell; return zero there.": lambda *given: _placed(*given).nanquantile(0.5, 0),
            "the median of the frames as they are, then enlarged: the shifts are not used. Put each frame on the hr "
            "grid first.": _unmoved,
        },
    ),
}
