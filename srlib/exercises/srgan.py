"""Exercises on SRGAN: losses on logits, the optimal discriminator, one update, the adversarial weight, R1."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from srlib.exercises import Exercise
from srlib.losses.adversarial import bce_d, least_squares_d, least_squares_g, r1


def believed(fake: Tensor) -> Tensor:
    """−log σ(fake), mean: the generator's loss, on logits of any size.

    Shapes: (N, 1) -> scalar.
    """
    return F.softplus(-fake).mean()


def least_squares(real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """The least-squares losses of the discriminator and of the generator.

    Shapes: real, fake (N, 1) -> two scalars.
    """
    return least_squares_d(real, fake), least_squares_g(real, fake)


def _squares(real: float, fake: float, wanted: float, half: float = 0.5, mean: bool = True) -> Callable:
    """Least squares with other labels: of hr and sr for the discriminator, and of sr for the generator."""

    def wrong(real_logits: Tensor, fake_logits: Tensor) -> tuple[Tensor, Tensor]:
        parts = (real_logits, real), (fake_logits, fake), (fake_logits, wanted)
        a, b, c = ((logits - label).square() for logits, label in parts)
        a, b, c = (half * (part.mean() if mean else part.sum()) for part in (a, b, c))
        return a + b, c

    return wrong


def best_logit(p: Tensor, q: Tensor) -> Tensor:
    """The optimal discriminator's logit under BCE, where real points have density p and fake ones q.

    Shapes: (N,), positive -> (N,).
    """
    return p.log() - q.log()


def d_update(a: Tensor, w: Tensor, lr: Tensor, hr: Tensor, learning_rate: float) -> tuple[Tensor, Tensor]:
    """Both networks' weights after one update of the discriminator by plain gradient descent on BCE.

    The generator is sr = a · lr, and the discriminator's logit is the sum over w · picture.

    Shapes: a (C,), w (C,), lr, hr (N, C) -> (C,), (C,).
    """
    return _updated(_bce)(a, w, lr, hr, learning_rate)


def _bce(real: Tensor, fake: Tensor) -> Tensor:
    return bce_d(real, fake)


def _updated(loss: Callable[[Tensor, Tensor], Tensor], moved: Sequence[int] = (1,), sign: float = -1.0) -> Callable:
    """An update with another loss, of other networks (0 is the generator's), or in the other direction."""

    def wrong(a: Tensor, w: Tensor, lr: Tensor, hr: Tensor, learning_rate: float) -> tuple[Tensor, Tensor]:
        weights = [a.detach().clone().requires_grad_(), w.detach().clone().requires_grad_()]
        value = loss(hr @ weights[1], (weights[0] * lr) @ weights[1])
        slopes = torch.autograd.grad(value, weights, allow_unused=True)
        rates = [sign * learning_rate * (i in moved) for i in range(2)]
        pairs = zip(weights, slopes, rates, strict=True)
        return tuple(x.detach() if slope is None else x.detach() + rate * slope for x, slope, rate in pairs)

    return wrong


def turning_weight(y: Tensor, content: Tensor, logit: Tensor, weights: Sequence[float]) -> float:
    """The smallest weight at which content + weight · (−log σ(logit)) has another minimum than content alone.

    Shapes: y, content, logit (N,): the answers, their content loss and their logits.
    """
    return _turning(lambda logit: F.softplus(-logit))(y, content, logit, weights)


def _turning(
    loss: Callable[[Tensor], Tensor], choose: Callable = min, beside: Callable = lambda c, w, a: c + w * a
) -> Callable:
    """The weight by another adversarial loss, choice, or mixture."""

    def wrong(y: Tensor, content: Tensor, logit: Tensor, weights: Sequence[float]) -> float:
        middle = content.argmin()
        moved = [w for w in weights if beside(content, w, loss(logit)).argmin() != middle]
        return choose(moved, default=float("nan"))

    return wrong


def penalty(d: Callable[[Tensor], Tensor], hr: Tensor, weight: float) -> Tensor:
    """½ weight · ‖∇d(hr)‖², mean over the pictures.

    Shapes: hr (N, C, H, W) -> scalar.
    """
    return r1(d, hr, weight=weight)


def _slopes(d: Callable[[Tensor], Tensor], hr: Tensor, total: Callable = torch.sum) -> Tensor:
    picture = hr.detach().clone().requires_grad_()
    return torch.autograd.grad(total(d(picture)), picture)[0].square().flatten(1).sum(1)


def _uneven(picture: Tensor) -> Tensor:
    """A one-line discriminator whose gradient is not constant."""
    x = picture.flatten(1)
    ramp = torch.linspace(-1, 1, x.shape[1], dtype=x.dtype)
    return (x * ramp + 0.5 * x**3).sum(1, keepdim=True)


def _draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _between(sigma: float) -> Tensor:
    """The optimal logit if real answers lie around −1 and 1, and the generator's around 0."""
    return torch.log(torch.cosh(_ANSWERS / sigma**2)) - 1 / (2 * sigma**2)


_ANSWERS = torch.linspace(-1.5, 1.5, 61, dtype=torch.float64)

EXERCISES: dict[str, Exercise] = {
    "believed": Exercise(
        believed,
        [(_draw(5, 1),), (torch.tensor([[-120.0], [3.0], [90.0]]),)],
        {
            "this is log(1 − σ), the form that saturates: where d detects the fake, its gradient is zero, and g "
            "learns nothing. Take −log σ.": lambda fake: -F.softplus(fake).mean(),
            "this is the loss of the discriminator on fakes; g wants the opposite label. The sign of the logit is "
            "turned.": lambda fake: F.softplus(fake).mean(),
            "log σ is negative and falls as d detects the fake; the loss to minimise is minus that.": (
                lambda fake: F.logsigmoid(fake).mean()
            ),
            "σ(−120) is 0 in 32 bits and its log is infinite. Do both in one: F.softplus(−fake).": (
                lambda fake: -fake.sigmoid().log().mean()
            ),
            "the sum grows with the batch; take the mean.": lambda fake: F.softplus(-fake).sum(),
        },
    ),
    "least-squares": Exercise(
        least_squares,
        [(_draw(5, 1), _draw(5, 1, seed=1)), (_draw(3, 1, seed=2), 2 + _draw(3, 1, seed=3))],
        {
            "the labels are swapped: real pictures are labelled 1, fakes 0.": _squares(0, 1, 0),
            "the ½ is missing. It only changes the right learning rate, but the paper has it.": (
                _squares(1, 0, 1, half=1.0)
            ),
            "g's target is 0, which is what the discriminator wants. It wants 1.": _squares(1, 0, 0),
            "labels of −1 and 1, as the hinge has them; here they are 0 and 1.": _squares(1, -1, 1),
            "the sum grows with the batch; take means.": _squares(1, 0, 1, mean=False),
        },
    ),
    "optimal": Exercise(
        best_logit,
        [
            (_draw(7).exp(), _draw(7, seed=1).exp()),
            (torch.tensor([1e-9, 0.3]).double(), torch.tensor([0.7, 1e-9]).double()),
        ],
        {
            "this is its probability, p/(p + q). The logit is the inverse of σ there: log p − log q.": (
                lambda p, q: p / (p + q)
            ),
            "the roles are swapped: the logit is large where real points are.": lambda p, q: q.log() - p.log(),
            "the ratio itself; a logit is its logarithm.": lambda p, q: p / q,
            "this is log σ, the logarithm of the probability, and never positive. Its odds are p : q.": (
                lambda p, q: p.log() - (p + q).log()
            ),
            "this is log 10; σ undoes the natural logarithm.": lambda p, q: p.log10() - q.log10(),
        },
    ),
    "update": Exercise(
        d_update,
        [
            (_draw(3), _draw(3, seed=1), _draw(4, 3, seed=2), _draw(4, 3, seed=3), 0.5),
            (_draw(2, seed=4), _draw(2, seed=5), _draw(6, 2, seed=6), _draw(6, 2, seed=7), 0.1),
        ],
        {
            "g moved too: the gradient of the discriminator's loss went through sr into a, and trained g to be "
            "detected. Cut it with sr.detach(), and update only w.": _updated(_bce, moved=(0, 1)),
            "a was updated and w was not: this is the discriminator's turn.": _updated(_bce, moved=(0,)),
            "uphill: the step goes against the gradient.": _updated(_bce, sign=1.0),
            "only the fakes were used; a discriminator that calls everything fake would have no loss. Add "
            "−log σ(real).": _updated(lambda real, fake: F.softplus(fake).mean()),
            "only the true pictures were used. Add −log(1 − σ(fake)).": (
                _updated(lambda real, fake: F.softplus(-real).mean())
            ),
            "the labels are swapped: this teaches the discriminator to call fakes real.": (
                _updated(lambda real, fake: bce_d(fake, real))
            ),
        },
        tolerance=1e-6,
    ),
    "turning": Exercise(
        turning_weight,
        [
            (_ANSWERS, _ANSWERS**2 + 1, _between(0.5), (0.3, 0.01, 0.16, 0.13, 1.0, 3.0)),
            (_ANSWERS, _ANSWERS**2 + 1, _between(0.7), (1.0, 0.2, 0.5, 0.7, 0.55, 2.0, 5.0)),
        ],
        {
            "this is the largest weight. Find the smallest at which the minimum leaves the middle.": _turning(
                lambda logit: F.softplus(-logit), max
            ),
            "the loss that saturates, log(1 − σ): in the middle the discriminator is sure, and there it is flat. "
            "Take −log σ.": _turning(lambda logit: -F.softplus(logit)),
            "minus the logit is the generator's loss in the hinge game; here it is −log σ.": _turning(torch.neg),
            "this is the discriminator's loss on fakes, which asks for the least believable answer. For g the "
            "logit's sign is turned.": _turning(F.softplus),
            "the weight went to the content loss: it is content + weight · adversarial.": _turning(
                lambda logit: F.softplus(-logit), beside=lambda c, w, a: w * c + a
            ),
        },
        tolerance=1e-7,
    ),
    "penalty": Exercise(
        penalty,
        [(_uneven, _draw(3, 2, 4, 5), 10.0), (_uneven, _draw(4, 1, 3, 3, seed=1), 1.0)],
        {
            "the square is missing: this is the length of the slope.": (
                lambda d, hr, weight: 0.5 * weight * _slopes(d, hr).sqrt().mean()
            ),
            "the ½ of the paper is missing.": lambda d, hr, weight: weight * _slopes(d, hr).mean(),
            "the sum over the pictures; take their mean.": lambda d, hr, weight: 0.5 * weight * _slopes(d, hr).sum(),
            "the gradient of the mean logit is N times too small, and its square N² times. Take the gradient of the "
            "sum: each picture's logit depends on that picture alone.": (
                lambda d, hr, weight: 0.5 * weight * _slopes(d, hr, torch.mean).mean()
            ),
            "the mean over the pixels; ‖∇d‖² is their sum.": (
                lambda d, hr, weight: 0.5 * weight * _slopes(d, hr).mean() / hr[0].numel()
            ),
            "this is (‖∇d‖ − 1)², the penalty of Gulrajani et al., which wants a slope of 1. R1 wants 0, at true "
            "pictures.": lambda d, hr, weight: weight * (_slopes(d, hr).sqrt() - 1).square().mean(),
        },
        tolerance=1e-3,
    ),
}
