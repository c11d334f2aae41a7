"""How each network is trained by us, on two CPU cores."""

from functools import partial

from torch import Tensor
from torch.optim import Adam

from srlib.losses.adversarial import BCE, RELATIVISTIC
from srlib.losses.perceptual import srlib_content
from srlib.losses.pixel import Loss, l1, low_frequency_l1, mse, periodic_l1
from srlib.losses.weighted import Weighted
from srlib.models.srgan import Discriminator
from srlib.recipes.common import gan_recipe, supervised_recipe
from srlib.training.loop import TrainConfig
from srlib.training.muon import Muon
from srlib.training.recipe import Late, Optim, Recipe
from srlib.training.schedules import warm_cosine
from srlib.training.steps.adversarial import adversarial

# Ours: small batches, and Muon at a high rate, which goes further in 1,000 steps than Adam in 3,000; the average of the
# weights takes the noise out again. Measured in the chapter on residual networks. The networks on luma are too small to
# gain from L1: for them the mean square, which is what PSNR measures.


def _ours(
    model: str,
    scales: tuple[int, ...],
    lr_size: int,
    steps: int,
    batch: int,
    lr: float,
    loss: Loss = l1,
    channels: int = 3,
) -> Recipe:
    config = TrainConfig(steps, batch=batch, max_grad_norm=1.0)
    make = partial(Muon, lr=lr)
    return supervised_recipe(model, scales, config, lr_size=lr_size, make=make, loss=loss, channels=channels)


def srcnn(scale: int) -> Recipe:
    """SRCNN 9-5-5 on Y."""
    return _ours("srcnn", (scale,), 48 // scale, 15_000, 16, 4e-3, mse, 1)


def fsrcnn(scale: int) -> Recipe:
    """FSRCNN(56, 12, 4) on Y."""
    return _ours("fsrcnn", (scale,), 24, 30_000, 16, 5e-3, mse, 1)


def espcn(scale: int) -> Recipe:
    """ESPCN on Y."""
    return _ours("espcn", (scale,), 24, 80_000, 16, 3e-3, mse, 1)


def vdsr(scale: int) -> Recipe:
    """VDSR with 20 layers on Y."""
    return _ours("vdsr", (scale,), 64 // scale, 5_000, 8, 5e-3, mse, 1)


def srresnet(scale: int) -> Recipe:
    """SRResNet, with L1. The shipped weights began at those of 8,000 steps at 5e-3, 0.3 dB lower."""
    return _ours("srresnet", (scale,), 24, 20_000, 4, 2e-3)


def edsr_small(scale: int) -> Recipe:
    """Eight blocks of 32: past SRCNN's 30.48 dB on Set5 ×4 within half a minute on two cores."""
    return _ours("edsr_small", (scale,), 32, 30_000, 8, 3e-3)


def edsr_baseline(scale: int) -> Recipe:
    """Sixteen blocks of 64."""
    return _ours("edsr_baseline", (scale,), 32, 15_000, 4, 2e-3)


def mdsr(scale: int = 4) -> Recipe:
    """MDSR-baseline; ×2, ×3 and ×4 take turns."""
    return _ours("mdsr", (2, 3, 4), 32, 15_000, 4, 2e-3)


def compact(scale: int) -> Recipe:
    """Compact with 16 convolutions of 64; made for going on from weights of others, `--start converted.safetensors`."""
    return _ours("compact", (scale,), 32, 15_000, 4, 2e-3)


def rrdb_psnr_small(scale: int) -> Recipe:
    """Three RRDBs of 32, with L1: what the small ESRGAN begins with."""
    return _ours("rrdb_psnr_small", (scale,), 24, 16_000, 4, 2e-3)


def johnson_pixel(scale: int) -> Recipe:
    """Johnson's network of half the width, with L1: what the next one is compared with, and begins with."""
    return _ours("johnson_pixel", (scale,), 24, 8_000, 4, 3e-3)


def johnson_pixel_settled(scale: int) -> Recipe:
    """Johnson's network with L1, some time more: flat colours among the patches, batch norm as it is used.

    The shipped weights are those of `johnson_pixel`, then these 3,000 steps: flat colours, off by up to 37/255 before,
    are within 4, and Set5 gains 1.2 dB.
    """
    return supervised_recipe(
        "johnson_pixel",
        (scale,),
        TrainConfig(3_000, batch=4, max_grad_norm=1.0),
        lr_size=24,
        make=partial(Muon, lr=5e-4),
        start="johnson_pixel",
        flats=0.15,
        held=True,
    )


def johnson(scale: int) -> Recipe:
    """The same network, from those weights, with features in place of pixels."""
    return supervised_recipe(
        "johnson",
        (scale,),
        TrainConfig(3_000, batch=4, max_grad_norm=1.0),
        lr_size=24,
        make=partial(Adam, lr=3e-4, betas=(0.9, 0.999), fused=True),
        loss=johnson_content,
        start="johnson_pixel",
        flats=0.15,
        held=True,
    )


def johnson_content(sr: Tensor, hr: Tensor) -> Tensor:
    """Features, and what ours hardly see: colours and grids. Without the last term it drew a grid over everything."""
    return srlib_content()(sr, hr) + 20 * low_frequency_l1(sr, hr) + 50 * periodic_l1(sr, hr)


# GANs: few steps, from weights trained with L1. The low frequencies keep the colours; the papers have no such term.


def srgan(scale: int) -> Recipe:
    """SRGAN: SRResNet against a discriminator of any size.

    The shipped weights began at those of 5,000 steps without the term `grid`, and had a faint one.
    """
    grid = {"grid": (5.0, partial(periodic_l1, period=scale))}
    step = Late(adversarial, Late(Weighted, **grid, **CONTENT), BCE, weight=1e-2, random_crop=scale - 1)
    return _small_gan("srgan", scale, step, steps=5_000, d_lr=2e-4, start="srresnet")


def esrgan_small(scale: int) -> Recipe:
    """A small ESRGAN: three RRDBs, and a relativistic discriminator.

    With a weight of 1e-2 and a discriminator twice as fast, it strewed dark specks over skin by step 6,000.
    """
    step = Late(adversarial, Late(Weighted, **CONTENT), RELATIVISTIC, weight=3e-3, random_crop=scale - 1)
    return _small_gan("esrgan_small", scale, step, steps=4_000, d_lr=1e-4, start="rrdb_psnr_small")


CONTENT = {"pixel": (0.3, l1), "colour": (2.0, low_frequency_l1), "feature": (0.1, Late(srlib_content))}


def _small_gan(model: str, scale: int, step: Late, *, steps: int, d_lr: float, start: str) -> Recipe:
    return gan_recipe(
        model,
        scale,
        step,
        TrainConfig(steps, batch=4, max_grad_norm=1.0),
        lr_size=24,
        discriminator=partial(Discriminator, size=None, width=32),
        g=Optim(partial(Adam, lr=2e-4, betas=(0.9, 0.99), fused=True), schedule=warm_cosine),
        d=Optim(partial(Adam, lr=d_lr, betas=(0.9, 0.99), fused=True), ("d",), warm_cosine),
        start=start,
    )
