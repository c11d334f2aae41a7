"""The chapter on upscaling layers: right answers pass in any style, and each wrong one is told what it did."""

import math

import numpy as np
import torch
import torch.nn.functional as F

from srlib.exercises.upscaling import EXERCISES
from srlib.models.upsampling import shuffle_to_transposed, transposed_to_shuffle
from tests.exercises.contract import Contract


def written(index, swap=False):
    """An answer to `shuffle` that writes each map to its place; `index(c, i, j, channels, scale)` names the map."""

    def answer(x, scale):
        n, maps, height, width = x.shape
        channels = maps // scale**2
        fine = np.zeros((n, channels, scale * height, scale * width))
        for c, i, j in np.ndindex(channels, scale, scale):
            fine[:, c, i::scale, j::scale] = x[:, index(c, i, j, channels, scale)].numpy()
        return fine.swapaxes(-1, -2).copy() if swap else fine

    return answer


def torch_order(c, i, j, channels, scale):
    return (c * scale + i) * scale + j


def tensorflow_order(c, i, j, channels, scale):
    return (i * scale + j) * channels + c


def by_reshape(x, scale):
    n, maps, height, width = x.shape
    return x.reshape(n, -1, scale, scale, height, width).permute(0, 1, 4, 2, 5, 3).flatten(2, 3).flatten(3, 4)


def tiles(x, scale):
    n, maps, height, width = x.shape
    fine = torch.zeros(n, maps // scale**2, scale * height, scale * width)
    for c, i, j in np.ndindex(maps // scale**2, scale, scale):
        down, right = slice(i * height, (i + 1) * height), slice(j * width, (j + 1) * width)
        fine[:, c, down, right] = x[:, (c * scale + i) * scale + j]
    return fine


def one_by_one(phases):
    scale, k = phases.shape
    result = np.zeros(scale * k)
    for i, m in np.ndindex(scale, k):
        result[scale * m + i] = phases[i, k - 1 - m]
    return result


def by_library(phases):
    """The row of the two-dimensional map whose other dimension is a single tap of phase 0."""
    scale, k = phases.shape
    weight = torch.zeros(scale, scale, 1, k, k)
    weight[0, :, 0, 0] = phases
    return shuffle_to_transposed(weight.flatten(0, 1), scale)[0, 0].sum(0)


def listed(*, turn=False, interleave=True, end=1, order=1):
    """An answer to `stamp` from lists, with its mistakes."""

    def answer(phases):
        rows = [row[::-1] if turn else row for row in phases.tolist()][::order]
        values = [v for column in zip(*rows, strict=True) for v in column] if interleave else sum(rows, [])
        return torch.tensor(values[::end])

    return answer


def by_painting(kernel, stride, extra=0):
    line = np.zeros(40 * stride + kernel + extra)
    for i in range(40):
        line[i * stride : i * stride + kernel + extra] += 1
    return line[20 * stride : 21 * stride]


def by_torch(kernel, stride):
    return F.conv_transpose1d(torch.ones(1, 1, 40), torch.ones(1, 1, kernel), stride=stride)[
        0, 0, 20 * stride : 21 * stride
    ]


def blocks(choose):
    """An answer to `icnr`: the map at (channel, place, C, scale), one after the other."""

    def answer(weight, scale):
        channels = len(weight) // scale**2
        return torch.stack([choose(weight, c, p, channels, scale) for c in range(channels) for p in range(scale**2)])

    return answer


def by_stamps(weight, scale):
    """Equal phases seen from the stamp: every tap of a cell is the same."""
    stamp = shuffle_to_transposed(weight, scale)[..., ::scale, ::scale]
    return transposed_to_shuffle(stamp.repeat_interleave(scale, -1).repeat_interleave(scale, -2), scale)


def centroid(kernel, stride, padding):
    """Where a point in the middle of an lr line comes to lie, against the middle of its block."""
    at = 12
    point = torch.zeros(1, 1, 25, dtype=torch.float64)
    point[..., at] = 1
    drawn = F.conv_transpose1d(point, torch.ones(1, 1, kernel).double(), stride=stride, padding=padding)[0, 0]
    mean = (drawn * torch.arange(len(drawn))).sum() / drawn.sum()
    return float(mean) - (stride * at + (stride - 1) / 2)


RIGHT = {
    "shuffle": [by_reshape, written(torch_order)],
    "stamp": [one_by_one, by_library, listed(turn=True)],
    "overlaps": [
        by_painting,
        by_torch,
        lambda k, s: tuple_of(math.ceil((k - i) / s) if i < k else 0 for i in range(s)),
    ],
    "icnr": [
        blocks(lambda weight, c, p, channels, scale: weight[c * scale**2]),
        by_stamps,
        lambda weight, scale: weight[torch.arange(len(weight)) // scale**2 * scale**2].double().numpy(),
    ],
    "shift": [centroid, lambda k, s, p: np.float64((k - 1) / 2 - p - (s - 1) / 2)],
}

WRONG = {
    "shuffle": [
        ("TensorFlow's order (depth", written(tensorflow_order)),
        ("mirrored at its diagonal", written(lambda c, i, j, n, s: torch_order(c, j, i, n, s))),
        ("swapped as well", written(lambda c, i, j, n, s: tensorflow_order(c, j, i, n, s))),
        (
            "reshape alone",
            lambda x, s: x.reshape(x.shape[0], -1, s * x.shape[2], s * x.shape[3]).double(),
        ),
        ("side by side", tiles),
        ("keep h before w", written(torch_order, swap=True)),
    ],
    "stamp": [
        ("not turned", listed()),
        ("one after the other", listed(turn=True, interleave=False)),
        ("neither", listed(interleave=False)),
        ("whole stamp", listed(end=-1)),
        ("other way round", listed(order=-1)),
    ],
    "overlaps": [
        ("mean over the block", lambda k, s: np.ones(s) * k / s),
        ("rounded down", lambda k, s: np.ones(s) * math.floor(k / s)),
        ("rounded up", lambda k, s: np.ones(s) * math.ceil(k / s)),
        ("wrong end", lambda k, s: by_painting(k, s)[::-1].copy()),
        ("swapped", lambda k, s: by_painting(s, k)),
        ("rows and columns multiply", lambda k, s: by_painting(k, s) ** 2),
        ("one too many", lambda k, s: by_painting(k, s, extra=s)),
    ],
    "icnr": [
        ("repeat puts", blocks(lambda weight, c, p, n, s: weight[(c * s**2 + p) % n * s**2])),
        ("first C maps", blocks(lambda weight, c, p, n, s: weight[c])),
        ("the mean over", blocks(lambda weight, c, p, n, s: weight[c * s**2 : (c + 1) * s**2].mean(0))),
        ("copied scale times", blocks(lambda weight, c, p, n, s: weight[(c * s**2 + p) // s * s])),
        ("every channel", blocks(lambda weight, c, p, n, s: weight[0])),
        ("divided", blocks(lambda weight, c, p, n, s: weight[c * s**2] / s**2)),
    ],
    "shift": [
        ("the sign", lambda k, s, p: -centroid(k, s, p)),
        ("first pixel of the block", lambda k, s, p: centroid(k, s, p) + (s - 1) / 2),
        ("kernel / 2", lambda k, s, p: centroid(k, s, p) + 0.5),
        ("lr pixels", lambda k, s, p: centroid(k, s, p) / s),
        ("rounds down", lambda k, s, p: math.floor(centroid(k, s, p))),
        ("both sides", lambda k, s, p: 2 * centroid(k, s, p)),
        ("zero only", lambda k, s, p: 0),
    ],
}


def tuple_of(numbers):
    return torch.tensor(list(numbers), dtype=torch.float64)


class TestUpscaling(Contract):
    chapter, exercises, right, wrong = "upscaling", EXERCISES, RIGHT, WRONG
