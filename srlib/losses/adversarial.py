"""Adversarial losses: pairs for discriminator and generator, on logits, and gradient penalties."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PairLoss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class GANLoss:
    """The loss of the discriminator, `d(real, fake)`, and that of the generator, `g(real, fake)`.

    Both take the discriminator's logits, before any sigmoid, for real pictures and for the generator's. They hold no
    network and no state.

    Shapes: real, fake: any, one logit per picture or a map of them -> scalar.
    """

    d: PairLoss
    g: PairLoss


def bce_d(real: Tensor, fake: Tensor) -> Tensor:
    """−log σ(real) − log(1 − σ(fake)), means (Goodfellow et al., NeurIPS 2014, eq. 1); 2 ln 2 when undecided.

    Differs from the paper: on logits, which avoids the log of zero of a confident discriminator.
    """
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def bce_g(real: Tensor, fake: Tensor) -> Tensor:
    """−log σ(fake), mean (Goodfellow et al., NeurIPS 2014, sec. 3; Ledig et al., CVPR 2017, eq. 6); ignores `real`.

    The non-saturating form: its gradient is largest where the discriminator is confident that a picture is fake.

    Differs from the paper: Ledig et al. sum over the pictures; this takes the mean.
    """
    return F.softplus(-fake).mean()


def least_squares_d(real: Tensor, fake: Tensor) -> Tensor:
    """½ (real − 1)² + ½ fake², means (Mao et al., ICCV 2017, eq. 9); 0 for a perfect discriminator.

    Differs from the paper: nothing known. Many implementations omit the ½.
    """
    return 0.5 * (real - 1).square().mean() + 0.5 * fake.square().mean()


def least_squares_g(real: Tensor, fake: Tensor) -> Tensor:
    """½ (fake − 1)², mean (Mao et al., ICCV 2017, eq. 9); ignores `real`.

    Differs from the paper: nothing known.
    """
    return 0.5 * (fake - 1).square().mean()


def hinge_d(real: Tensor, fake: Tensor) -> Tensor:
    """max(0, 1 − real) + max(0, 1 + fake), means (Lim & Ye, arXiv 2017; Miyato et al., ICLR 2018, eq. 16).

    Differs from the paper: nothing known.
    """
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def minus_fake(real: Tensor, fake: Tensor) -> Tensor:
    """−fake, mean: the generator's hinge and Wasserstein loss (Lim & Ye, arXiv 2017; Arjovsky et al., ICML 2017).

    It ignores `real`.

    Differs from the paper: nothing known.
    """
    return -fake.mean()


def wasserstein_d(real: Tensor, fake: Tensor) -> Tensor:
    """fake − real, means (Arjovsky et al., ICML 2017, eq. 2); unbounded without a `gradient_penalty`.

    Differs from the paper: the paper bounds the discriminator by clipping its weights.
    """
    return fake.mean() - real.mean()


def relativistic_d(real: Tensor, fake: Tensor) -> Tensor:
    """½ [−log σ(real − mean fake) − log(1 − σ(fake − mean real))] (Wang et al., ECCVW 2018, eq. 1).

    Is a real picture more realistic than the average fake, and a fake less realistic than the average real one? ln 2
    when all logits are equal.

    Differs from the paper: the ½ is from BasicSR, the authors' later code; without it, weights would be half as large.
        The means are over the batch of one process.
    """
    return 0.5 * bce_d(real - fake.mean(), fake - real.mean())


def relativistic_g(real: Tensor, fake: Tensor) -> Tensor:
    """`relativistic_d` with real and fake exchanged (Wang et al., ECCVW 2018, eq. 2); it does depend on `real`.

    Differs from the paper: as for `relativistic_d`.
    """
    return relativistic_d(fake, real)


BCE = GANLoss(bce_d, bce_g)  # SRGAN
LEAST_SQUARES = GANLoss(least_squares_d, least_squares_g)
HINGE = GANLoss(hinge_d, minus_fake)
WASSERSTEIN = GANLoss(wasserstein_d, minus_fake)
RELATIVISTIC = GANLoss(relativistic_d, relativistic_g)  # ESRGAN


def gradient_penalty(d: nn.Module, hr: Tensor, sr: Tensor, *, weight: float = 10.0) -> Tensor:
    """weight · (‖∇d‖ − 1)² at random points between hr and sr, mean (Gulrajani et al., NeurIPS 2017, eq. 3).

    Only the weights of `d` get a gradient. Use it without batch norm in `d`, as the paper does: batch norm makes the
    gradient at one picture depend on the others.

    Shapes: hr, sr (N, C, H, W) -> scalar.
    Raises: ValueError for unequal shapes.
    Differs from the paper: 1e-12 under the root, so that a constant discriminator has a gradient.
    """
    if hr.shape != sr.shape:
        raise ValueError(f"hr and sr must have the same shape, got {tuple(hr.shape)} and {tuple(sr.shape)}")
    share = torch.rand(len(hr), 1, 1, 1, dtype=hr.dtype, device=hr.device)
    slope = (_slope(d, torch.lerp(hr, sr, share)).square().flatten(1).sum(1) + 1e-12).sqrt()
    return weight * (slope - 1).square().mean()


def r1(d: nn.Module, hr: Tensor, sr: Tensor | None = None, *, weight: float = 10.0) -> Tensor:
    """½ weight · ‖∇d(hr)‖², mean over pictures (Mescheder et al., ICML 2018, eq. 9); `sr` is not used.

    Shapes: hr (N, C, H, W) -> scalar.
    Differs from the paper: nothing known.
    """
    return 0.5 * weight * _slope(d, hr).square().flatten(1).sum(1).mean()


def _slope(d: nn.Module, picture: Tensor) -> Tensor:
    """The gradient of each picture's logits with respect to its pixels, differentiable in the weights of d."""
    picture = picture.detach().requires_grad_()
    return torch.autograd.grad(d(picture).sum(), picture, create_graph=True)[0]
