"""How each network is trained by us, on two CPU cores; and all recipes by name, with the papers' own for a GPU."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from torch import Tensor

from srlib.adversarial import BCE, RELATIVISTIC
from srlib.fitting import Recipe
from srlib.gan import Gan
from srlib.losses import Loss, coarse, l1, mse, repeating
from srlib.models.srgan import Discriminator
from srlib.perceptual import own_content
from srlib.recipes_paper import (
    edsr_baseline_paper,
    edsr_paper,
    espcn_paper,
    esrgan_paper,
    fsrcnn_paper,
    mdsr_paper,
    rrdb_psnr_paper,
    srcnn_paper,
    srgan_paper,
    srresnet_paper,
    vdsr_paper,
)
from srlib.training import TrainConfig

# Ours: small batches, and Muon at a high rate, which goes further in 1,000 steps than Adam in 3,000; the average of the
# weights takes the noise out again. Measured in the chapter on residual networks. The networks on luma are too small to
# gain from L1: for them the mean square, which is what PSNR measures.


def srcnn(scale: int) -> Recipe:
    """SRCNN 9-5-5 on Y."""
    return Recipe("srcnn", (scale,), TrainConfig(15_000, batch=16, clip=1.0), 48 // scale, 4e-3, loss=mse)


def fsrcnn(scale: int) -> Recipe:
    """FSRCNN(56, 12, 4) on Y."""
    return Recipe("fsrcnn", (scale,), TrainConfig(30_000, batch=16, clip=1.0), 24, 5e-3, loss=mse)


def espcn(scale: int) -> Recipe:
    """ESPCN on Y."""
    return Recipe("espcn", (scale,), TrainConfig(80_000, batch=16, clip=1.0), 24, 3e-3, loss=mse)


def vdsr(scale: int) -> Recipe:
    """VDSR with 20 layers on Y."""
    return Recipe("vdsr", (scale,), TrainConfig(5_000, batch=8, clip=1.0), 64 // scale, 5e-3, loss=mse)


def srresnet(scale: int) -> Recipe:
    """SRResNet, with L1. The shipped weights began at those of 8,000 steps at 5e-3, 0.3 dB lower."""
    return Recipe("srresnet", (scale,), TrainConfig(20_000, batch=4, clip=1.0), 24, 2e-3)


def edsr_small(scale: int) -> Recipe:
    """Eight blocks of 32: past SRCNN's 30.48 dB on Set5 ×4 within half a minute on two cores."""
    return Recipe("edsr_small", (scale,), TrainConfig(30_000, batch=8, clip=1.0), 32, 3e-3)


def edsr_baseline(scale: int) -> Recipe:
    """Sixteen blocks of 64."""
    return Recipe("edsr_baseline", (scale,), TrainConfig(15_000, batch=4, clip=1.0), 32, 2e-3)


def mdsr(scale: int = 4) -> Recipe:
    """MDSR-baseline; ×2, ×3 and ×4 take turns."""
    return Recipe("mdsr", (2, 3, 4), TrainConfig(15_000, batch=4, clip=1.0), 32, 2e-3)


def rrdb_psnr_small(scale: int) -> Recipe:
    """Three RRDBs of 32, with L1: what the small ESRGAN begins with."""
    return Recipe("rrdb_psnr_small", (scale,), TrainConfig(16_000, batch=4, clip=1.0), 24, 2e-3)


def johnson_pixel(scale: int) -> Recipe:
    """Johnson's network of half the width, with L1: what the next one is compared with, and begins with."""
    return Recipe("johnson_pixel", (scale,), TrainConfig(8_000, batch=4, clip=1.0), 24, 3e-3)


def johnson(scale: int) -> Recipe:
    """The same network, from those weights, with features in place of pixels."""
    return replace(
        johnson_pixel(scale),
        model="johnson",
        config=TrainConfig(3_000, batch=4, clip=1.0),
        learning_rate=3e-4,
        method="adam",
        loss=johnson_content,
        start="johnson_pixel",
    )


def johnson_content(sr: Tensor, hr: Tensor) -> Tensor:
    """Features, and what ours hardly see: colours and grids. Without the last term it drew a grid over everything."""
    return own_content()(sr, hr) + 20 * coarse(sr, hr) + 50 * repeating(sr, hr)


# Games: few steps, from weights trained with L1. The coarse term keeps the colours; the papers have none.


def srgan(scale: int) -> Recipe:
    """SRGAN: SRResNet against a discriminator of any size.

    The shipped weights began at those of 5,000 steps without the term `grid`, and had a faint one.
    """
    rival, grid = partial(Discriminator, size=None, width=32), partial(repeating, period=scale)
    gan = Gan(rival, BCE, 1e-2, {"grid": (5.0, grid)} | _content(), 2e-4, jitter=scale - 1)
    config = TrainConfig(5_000, batch=4, clip=1.0)
    return Recipe("srgan", (scale,), config, 24, 2e-4, "adam", (0.9, 0.99), start="srresnet", gan=gan)


def esrgan_small(scale: int) -> Recipe:
    """A small ESRGAN: three RRDBs, and a judgement that is relative.

    With 1e-2 for the game and a discriminator twice as fast, it strewed dark specks over skin by step 6,000.
    """
    rival = partial(Discriminator, size=None, width=32)
    gan = Gan(rival, RELATIVISTIC, 3e-3, _content(), 1e-4, jitter=scale - 1)
    config = TrainConfig(4_000, batch=4, clip=1.0)
    return Recipe("esrgan_small", (scale,), config, 24, 2e-4, "adam", (0.9, 0.99), start="rrdb_psnr_small", gan=gan)


def _content() -> dict[str, tuple[float, Loss]]:
    return {"pixel": (0.3, l1), "colour": (2.0, coarse), "feature": (0.1, own_content())}


RECIPES: dict[str, Callable[..., Recipe]] = {
    recipe.__name__: recipe
    for recipe in (
        *(srcnn, fsrcnn, espcn, vdsr, srresnet, edsr_small, edsr_baseline, mdsr, rrdb_psnr_small),
        *(johnson_pixel, johnson, srgan, esrgan_small),
        *(srcnn_paper, fsrcnn_paper, espcn_paper, vdsr_paper, srresnet_paper),
        *(edsr_baseline_paper, edsr_paper, mdsr_paper),
        *(srgan_paper, rrdb_psnr_paper, esrgan_paper),
    )
}
