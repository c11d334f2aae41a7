"""Exercises on losses of spectra: turned phases, half a spectrum, a gradient by hand, paired spread, two trainings."""

import math
from collections.abc import Callable, Sequence
from statistics import stdev

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import skip_init

from srlib.exercises import Exercise
from srlib.losses.frequency import amplitude_l1, focal_frequency, spectral_l1

Pair = tuple[Tensor, Tensor]  # lr and hr, or sr and hr
Make = Callable[[], tuple[nn.Module, torch.optim.Optimizer]]


def shift(x: Tensor, down: float, right: float) -> Tensor:
    """A picture moved in a circle by turning phases: frequency (u, v) by −2π (u · down + v · right).

    Args:
        down, right: in pixels or fractions of one.

    Shapes: (C, H, W), H and W odd -> (C, H, W).
    """
    return _turned()(x, down, right)


def _signed(side: int) -> Tensor:
    return torch.fft.fftfreq(side, dtype=torch.float64)


def _turned(
    turn: float = -2 * math.pi,
    frequencies: Callable[[int], Tensor] = _signed,
    join: Callable[[Tensor, Tensor], Tensor] = lambda spectrum, turns: spectrum * turns,
) -> Callable:
    """Another turn, other frequencies, or another way to join."""

    def wrong(x: Tensor, down: float, right: float) -> Tensor:
        u, v = (frequencies(side) for side in x.shape[-2:])
        turns = torch.exp(1j * turn * (u[:, None] * down + v * right))
        return torch.fft.ifft2(join(torch.fft.fft2(x), turns)).real

    return wrong


def half_mean(values: Tensor, width: int) -> Tensor:
    """Mean over the whole plane of symmetric values, of which `rfft2` gives half.

    Shapes: (H, width // 2 + 1) -> scalar.
    """
    return _half_mean()(values, width)


def _alone(width: int) -> set[int]:
    return {0} if width % 2 else {0, width // 2}


def _half_mean(once: Callable[[int], set[int]] = _alone, divide: bool = True) -> Callable:
    """The mean with other columns that count once, or over the half."""

    def wrong(values: Tensor, width: int) -> Tensor:
        count = torch.full((values.shape[1],), 2.0, dtype=torch.float64)
        count[sorted(once(width))] = 1
        return (values * count).sum() / (values.shape[0] * width if divide else values.numel())

    return wrong


def pull(sr: Tensor, hr: Tensor) -> Tensor:
    """The gradient of `amplitude_l1` in sr: sign(|X| − |Y|) · X / |X|, transformed back, over the number of values.

    Shapes: two of (N, C, H, W), no amplitude zero -> (N, C, H, W).
    """
    return _pull(lambda x, y: (x.abs() - y.abs()).sign() * x / x.abs())(sr, hr)


def _pull(spectrum: Callable[[Tensor, Tensor], Tensor], mean: bool = True) -> Callable:
    def wrong(sr: Tensor, hr: Tensor) -> Tensor:
        x, y = (torch.fft.fft2(image, norm="ortho") for image in (sr, hr))
        back = torch.fft.ifft2(spectrum(x, y), norm="ortho").real
        return back / sr.numel() if mean else back

    return wrong


def two_spreads(treated: Sequence[float], control: Sequence[float]) -> tuple[float, float]:
    """Standard deviation of a difference of two trainings from different seeds, and from the same seed.

    The first is the root of the sum of the two variances; both have n − 1 in the denominator.
    """
    pairs = zip(treated, control, strict=True)
    return math.hypot(stdev(treated), stdev(control)), stdev(a - b for a, b in pairs)


def two_trainings(
    make: Make, batches: Sequence[Pair], term: Callable[[Tensor, Tensor], Tensor], weight: float, test: Pair
) -> tuple[float, float]:
    """PSNR in dB of the same network trained with L1, and with L1 and weight · term; one start, the same batches.

    Args:
        make: the network at its start and its optimizer, both new at every call.
        test: what both are scored on, by −10 · log₁₀ of the mean squared error.
    """
    return _trained()(make, batches, term, weight, test)


def _db(net: nn.Module, pair: Pair) -> float:
    with torch.no_grad():
        return -10 * math.log10(F.mse_loss(net(pair[0]), pair[1]).item())


def _trained(
    loss: Callable = lambda sr, hr, term, weight: F.l1_loss(sr, hr) + weight * term(sr, hr),
    go_on: bool = False,
    zero: bool = True,
    score: Callable = lambda net, batches, test: _db(net, test),
) -> Callable:
    """The two trainings with another second loss, from another start, or scored otherwise."""

    def wrong(make: Make, batches: Sequence[Pair], term: Callable, weight: float, test: Pair) -> tuple[float, float]:
        scores = []
        net, optimizer = make()
        for number, each in enumerate((lambda sr, hr, *_: F.l1_loss(sr, hr), loss)):
            if number and not go_on:
                net, optimizer = make()
            for lr, hr in batches:
                if zero:
                    optimizer.zero_grad()
                each(net(lr), hr, term, weight).backward()
                optimizer.step()
            scores.append(score(net, batches, test))
        return tuple(scores)

    return wrong


def _random(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=torch.float64)


def _other(*shape: int) -> Tensor:
    return 0.1 + 0.7 * _random(1, *shape)[0].flip(-1).square()


def _make() -> tuple[nn.Module, torch.optim.Optimizer]:
    """One convolution and a shuffle to ×2, the same numbers at every call."""
    conv = skip_init(nn.Conv2d, 1, 4, 3, padding=1, dtype=torch.float64)
    nn.init.constant_(conv.weight, 0.1)
    nn.init.zeros_(conv.bias)
    return nn.Sequential(conv, nn.PixelShuffle(2)), torch.optim.SGD(conv.parameters(), lr=0.2, momentum=0.5)


def _examples(height: int, width: int, count: int) -> list[Pair]:
    """lr as means of 2 × 2 pixels of noise whose columns grow brighter."""
    ramp = torch.linspace(0, 1, width, dtype=torch.float64)
    hrs = [(_random(2, 1, height, width + 2 * k)[..., :width] + ramp) / 2 for k in range(count)]
    return [(F.avg_pool2d(hr, 2), hr) for hr in hrs]


_BATCHES = _examples(10, 12, 13)

EXERCISES: dict[str, Exercise] = {
    "shift": Exercise(
        shift,
        [(_random(1, 7, 9), 2.0, -1.5), (_random(3, 5, 11), 0.25, 3.0)],
        {
            "this moves the other way: down and right need minus signs.": _turned(2 * math.pi),
            "down and right are exchanged: rows belong to down.": lambda x, down, right: shift(x, right, down),
            "the frequencies are in cycles per pixel, phases in radians: 2π is missing.": _turned(-1.0),
            "frequencies above ½ are negative ones. Counted upwards, they turn the wrong way for fractions of a "
            "pixel.": _turned(frequencies=lambda side: torch.arange(side, dtype=torch.float64) / side),
            "the picture's own phases are gone: turn them, do not replace them.": _turned(
                join=lambda spectrum, turns: spectrum.abs() * turns
            ),
        },
    ),
    "half": Exercise(
        half_mean,
        [(_random(3, 4), 6), (_random(5, 4), 7), (_random(2, 1), 1), (_random(4, 2), 2)],
        {
            "this is the mean of the half that is there. Most of its columns stand for two.": lambda values, width: (
                values.mean()
            ),
            "every column was counted twice. Column 0 is its own mirror image; so is the last of an even width.": (
                _half_mean(lambda width: set())
            ),
            "of an even width the last column is its own mirror image: once.": _half_mean(lambda width: {0}),
            "of an odd width the last column counts twice.": _half_mean(lambda width: {0, width // 2}),
            "the sum is right. Divide it by all values of the plane, height · width, not by those of the half.": (
                _half_mean(divide=False)
            ),
        },
    ),
    "pull": Exercise(
        pull,
        [(_random(1, 1, 5, 7), _other(1, 1, 5, 7)), (_random(2, 3, 6, 4), _other(2, 3, 6, 4))],
        {
            "the sign: this is the step that makes the loss smaller. The gradient points the other way.": (
                lambda sr, hr: -pull(sr, hr)
            ),
            "X / |X| is missing: signs alone say nothing of where in the picture a frequency lies.": _pull(
                lambda x, y: (x.abs() - y.abs()).sign() + 0j
            ),
            "the phase is that of hr, which the loss never sees: |X| grows along sr's own.": _pull(
                lambda x, y: (x.abs() - y.abs()).sign() * y / y.abs()
            ),
            "this is the gradient of the complex difference, (X − Y) / |X − Y|; the amplitudes are compared here.": (
                _pull(lambda x, y: (x - y) / (x - y).abs())
            ),
            "the loss is a mean: divide by the number of values.": _pull(
                lambda x, y: (x.abs() - y.abs()).sign() * x / x.abs(), mean=False
            ),
        },
        tolerance=1e-5,
    ),
    "spread": Exercise(
        two_spreads,
        [([3.1, 2.4, 4.0, 3.6], [3.0, 2.2, 4.1, 3.3]), ([1.5, 0.5, 1.0], [0.7, 0.1, 0.9])],
        {
            "the two are swapped: first different seeds, then the same seed.": lambda t, c: two_spreads(t, c)[::-1],
            "n stands in the denominators; a sample's deviation has n − 1.": lambda t, c: tuple(
                value * math.sqrt((len(t) - 1) / len(t)) for value in two_spreads(t, c)
            ),
            "the first is the spread of one arm. A difference of two trainings has the luck of both.": lambda t, c: (
                stdev(t),
                two_spreads(t, c)[1],
            ),
        },
    ),
    "train": Exercise(
        two_trainings,
        [
            (_make, _BATCHES[1:], amplitude_l1, 0.5, _BATCHES[0]),
            (_make, _BATCHES[4:], spectral_l1, 1.0, _BATCHES[1]),
            (_make, _BATCHES[1:8], focal_frequency, 5.0, _BATCHES[2]),
        ],
        {
            "both trainings gave one network: the term has no gradient, or is not in the loss. Do not detach, and do "
            "not leave torch on the way.": _trained(loss=lambda sr, hr, term, weight: F.l1_loss(sr, hr)),
            "the second training goes on where the first ended. Call make() again: one start for both.": _trained(
                go_on=True
            ),
            "the order of the results: first L1 alone, then with the term.": lambda *given: two_trainings(*given)[::-1],
            "the gradients of all steps pile up: zero_grad() before each backward().": _trained(zero=False),
            "the second training has the term alone, without L1.": _trained(
                loss=lambda sr, hr, term, weight: weight * term(sr, hr)
            ),
            "the weight of the term is missing.": _trained(
                loss=lambda sr, hr, term, weight: F.l1_loss(sr, hr) + term(sr, hr)
            ),
            "the scores are those of the last batch, which the networks were trained on; use test.": _trained(
                score=lambda net, batches, test: _db(net, batches[-1])
            ),
        },
        tolerance=1e-3,
    ),
}
