"""Exercises on learning without pairs: losses on maps, two lines, a share, and a line that is trained."""

from collections.abc import Callable, Sequence
from statistics import fmean

import torch
from torch import Tensor

from srlib.exercises import Exercise


def lsgan(real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """The losses of a patch discriminator and of the generator, least squares with ½.

    Shapes: real, fake (N, 1, h, w) -> two scalars.
    """
    return _lsgan()(real, fake)


def _lsgan(
    half: float = 0.5, real_target: float = 1.0, error: Callable[[Tensor], Tensor] = torch.square, early: bool = False
) -> Callable:
    """With another factor, targets or error, or the mean of a map taken too early."""

    def wrong(real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        if early:
            real, fake = (logits.mean((1, 2, 3)) for logits in (real, fake))
        fake_target = 1 - real_target
        d = half * error(real - real_target).mean() + half * error(fake - fake_target).mean()
        return d, half * error(fake - real_target).mean()

    return wrong


def _towards_zero(real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    return lsgan(real, fake)[0], 0.5 * fake.square().mean()


def _exchanged(real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    return lsgan(real, fake)[::-1]


def twins(x: Tensor, y: Tensor) -> tuple[float, float, float, float]:
    """(a, b, c, d): the two lines that give x the mean and the standard deviation of y, the rising one first.

    Shapes: x (n,), y (m,).
    """
    return _twins()(x, y)


def _twins(
    correction: int = 0, inverted: bool = False, power: float = 1.0, same_shift: bool = False, swapped: bool = False
) -> Callable:
    """With another standard deviation, the ratio turned or of variances, or shifts that are wrong."""

    def wrong(x: Tensor, y: Tensor) -> tuple[float, float, float, float]:
        ratio = (y.double().std(correction=correction) / x.double().std(correction=correction)).item()
        a = (1 / ratio if inverted else ratio) ** power
        rising, falling = (y.double().mean().item() - slope * x.double().mean().item() for slope in (a, -a))
        falling = rising if same_shift else falling
        return (-a, falling, a, rising) if swapped else (a, rising, -a, falling)

    return wrong


def share(direct: Sequence[float], method: Sequence[float], oracle: Sequence[float]) -> float:
    """The method's mean gain over `direct`, in parts of the oracle's."""
    return (fmean(method) - fmean(direct)) / (fmean(oracle) - fmean(direct))


def _mean_of_ratios(direct: Sequence[float], method: Sequence[float], oracle: Sequence[float]) -> float:
    return fmean((m - d) / (o - d) for d, m, o in zip(direct, method, oracle, strict=True))


def _of_scores(direct: Sequence[float], method: Sequence[float], oracle: Sequence[float]) -> float:
    return fmean(method) / fmean(oracle)


def _rest(direct: Sequence[float], method: Sequence[float], oracle: Sequence[float]) -> float:
    return 1 - share(direct, method, oracle)


def _percent(direct: Sequence[float], method: Sequence[float], oracle: Sequence[float]) -> float:
    return 100 * share(direct, method, oracle)


def line(x: Tensor, y: Tensor, weight: float) -> tuple[float, float]:
    """(a, b) that minimise the differences of mean and deviation, and `weight` times the identity term, for a > 0.

    Shapes: x (n,), y (m,).
    """
    return _line()(x, y, weight)


def _line(identity: float = 1.0, deviation: float = 1.0, of_x: bool = False, correction: int = 0) -> Callable:
    """With other weights; for a > 0 the loss is a quadratic form, and its minimum a system of two equations."""

    def wrong(x: Tensor, y: Tensor, weight: float) -> tuple[float, float]:
        x, y, weight = x.double(), y.double(), identity * weight
        mx, sx, my, sy = x.mean(), x.std(correction=correction), y.mean(), y.std(correction=correction)
        kept = x if of_x else y
        square, mean = kept.square().mean(), kept.mean()
        left = [
            [mx * mx + deviation * sx * sx + weight * square, mx + weight * mean],
            [mx + weight * mean, torch.ones_like(mx) * (1 + weight)],
        ]
        right = [mx * my + deviation * sx * sy + weight * square, my + weight * mean]
        found = torch.linalg.solve(torch.stack([torch.stack(row) for row in left]), torch.stack(right))
        return found[0].item(), found[1].item()

    return wrong


def _maps(seed: int, count: int, height: int, width: int) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    real, fake = (torch.randn(count, 1, height, width, generator=rng) + shift for shift in (0.7, 0.2))
    return real, fake


def _numbers(seed: int, mean: float, spread: float, count: int) -> Tensor:
    drawn = torch.rand(count, generator=torch.Generator().manual_seed(seed))
    return mean + spread * (drawn - 0.5)


EXERCISES: dict[str, Exercise] = {
    "lsgan": Exercise(
        lsgan,
        [_maps(0, 2, 3, 4), _maps(1, 3, 2, 2), _maps(2, 1, 5, 1)],
        {
            "the ½ is missing in both losses.": _lsgan(half=1.0),
            "the targets are exchanged: 1 stands for real.": _lsgan(real_target=0.0),
            "take the mean of the squares, not the square of a map's mean: each entry is a verdict of its own.": (
                _lsgan(early=True)
            ),
            "these are absolute errors; squares are asked for.": _lsgan(error=torch.abs),
            "the generator's target is 1: it wants its pictures taken for real.": _towards_zero,
            "the two losses are in the wrong order: the discriminator's first.": _exchanged,
        },
    ),
    "twins": Exercise(
        twins,
        [
            (_numbers(0, 0.4, 0.3, 9), _numbers(1, 0.5, 0.6, 7)),
            (_numbers(2, 0.7, 0.9, 6), _numbers(3, 0.3, 0.2, 8)),
        ],
        {
            "the ratio is upside down: the deviation of y over that of x.": _twins(inverted=True),
            "this is the ratio of variances; a is that of standard deviations.": _twins(power=2.0),
            "the falling line needs a shift of its own, my + |a| · mx.": _twins(same_shift=True),
            "the rising line comes first.": _twins(swapped=True),
            "these deviations have n − 1 in the denominator; n is asked for.": _twins(correction=1),
        },
    ),
    "share": Exercise(
        share,
        [([26.2, 24.7, 24.6], [26.9, 25.0, 25.0], [28.2, 26.0, 25.0]), ([20.0, 30.0], [19.5, 32.0], [22.0, 34.0])],
        {
            "this is the mean of the ratios: take the means over sets first.": _mean_of_ratios,
            "this divides scores; divide gains over `direct`.": _of_scores,
            "this is what the method leaves, not what it has.": _rest,
            "this is in percent; 1 stands for all of the gain.": _percent,
        },
    ),
    "line": Exercise(
        line,
        [
            (_numbers(0, 0.4, 0.6, 6), _numbers(1, 0.5, 0.9, 50), 0.1),
            (_numbers(2, 0.6, 0.9, 40), _numbers(3, 0.3, 0.6, 5), 0.05),
            (_numbers(4, 0.2, 0.5, 7), _numbers(5, 0.5, 0.8, 40), 1.0),
        ],
        {
            "the identity term is missing: a and b minimise the differences of mean and deviation alone.": _line(
                identity=0.0
            ),
            "the identity term has half of its weight.": _line(identity=0.5),
            "the identity term is of y, not of x: what is sharp shall stay.": _line(of_x=True),
            "standard deviations are not compared: the means alone do not fix a line.": _line(deviation=0.0),
            "these deviations have n − 1 in the denominator; n is asked for.": _line(correction=1),
        },
        tolerance=0.01,
    ),
}
