"""The chapter on many images: right answers pass in any style, and each wrong one is told what it did."""

import numpy as np
import scipy.ndimage
import torch
from skimage.registration import phase_cross_correlation

from srlib.burst.fusion import shift_and_add
from srlib.burst.registration import phase_correlation
from srlib.exercises.multi_image import EXERCISES
from srlib.warp import adjoint
from tests.exercises.contract import Contract


def by_numpy(sign=1, flat=True, wrap=True, order=1, width=1):
    """Phase correlation with NumPy's transforms."""

    def answer(reference, moved):
        a, b = (np.fft.fft2(picture.numpy()) for picture in (reference, moved))
        cross = a * b.conj() if sign < 0 else b * a.conj()
        surface = np.fft.ifft2(cross / np.abs(cross) if flat else cross).real
        place = divmod(int(surface.argmax()), surface.shape[width])
        if wrap:
            place = [n - size if n > size / 2 else n for n, size in zip(place, surface.shape, strict=True)]
        return tuple(place[::order])

    return answer


def one_by_one(sign=1, half=0.5, first=None, unit=None, order=1, wrap=False, rule="mean"):
    """Shift-and-add, a value at a time."""

    def answer(frames, shifts, scale):
        k, h, w = frames.shape
        total, count = np.zeros((scale * h, scale * w)), np.zeros((scale * h, scale * w))
        begin = (scale - 1) / 2 if first is None else first
        for n, row, column in np.ndindex(k, h, w):
            down, right = (scale if unit is None else unit) * sign * shifts[n].double().numpy()[::order]
            at = [int(np.floor(begin + scale * i - d + half)) for i, d in ((row, down), (column, right))]
            if wrap:
                at = [i % size for i, size in zip(at, total.shape, strict=True)]
            if all(0 <= i < size for i, size in zip(at, total.shape, strict=True)):
                value = float(frames[n, row, column])
                total[tuple(at)] = value if rule == "last" else total[tuple(at)] + value
                count[tuple(at)] += 1
        return (total / np.maximum(count, 1) if rule == "mean" else total), count

    return answer


def by_the_library(frames, shifts, scale):
    """Holes apart, which the library fills."""
    _, count = one_by_one()(frames, shifts, scale)
    mean = shift_and_add(frames[:, None], shifts, scale=scale)[0, 0]
    return torch.where(torch.from_numpy(count) > 0, mean, 0), count


def photographed(kernel, scale, turned=False):
    """D B x by SciPy, plane by plane."""

    def run(x):
        planes = x.detach().double().numpy()[:, 0]
        run = scipy.ndimage.correlate if turned else scipy.ndimage.convolve
        blurred = [run(plane, kernel.double().numpy(), mode="constant") for plane in planes]
        return torch.from_numpy(np.stack(blurred))[:, None, ::scale, ::scale]

    return run


def by_columns(y, kernel, scale):
    """The matrix of D B, a column for each hr pixel, transposed."""
    n, _, h, w = y.shape
    units = torch.eye(scale**2 * h * w, dtype=torch.float64).view(-1, 1, scale * h, scale * w)
    matrix = photographed(kernel, scale)(units).flatten(1)  # (hr pixels, lr pixels)
    return (matrix @ y.double().flatten(1).T).T.view(n, 1, scale * h, scale * w)


def by_autograd(y, kernel, scale):
    weight = kernel.flip(0, 1)[None, None]

    def forward(x):
        return torch.nn.functional.conv2d(x, weight, padding="same")[..., ::scale, ::scale]

    return adjoint(forward, (len(y), 1, scale * y.shape[2], scale * y.shape[3]))(y)


def spread(stuff, turned=True, factor=lambda scale: 1, blur=True):
    """Fill the hr grid by `stuff`, then the kernel by SciPy."""

    def answer(y, kernel, scale):
        x = stuff(y.double().numpy()[:, 0], scale)
        run = scipy.ndimage.correlate if turned else scipy.ndimage.convolve
        if blur:
            x = np.stack([run(plane, kernel.double().numpy(), mode="constant") for plane in x])
        return factor(scale) * x[:, None]

    return answer


def zeros(first=lambda scale: 0):
    def stuff(y, scale):
        x = np.zeros((len(y), scale * y.shape[1], scale * y.shape[2]))
        x[:, first(scale) :: scale, first(scale) :: scale] = y
        return x

    return stuff


def repeat(y, scale):
    return y.repeat(scale, 1).repeat(scale, 2)


def linear(y, scale):
    x = torch.nn.functional.interpolate(torch.from_numpy(y)[None], scale_factor=scale, mode="bilinear")
    return x[0].numpy()


def blurred_first(y, kernel, scale):
    blurred = spread(lambda y, scale: y)(y, kernel, scale)[:, 0]
    return zeros()(blurred, scale)[:, None]


def marked(shifts, scale, round_to=np.floor, rest=True):
    """A block with a mark on each place that a frame reaches."""
    places = round_to((scale - 1) / 2 - scale * shifts.double().numpy() + 0.5)
    places = places % scale if rest else places
    return {(float(row), float(column)) for row, column in places}


def in_a_block(shifts, scale):
    block = np.zeros((scale, scale), dtype=int)
    for row, column in marked(shifts, scale):
        block[int(row), int(column)] = 1
    return block.sum()


def listed(middle=np.median, hole=0.0, zeros=False):
    """The median of the values that were heard at each hr pixel."""

    def answer(frames, shifts, scale):
        heard = [one_by_one()(frames[k : k + 1], shifts[k : k + 1], scale) for k in range(len(frames))]
        result = np.full(heard[0][0].shape, hole)
        for place in np.ndindex(result.shape):
            values = [total[place] for total, count in heard if zeros or count[place]]
            result[place] = middle(values) if values else hole
        return result

    return answer


def lower(values):
    return sorted(values)[(len(values) - 1) // 2]


def not_moved(frames, shifts, scale):
    return np.median(frames.double().numpy(), 0).repeat(scale, 0).repeat(scale, 1)


RIGHT = {
    "phase": [
        by_numpy(),
        lambda a, b: tuple(phase_correlation(a, b, upsample=1, window=False)),
        lambda a, b: tuple(-phase_cross_correlation(a.numpy(), b.numpy())[0]),
    ],
    "add": [one_by_one(), by_the_library],
    "adjoint": [by_columns, by_autograd, spread(zeros())],
    "phases": [in_a_block, lambda shifts, scale: float(len(marked(shifts, scale)))],
    "median": [listed(), lambda *given: torch.from_numpy(listed()(*given)).float()],
}

WRONG = {
    "phase": [
        ("the sign", by_numpy(sign=-1)),
        ("amplitudes", by_numpy(flat=False)),
        ("in a circle", by_numpy(wrap=False)),
        ("swapped", by_numpy(order=-1)),
        ("with the height", by_numpy(width=0)),
    ],
    "add": [
        ("the sign", one_by_one(sign=-1)),
        ("rounded down", one_by_one(half=0.0)),
        ("the sum", one_by_one(rule="sum")),
        ("last one won", one_by_one(rule="last")),
        ("hr pixel 0", one_by_one(first=0.0)),
        ("in lr pixels", one_by_one(unit=1)),
        ("swapped", one_by_one(order=-1)),
        ("at the other", one_by_one(wrap=True)),
    ],
    "adjoint": [
        ("the way it blurs", spread(zeros(), turned=False)),
        ("repeated", spread(repeat)),
        ("interpolated", spread(linear)),
        ("brightness", spread(zeros(), factor=lambda scale: scale**2)),
        ("order", blurred_first),
        ("first pixel", spread(zeros(lambda scale: scale // 2))),
        ("Bᵀ is missing", spread(zeros(), blur=False)),
    ],
    "phases": [
        ("remainder", lambda shifts, scale: len(marked(shifts, scale, rest=False))),
        ("not rounded", lambda shifts, scale: len({tuple(np.round(s, 5)) for s in shifts.double().numpy() % 1})),
        (
            "multiplied",
            lambda shifts, scale: np.prod([len(set(axis)) for axis in zip(*marked(shifts, scale), strict=True)]),
        ),
        ("rows only", lambda shifts, scale: len({row for row, _ in marked(shifts, scale)})),
        ("can be reached", lambda shifts, scale: scale * scale),
    ],
    "median": [
        ("this is the mean", listed(np.mean)),
        ("the lower", listed(lower)),
        ("counted as zeros", listed(zeros=True)),
        ("where nothing fell", listed(hole=np.nan)),
        ("as they are", not_moved),
    ],
}


class TestMultiImage(Contract):
    chapter, exercises, right, wrong = "multi_image", EXERCISES, RIGHT, WRONG
