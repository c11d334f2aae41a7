"""Exercises on perceptual losses: best answers, normalisation, Gram matrix, unit distance, ratio, shifts."""

from collections.abc import Callable

import torch
from torch import Tensor

from srlib.exercises import Exercise
from srlib.losses.perceptual import gram


def best_answers(answers: Tensor, odds: Tensor) -> tuple[Tensor, Tensor]:
    """The pictures with the least expected squared error and the least expected absolute error.

    Shapes: answers (K, H, W), odds (K,) with sum one -> two of (H, W).
    """
    return _weighted_mean(answers, odds), _weighted_median(answers, odds)


def _weighted_mean(answers: Tensor, odds: Tensor) -> Tensor:
    return (answers * odds.view(-1, 1, 1)).sum(0)


def _weighted_median(answers: Tensor, odds: Tensor) -> Tensor:
    """Per pixel, the first value at which the cumulative odds reach one half."""
    values, order = answers.sort(0)
    reached = (odds[order].cumsum(0) >= 0.5).int().argmax(0, keepdim=True)
    return values.gather(0, reached)[0]


def normalised(image: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Each colour minus its mean, divided by its standard deviation.

    Shapes: image (N, 3, H, W), mean and std (3,) -> (N, 3, H, W).
    """
    return (image - _colour(mean)) / _colour(std)


def _colour(values: Tensor) -> Tensor:
    return values.view(3, 1, 1)


def unit_distance(a: Tensor, b: Tensor) -> Tensor:
    """Squared distance between unit vectors of channels, mean over positions; one number per pair.

    Shapes: two of (N, C, h, w), no vector zero -> (N,).
    """
    return _unit_distance()(a, b)


def _over_channels(features: Tensor) -> Tensor:
    return features / features.norm(dim=1, keepdim=True)


def _over_places(features: Tensor) -> Tensor:
    return features / features.norm(dim=(2, 3), keepdim=True)


def _unit_distance(
    unit: Callable[[Tensor], Tensor] = _over_channels,
    end: Callable[[Tensor], Tensor] = lambda squares: squares.sum(1).mean((1, 2)),
) -> Callable:
    """The distance with another normalisation or another way to sum up."""
    return lambda a, b: end((unit(a) - unit(b)).square())


def ratio(wanted: Tensor, first: Tensor, second: Tensor) -> float:
    """Mean squared error of the first features over that of the second."""
    return float((first - wanted).square().mean() / (second - wanted).square().mean())


def tolerant(a: Tensor, b: Tensor, reach: int) -> Tensor:
    """The least mean squared error between `a` and a shifted `b`, without a border of `reach` pixels.

    Args:
        reach: largest shift in pixels, down, up, right and left.

    Shapes: two of (H, W) -> scalar.
    """
    return _tolerant()(a, b, reach)


def _both_ways(reach: int) -> range:
    return range(-reach, reach + 1)


def _tolerant(
    moves: Callable[[int], range] = _both_ways,
    end: Callable[[Tensor], Tensor] = lambda squares: squares.mean((1, 2)).min(),
    cut: bool = True,
) -> Callable:
    """Other movements, another way to sum up, or no border cut off."""

    def wrong(a: Tensor, b: Tensor, reach: int) -> Tensor:
        moved = torch.stack([b.roll((i, j), (0, 1)) for i in moves(reach) for j in moves(reach)])
        squares = (moved - a).square()
        return end(squares[:, reach:-reach, reach:-reach] if cut else squares)

    return wrong


def _random(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=torch.float64)


def _moved(height: int, width: int, down: int, right: int) -> tuple[Tensor, Tensor]:
    """A picture and a noisy, shifted crop of the same scene."""
    scene = _random(height + 4, width + 4)
    there = scene[2 + down : 2 + down + height, 2 + right : 2 + right + width]
    return scene[2:-2, 2:-2], there + 0.05 * _random(height, width)


_ODDS = torch.tensor([0.41, 0.1, 0.05, 0.14, 0.3], dtype=torch.float64)
_MEAN = torch.tensor([0.485, 0.456, 0.406], dtype=torch.float64)
_STD = torch.tensor([0.229, 0.224, 0.225], dtype=torch.float64)
_PAIR = _random(2, 5, 6, 7), _random(2, 5, 6, 7).flip(1, 3)

EXERCISES: dict[str, Exercise] = {
    "best": Exercise(
        best_answers,
        [(_random(5, 5, 6), _ODDS), (_random(5, 4, 7), _ODDS.flip(0))],
        {
            "the two are swapped: squares lead to the mean, absolute differences to the median.": (
                lambda answers, odds: best_answers(answers, odds)[::-1]
            ),
            "the odds are missing: an answer that comes more often counts more often.": lambda answers, odds: (
                answers.mean(0),
                answers.median(0).values,
            ),
            "the odds are missing, in the median alone. Sort the values of a pixel, and go up until half of the odds "
            "are reached.": lambda answers, odds: (_weighted_mean(answers, odds), answers.median(0).values),
            "the most likely picture is not the best under the absolute error: the median takes each pixel for "
            "itself.": lambda answers, odds: (_weighted_mean(answers, odds), answers[odds.argmax()]),
            "one number for all pixels: each pixel has its own mean and its own median.": lambda answers, odds: tuple(
                picture.mean().expand(answers.shape[1:]) for picture in best_answers(answers, odds)
            ),
        },
    ),
    "normalise": Exercise(
        normalised,
        [(_random(2, 3, 4, 5), _MEAN, _STD), (_random(1, 3, 6, 3), _MEAN.flip(0), _STD.flip(0))],
        {
            "the mean is subtracted, but nothing is divided: the first layer gets a fifth of the contrast it was "
            "trained with.": lambda image, mean, std: image - _colour(mean),
            "the other order: first subtract the mean, then divide.": lambda image, mean, std: (
                image / _colour(std) - _colour(mean)
            ),
            "red and blue have changed places: our pictures are RGB, and so are these means.": (
                lambda image, mean, std: (image - _colour(mean.flip(0))) / _colour(std.flip(0))
            ),
            "the picture was multiplied by 255. Mean and deviation are for [0, 1].": lambda image, mean, std: (
                (255 * image - _colour(mean)) / _colour(std)
            ),
            "divided by the variance; the deviation is given, and it is not squared.": lambda image, mean, std: (
                (image - _colour(mean)) / _colour(std).square()
            ),
        },
    ),
    "gram": Exercise(
        gram,
        [(_random(2, 3, 4, 5),), (_random(3, 4, 2, 6),)],
        {
            "the division is missing: a larger picture would have a larger Gram matrix. Divide by C·h·w.": (
                lambda x: x.flatten(2) @ x.flatten(2).mT
            ),
            "divided by the places only. The paper divides by C·h·w.": lambda x: (
                x.flatten(2) @ x.flatten(2).mT / (x.shape[2] * x.shape[3])
            ),
            "the pictures of the batch are mixed: each has its own matrix, (N, C, C).": lambda x: (
                gram(x).mean(0, keepdim=True).expand(len(x), -1, -1)
            ),
            "the mean of each channel was subtracted first: this is a covariance. The Gram matrix keeps the mean.": (
                lambda x: gram(x - x.mean((2, 3), keepdim=True))
            ),
            "places with places: F is (C, h·w), and F Fᵀ has a row for each channel.": lambda x: (
                x.flatten(2).mT @ x.flatten(2) / x[0].numel()
            ),
        },
    ),
    "unit-distance": Exercise(
        unit_distance,
        [_PAIR, (_random(3, 4, 5, 2), _random(3, 4, 5, 2).flip(2, 3))],
        {
            "the vectors were not made unit vectors: strong places then drown the weak ones.": _unit_distance(
                lambda x: x
            ),
            "normalised over places. Divide each place's vector of channels by its length: norm over dimension 1.": (
                _unit_distance(_over_places)
            ),
            "mean over channels where the sum belongs: the squared length of the difference is a sum.": _unit_distance(
                end=lambda squares: squares.mean((1, 2, 3))
            ),
            "sum over places: a larger picture would be further away. Take the mean over places.": _unit_distance(
                end=lambda squares: squares.sum((1, 2, 3))
            ),
            "no root here: the squared length of the difference is averaged.": _unit_distance(
                end=lambda squares: squares.sum(1).sqrt().mean((1, 2))
            ),
            "one number for the whole batch; each pair has its own distance, (N,).": lambda a, b: unit_distance(
                a, b
            ).mean(),
        },
    ),
    "ratio": Exercise(
        ratio,
        [
            (*_PAIR, 1.5 + _random(2, 5, 6, 7).flip(0, 2)),
            (_random(1, 3, 4, 4), _random(1, 3, 4, 4).flip(3), 1.2 + _random(1, 3, 4, 4).flip(2)),
        ],
        {
            "upside down: the first over the second.": lambda wanted, first, second: ratio(wanted, second, first),
            "this is the ratio of the roots. Leave the mean squares as they are.": lambda wanted, first, second: (
                ratio(wanted, first, second) ** 0.5
            ),
            "mean absolute differences; squares were asked for.": lambda wanted, first, second: float(
                (first - wanted).abs().mean() / (second - wanted).abs().mean()
            ),
            "the mean of ratios, place by place, explodes wherever one denominator is small. Divide the means.": (
                lambda wanted, first, second: float(((first - wanted).square() / (second - wanted).square()).mean())
            ),
        },
        tolerance=1e-6,
    ),
    "tolerant": Exercise(
        tolerant,
        [(*_moved(12, 11, 1, -2), 2), (*_moved(9, 13, -1, 1), 1)],
        {
            "what left on one side came in on the other: cut a border of `reach` places before comparing.": _tolerant(
                cut=False
            ),
            "the mean over all movements; take the least.": _tolerant(end=lambda squares: squares.mean()),
            "each pixel chose its own movement: the least must be taken after the mean over the picture.": _tolerant(
                end=lambda squares: squares.min(0).values.mean()
            ),
            "only down and to the right: movements go from −reach to +reach.": _tolerant(
                moves=lambda reach: range(reach + 1)
            ),
            "only the shift 0: nothing was moved.": _tolerant(moves=lambda reach: range(1)),
        },
    ),
}
