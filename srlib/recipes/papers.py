"""The papers' own settings, for a GPU. They take hours to days; what differs is said."""

from functools import partial

from torch.optim import SGD, Adam

from srlib.losses.adversarial import BCE, RELATIVISTIC
from srlib.losses.perceptual import esrgan_content, srgan_content
from srlib.losses.pixel import l1, mse
from srlib.losses.weighted import Weighted
from srlib.models.esrgan import esrgan_discriminator
from srlib.models.srgan import Discriminator
from srlib.recipes.common import gan_recipe, supervised_recipe
from srlib.training.loop import TrainConfig
from srlib.training.recipe import Late, Optim, Recipe, last_layer_lr
from srlib.training.schedules import constant, multistep_at
from srlib.training.steps.adversarial import adversarial

DIV2K = {"hr": ("DIV2K_train_HR",)}
ADAM = partial(Adam, lr=1e-4, betas=(0.9, 0.999), fused=True)


def _fp32(steps: int, batch: int, **settings: float) -> TrainConfig:
    return TrainConfig(steps, batch=batch, precision="fp32", ema_decay=0.0, **settings)


def srcnn_paper(scale: int) -> Recipe:
    """SRCNN as in Dong et al. (TPAMI 2016): gradient descent on the mean square, a slower last layer.

    Differs from the paper: its loss sums over the pixels of a patch, so the rate here is for a mean; its batch and
    number of steps are not printed, these are ours; patches anywhere in the picture in place of a grid of stride 14.
    """
    return supervised_recipe(
        "srcnn",
        (scale,),
        _fp32(1_000_000, 128),
        lr_size=33 // scale,
        make=partial(last_layer_lr, make=SGD, lr=0.05, factor=0.1, momentum=0.9),
        loss=mse,
        channels=1,
        schedule=constant,
        data={"hr": ("T91",)},
    )


def fsrcnn_paper(scale: int) -> Recipe:
    """FSRCNN as in Dong et al. (ECCV 2016): 1e-3 for the convolutions, 1e-4 for the transposed one.

    Differs from the paper: Adam in place of gradient descent; one stage of training on both sets; flips and turns in
    place of shrinking and turning; batch and steps are ours.
    """
    return supervised_recipe(
        "fsrcnn",
        (scale,),
        _fp32(1_000_000, 128),
        lr_size=48 // scale,
        make=partial(last_layer_lr, make=Adam, lr=1e-3, factor=0.1, betas=(0.9, 0.999), fused=True),
        loss=mse,
        channels=1,
        schedule=constant,
        data={"hr": ("T91", "General100")},
    )


def espcn_paper(scale: int) -> Recipe:
    """ESPCN as in Shi et al. (CVPR 2016): the rate falls from 1e-2 to 1e-4.

    Differs from the paper: Adam with a fixed schedule in place of a rate that falls when the loss does; the first
    rate is 1e-3; batch and steps are ours.
    """
    return supervised_recipe(
        "espcn",
        (scale,),
        _fp32(300_000, 16),
        lr_size=17,
        make=partial(ADAM, lr=1e-3),
        loss=mse,
        channels=1,
        data={"hr": ("T91",)},
    )


def vdsr_paper(scale: int) -> Recipe:
    """VDSR as in Kim et al. (CVPR 2016): gradient descent at 0.1, a tenth after every 20 of 80 epochs, clipped.

    Differs from the paper: the gradient is clipped to the length 0.4, not to a range that widens as the rate falls;
    one scale at a time; BSDS has 199 of the paper's 200 pictures.
    """
    return supervised_recipe(
        "vdsr",
        (scale,),
        _fp32(80_000, 64, max_grad_norm=0.4),
        lr_size=41 // scale,
        make=partial(SGD, lr=0.1, momentum=0.9, weight_decay=1e-4),
        loss=mse,
        channels=1,
        schedule=partial(multistep_at, fractions=(1 / 4, 1 / 2, 3 / 4), gamma=0.1),
        data={"hr": ("T91", "BSDS")},
    )


def srresnet_paper(scale: int) -> Recipe:
    """SRResNet as in Ledig et al. (CVPR 2017): mean square, batches of 16, a million steps at 1e-4.

    Differs from the paper: DIV2K in place of 350,000 pictures of ImageNet; hr in [0, 1], not [−1, 1].
    """
    return supervised_recipe(
        "srresnet",
        (scale,),
        _fp32(1_000_000, 16),
        lr_size=96 // scale,
        make=ADAM,
        loss=mse,
        schedule=constant,
        data=DIV2K,
    )


def edsr_baseline_paper(scale: int) -> Recipe:
    """EDSR-baseline as in Lim et al. (CVPRW 2017): L1, batches of 16 of 48² lr pixels, 1e-4 halved at 200,000.

    Start ×3 and ×4 from ×2, as the paper does: `--start edsr_baseline_x2.safetensors`.

    Differs from the paper: nothing known.
    """
    return _edsr_paper("edsr_baseline", (scale,))


def edsr_paper(scale: int) -> Recipe:
    """EDSR with 32 blocks of 256 maps (Lim et al., CVPRW 2017); else as `edsr_baseline_paper`.

    Differs from the paper: nothing known.
    """
    return _edsr_paper("edsr", (scale,))


def mdsr_paper(scale: int = 4) -> Recipe:
    """MDSR-baseline for ×2, ×3 and ×4 (Lim et al., CVPRW 2017); else as `edsr_baseline_paper`.

    Differs from the paper: 16 blocks, the authors' baseline, in place of 80; the scales take turns.
    """
    return _edsr_paper("mdsr", (2, 3, 4))


def _edsr_paper(model: str, scales: tuple[int, ...]) -> Recipe:
    schedule = partial(multistep_at, fractions=(2 / 3,))
    return supervised_recipe(model, scales, _fp32(300_000, 16), lr_size=48, make=ADAM, schedule=schedule, data=DIV2K)


def srgan_paper(scale: int) -> Recipe:
    """SRGAN as in Ledig et al. (CVPR 2017): from SRResNet, VGG54 and the game, 1e-4, from half way 1e-5.

    Start from the weights of `srresnet_paper` with `--start`.

    Raises: WeightsError where VGG19's weights are missing.
    Differs from the paper: as `srresnet_paper`.
    """
    schedule = partial(multistep_at, fractions=(1 / 2,), gamma=0.1)
    return gan_recipe(
        "srgan",
        scale,
        Late(adversarial, Late(Weighted, feature=(1.0, Late(srgan_content))), BCE, weight=1e-3),
        _fp32(200_000, 16),
        lr_size=24,
        discriminator=partial(Discriminator, size=24 * scale),
        g=Optim(ADAM, schedule=schedule),
        d=Optim(ADAM, ("d",), schedule),
        data=DIV2K,
    )


def rrdb_psnr_paper(scale: int) -> Recipe:
    """RRDBNet of 23 blocks as in Wang et al. (ECCVW 2018), first stage: L1, 2e-4, halved every 200,000 steps.

    Differs from the paper: DIV2K alone, without Flickr2K and OST.
    """
    return supervised_recipe(
        "rrdbnet",
        (scale,),
        _fp32(1_000_000, 16),
        lr_size=128 // scale,
        make=partial(ADAM, lr=2e-4),
        schedule=partial(multistep_at, fractions=(1 / 5, 2 / 5, 3 / 5, 4 / 5)),
        data=DIV2K,
    )


def esrgan_paper(scale: int) -> Recipe:
    """ESRGAN as in Wang et al. (ECCVW 2018), second stage: 1e-2 L1, features before the activation, 5e-3 of the game.

    Start from the weights of `rrdb_psnr_paper` with `--start`.

    Raises: WeightsError where VGG19's weights are missing.
    Differs from the paper: as `rrdb_psnr_paper`; the average of the weights is BasicSR's.
    """
    content = Late(Weighted, pixel=(1e-2, l1), feature=(1.0, Late(esrgan_content)))
    adam = partial(ADAM, betas=(0.9, 0.99))
    schedule = partial(multistep_at, fractions=(1 / 8, 1 / 4, 1 / 2, 3 / 4))
    return gan_recipe(
        "rrdbnet",
        scale,
        Late(adversarial, content, RELATIVISTIC, weight=5e-3, joint_batch=False),
        TrainConfig(400_000, batch=16, precision="fp32"),
        lr_size=128 // scale,
        discriminator=esrgan_discriminator,
        g=Optim(adam, schedule=schedule),
        d=Optim(adam, ("d",), schedule),
        data=DIV2K,
    )
