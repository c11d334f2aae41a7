"""Exercises on ESRGAN: dense block, relativistic loss, network interpolation, the choice of α, a posterior sample."""

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from srlib.exercises import Exercise
from srlib.losses.adversarial import bce_d, relativistic_d

Layer = tuple[Tensor, Tensor]


def dense(x: Tensor, layers: Sequence[Layer]) -> Tensor:
    """The dense block of ESRGAN: x + 0.2 · the last convolution, where each takes all results before it.

    Shapes: x (N, C, h, w); layers: pairs (weight, bias) of 3×3 convolutions, the last returns C maps -> as x.
    """
    return _dense()(x, layers)


def _dense(
    scale: float = 0.2,
    slope: float = 0.2,
    newest_first: bool = False,
    last: Callable[[Tensor], Tensor] = lambda y: y,
    join: Callable[[Tensor, Tensor, float], Tensor] = lambda x, y, scale: x + scale * y,
) -> Callable:
    """The block with another factor, slope, order, last layer or sum."""

    def wrong(x: Tensor, layers: Sequence[Layer]) -> Tensor:
        seen = [x]
        for weight, bias in layers[:-1]:
            y = F.leaky_relu(F.conv2d(torch.cat(seen, 1), weight, bias, padding=1), slope)
            seen = [y, *seen] if newest_first else [*seen, y]
        weight, bias = layers[-1]
        return join(x, last(F.conv2d(torch.cat(seen, 1), weight, bias, padding=1)), scale)

    return wrong


def choose(alphas: Sequence[float], psnr: Sequence[float], distance: Sequence[float], most: float) -> float:
    """The α with the smallest distance among those whose PSNR is at most `most` dB below that of α = 0."""
    return _chosen(lambda a, p, d, start: (d,), lambda p, start, most: p >= start - most)(alphas, psnr, distance, most)


def _chosen(order: Callable, keep: Callable, start: Callable = lambda alphas, psnr: psnr[alphas.index(0)]) -> Callable:
    """The first by another order among those kept by another rule."""

    def wrong(alphas: Sequence[float], psnr: Sequence[float], distance: Sequence[float], most: float) -> float:
        first = start(alphas, psnr)
        rows = [row for row in zip(alphas, psnr, distance, strict=True) if keep(row[1], first, most)]
        return min(rows, key=lambda row: order(*row, first))[0]

    return wrong


def _allowed(p: float, start: float, most: float) -> bool:
    return p >= start - most


def interpolate_weights(a: Sequence[Tensor], b: Sequence[Tensor], alpha: float) -> tuple[Tensor, ...]:
    """(1 − α)·a + α·b, tensor by tensor; integers are taken from the nearer list, from a at ½."""
    return _mixed(lambda p, q, alpha: (1 - alpha) * p + alpha * q)(a, b, alpha)


def _nearer(p: Tensor, q: Tensor, alpha: float) -> Tensor:
    return q if alpha > 0.5 else p


def _mixed(floats: Callable, integers: Callable = _nearer) -> Callable:
    """Mixing by another rule for floats or for integers."""

    def wrong(a: Sequence[Tensor], b: Sequence[Tensor], alpha: float) -> tuple[Tensor, ...]:
        pairs = zip(a, b, strict=True)
        return tuple((floats if p.is_floating_point() else integers)(p, q, alpha) for p, q in pairs)

    return wrong


def _right_mix(p: Tensor, q: Tensor, alpha: float) -> Tensor:
    return (1 - alpha) * p + alpha * q


def posterior_sample(y: Tensor, sigma: float, z: Tensor) -> Tensor:
    """A sample of x from its posterior given y = x + σ·noise, where x and z are standard normal.

    Shapes: y and z of one shape -> the same.
    """
    k = 1 / (1 + sigma**2)
    return k * y + math.sqrt(1 - k) * z


def price(k: float) -> float:
    """The least cost in dB of matching the truth's statistics, where the mean explains the share k of the variance.

    For Gaussian x and y = x + n, the estimate is x̂ = y·√k instead of k·y, with error 2 (1 − √k) instead of 1 − k.
    """
    return 10 * math.log10(2 / (1 + math.sqrt(k)))


def _noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=torch.float64)


def _layers(channels: int, growth: int, count: int) -> list[Layer]:
    """Convolutions of a dense block; growth equals channels, so that a wrong order fits too."""
    widths = [growth] * (count - 1) + [channels]
    return [(_noise(width, channels + k * growth, 3, 3) / 3, _noise(width) - k) for k, width in enumerate(widths)]


_ALPHAS = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
_PSNR = [29.0, 29.1, 28.7, 28.3, 27.9, 27.4]  # the best is not at α = 0
_DISTANCE = [0.80, 0.74, 0.62, 0.66, 0.55, 0.50]  # and not monotone
_LISTS = (
    [_noise(3, 2), torch.tensor([10, 3]), _noise(4), torch.tensor(7)],
    [_noise(2, 3).T, torch.tensor([40, 8]), _noise(4) + 1, torch.tensor(2)],
)

EXERCISES: dict[str, Exercise] = {
    "dense": Exercise(
        dense,
        [(_noise(1, 4, 7, 6), _layers(4, 4, 3)), (_noise(2, 3, 5, 8), _layers(3, 3, 5))],
        {
            "the factor 0.2 is missing.": _dense(scale=1.0),
            "x was scaled as well: 0.2 belongs to what the convolutions add, x passes as it is.": _dense(
                join=lambda x, y, scale: scale * (x + y)
            ),
            "x is not added: the block would have to learn to return its input.": _dense(
                join=lambda x, y, scale: scale * y
            ),
            "the last convolution has an activation too. It must be able to subtract, so it has none.": _dense(
                last=lambda y: F.leaky_relu(y, 0.2)
            ),
            "this is ReLU: below zero, ESRGAN has the slope 0.2.": _dense(slope=0.0),
            "the slope is torch's default 0.01; ESRGAN has 0.2.": _dense(slope=0.01),
            "the newest maps were put first. The weights expect x first, then the layers in their order.": _dense(
                newest_first=True
            ),
        },
    ),
    "relativistic": Exercise(
        relativistic_d,
        [(_noise(6) + 1.5, _noise(6).flip(0) - 0.5), (_noise(2, 1, 3, 3), 2 * _noise(1, 2, 3, 3).transpose(0, 1))],
        {
            "this is the standard loss: each logit is judged alone. Subtract the mean logit of the other kind first.": (
                bce_d
            ),
            "half of the standard loss: each logit is still judged alone, against zero.": (
                lambda real, fake: 0.5 * bce_d(real, fake)
            ),
            "the ½ is missing: there are two questions, and the loss is their mean.": (
                lambda real, fake: 2 * relativistic_d(real, fake)
            ),
            "the roles are exchanged: this is what the generator minimises.": lambda r, f: relativistic_d(f, r),
            "the mean of its own kind was subtracted: compare real with fake, and fake with real.": (
                lambda real, fake: 0.5 * bce_d(real - real.mean(), fake - fake.mean())
            ),
            "each real picture was compared with a single fake. Compare it with the mean of the fakes.": (
                lambda real, fake: 0.5 * bce_d(real - fake, fake - real)
            ),
            "the sigmoid was taken before the difference: subtract logits.": (
                lambda real, fake: (
                    0.5 * bce_d(real.sigmoid() - fake.sigmoid().mean(), fake.sigmoid() - real.sigmoid().mean())
                )
            ),
        },
    ),
    "interpolate": Exercise(
        interpolate_weights,
        [(*_LISTS, 0.2), (*_LISTS, 0.7)],
        {
            "α = 0 must be the first network and α = 1 the second; here it is the other way round.": (
                lambda a, b, alpha: interpolate_weights(b, a, alpha)
            ),
            "integers were mixed and are not integers any more. Take a count from the nearer network.": _mixed(
                _right_mix, _right_mix
            ),
            "integers were mixed and rounded: a count that neither network has. Take the nearer one's.": _mixed(
                _right_mix, lambda p, q, alpha: _right_mix(p.double(), q.double(), alpha).round()
            ),
            "integers always come from the first network, even if the second is nearer.": _mixed(
                _right_mix, lambda p, q, alpha: p
            ),
            "this adds α·b to all of a: the weights of the two must sum to one.": _mixed(
                lambda p, q, alpha: p + alpha * q
            ),
        },
    ),
    "choose": Exercise(
        choose,
        [
            (_ALPHAS, _PSNR, _DISTANCE, 0.8),
            (_ALPHAS[::-1], _PSNR[::-1], _DISTANCE[::-1], 0.5),
            (_ALPHAS, _PSNR, _DISTANCE, 1.15),
        ],
        {
            "this is the smallest distance of all: the bound on the PSNR is missing.": _chosen(
                lambda a, p, d, start: (d,), lambda p, start, most: True
            ),
            "the largest α that is allowed. The distance need not fall with every step: compare distances.": _chosen(
                lambda a, p, d, start: (-a,), _allowed
            ),
            "the loss was counted from the best PSNR. Here that is not the one at α = 0.": _chosen(
                lambda a, p, d, start: (d,), _allowed, lambda alphas, psnr: max(psnr)
            ),
            "this is the largest distance; smaller is better.": _chosen(lambda a, p, d, start: (-d,), _allowed),
            "this is the best PSNR. It was only a bound; return the α with the smallest distance.": _chosen(
                lambda a, p, d, start: (-p,), _allowed
            ),
        },
    ),
    "sample": Exercise(
        posterior_sample,
        [(_noise(5), 0.5, _noise(5).flip(0)), (_noise(2, 3), 2.0, _noise(3, 2).T)],
        {
            "this is the mean alone: nothing was drawn.": lambda y, sigma, z: y / (1 + sigma**2),
            "y itself is no estimate of the mean: it contains the noise. Shrink it by k = 1 / (1 + σ²).": (
                lambda y, sigma, z: y + math.sqrt(1 - 1 / (1 + sigma**2)) * z
            ),
            "noise with the variance of y's noise was added. The unknown part of x has the variance 1 − k.": (
                lambda y, sigma, z: y / (1 + sigma**2) + sigma * z
            ),
            "1 − k is the variance; z is multiplied by its root.": (
                lambda y, sigma, z: y / (1 + sigma**2) + (1 - 1 / (1 + sigma**2)) * z
            ),
            "√k is what the mean explains. The rest, which z must add, is √(1 − k).": (
                lambda y, sigma, z: y / (1 + sigma**2) + z / math.sqrt(1 + sigma**2)
            ),
            "this is the stretched mean √k·y: it has the right variance, but it is no draw from the posterior.": (
                lambda y, sigma, z: y / math.sqrt(1 + sigma**2)
            ),
        },
    ),
    "price": Exercise(
        price,
        [(0.0,), (0.3,), (1.0,), (0.81,)],
        {
            "a ratio, not decibels: 10 log₁₀ of it.": lambda k: 2 / (1 + math.sqrt(k)),
            "a posterior sample costs a factor 2 for every k; the stretched mean √k·y costs less.": (
                lambda k: 10 * math.log10(2)
            ),
            "20 log₁₀ is for amplitudes; these are mean squares.": lambda k: 20 * math.log10(2 / (1 + math.sqrt(k))),
            "upside down: the price is positive.": lambda k: -price(k),
            "the root is missing: the stretched mean is √k·y.": lambda k: 10 * math.log10(2 / (1 + k)),
        },
    ),
}
