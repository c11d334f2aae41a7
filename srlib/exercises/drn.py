"""Exercises on closed loops: null space, centred doubling, unpaired pictures, back-projection, seeds, no targets."""

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from srlib.consistency import shrink
from srlib.data.datasets import photo
from srlib.exercises import Exercise
from srlib.metrics import Protocol
from srlib.resample import resize

SCALE = 4
ENOUGH = 0.1  # dB ahead of bicubic interpolation


def invisible(x: Tensor, A: Tensor) -> Tensor:
    """The part of x in the null space of A: x − A⁺ A x.

    Shapes: x (n,), A (m, n) -> (n,).
    """
    return x - torch.linalg.pinv(A) @ (A @ x)


def _rows_in_turn(x: Tensor, A: Tensor) -> Tensor:
    for row in A:
        x = x - row * (row @ x) / (row @ row)
    return x


def doubled(row: Tensor) -> Tensor:
    """Bilinear doubling, pixel centres at half integers, the border repeated.

    Shapes: (n,) -> (2·n,).
    """
    return _between(torch.cat([row[:1], row[:-1]]), row, torch.cat([row[1:], row[-1:]]))


def _between(before: Tensor, row: Tensor, after: Tensor) -> Tensor:
    return torch.stack([0.75 * row + 0.25 * before, 0.75 * row + 0.25 * after], 1).flatten()


def _dark(row: Tensor) -> Tensor:
    wide = F.pad(row, (1, 1))
    return _between(wide[:-2], row, wide[2:])


def _three_taps(row: Tensor) -> Tensor:
    return torch.stack([row, (row + torch.cat([row[1:], row[-1:]])) / 2], 1).flatten()


def _corners(row: Tensor) -> Tensor:
    return F.interpolate(row.view(1, 1, -1), size=2 * len(row), mode="linear", align_corners=True).flatten()


def _mixed(
    primal: Callable = lambda error, paired: error[paired].mean() if paired.any() else error.new_zeros(()),
    loop: Callable = lambda error, paired: error.mean(),
    total: Callable = lambda primal, loop, weight: primal + weight * loop,
    distance: Callable = torch.abs,
) -> Callable:
    """The error of the paired answers, and weight times that of all shrunk answers; parts of it can be exchanged."""

    def loss(answers, lr, hr, paired, shrinks, weight) -> Tensor:
        again = distance(shrinks(answers) - lr)
        return total(primal(distance(answers - hr), paired), loop(again, paired), weight)

    return loss


def _counted(measure: Callable[[Tensor], Tensor], first: int = 0, least: int = 0) -> Callable:
    """Steps of back-projection until lr is met, as `measure` says, to the limit."""

    def count(sr, lr, shrinks, enlarges, limit) -> int:
        done = 0
        while measure(error := lr - shrinks(sr)) > limit or done < least:
            sr, done = sr + enlarges(error), done + 1
        return first + done

    return count


def _interval(
    units: Callable[[Tensor], Tensor] = lambda gains: gains.mean(1),
    width: Callable[[Tensor], Tensor] = lambda values: values.std() / len(values) ** 0.5,
) -> Callable:
    """Mean difference, and half the width of its interval over units: seeds."""

    def answer(treated, control, quantile) -> tuple[Tensor, Tensor]:
        values = units(treated - control)
        return values.mean(), quantile * width(values)

    return answer


def _without_pairs(treated: Tensor, control: Tensor, quantile: float) -> tuple[Tensor, Tensor]:
    a, b = treated.mean(1), control.mean(1)
    return a.mean() - b.mean(), quantile * ((a.var() + b.var()) / len(a)).sqrt()


@torch.no_grad()
def judge(net: Callable[[Tensor], Tensor]) -> float:
    """How many dB a network for ×4 is ahead of bicubic interpolation on three photographs, at most 0.1."""
    protocol, gains = Protocol("y", SCALE, None), []
    for name, top, left in (("astronaut", 40, 160), ("chelsea", 60, 120), ("coffee", 100, 200)):
        hr = photo(name)[..., top : top + 96, left : left + 96]
        lr = shrink(hr, SCALE)
        scores = [protocol.psnr(sr, hr, SCALE).item() for sr in (net(lr), resize(lr, SCALE))]
        gains.append(scores[0] - scores[1])
    return min(sum(gains) / len(gains), ENOUGH)


def _bilinear(lr: Tensor) -> Tensor:
    return resize(resize(lr, 2, kernel="bilinear"), 2, kernel="bilinear")


def _some(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed + sum(shape)))


def _overlapping(rows: int, columns: int) -> Tensor:
    """Rows that are neither orthogonal nor of length one; the last is the sum of the first two."""
    A = _some(rows - 1, columns).double()
    return torch.cat([A, A[:1] + A[1:2]])


_half = partial(F.avg_pool2d, kernel_size=2)


def _faint(lr: Tensor) -> Tensor:
    """An enlargement that gives back only six tenths, so that it takes several steps."""
    return 0.6 * F.interpolate(lr, scale_factor=2, mode="nearest")


_BATCH = _some(4, 3, 6, 10), _some(4, 3, 3, 5), _some(4, 3, 6, 10, seed=1)

EXERCISES: dict[str, Exercise] = {
    "invisible": Exercise(
        invisible,
        [(_some(9).double(), _overlapping(4, 9)), (_some(7).double(), _some(2, 7).double())],
        {
            "this is the part that A sees. Subtract it from x.": lambda x, A: torch.linalg.pinv(A) @ (A @ x),
            "the transpose stands where the pseudo-inverse belongs. The two are equal only for orthonormal rows.": (
                lambda x, A: x - A.T @ (A @ x)
            ),
            "the part that A sees was added, where it has to be taken away.": (
                lambda x, A: x + torch.linalg.pinv(A) @ (A @ x)
            ),
            "each row was projected out of the same x. Rows that are not orthogonal share directions, and these were "
            "subtracted twice.": lambda x, A: x - ((A @ x) / A.square().sum(1)) @ A,
            "the rows were projected out one after the other, and each later one brings back a little of those "
            "before.": _rows_in_turn,
        },
    ),
    "double": Exercise(
        doubled,
        [(torch.tensor([0.0, 4.0]),), (_some(5),), (_some(1),)],
        {
            "the two ends are too dark: beyond the border stands zero, where the border's value belongs.": _dark,
            "half a pixel off: old values were kept, and means put between them. A block of two has its centre between "
            "its pixels.": _three_taps,
            "the corner pixels were kept in place, which stretches by (2n − 1)/(n − 1) and not by 2.": _corners,
            "each value was repeated: that is the nearest neighbour.": lambda row: row.repeat_interleave(2),
        },
    ),
    "unpaired": Exercise(
        _mixed(),
        [
            (*_BATCH, torch.tensor([True, False, True, False]), _half, 0.1),
            (*_BATCH, torch.tensor([False] * 4), _half, 2.0),
            (*_BATCH, torch.tensor([True, True, True, False]), _half, 0.5),
        ],
        {
            "hr counted where it is no target. The first term is for the paired samples alone.": _mixed(
                primal=lambda error, paired: error.mean()
            ),
            "the first term was divided by all samples, paired or not. It is the mean over the paired ones.": _mixed(
                primal=lambda error, paired: (error * paired[:, None, None, None]).mean()
            ),
            "a batch without pairs gives no number: the mean of nothing. Let the first term be 0 there.": _mixed(
                primal=lambda error, paired: error[paired].mean()
            ),
            "the loop closed over the unpaired samples alone. It needs no hr, so it holds for all.": _mixed(
                loop=lambda error, paired: error[~paired].mean()
            ),
            "the weight was put on both terms. It belongs to the loop alone.": _mixed(
                total=lambda primal, loop, weight: weight * (primal + loop)
            ),
            "the weight is missing: it multiplies the error of the shrunk answers.": _mixed(
                total=lambda primal, loop, weight: primal + loop
            ),
            "errors were squared. Both terms are absolute errors.": _mixed(distance=torch.square),
        },
    ),
    "steps": Exercise(
        _counted(lambda error: error.abs().mean()),
        [
            (_some(1, 1, 6, 8), _some(1, 1, 3, 4), _half, _faint, 0.01),
            (_some(2, 3, 4, 4), _some(2, 3, 2, 2), _half, _faint, 0.2),
            (_some(1, 1, 4, 6), F.avg_pool2d(_some(1, 1, 4, 6), 2), _half, _faint, 0.1),
        ],
        {
            "one too many: after the last step the answer was looked at once more, and that is no step.": _counted(
                lambda error: error.abs().mean(), first=1
            ),
            "a step was taken before the first look. Where lr is met at the start, the count is 0.": _counted(
                lambda error: error.abs().mean(), least=1
            ),
            "this waits for the largest error of all pixels. The limit is for the mean.": _counted(
                lambda error: error.abs().max()
            ),
            "this waits for the root of the mean square, which is larger than the mean absolute error.": _counted(
                lambda error: error.square().mean().sqrt()
            ),
        },
        tolerance=0.1,
    ),
    "effect": Exercise(
        _interval(),
        [(_some(4, 5), _some(4, 5, seed=1), 3.182), (_some(3, 7), _some(3, 7, seed=1), 4.303)],
        {
            "the pictures were taken for the unit. First take the mean over pictures, for each seed.": _interval(
                units=torch.flatten
            ),
            "the interval goes over pictures. The other way round: one number for each seed.": _interval(
                units=lambda gains: gains.mean(0)
            ),
            "the pairs are lost: both arms share the luck of their seeds. Take differences first.": _without_pairs,
            "s was divided by n, and not by its root.": _interval(width=lambda values: values.std() / len(values)),
            "this is the spread of single seeds. The spread of their mean is smaller by the root of n.": _interval(
                width=torch.std
            ),
            "s has n in its denominator. The mean was estimated from the same numbers, so it must be n − 1.": _interval(
                width=lambda values: values.std(correction=0) / len(values) ** 0.5
            ),
            "the difference has the wrong sign: treated minus control.": (
                lambda treated, control, quantile: _interval()(control, treated, quantile)
            ),
        },
    ),
    "train": Exercise(
        lambda judge: ENOUGH,
        [(judge,)],
        {
            "the network is as it was before training: LapSRN begins as bilinear interpolation, twice.": lambda judge: (
                judge(_bilinear)
            ),
            "0 dB ahead: this is bicubic interpolation itself.": lambda judge: judge(lambda lr: resize(lr, SCALE)),
            "each pixel was repeated: that is the nearest neighbour, far behind bicubic interpolation.": (
                lambda judge: judge(lambda lr: lr.repeat_interleave(SCALE, -1).repeat_interleave(SCALE, -2))
            ),
            "the answer is moved by half an lr pixel against the photograph: a layer that doubles is not centred.": (
                lambda judge: judge(lambda lr: resize(lr, SCALE, offset=(0.5, 0.5)))
            ),
        },
    ),
}
