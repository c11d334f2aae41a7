"""Exercises on degradations: blur, the degradation model, the shift, patch pairs, the benchmarks' downscaling."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from srlib.degradations import Blur, Decimate, Degradation, Downscale, GaussianNoise
from srlib.exercises import Exercise
from srlib.resample import resize
from srlib.warp import dihedral, inverse_dihedral


def blur(image: Tensor, weights: Tensor) -> Tensor:
    """Convolution with weights / sum(weights), borders mirrored.

    Shapes: image (N, C, H, W), weights (kh, kw), both odd -> (N, C, H, W).
    """
    return Blur(weights / weights.sum())(image)


def _convolved(mode: str, turn: bool = True) -> Callable[[Tensor, Tensor], Tensor]:
    """Convolution, or without the turn correlation, under one of torch's paddings."""

    def wrong(image: Tensor, weights: Tensor) -> Tensor:
        kernel = weights.flip(0, 1) if turn else weights
        down, right = (n // 2 for n in kernel.shape)
        padded = F.pad(image, (right, right, down, down), mode=mode)
        kernel = (kernel / kernel.sum()).expand(image.shape[1], 1, -1, -1)
        return F.conv2d(padded, kernel, groups=image.shape[1])

    return wrong


def model(hr: Tensor, kernel: Tensor, scale: int, sigma: float, rng: torch.Generator) -> Tensor:
    """(hr ⊗ kernel)↓ + n: blur, the middle pixel of every block, then noise of standard deviation sigma.

    Args:
        scale: odd, so that a block has a middle pixel.

    Shapes: hr (N, C, H, W) -> (N, C, H / scale, W / scale).
    """
    return Degradation(Blur(kernel), Decimate(scale, scale // 2), GaussianNoise(sigma))(hr, rng)


def _wrong(order: str, keep: Callable[[int], int] = lambda scale: scale // 2, draw=torch.randn) -> Callable:
    """The model with its steps in another order (b blur, d decimate, n noise), pixel kept, or noise."""

    def wrong(hr: Tensor, kernel: Tensor, scale: int, sigma: float, rng: torch.Generator) -> Tensor:
        for step in order:
            if step == "n":
                hr = hr + sigma * draw(hr.shape, generator=rng)
            else:
                hr = Blur(kernel)(hr) if step == "b" else Decimate(scale, keep(scale))(hr)
        return hr

    return wrong


def shift(scale: int) -> float:
    """How far to the right, in HR pixels, the scene is shifted in an aligned enlargement of x[::scale]."""
    return (scale - 1) / 2


def patch_pair(lr: Tensor, hr: Tensor, top: int, left: int, size: int, k: int) -> tuple[Tensor, Tensor]:
    """A patch of lr and its partner in hr, both under the k-th symmetry of the square.

    Args:
        top, left, size: in LR pixels, before the turn.

    Shapes: lr (N, C, h, w), hr (N, C, s·h, s·w) -> (N, C, size, size), (N, C, s·size, s·size).
    """
    s = hr.shape[-1] // lr.shape[-1]
    small = lr[..., top : top + size, left : left + size]
    large = hr[..., s * top : s * (top + size), s * left : s * (left + size)]
    return dihedral(small, k), dihedral(large, k)


def _turned(turn_lr: Callable[[Tensor, int], Tensor], turn_hr: Callable[[Tensor, int], Tensor]) -> Callable:
    """The right patches, each turned in its own way."""

    def wrong(*arguments) -> tuple[Tensor, Tensor]:
        *patch, k = arguments
        small, large = patch_pair(*patch, 0)
        return turn_lr(small, k), turn_hr(large, k)

    return wrong


def _same_corner(lr: Tensor, hr: Tensor, top: int, left: int, size: int, k: int) -> tuple[Tensor, Tensor]:
    large = size * (hr.shape[-1] // lr.shape[-1])
    hr_patch = hr[..., top : top + large, left : left + large]
    return dihedral(lr[..., top : top + size, left : left + size], k), dihedral(hr_patch, k)


def benchmark(hr: Tensor, scale: int) -> Tensor:
    """The benchmarks' LR: MATLAB's bicubic with antialias, grids aligned, borders mirrored, nothing rounded.

    Shapes: hr (N, C, H, W) -> (N, C, H / scale, W / scale).
    """
    return Downscale(scale)(hr)


def _shifted(hr: Tensor, scale: int) -> Tensor:
    return resize(hr, 1 / scale, offset=((1 - scale) / 2, (1 - scale) / 2))


def _torch(**how) -> Callable[[Tensor, int], Tensor]:
    return lambda hr, scale: F.interpolate(hr, scale_factor=1 / scale, mode="bicubic", **how)


def _noise(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(sum(shape)))


_SKEW = torch.tensor([[1.0, 4.0, 0.0], [0.0, 2.0, 0.0], [0.0, 6.0, 3.0]])
_TALL = torch.tensor([[0.0, 1.0, 2.0], [0.0, 5.0, 1.0], [3.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 2.0, 7.0]])

EXERCISES: dict[str, Exercise] = {
    "blur": Exercise(
        blur,
        [(_noise(1, 1, 7, 8), _SKEW), (_noise(2, 3, 9, 7), _TALL)],
        {
            "this is correlation: turn the kernel by 180° first, so that a bright point becomes the kernel "
            "itself and not its turned copy.": lambda image, weights: blur(image, weights.flip(0, 1)),
            "this is what conv2d with padding gives: correlation, and zeros around the picture. Turn the "
            "kernel by 180°, and mirror the border.": _convolved("constant", turn=False),
            "zeros around the picture: they darken its border. Mirror it instead.": _convolved("constant"),
            "circular borders: what leaves at the right comes in at the left, as through the FFT. Mirror the "
            "border instead.": _convolved("circular"),
            "this mirror leaves the outer pixel out (mode 'reflect': 2 1 | 0 1 2). The mirror belongs at the "
            "edge of the outer pixel, which then comes twice: 1 0 | 0 1 2.": _convolved("reflect"),
            "the outer pixel is repeated (mode 'replicate': 0 0 | 0 1 2). A mirror shows its neighbour too: "
            "1 0 | 0 1 2.": _convolved("replicate"),
            "the kernel is not normalised: its weights sum to more than one, so the picture got brighter. "
            "Divide them by their sum.": lambda image, weights: Blur(weights)(image),
            "divided by the number of weights, which is right only where all are one. Divide by their "
            "sum.": lambda image, weights: Blur(weights / weights.numel())(image),
        },
    ),
    "lr": Exercise(
        model,
        [
            (_noise(2, 1, 12, 15), _SKEW / _SKEW.sum(), 3, 0.1, torch.Generator().manual_seed(5)),
            (_noise(2, 3, 15, 15), _TALL / _TALL.sum(), 5, 0.02, torch.Generator().manual_seed(6)),
        ],
        {
            "the noise came before the blur, which smoothed it away. The lens blurs light; noise arises "
            "after it, in the sensor.": _wrong("nbd"),
            "the noise was drawn on the HR grid, before ↓, and most of it was discarded. Draw it last: "
            "torch.randn(lr.shape, generator=rng).": _wrong("bnd"),
            "decimated before the blur: the aliases are there already, and the kernel, given in HR pixels, "
            "is now scale times too wide.": _wrong("dbn"),
            "kept the first pixel of each block: that shifts the picture by (scale − 1)/2 HR pixels. Keep "
            "the middle one, number scale // 2.": _wrong("bdn", keep=lambda scale: 0),
            "the noise is not scaled: randn has standard deviation 1. Multiply it by sigma.": (
                lambda hr, kernel, scale, sigma, rng: model(hr, kernel, scale, 1.0, rng)
            ),
            "the same noise in every picture of the batch: a network could learn it by heart. Draw it in "
            "the shape of the whole batch.": _wrong(
                "bdn", draw=lambda shape, generator: torch.randn(shape[1:], generator=generator)
            ),
            "rand is uniform between 0 and 1, so it also brightens the picture. randn is Gaussian.": _wrong(
                "bdn", draw=torch.rand
            ),
            "the kernel was not turned: this is correlation. Turn it by 180°, or use Blur.": (
                lambda hr, kernel, scale, sigma, rng: model(hr, kernel.flip(0, 1), scale, sigma, rng)
            ),
        },
    ),
    "shift": Exercise(
        shift,
        [(1,), (2,), (3,), (4,), (8,)],
        {
            "scale / 2 is where the middle of the block lies. The kept pixel has a width too: its own centre "
            "lies at a half, not at zero. Subtract it.": lambda scale: scale / 2,
            "this is in LR pixels; in HR pixels it is scale times as much.": lambda scale: (scale - 1) / 2 / scale,
            "zero would need the kept pixel's centre to be the middle of its block. It is at 1/2, the middle "
            "at scale / 2.": lambda scale: 0,
            "the sign: the kept pixel lies left of the middle of its block and is drawn in the middle, so "
            "the scene moves to the right.": lambda scale: (1 - scale) / 2,
            "that is the distance to the last pixel of the block; its middle is half as far.": lambda scale: scale - 1,
            "whole pixels only: // rounds down, and at even scales the shift is a half-integer.": (
                lambda scale: (scale - 1) // 2
            ),
            "half a pixel is right for scale 2 alone; the shift grows with the scale.": lambda scale: 0.5,
        },
    ),
    "pair": Exercise(
        patch_pair,
        [
            (_noise(1, 3, 9, 11), _noise(1, 3, 18, 22), 2, 3, 4, 1),
            (_noise(2, 1, 7, 8), _noise(2, 1, 21, 24), 1, 3, 3, 5),
            (_noise(1, 1, 7, 7), _noise(1, 1, 28, 28), 0, 2, 4, 6),
        ],
        {
            "only hr was turned: the two patches show different scenes.": _turned(lambda x, k: x, dihedral),
            "only lr was turned: the two patches show different scenes.": _turned(dihedral, lambda x, k: x),
            "neither patch was turned: apply dihedral(patch, k) to both.": lambda *given: patch_pair(*given[:5], 0),
            "lr and hr were turned by different k: one k belongs to the pair.": _turned(
                dihedral, lambda x, k: dihedral(x, (k + 1) % 8)
            ),
            "the inverse was used for hr. Six of the eight are their own inverse, but the two quarter turns "
            "then go opposite ways.": _turned(dihedral, inverse_dihedral),
            "the inverse was used for lr. Six of the eight are their own inverse, but the two quarter turns "
            "then go opposite ways.": _turned(inverse_dihedral, dihedral),
            "hr was cut at LR coordinates: multiply top and left by the scale.": _same_corner,
            "turned first and cut afterwards: (top, left) then names another place. Cut first.": (
                lambda lr, hr, *rest: patch_pair(dihedral(lr, rest[-1]), dihedral(hr, rest[-1]), *rest[:3], 0)
            ),
            "the order: return lr's patch first, then hr's.": lambda *given: patch_pair(*given)[::-1],
        },
    ),
    "no-antialias": Exercise(
        benchmark,
        [(_noise(1, 1, 24, 32), 4), (_noise(2, 3, 12, 18), 2), (_noise(1, 1, 21, 15), 3)],
        {
            "no antialias: without its stretch by scale the cubic reads 4 × 4 HR pixels and skips others, so "
            "fine detail comes back as false coarse detail.": lambda hr, scale: resize(hr, 1 / scale, antialias=False),
            "no antialias: torch's bicubic leaves it out unless you say antialias=True, and then takes "
            "a = −0.75 as well.": _torch(),
            "right inside, wrong near the border: torch cuts the kernel off there, the benchmarks mirror the "
            "picture. Use srlib.resample.resize.": _torch(antialias=True),
            "half-pixel shift: sampled at the first pixel of each block instead of its middle, (scale − 1)/2 "
            "HR pixels away.": _shifted,
            "x[::scale]: no filter at all, and shifted by (scale − 1)/2 HR pixels.": lambda hr, scale: Decimate(scale)(
                hr
            ),
            "the mean of each block is the box kernel: aligned, but it lets more aliases through than the "
            "cubic.": lambda hr, scale: F.avg_pool2d(hr, scale),
            "rounded to 8 bits, as a file would be. Return floats, not rounded, here.": (
                lambda hr, scale: (benchmark(hr, scale).clamp(0, 1) * 255).round() / 255
            ),
        },
    ),
}
