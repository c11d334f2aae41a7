"""Exercises on fully convolutional networks: receptive field, cost, tiles, the best guess."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from srlib.exercises import Exercise
from srlib.inference import upscale
from srlib.models.fcn import ESPCN


def receptive_field(kernels: Sequence[int], strides: Sequence[int]) -> int:
    """Side of the receptive field, the input pixels that an output pixel sees: 1 + Σ (k − 1) · (strides before)."""
    return _field(kernels, strides)


def _field(
    kernels: Sequence[int],
    strides: Sequence[int],
    first: int = 1,
    grow: Callable[[int], int] = lambda kernel: kernel - 1,
    own: bool = False,
) -> int:
    """The sum, started at `first`, each layer adding `grow(k)` steps of the layers before, or of its own too."""
    size, step = first, 1
    for kernel, stride in zip(kernels, strides, strict=True):
        size += grow(kernel) * (step * stride if own else step)
        step *= stride
    return size


def cost(kernels: Sequence[int], maps: Sequence[int], scale: int, last: bool) -> float:
    """Multiply-adds per output pixel of a stack of convolutions, with the enlargement before it or a shuffle after it.

    Args:
        maps: of the input and after each layer; with `last`, the last layer makes scale² times as many.
        last: enlarge last.
    """
    return _cost(kernels, maps, scale, last)


def _cost(
    kernels: Sequence[int],
    maps: Sequence[int],
    scale: int,
    last: bool,
    shuffled: bool = True,
    bias: int = 0,
    area: Callable[[int], int] = lambda kernel: kernel**2,
    share: Callable[[int], int] = lambda scale: scale**2,
) -> float:
    out = [*maps[1:-1], maps[-1] * (scale**2 if last and shuffled else 1)]
    work = sum(c * d * area(k) + bias * d for k, c, d in zip(kernels, maps, out, strict=False))
    return work / (share(scale) if last else 1)


def stitch(net: nn.Module, lr: Tensor, tile: int, overlap: int) -> Tensor:
    """`net(lr)` in tiles, each computed with `overlap` more lr pixels on every side, clipped to the picture.

    Shapes: lr (N, C, h, w) -> (N, C, s·h, s·w).
    """
    return upscale(net, lr, tile=tile, overlap=overlap)


def _places(lr: Tensor, tile: int) -> list[tuple[int, int]]:
    height, width = lr.shape[-2:]
    return [(top, left) for top in range(0, height, tile) for left in range(0, width, tile)]


@torch.no_grad()
def _pasted(net: nn.Module, lr: Tensor, tile: int, overlap: int, mean: bool = False) -> Tensor:
    """Whole pieces, pasted over one another or averaged where they overlap."""
    s, sr, count = net.scale, None, None
    for top, left in _places(lr, tile):
        first, start = max(0, top - overlap), max(0, left - overlap)
        piece = net(lr[..., first : top + tile + overlap, start : left + tile + overlap])
        if sr is None:
            sr = piece.new_zeros(*piece.shape[:2], *(s * n for n in lr.shape[-2:]))
            count = torch.zeros_like(sr)
        window = (..., slice(s * first, s * first + piece.shape[-2]), slice(s * start, s * start + piece.shape[-1]))
        sr[window] = sr[window] + piece if mean else piece
        count[window] += 1
    return sr / count if mean else sr


@torch.no_grad()
def _padded(mode: str) -> Callable[[nn.Module, Tensor, int, int], Tensor]:
    """Every tile has its overlap on all four sides; beyond the picture it is padded."""

    def wrong(net: nn.Module, lr: Tensor, tile: int, overlap: int) -> Tensor:
        wide = F.pad(lr, [overlap] * 4, mode=mode)
        sr = stitch(net, wide, max(wide.shape[-2:]), 0)
        height, width = lr.shape[-2:]
        s = net.scale
        result = sr.new_zeros(*sr.shape[:2], s * height, s * width)
        for top, left in _places(lr, tile):
            down, right = min(tile, height - top), min(tile, width - left)
            with torch.no_grad():
                piece = net(wide[..., top : top + down + 2 * overlap, left : left + right + 2 * overlap])
            kept = piece[..., s * overlap : s * (overlap + down), s * overlap : s * (overlap + right)]
            result[..., s * top : s * (top + down), s * left : s * (left + right)] = kept
        return result

    return wrong


def _dropped(net: nn.Module, lr: Tensor, tile: int, overlap: int) -> Tensor:
    sr = stitch(net, lr, tile, overlap)
    height, width = (net.scale * (n // tile * tile) for n in lr.shape[-2:])
    sr[..., height:, :] = 0
    sr[..., :, width:] = 0
    return sr


def best_guess(values: Sequence[float], probabilities: Sequence[float], weight: float) -> float:
    """The x that minimises Σ p · ((1 − weight) · (x − v)² + weight · |x − v|)."""
    return _guess(values, probabilities, weight)


def _guess(values: Sequence[float], probabilities: Sequence[float], weight: float, factor: float = 2.0) -> float:
    """The zero of the derivative, by bisection."""
    low, high = min(values), max(values)
    for _ in range(60):
        x = (low + high) / 2
        slope = 0.0
        for v, p in zip(values, probabilities, strict=True):
            slope += p * (factor * (1 - weight) * (x - v) + weight * ((x > v) - (x < v)))
        low, high = (low, x) if slope > 0 else (x, high)
    return (low + high) / 2


def _blend(values: Sequence[float], probabilities: Sequence[float], weight: float) -> float:
    return (1 - weight) * _guess(values, probabilities, 0) + weight * _guess(values, probabilities, 1)


def _net(scale: int) -> ESPCN:
    """A small network with random weights and biases, so that padding makes a difference."""
    rng = torch.Generator().manual_seed(scale)
    net = ESPCN(scale=scale, width=8)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=rng) * 0.3)
    return net.eval()


def _noise(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(sum(shape)))


EXERCISES: dict[str, Exercise] = {
    "receptive-field": Exercise(
        receptive_field,
        [([5, 3, 3], [1, 1, 1]), ([3, 5], [2, 1]), ([7, 3, 3], [2, 2, 1]), ([9, 1, 5, 3], [1, 3, 1, 2])],
        {
            "the sides of the kernels were added up. Two kernels share a pixel: each adds k − 1, to the one pixel "
            "you start with.": lambda k, s: sum(k),
            "the one pixel you start with is missing: a 1 × 1 kernel sees 1, not 0.": lambda k, s: _field(
                k, s, first=0
            ),
            "the strides are left out: behind a layer of stride 2, a step of one pixel is a step of two in the "
            "input.": lambda k, s: _field(k, [1] * len(s)),
            "a layer's own stride was counted for itself. It is the distance between its outputs, so it widens only "
            "the layers after it.": lambda k, s: _field(k, s, own=True),
            "each layer adds k times the step; its first pixel was counted already, so it adds k − 1.": (
                lambda k, s: _field(k, s, grow=lambda kernel: kernel)
            ),
            "k // 2 reaches to one side; the field extends to both.": (
                lambda k, s: _field(k, s, grow=lambda kernel: kernel // 2)
            ),
            "that is the reach to one side, half of the field without its middle pixel.": (
                lambda k, s: _field(k, s) // 2
            ),
            "the strides were counted from the wrong end: a layer is widened by the strides before it, not by those "
            "after it.": lambda k, s: _field(k[::-1], s[::-1]),
        },
    ),
    "cost": Exercise(
        cost,
        [
            ([9, 5, 5], [1, 64, 32, 1], 4, False),
            ([5, 3, 3], [1, 64, 32, 1], 4, True),
            ([3, 3], [3, 16, 3], 2, True),
            ([5, 1, 3], [3, 7, 5, 3], 3, True),
        ],
        {
            "the last layer before a shuffle makes scale² times as many maps, one for each pixel that its pixel "
            "becomes.": lambda k, m, s, last: _cost(k, m, s, last, shuffled=False),
            "not divided by scale²: the layers work on the small picture, and the cost is per pixel of the "
            "large one.": lambda k, m, s, last: _cost(k, m, s, last, share=lambda scale: 1),
            "divided by the scale alone: the picture grows along both sides.": lambda k, m, s, last: _cost(
                k, m, s, last, share=lambda scale: scale
            ),
            "a kernel has k × k weights, not k.": lambda k, m, s, last: _cost(
                k, m, s, last, area=lambda kernel: kernel
            ),
            "the biases were counted; they are added once, without a multiplication.": (
                lambda k, m, s, last: _cost(k, m, s, last, bias=1)
            ),
            "these are operations: a multiply-add was counted as two.": lambda k, m, s, last: 2 * _cost(k, m, s, last),
            "enlarging first was counted as if it were last, and the other way round.": (
                lambda k, m, s, last: _cost(k, m, s, not last)
            ),
            "both were counted as if they enlarged first.": lambda k, m, s, last: _cost(k, m, s, False),
        },
    ),
    "stitch": Exercise(
        stitch,
        [
            (_net(2), _noise(1, 1, 17, 11), 8, 2),
            (_net(3), _noise(2, 1, 10, 13), 5, 1),
            (_net(2), _noise(1, 1, 9, 12), 6, 4),
        ],
        {
            "the overlap was not used: each tile was enlarged alone. Give the network `overlap` pixels more on each "
            "side, and cut them off afterwards.": lambda net, lr, tile, overlap: stitch(net, lr, tile, 0),
            "whole pieces were pasted, the overlap with them, so the edge of each tile covers the good middle of its "
            "neighbour. Cut the overlap off first.": _pasted,
            "the pieces were averaged where they overlap: half of the error of each seam is still there. Keep each "
            "pixel from the one tile it belongs to.": lambda *given: _pasted(*given, mean=True),
            "beyond the border of the picture zeros were put in. The network pads with zeros in every layer, which is "
            "not the same: clip the wider tile to the picture.": _padded("constant"),
            "the picture was mirrored beyond its border. That may even look better, but it is not net(lr): clip the "
            "wider tile to the picture.": _padded("reflect"),
            "the last tiles, which are smaller than the others, are missing. Continue to the end: range(0, height, "
            "tile).": _dropped,
            "this is the network on the whole picture. That is right, but it needs all the memory at once; with these "
            "overlaps, tiles differ from it slightly.": lambda net, lr, tile, overlap: stitch(net, lr, 10**6, 0),
        },
        tolerance=1e-5,
    ),
    "best-guess": Exercise(
        best_guess,
        [
            ([0.2, 0.9], [0.4, 0.6], 0.0),
            ([0.1, 0.5, 0.9], [0.35, 0.25, 0.4], 1.0),
            ([0.0, 0.3, 1.0], [0.45, 0.3, 0.25], 0.5),
            ([0.9, 0.1, 0.4, 0.6], [0.05, 0.55, 0.3, 0.1], 0.15),
        ],
        {
            "this is the mean: the absolute error was left out.": lambda v, p, w: _guess(v, p, 0.0),
            "this is the median: the squared error was left out.": lambda v, p, w: _guess(v, p, 1.0),
            "mean and median were mixed. The minimum of a sum is not the sum of the minima: add the losses, then look "
            "for the minimum.": _blend,
            "the weight is on the wrong loss: (1 − weight) belongs to the square.": lambda v, p, w: _guess(v, p, 1 - w),
            "the derivative of (x − v)² is 2 (x − v): the 2 is missing.": lambda v, p, w: _guess(v, p, w, factor=1.0),
            "the probabilities were left out; every answer counted the same.": (
                lambda v, p, w: _guess(v, [1 / len(v)] * len(v), w)
            ),
            "this is the most probable answer. It is what we would like to see, but neither loss is minimal there.": (
                lambda v, p, w: v[max(range(len(v)), key=lambda i: p[i])]
            ),
        },
        tolerance=2e-3,
    ),
}
