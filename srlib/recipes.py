"""How each network is trained: our settings for two CPU cores, and the papers' own for a GPU."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from torch import Tensor

from srlib.adversarial import BCE, RELATIVISTIC
from srlib.fitting import Recipe, Schedule
from srlib.gan import Gan
from srlib.losses import Loss, coarse, l1, mse
from srlib.models.srgan import Discriminator
from srlib.perceptual import own_content
from srlib.training import TrainConfig, halved

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
    """Features, and colours, which ours hardly see. With relu2_2 alone, as in the paper, it drew a grid of dots."""
    return own_content()(sr, hr) + 10 * coarse(sr, hr)


# Games: few steps, from weights trained with L1. The coarse term keeps the colours; the papers have none.


def srgan(scale: int) -> Recipe:
    """SRGAN: SRResNet against a discriminator of any size."""
    rival = partial(Discriminator, size=None, width=32)
    gan = Gan(rival, BCE, 1e-2, _content(), 2e-4, jitter=scale - 1)
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


# The papers' own settings, for a GPU. They take hours to days; what differs is said.

DIV2K = ("DIV2K_train_HR",)


def srcnn_paper(scale: int) -> Recipe:
    """SRCNN as in Dong et al. (TPAMI 2016): gradient descent on the mean square, a slower last layer.

    Differs from the paper: its loss sums over the pixels of a patch, so the rate here is for a mean; its batch and
    number of steps are not printed, these are ours; patches anywhere in the picture in place of a grid of stride 14.
    """
    return Recipe(
        "srcnn",
        (scale,),
        TrainConfig(1_000_000, batch=128, precision="fp32", average=0.0),
        33 // scale,
        0.05,
        method="sgd",
        last=0.1,
        loss=mse,
        schedule=constant,
        data=("T91",),
    )


def fsrcnn_paper(scale: int) -> Recipe:
    """FSRCNN as in Dong et al. (ECCV 2016): 1e-3 for the convolutions, 1e-4 for the transposed one.

    Differs from the paper: Adam in place of gradient descent; one stage of training on both sets; flips and turns in
    place of shrinking and turning; batch and steps are ours.
    """
    return Recipe(
        "fsrcnn",
        (scale,),
        TrainConfig(1_000_000, batch=128, precision="fp32", average=0.0),
        48 // scale,
        1e-3,
        method="adam",
        last=0.1,
        loss=mse,
        schedule=constant,
        data=("T91", "General100"),
    )


def espcn_paper(scale: int) -> Recipe:
    """ESPCN as in Shi et al. (CVPR 2016): the rate falls from 1e-2 to 1e-4.

    Differs from the paper: Adam with a fixed schedule in place of a rate that falls when the loss does; the first
    rate is 1e-3; batch and steps are ours.
    """
    return Recipe(
        "espcn",
        (scale,),
        TrainConfig(300_000, batch=16, precision="fp32", average=0.0),
        17,
        1e-3,
        method="adam",
        loss=mse,
        data=("T91",),
    )


def vdsr_paper(scale: int) -> Recipe:
    """VDSR as in Kim et al. (CVPR 2016): gradient descent at 0.1, a tenth after every 20 of 80 epochs, clipped.

    Differs from the paper: the gradient is clipped to the length 0.4, not to a range that widens as the rate falls;
    one scale at a time; BSDS has 199 of the paper's 200 pictures.
    """
    return Recipe(
        "vdsr",
        (scale,),
        TrainConfig(80_000, batch=64, precision="fp32", average=0.0, clip=0.4),
        41 // scale,
        0.1,
        method="sgd",
        weight_decay=1e-4,
        loss=mse,
        schedule=tenths,
        data=("T91", "BSDS"),
    )


def srresnet_paper(scale: int) -> Recipe:
    """SRResNet as in Ledig et al. (CVPR 2017): mean square, batches of 16, a million steps at 1e-4.

    Differs from the paper: DIV2K in place of 350,000 pictures of ImageNet; hr in [0, 1], not [−1, 1].
    """
    config = TrainConfig(1_000_000, batch=16, precision="fp32", average=0.0)
    return Recipe("srresnet", (scale,), config, 96 // scale, 1e-4, "adam", loss=mse, schedule=constant, data=DIV2K)


def edsr_baseline_paper(scale: int) -> Recipe:
    """EDSR-baseline as in Lim et al. (CVPRW 2017): L1, batches of 16 of 48² lr pixels, 1e-4 halved at 200,000.

    Start ×3 and ×4 from ×2, as the paper does: `--start edsr_baseline_x2.safetensors`.

    Differs from the paper: nothing known.
    """
    config = TrainConfig(300_000, batch=16, precision="fp32", average=0.0)
    return Recipe("edsr_baseline", (scale,), config, 48, 1e-4, "adam", schedule=edsr_schedule, data=DIV2K)


def edsr_paper(scale: int) -> Recipe:
    """EDSR, 32 blocks of 256; else as `edsr_baseline_paper`.

    Differs from the paper: nothing known.
    """
    return replace(edsr_baseline_paper(scale), model="edsr")


def mdsr_paper(scale: int = 4) -> Recipe:
    """MDSR-baseline for ×2, ×3 and ×4; else as `edsr_baseline_paper`.

    Differs from the paper: 16 blocks, the authors' baseline, in place of 80; the scales take turns.
    """
    return replace(edsr_baseline_paper(4), model="mdsr", scales=(2, 3, 4))


def constant(steps: int) -> Schedule:
    """The same rate all along."""
    return lambda step: 1.0


def tenths(steps: int) -> Schedule:
    """A tenth of the rate after each quarter of the steps."""
    return lambda step: 0.1 ** (4 * step // steps)


def edsr_schedule(steps: int) -> Schedule:
    """Half the rate after two thirds of the steps."""
    return halved(2 * steps // 3)


RECIPES: dict[str, Callable[..., Recipe]] = {
    recipe.__name__: recipe
    for recipe in (
        *(srcnn, fsrcnn, espcn, vdsr, srresnet, edsr_small, edsr_baseline, mdsr, rrdb_psnr_small),
        *(johnson_pixel, johnson, srgan, esrgan_small),
        *(srcnn_paper, fsrcnn_paper, espcn_paper, vdsr_paper, srresnet_paper),
        *(edsr_baseline_paper, edsr_paper, mdsr_paper),
    )
}
