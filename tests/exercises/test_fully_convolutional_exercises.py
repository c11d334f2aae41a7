"""The chapter on fully convolutional networks: right answers pass in any style, each wrong one is told what it did."""

from math import prod

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.optimize import minimize_scalar
from torch import nn

from srlib.exercises import find
from srlib.exercises.fully_convolutional import EXERCISES
from tests.exercises.contract import Contract

CHAPTER = "fully_convolutional"


def field_by_touch(kernels, strides):
    """Ones through convolutions of ones, and the input pixels that one output pixel depends on are counted."""
    line = torch.zeros(1, 1, 200, dtype=torch.float64, requires_grad=True)
    out = line
    for kernel, stride in zip(kernels, strides, strict=True):
        out = F.conv1d(out, torch.ones(1, 1, kernel, dtype=torch.float64), stride=stride)
    out[0, 0, 0].backward()
    return int((line.grad != 0).sum())


def field_backwards(kernels, strides):
    size = 1
    for kernel, stride in zip(reversed(kernels), reversed(strides), strict=True):
        size = (size - 1) * stride + kernel
    return size


def field(kernels, strides, add=0, less=1, shift=0):
    return add + sum((k - less) * prod(strides[: i + shift]) for i, k in enumerate(kernels))


def cost_by_layers(kernels, maps, scale, last, square=2, times=1):
    """From the weights of real layers."""
    out = [*maps[1:-1], maps[-1] * times]
    layers = [nn.Conv2d(c, d, k) for c, d, k in zip(maps[:-1], out, kernels, strict=True)]
    weights = [layer.weight.numel() / layer.kernel_size[0] ** (2 - square) for layer in layers]
    return sum(weights), sum(layer.bias.numel() for layer in layers), last, scale


def costed(divide=2, shuffle=True, square=2, bias=False, factor=1, turn=False, never=False):
    def answer(kernels, maps, scale, last):
        last = (not last if turn else last) and not never
        times = scale**2 if last and shuffle else 1
        weights, biases, _, _ = cost_by_layers(kernels, maps, scale, last, square, times)
        return factor * (weights + bias * biases) / (scale**divide if last else 1)

    return answer


@torch.no_grad()
def stitched(net, lr, tile, overlap, paste=False, lose=False):
    """From masks: every output pixel belongs to one tile."""
    s, (height, width) = net.scale, lr.shape[2:]
    result = torch.zeros(lr.shape[0], 1, s * height, s * width)
    rows, columns = torch.arange(height) // tile, torch.arange(width) // tile
    for i in range(int(rows.max()) + 1):
        for j in range(int(columns.max()) + 1):
            down, right = (rows == i).nonzero()[:, 0], (columns == j).nonzero()[:, 0]
            if lose and (len(down) < tile or len(right) < tile):
                continue
            box = [max(0, int(down[0]) - overlap), min(height, int(down[-1]) + overlap + 1)]
            box += [max(0, int(right[0]) - overlap), min(width, int(right[-1]) + overlap + 1)]
            canvas = torch.zeros_like(result)
            piece = net(lr[:, :, box[0] : box[1], box[2] : box[3]])
            canvas[:, :, s * box[0] : s * box[1], s * box[2] : s * box[3]] = piece
            if paste:
                mine = torch.zeros(height, width)
                mine[box[0] : box[1], box[2] : box[3]] = 1
            else:
                mine = (rows == i).float()[:, None] * (columns == j).float()
            mine = mine.repeat_interleave(s, 0).repeat_interleave(s, 1)
            result = torch.where(mine > 0, canvas, result)
    return result


@torch.no_grad()
def averaged(net, lr, tile, overlap):
    s, (height, width) = net.scale, lr.shape[2:]
    total, count = torch.zeros(lr.shape[0], 1, s * height, s * width), torch.zeros(s * height, s * width)
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            rows = slice(max(0, top - overlap), min(height, top + tile + overlap))
            columns = slice(max(0, left - overlap), min(width, left + tile + overlap))
            area = slice(s * rows.start, s * rows.stop), slice(s * columns.start, s * columns.stop)
            total[:, :, area[0], area[1]] += net(lr[:, :, rows, columns])
            count[area] += 1
    return total / count


def made_up(mode):
    """Beyond the picture pixels are made up by numpy, and every tile is given its overlap from them."""

    @torch.no_grad()
    def answer(net, lr, tile, overlap):
        s, (height, width) = net.scale, lr.shape[2:]
        spread = [(0, 0), (0, 0), (overlap, overlap), (overlap, overlap)]
        wide = torch.from_numpy(np.pad(lr.numpy(), spread, mode=mode))
        rows = []
        for top in range(0, height, tile):
            row = []
            for left in range(0, width, tile):
                down, right = min(top + tile, height) + 2 * overlap, min(left + tile, width) + 2 * overlap
                piece = net(wide[:, :, top:down, left:right])
                inner = (
                    slice(s * overlap, piece.shape[2] - s * overlap),
                    slice(s * overlap, piece.shape[3] - s * overlap),
                )
                row.append(piece[:, :, inner[0], inner[1]])
            rows.append(torch.cat(row, 3))
        return torch.cat(rows, 2)

    return answer


@torch.no_grad()
def whole(net, lr, tile, overlap):
    return net(lr)


def expected(values, probabilities, weight, factor=1.0):
    v, p = np.array(values), np.array(probabilities)
    return lambda x: (p * (factor * (1 - weight) * (x - v) ** 2 + weight * abs(x - v))).sum()


def by_scipy(values, probabilities, weight, factor=1.0):
    loss = expected(values, probabilities, weight, factor)
    found = minimize_scalar(loss, bounds=(min(values), max(values)), method="bounded", options={"xatol": 1e-6})
    return float(found.x)


def by_candidates(values, probabilities, weight):
    """The minimum is an answer, or lies where the parabola between two answers has its vertex."""
    candidates = list(values)
    if weight < 1:
        middle = np.dot(values, probabilities)
        above = np.cumsum([p for _, p in sorted(zip(values, probabilities, strict=True))])
        vertices = [middle - weight / (2 * (1 - weight)) * (2 * below - 1) for below in above[:-1]]
        candidates += [x for x in vertices if min(values) <= x <= max(values)]
    return min(candidates, key=expected(values, probabilities, weight))


def median(values, probabilities):
    pairs = sorted(zip(values, probabilities, strict=True))
    return next(v for i, (v, _) in enumerate(pairs) if sum(p for _, p in pairs[: i + 1]) >= 0.5)


RIGHT = {
    "receptive-field": [field_by_touch, field_backwards, lambda k, s: torch.tensor(field(k, s, add=1))],
    "cost": [costed(), lambda *given: np.float64(costed()(*given))],
    "stitch": [stitched, lambda *given: stitched(*given).double().numpy()],
    "best-guess": [by_scipy, by_candidates, lambda *given: torch.tensor(by_candidates(*given))],
}

WRONG = {
    "receptive-field": [
        ("added up", lambda k, s: float(np.sum(k))),
        ("is missing", lambda k, s: field(k, s)),
        ("left out", lambda k, s: 1 + len(s) * 0 + sum(k) - len(k)),
        ("counted for itself", lambda k, s: field(k, s, add=1, shift=1)),
        ("k times the step", lambda k, s: field(k, s, add=1, less=0)),
        ("k // 2", lambda k, s: 1 + sum(n // 2 * prod(s[:i]) for i, n in enumerate(k))),
        ("reach to one side, half", lambda k, s: (field_backwards(k, s) - 1) / 2),
        ("wrong end", lambda k, s: 1 + sum((n - 1) * prod(s[i + 1 :]) for i, n in enumerate(k))),
    ],
    "cost": [
        ("makes scale²", costed(shuffle=False)),
        ("not divided", costed(divide=0)),
        ("scale alone", costed(divide=1)),
        ("k × k", costed(square=1)),
        ("biases", costed(bias=True)),
        ("counted as two", costed(factor=2)),
        ("other way round", costed(turn=True)),
        ("both were counted", costed(never=True)),
    ],
    "stitch": [
        ("was not used", lambda net, lr, tile, overlap: stitched(net, lr, tile, 0)),
        ("pasted", lambda *given: stitched(*given, paste=True)),
        ("averaged", averaged),
        ("zeros were put", made_up("constant")),
        ("mirrored", made_up("reflect")),
        ("are missing", lambda *given: stitched(*given, lose=True)),
        ("on the whole picture", whole),
    ],
    "best-guess": [
        ("is the mean:", lambda v, p, w: np.dot(v, p)),
        ("is the median:", lambda v, p, w: median(v, p)),
        ("were mixed", lambda v, p, w: (1 - w) * np.dot(v, p) + w * median(v, p)),
        ("wrong loss", lambda v, p, w: by_scipy(v, p, 1 - w)),
        ("2 is missing", lambda v, p, w: by_scipy(v, p, w, factor=0.5)),
        ("probabilities were left out", lambda v, p, w: by_candidates(v, np.full(len(v), 1 / len(v)), w)),
        ("most probable", lambda v, p, w: v[int(np.argmax(p))]),
    ],
}


class TestFullyConvolutional(Contract):
    chapter, exercises, right, wrong = CHAPTER, EXERCISES, RIGHT, WRONG


def test_known_values():
    assert find(f"{CHAPTER}-receptive-field").reference([3] * 20, [1] * 20) == 41  # VDSR, 41 x 41
    cost = find(f"{CHAPTER}-cost").reference
    assert cost([9, 5, 5], [1, 64, 32, 1], 4, False) == 57_184  # SRCNN's weights, each used once for a pixel
    assert cost([5, 3, 3], [1, 64, 32, 1], 4, True) == 24_640 / 16  # ESPCN's
    guess = find(f"{CHAPTER}-best-guess").reference
    assert guess([0, 1], [0.3, 0.7], 0) == pytest.approx(0.7)
    assert guess([0, 1], [0.3, 0.7], 1) == pytest.approx(1)


def test_stitching_with_the_reach_of_the_network_is_the_network():
    net, lr, tile, _ = EXERCISES["stitch"].probes[0]
    with torch.no_grad():
        torch.testing.assert_close(EXERCISES["stitch"].reference(net, lr, tile, 4), net(lr), atol=1e-6, rtol=0)
