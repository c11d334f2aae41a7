"""The papers' own settings, for a GPU. They take hours to days; what differs is said."""

from dataclasses import replace
from functools import partial

from srlib.adversarial import BCE, RELATIVISTIC
from srlib.fitting import Recipe, Schedule
from srlib.gan import Gan
from srlib.losses import l1, mse
from srlib.models.esrgan import esrgan_discriminator
from srlib.models.srgan import Discriminator
from srlib.perceptual import esrgan_content, srgan_content
from srlib.training import TrainConfig, halved

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


def srgan_paper(scale: int) -> Recipe:
    """SRGAN as in Ledig et al. (CVPR 2017): from SRResNet, VGG54 and the game, 1e-4, from half way 1e-5.

    Start from the weights of `srresnet_paper` with `--start`.

    Raises: WeightsError where VGG19's weights are missing.
    Differs from the paper: as `srresnet_paper`.
    """
    content = {"feature": (1.0, srgan_content())}
    gan = Gan(partial(Discriminator, size=24 * scale), BCE, 1e-3, content, 1e-4, (0.9, 0.999))
    config = TrainConfig(200_000, batch=16, precision="fp32", average=0.0)
    return Recipe("srgan", (scale,), config, 24, 1e-4, "adam", schedule=late_tenth, data=DIV2K, gan=gan)


def rrdb_psnr_paper(scale: int) -> Recipe:
    """RRDBNet of 23 blocks as in Wang et al. (ECCVW 2018), first stage: L1, 2e-4, halved every 200,000 steps.

    Differs from the paper: DIV2K alone, without Flickr2K and OST.
    """
    config = TrainConfig(1_000_000, batch=16, precision="fp32", average=0.0)
    return Recipe("rrdbnet", (scale,), config, 128 // scale, 2e-4, "adam", schedule=fifths, data=DIV2K)


def esrgan_paper(scale: int) -> Recipe:
    """ESRGAN as in Wang et al. (ECCVW 2018), second stage: 1e-2 L1, features before the activation, 5e-3 of the game.

    Start from the weights of `rrdb_psnr_paper` with `--start`.

    Raises: WeightsError where VGG19's weights are missing.
    Differs from the paper: as `rrdb_psnr_paper`; the average of the weights is BasicSR's.
    """
    content = {"pixel": (1e-2, l1), "feature": (1.0, esrgan_content())}
    gan = Gan(esrgan_discriminator, RELATIVISTIC, 5e-3, content, 1e-4, together=False)
    config = TrainConfig(400_000, batch=16, precision="fp32")
    betas = (0.9, 0.99)
    return Recipe(
        "rrdbnet", (scale,), config, 128 // scale, 1e-4, "adam", betas, schedule=esrgan_schedule, data=DIV2K, gan=gan
    )


def constant(steps: int) -> Schedule:
    """The same rate all along."""
    return lambda step: 1.0


def tenths(steps: int) -> Schedule:
    """A tenth of the rate after each quarter of the steps."""
    return lambda step: 0.1 ** (4 * step // steps)


def edsr_schedule(steps: int) -> Schedule:
    """Half the rate after two thirds of the steps."""
    return halved(2 * steps // 3)


def late_tenth(steps: int) -> Schedule:
    """A tenth of the rate in the second half."""
    return lambda step: 1.0 if 2 * step < steps else 0.1


def fifths(steps: int) -> Schedule:
    """Half the rate after each fifth of the steps."""
    return lambda step: 0.5 ** (5 * step // steps)


def esrgan_schedule(steps: int) -> Schedule:
    """Half the rate after 1/8, 1/4, 1/2 and 3/4 of the steps."""
    return halved(steps // 8, steps // 4, steps // 2, 3 * steps // 4)
