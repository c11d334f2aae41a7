"""Exercises on measuring: PSNR, the papers' protocol, mean over a set, shifts, the structure term of SSIM."""

import math
from collections.abc import Iterable
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

from srlib.exercises import Exercise
from srlib.images import to_y
from srlib.metrics import PAPER, Protocol, mean_squared_error, psnr, ssim

_LEVELS = 20 * math.log10(255)


def _pair(seed: int, *shape: int, error: float) -> tuple[Tensor, Tensor]:
    """(sr, hr): hr is smooth, and the error of sr grows to the right and from picture to picture."""
    rng = torch.Generator().manual_seed(seed)
    count, channels, height, width = shape
    coarse = torch.rand(count, channels, height // 4 + 1, width // 4 + 1, generator=rng)
    hr = F.interpolate(coarse, size=(height, width), mode="bilinear", align_corners=False)
    noise = torch.randn(shape, generator=rng) * torch.linspace(0.2, 1.8, width)
    return hr + error * noise * torch.arange(1.0, count + 1).view(-1, 1, 1, 1), hr


_PSNR = Exercise(
    reference=psnr,
    probes=[_pair(1, 2, 3, 7, 9, error=0.02), _pair(2, 1, 1, 6, 5, error=0.02)],
    mistakes={
        "48.13 dB too much: the peak is 255 but the pictures are in [0, 1]. Both need one unit.": (
            lambda sr, hr: psnr(sr, hr) + _LEVELS
        ),
        "48.13 dB too little: the errors are in levels of 255 but the peak is 1. Both need one unit.": (
            lambda sr, hr: psnr(sr, hr) - _LEVELS
        ),
        "half the value: 10·log10 goes with the mean squared error. With its root it is 20·log10.": (
            lambda sr, hr: psnr(sr, hr) / 2
        ),
        "twice the value: 20·log10 goes with the root of the mean squared error. Without, it is 10·log10.": (
            lambda sr, hr: psnr(sr, hr) * 2
        ),
        "that is the natural logarithm, 2.303 times too much: decibels are made with log10.": (
            lambda sr, hr: psnr(sr, hr) * math.log(10)
        ),
        "you summed the squared errors: take their mean, or a larger picture is always a worse one.": (
            lambda sr, hr: -10 * (sr - hr).square().sum((1, 2, 3)).log10()
        ),
        "one number for the whole batch: return one for each picture, the mean over dimensions 1, 2 and 3.": (
            lambda sr, hr: -10 * (sr - hr).square().mean().log10()
        ),
    },
    tolerance=1e-3,
)


def _crop(image: Tensor, border: int) -> Tensor:
    return image[..., border : image.shape[-2] - border, border : image.shape[-1] - border]


def _round(image: Tensor) -> Tensor:
    return (image.clamp(0, 1) * 255).round() / 255


_PAPER = Exercise(
    reference=PAPER.psnr,
    # Small errors, where rounding shows; and an enlarged picture that leaves [0, 1], as bicubic does.
    probes=[
        (*_pair(3, 2, 3, 24, 27, error=0.004), 3),
        (1.15 * _pair(4, 1, 3, 21, 18, error=0.02)[0], _pair(4, 1, 3, 21, 18, error=0.02)[1], 2),
    ],
    mistakes={
        "that is the PSNR of red, green and blue: the papers compare the luma Y alone.": (
            Protocol("rgb", None, 8).psnr
        ),
        "that is full-range luma, 1.3 dB too little: the papers' Y has black at 16/255, white at 235/255.": (
            Protocol("y_full", None, 8).psnr
        ),
        "the border is missing: cut `scale` pixels from each of the four sides before you compare.": (
            Protocol("y", 0, 8).psnr
        ),
        "you cut 4 pixels whatever the scale is: the border is `scale` pixels.": Protocol("y", 4, 8).psnr,
        "nothing is rounded: a picture file has 8 bits. Clamp, round to k/255, convert to Y, round again.": (
            Protocol("y", None, None).psnr
        ),
        "clamped but not rounded: a file has 8 bits. Round to k/255 before and after the step to Y.": (
            lambda sr, hr, scale: Protocol("y", None, None).psnr(sr.clamp(0, 1), hr.clamp(0, 1), scale)
        ),
        "Y is rounded but the colours are not: a file holds them in 8 bits, so round them first.": (
            lambda sr, hr, scale: psnr(*(_crop(_round(to_y(image)), scale) for image in (sr, hr)))
        ),
        "the colours are rounded but Y is not: MATLAB's rgb2ycbcr gives 8 bits, so round Y as well.": (
            lambda sr, hr, scale: psnr(*(_crop(to_y(_round(image)), scale) for image in (sr, hr)))
        ),
        "48.13 dB too little, wrong range: your Y runs from 16 to 235 and the peak is 1. Divide Y by 255.": (
            lambda sr, hr, scale: PAPER.psnr(sr, hr, scale) - _LEVELS
        ),
        "red and blue are swapped: the channels are R, G, B in this order.": (
            lambda sr, hr, scale: PAPER.psnr(sr.flip(1), hr.flip(1), scale)
        ),
    },
    tolerance=0.02,  # one pixel that rounds the other way in another number type
)

_Pairs = list[tuple[Tensor, Tensor]]
_ONE_NUMBER = "the value is right but its shape is (1,): return one number, for example with .item()."


def _scores(pairs: _Pairs) -> Tensor:
    return torch.cat([psnr(sr, hr) for sr, hr in pairs])


def _errors(pairs: _Pairs) -> Tensor:
    return torch.cat([mean_squared_error(sr, hr) for sr, hr in pairs])


def _by_size(values: Tensor, pairs: _Pairs) -> Tensor:
    sizes = torch.tensor([float(hr.numel()) for _, hr in pairs])
    return (values * sizes).sum() / sizes.sum()


_MEAN = Exercise(
    reference=lambda pairs: _scores(pairs).mean(),
    probes=[
        (
            [
                _pair(5, 1, 3, 12, 9, error=0.1),
                _pair(6, 1, 3, 30, 21, error=0.01),
                _pair(7, 1, 1, 8, 8, error=0.03),
            ],
        )
    ],
    mistakes={
        "that is the PSNR of the mean error, which the worst picture dominates: average the PSNRs.": (
            lambda pairs: -10 * _errors(pairs).mean().log10()
        ),
        "that pools the pixels of all pictures, so large ones count for more: average the PSNRs.": (
            lambda pairs: -10 * _by_size(_errors(pairs), pairs).log10()
        ),
        "that weights each PSNR by the size of its picture: in the papers every picture counts once.": (
            lambda pairs: _by_size(_scores(pairs), pairs)
        ),
        _ONE_NUMBER: lambda pairs: _scores(pairs).mean().view(1),
    },
    tolerance=1e-3,
)

_SHIFTS = range(-2, 3)


def _overlap(sr: Tensor, hr: Tensor, down: int, right: int) -> Tensor:
    """PSNR of the overlap of sr, moved by (down, right), with hr."""
    height, width = hr.shape[-2:]
    moved = sr[..., max(0, -down) : height - max(0, down), max(0, -right) : width - max(0, right)]
    below = hr[..., max(0, down) : height + min(0, down), max(0, right) : width + min(0, right)]
    return psnr(moved, below).squeeze()


def _best(sr: Tensor, hr: Tensor, shifts: Iterable[int] = _SHIFTS) -> Tensor:
    return torch.stack([_overlap(sr, hr, *shift) for shift in product(shifts, shifts)]).max()


def _fixed(sr: Tensor, hr: Tensor, border: int, roll: bool = True) -> Tensor:
    """The best of 25 shifts, all compared on the same part, including what came in from outside."""
    padded = sr if roll else F.pad(sr, (2, 2, 2, 2))
    place = (slice(None), slice(None)) if roll else (slice(2, -2), slice(2, -2))
    moved = [padded.roll(shift, (-2, -1))[(..., *place)] for shift in product(_SHIFTS, _SHIFTS)]
    return torch.stack([psnr(_crop(image, border), _crop(hr, border)).squeeze() for image in moved]).max()


def _moved(seed: int, down: int, right: int) -> tuple[Tensor, Tensor]:
    """Two views of one dark scene, the first noisy, which fits the second when moved by (down, right)."""
    noisy, scene = (0.3 * image for image in _pair(seed, 1, 3, 42, 46, error=0.03))
    return noisy[..., 3:-3, 3:-3], scene[..., 3 - down : 39 - down, 3 - right : 43 - right]


_SHIFT = Exercise(
    reference=_best,
    probes=[_moved(8, 1, -2), _moved(9, -2, 0), _moved(10, 2, 2)],
    mistakes={
        "that is the PSNR without a shift: compare at each of the 25 shifts and return the largest value.": (
            lambda sr, hr: psnr(sr, hr).squeeze()
        ),
        "a circular shift: what leaves on one side returns on the other (roll). Cut to what both show.": (
            lambda sr, hr: _fixed(sr, hr, 0)
        ),
        "what comes in from outside is zero, and it is compared too: cut to what both show.": (
            lambda sr, hr: _fixed(sr, hr, 0, roll=False)
        ),
        "you cut 2 pixels at every shift: the overlap is larger, it loses only as many as the shift.": (
            lambda sr, hr: _fixed(sr, hr, 2)
        ),
        "only shifts down and to the right: go from −2 to 2 in both directions.": (
            lambda sr, hr: _best(sr, hr, range(3))
        ),
        "only shifts up to ±1: range(-2, 3) goes from −2 to 2.": lambda sr, hr: _best(sr, hr, range(-1, 2)),
        "range(-2, 2) stops at 1: range(-2, 3) goes from −2 to 2.": (lambda sr, hr: _best(sr, hr, range(-2, 2))),
        _ONE_NUMBER: lambda sr, hr: _best(sr, hr).view(1),
    },
    tolerance=1e-3,
)


def _structure(sr: Tensor, hr: Tensor, c2: float = 0.03**2, sigma: float = 1.5, padding: int = 0) -> Tensor:
    """Mean of the contrast-structure term of SSIM over positions and channels, (N,)."""
    place = torch.arange(11, dtype=torch.float64) - 5
    weight = torch.exp(-(place**2) / (2 * sigma**2))
    window = torch.outer(weight, weight) / weight.sum() ** 2
    x, y = (image.double().flatten(0, 1)[:, None] for image in (sr, hr))

    def mean(image: Tensor) -> Tensor:
        return F.conv2d(image, window[None, None], padding=padding)

    variances = mean(x * x) - mean(x) ** 2 + mean(y * y) - mean(y) ** 2
    term = (2 * (mean(x * y) - mean(x) * mean(y)) + c2) / (variances + c2)
    return term.view(*sr.shape[:2], -1).mean((1, 2))


_STRUCTURE = Exercise(
    reference=_structure,
    probes=[
        (0.8 * _pair(11, 2, 3, 20, 23, error=0.05)[0] + 0.2, _pair(11, 2, 3, 20, 23, error=0.05)[1]),
        (_pair(12, 1, 1, 17, 16, error=0.03)[0] - 0.2, _pair(12, 1, 1, 17, 16, error=0.03)[1]),
    ],
    mistakes={
        "that is the whole SSIM: leave the first factor, the one of the means and C1, out.": ssim,
        "C2 is missing: without it a flat window divides almost nothing by almost nothing.": (
            lambda sr, hr: _structure(sr, hr, c2=0)
        ),
        "your C2 is 0.03: square it.": lambda sr, hr: _structure(sr, hr, c2=0.03),
        "your C2 is (0.03·255)², for pictures in 0 to 255: here the peak is 1, so C2 = 0.03².": (
            lambda sr, hr: _structure(sr, hr, c2=(0.03 * 255) ** 2)
        ),
        "your window is flat: weight it with a Gaussian of sigma 1.5.": (lambda sr, hr: _structure(sr, hr, sigma=1e6)),
        "your window hangs over the border and sees zeros: take only places where it fits whole.": (
            lambda sr, hr: _structure(sr, hr, padding=5)
        ),
    },
    tolerance=5e-4,
)

EXERCISES: dict[str, Exercise] = {
    "psnr": _PSNR,
    "paper": _PAPER,
    "mean": _MEAN,
    "shift": _SHIFT,
    "structure": _STRUCTURE,
}
