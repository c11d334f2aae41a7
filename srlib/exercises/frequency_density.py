"""Exercises on frequency density: one wave, the floor of rounding, where two profiles cross, a blur that matches."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from srlib.degradations import Blur, gaussian_kernel
from srlib.exercises import Exercise
from srlib.frequency import density, radial_profile


def wave(height: int, width: int, row: int, column: int) -> Tensor:
    """The cosine whose shifted spectrum is not zero at this entry, and at its mirror image.

    Shapes: -> (height, width) in [-1, 1]; 1 at the first pixel.
    """
    return _wave()(height, width, row, column)


def _wave(
    middle: Callable[[int], int] = lambda size: size // 2, turn: float = 2 * math.pi, of: Callable = torch.cos
) -> Callable:
    """The wave with frequency zero at another place, of another phase, or counted otherwise."""

    def wrong(height: int, width: int, row: int, column: int) -> Tensor:
        down = (row - middle(height)) / height * torch.arange(height, dtype=torch.float64)
        across = (column - middle(width)) / width * torch.arange(width, dtype=torch.float64)
        return of(turn * (down[:, None] + across))

    return wrong


def _swapped(height: int, width: int, row: int, column: int) -> Tensor:
    return wave(height, width, column, row)


def floor(bits: int, weights: Sequence[float]) -> float:
    """Density in dB of the rounding errors in a weighted sum of channels."""
    return _floor()(bits, weights)


def _floor(
    step: Callable[[int], float] = lambda bits: 1 / (2**bits - 1),
    spread: float = 1 / 12,
    power: Callable[[Sequence[float]], float] = lambda weights: sum(weight**2 for weight in weights),
    decibels: float = 10,
) -> Callable:
    def wrong(bits: int, weights: Sequence[float]) -> float:
        return decibels * math.log10(step(bits) ** 2 * spread * power(weights))

    return wrong


def crossing(frequency: Sequence[float], first: Sequence[float], second: Sequence[float]) -> float:
    """Lowest frequency at which the first profile is no longer the larger one; infinite where there is none.

    Between two frequencies the ratio in dB is a straight line.
    """
    return _crossing()(frequency, first, second)


def _crossing(
    over: Callable[[float, float], float] = lambda a, b: math.log10(a / b),
    at: Callable[[float, float, float], float] = lambda share, below, above: below + share * (above - below),
    last: bool = False,
) -> Callable:
    """The crossing of another measure of distance, at another place, or the last one."""

    def wrong(frequency: Sequence[float], first: Sequence[float], second: Sequence[float]) -> float:
        gap = [over(a, b) for a, b in zip(first, second, strict=True)]
        found = [frequency[0]] if gap[0] <= 0 else []
        found += [
            at(gap[k] / (gap[k] - gap[k + 1]), frequency[k], frequency[k + 1])
            for k in range(len(gap) - 1)
            if gap[k] > 0 >= gap[k + 1]
        ]
        return found[-1 if last else 0] if found else math.inf

    return wrong


def match(source: Tensor, small: Tensor) -> float:
    """σ in pixels of the Gaussian blur that gives `small` the density of `source`.

    Shapes: two of (1, 1, H, W), of any sizes from 64.
    """
    frequency, wanted = radial_profile(density(source.double()))
    _, power = radial_profile(density(small.double()))
    use = (frequency > 0.05) & (frequency < 0.3)
    squares = 4 * math.pi**2 * frequency[use] ** 2
    slope = (squares * (power / wanted)[use].log()).sum() / squares.square().sum()
    return slope.clamp_min(0).sqrt().item()


def _texture(seed: int, height: int, width: int) -> Tensor:
    noise = torch.randn(1, 1, height, width, generator=torch.Generator().manual_seed(seed))
    return 0.5 + 0.15 * noise


def _pair(sigma: float, seed: int) -> tuple[Tensor, Tensor]:
    """Two textures of one kind, the first blurred."""
    return Blur(gaussian_kernel(sigma))(_texture(seed, 256, 230)), _texture(seed + 1, 200, 256)


_LOW = [0.1, 0.2, 0.3, 0.4, 0.5]

EXERCISES: dict[str, Exercise] = {
    "wave": Exercise(
        wave,
        [(8, 6, 6, 1), (7, 9, 2, 6), (6, 6, 3, 0), (5, 8, 2, 4), (9, 4, 8, 3)],
        {
            "frequency zero is not at entry (0, 0): the spectrum is shifted, and zero lies at size // 2.": _wave(
                lambda size: 0
            ),
            "of odd sizes zero lies at size // 2, too: (size - 1) / 2, and not (size + 1) / 2.": _wave(
                lambda size: (size + 1) // 2
            ),
            "row and column are exchanged: the row says how the wave changes downwards.": _swapped,
            "2π is missing: frequencies are in cycles, and a cosine takes radians.": _wave(turn=1.0),
            "this is the sine. At the first pixel the cosine is 1.": _wave(of=torch.sin),
        },
    ),
    "floor": Exercise(
        floor,
        [(8, [1.0]), (8, [0.299, 0.587, 0.114]), (2, [0.5, 0.5]), (16, [1.0, 0.25])],
        {
            "2 to the power of bits is the number of levels. Between them there is one distance less.": _floor(
                lambda bits: 1 / 2**bits
            ),
            "an error that is spread evenly over a distance d has the variance d² / 12; the 12 is missing.": _floor(
                spread=1.0
            ),
            "variances add with the squares of the weights, and here the weights themselves were added.": _floor(
                power=sum
            ),
            "the errors are independent: add the squares of the weights, do not square their sum.": _floor(
                power=lambda weights: sum(weights) ** 2
            ),
            "a density is a power: 10 times the logarithm. With 20 it would have to be an amplitude.": _floor(
                decibels=20
            ),
        },
    ),
    "crossing": Exercise(
        crossing,
        [
            (_LOW, [4.0, 3.0, 2.0, 0.5, 0.2], [1.0, 1.0, 1.0, 1.0, 1.0]),
            (_LOW, [4.0, 2.0, 0.25, 3.0, 0.5], [1.0, 1.0, 0.5, 1.0, 1.5]),
            (_LOW, [4.0, 3.0, 2.0, 2.0, 2.0], [1.0, 1.0, 1.0, 1.0, 1.0]),
            (_LOW, [1.0, 3.0, 2.0, 2.0, 0.5], [2.0, 1.0, 1.0, 1.0, 1.0]),
            (_LOW, [1.0, 1.0, 1.0, 0.8, 0.1], [0.5, 0.25, 0.1, 0.4, 0.3]),
        ],
        {
            "this takes the difference of powers as a straight line; the task asks for the ratio in dB.": _crossing(
                over=lambda a, b: a - b
            ),
            "this is the first frequency in the list after the crossing. Interpolate between it and the one before.": (
                _crossing(at=lambda share, below, above: above)
            ),
            "this is the last frequency in the list before the crossing. Interpolate between it and the next.": (
                _crossing(at=lambda share, below, above: below)
            ),
            "there are several crossings, and this is the last. The lowest frequency is asked for.": _crossing(
                last=True
            ),
            "first and second are exchanged.": lambda frequency, first, second: crossing(frequency, second, first),
        },
    ),
    "match": Exercise(
        match,
        [_pair(0.9, 0), _pair(1.4, 10), _pair(0.7, 20)],
        {
            "this is the variance σ²; σ is its square root.": lambda source, small: match(source, small) ** 2,
            "this σ is too large by √2: a density is a power, and falls with 4π²σ²f², not with 2π²σ²f².": (
                lambda source, small: match(source, small) * math.sqrt(2)
            ),
        },
        tolerance=0.05,
    ),
}
