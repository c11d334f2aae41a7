"""Exercises on residual networks: block, growth of activations, folding batch norm, self-ensemble, parameters."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from srlib.exercises import Exercise
from srlib.models.edsr import EDSR
from srlib.warp import DIHEDRAL, dihedral, inverse_dihedral

Weights = tuple[Tensor, Tensor]  # of one convolution: weight and bias


def block(x: Tensor, first: Weights, second: Weights, residual_scale: float) -> Tensor:
    """x + residual_scale · conv(relu(conv(x))), borders padded with zeros.

    Shapes: x (N, C, h, w) -> the same.
    """
    return x + residual_scale * _residual(x, first, second)


def _residual(x: Tensor, first: Weights, second: Weights) -> Tensor:
    y = F.conv2d(x, *first, padding=first[0].shape[-1] // 2)
    return F.conv2d(F.relu(y), *second, padding=second[0].shape[-1] // 2)


def _rectified(before: Callable[[Tensor], Tensor]) -> Callable:
    """A block without its ReLU, but with a function before its first convolution."""

    def wrong(x: Tensor, first: Weights, second: Weights, residual_scale: float) -> Tensor:
        y = F.conv2d(before(x), *first, padding=first[0].shape[-1] // 2)
        return x + residual_scale * F.conv2d(y, *second, padding=second[0].shape[-1] // 2)

    return wrong


def growth(blocks: int, residual_scale: float) -> float:
    """Ratio of the standard deviations after and before the blocks, with He's initial weights."""
    return (1 + 2 * residual_scale**2) ** (blocks / 2)


def fold(
    weight: Tensor, bias: Tensor, gamma: Tensor, beta: Tensor, mean: Tensor, variance: Tensor, eps: float
) -> tuple[Tensor, Tensor]:
    """Fold batch norm in evaluation mode into the convolution before it: the new weight and bias.

    Shapes: weight (C, C_in, k, k), the rest (C,) -> (C, C_in, k, k), (C,).
    """
    factor = gamma / torch.sqrt(variance + eps)
    return weight * factor[:, None, None, None], (bias - mean) * factor + beta


def _folded(factor: Callable, new_bias: Callable, along: int = 0) -> Callable:
    """A fold with another factor, bias, or axis."""

    def wrong(weight, bias, gamma, beta, mean, variance, eps) -> tuple[Tensor, Tensor]:
        by = factor(gamma, variance, eps)
        return (weight.movedim(along, -1) * by).movedim(-1, along), new_bias(bias, mean, by, beta)

    return wrong


def _deviation(gamma: Tensor, variance: Tensor, eps: float) -> Tensor:
    return gamma / torch.sqrt(variance + eps)


def _moved(bias: Tensor, mean: Tensor, factor: Tensor, beta: Tensor) -> Tensor:
    return (bias - mean) * factor + beta


def ensemble(net: Callable[[Tensor], Tensor], lr: Tensor) -> Tensor:
    """Self-ensemble: the mean of the outputs of `net` for the eight symmetries of lr, each undone.

    Shapes: lr (N, C, h, w) -> that of net(lr).
    """
    return torch.stack([inverse_dihedral(net(dihedral(lr, k)), k) for k in DIHEDRAL]).mean(0)


def _mean(
    ks: range | tuple[int, ...],
    back: Callable[[Tensor, int], Tensor] = inverse_dihedral,
    after: Callable[[Tensor], Tensor] = lambda sr: sr,
) -> Callable:
    """A mean over symmetries `ks`, each undone by `back` and then changed by `after`."""

    def wrong(net: Callable[[Tensor], Tensor], lr: Tensor) -> Tensor:
        return torch.stack([after(back(net(dihedral(lr, k)), k)) for k in ks]).mean(0)

    return wrong


def _bytes(sr: Tensor) -> Tensor:
    return (sr.clamp(0, 1) * 255).round() / 255


def parameters(scale: int, blocks: int, width: int) -> int:
    """The number of trainable parameters of an EDSR with the paper's tail."""
    with torch.device("meta"):  # shapes without memory
        return sum(p.numel() for p in EDSR(scale=scale, blocks=blocks, width=width).parameters())


def _counted(
    biases: int = 1, a_block: int = 2, end: int = 1, shift: int = 0, once: bool = False
) -> Callable[[int, int, int], int]:
    """The count by hand, with one mistake."""

    def count(scale: int, blocks: int, width: int) -> int:
        def conv(channels_in: int, channels_out: int) -> int:
            return (9 * channels_in + biases) * channels_out

        factors = (2, 2) if scale == 4 and not once else (scale,)
        tail = sum(conv(width, width * factor**2) for factor in factors) + conv(width, 3)
        return conv(3, width) + (a_block * blocks + end) * conv(width, width) + tail + shift

    return count


def _some(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed + sum(shape)))


def _conv(width: int, kernel: int, seed: int) -> Weights:
    return _some(width, width, kernel, kernel, seed=seed) / (kernel * width**0.5), _some(width, seed=seed)


def _net(scale: int, channels: int) -> Callable[[Tensor], Tensor]:
    """A network that commutes with no symmetry; its output exceeds [0, 1], as those of real networks do."""
    weight = _some(channels * scale**2, channels, 3, 3, seed=scale) / 3

    def net(lr: Tensor) -> Tensor:
        return F.pixel_shuffle(F.conv2d(lr, weight, padding=1), scale)

    return net


def _norm(width: int) -> tuple[Tensor, ...]:
    return _some(width, seed=1), _some(width, seed=2), _some(width, seed=3), _some(width, seed=4).abs() + 0.1


EXERCISES: dict[str, Exercise] = {
    "block": Exercise(
        block,
        [
            (_some(2, 4, 7, 9), _conv(4, 3, 1), _conv(4, 3, 2), 0.1),
            (_some(1, 3, 8, 5), _conv(3, 5, 3), _conv(3, 5, 4), 0.5),
        ],
        {
            "x is missing: this is the residual alone. Add it to x.": (
                lambda x, first, second, a: a * _residual(x, first, second)
            ),
            "the residual is not scaled: multiply it by residual_scale.": (
                lambda x, first, second, a: block(x, first, second, 1.0)
            ),
            "the sum was scaled, so the identity path shrinks in every block. Scale the residual alone.": (
                lambda x, first, second, a: a * block(x, first, second, 1.0)
            ),
            "the identity path was scaled, and the residual not: the other way round.": (
                lambda x, first, second, a: a * x + _residual(x, first, second)
            ),
            "no activation: two convolutions in a row are one. Put the ReLU between them.": (_rectified(lambda x: x)),
            "the ReLU came before the first convolution. In EDSR's block it is between the two.": (_rectified(F.relu)),
            "there is a ReLU after the sum: the identity path is no identity where x is negative. EDSR has none "
            "there.": lambda *given: F.relu(block(*given)),
        },
    ),
    "growth": Exercise(
        growth,
        [(1, 1.0), (32, 0.1), (8, 0.5)],
        {
            "this is the variance; the standard deviation is its root.": lambda n, a: growth(n, a) ** 2,
            "the blocks were added up. Each one multiplies what has already grown: a power of n, not n times.": (
                lambda n, a: (1 + 2 * n * a**2) ** 0.5
            ),
            "deviations were added, 1 + √2·a for each block. The residual is not in step with x, so variances add.": (
                lambda n, a: (1 + 2**0.5 * a) ** n
            ),
            "a was not squared: a factor a on a signal is a² on its variance.": lambda n, a: (1 + 2 * a) ** (n / 2),
            "the residual was given the variance of x. There is no ReLU before the first convolution, so He's factor 2 "
            "is not used up there.": lambda n, a: (1 + a**2) ** (n / 2),
            "the ReLU was forgotten: it keeps half of the mean square, so two factors of 2 leave one.": (
                lambda n, a: (1 + 4 * a**2) ** (n / 2)
            ),
            "x is missing: this is how the residuals alone would grow, without the identity path.": (
                lambda n, a: (2 * a**2) ** (n / 2)
            ),
        },
    ),
    "fold": Exercise(
        fold,
        [
            (_some(4, 4, 3, 3), _some(4), *_norm(4), 1e-5),
            (_some(6, 6, 1, 1), _some(6), *_norm(6), 1e-2),
        ],
        {
            "divided by the variance: the deviation is its root.": _folded(
                lambda gamma, variance, eps: gamma / (variance + eps), _moved
            ),
            "eps stands under the root, added to the variance.": _folded(
                lambda gamma, variance, eps: gamma / (variance.sqrt() + eps), _moved
            ),
            "eps was left out: it belongs under the root, added to the variance.": _folded(
                lambda gamma, variance, eps: gamma / variance.sqrt(), _moved
            ),
            "the weight was scaled along its input channels. The norm follows the convolution: scale along the "
            "outputs, axis 0.": _folded(_deviation, _moved, along=1),
            "the mean was forgotten: it is subtracted from the convolution's result, so from its bias.": _folded(
                _deviation, lambda bias, mean, factor, beta: bias * factor + beta
            ),
            "the mean was subtracted after the scaling. The norm subtracts first and scales then.": _folded(
                _deviation, lambda bias, mean, factor, beta: bias * factor - mean + beta
            ),
            "the convolution's bias was not scaled: it passes through the norm too.": _folded(
                _deviation, lambda bias, mean, factor, beta: bias - mean * factor + beta
            ),
            "the convolution's own bias is missing from the new one.": _folded(
                _deviation, lambda bias, mean, factor, beta: beta - mean * factor
            ),
            "beta is missing: the norm adds it last.": _folded(
                _deviation, lambda bias, mean, factor, beta: (bias - mean) * factor
            ),
        },
    ),
    "ensemble": Exercise(
        ensemble,
        [(_net(2, 1), _some(1, 1, 6, 6).sigmoid()), (_net(3, 3), _some(2, 3, 5, 5).sigmoid())],
        {
            "this is net(lr) alone: turn lr eight ways, with dihedral(lr, k).": lambda net, lr: net(lr),
            "nothing was turned back: eight pictures lie across each other. Use inverse_dihedral(…, k) on each "
            "answer.": _mean(DIHEDRAL, back=lambda sr, k: sr),
            "turned again instead of back, or undone in the wrong order: dihedral transposes last, so transpose back "
            "first. It only shows in the quarter turns, 5 and 6.": _mean(DIHEDRAL, back=dihedral),
            "four of the eight: the flips are there, those with a transposition (k = 4 … 7) are missing.": _mean(
                DIHEDRAL[:4]
            ),
            "four of the eight: the turns are there, their mirror images are missing.": _mean((0, 3, 5, 6)),
            "each answer was rounded to 8 bits before the mean, which throws away what the mean is for. Round last, "
            "if at all.": _mean(DIHEDRAL, after=_bytes),
            "each answer was clamped before the mean. Values beyond white carry information too: clamp last, if at "
            "all.": _mean(DIHEDRAL, after=lambda sr: sr.clamp(0, 1)),
        },
    ),
    "parameters": Exercise(
        parameters,
        [(2, 16, 64), (3, 8, 32), (4, 32, 256)],
        {
            "the biases are missing: each convolution has one for every map it makes.": _counted(biases=0),
            "a block has two convolutions.": _counted(a_block=1),
            "the convolution at the end of the body, after the last block, is missing.": _counted(end=0),
            "×4 is two steps of ×2, each with a convolution to 4 · width maps; not one to 16 · width.": _counted(
                once=True
            ),
            "24 too many: the mean colour is a constant here. The authors' code has it as two frozen 1 × 1 "
            "convolutions, which learn nothing.": _counted(shift=24),
        },
    ),
}
