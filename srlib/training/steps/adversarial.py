"""Adversarial training of a generator and a discriminator in turn: SRGAN, ESRGAN."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from srlib.losses.adversarial import GANLoss
from srlib.losses.weighted import Weighted
from srlib.training.loop import Optimizers, Step
from srlib.training.run import Run, frozen, unwrap


def adversarial(
    content: Weighted,
    gan_loss: GANLoss,
    *,
    weight: float,
    penalty: Callable[[nn.Module, Tensor, Tensor], Tensor] | None = None,
    joint_batch: bool = True,
    random_crop: int = 0,
) -> Step:
    """Train a discriminator `d` to tell hr from sr, and a generator `g` on content losses and to fool d.

    SRGAN with `BCE` (Ledig et al., CVPR 2017, eq. 2-6), ESRGAN with `RELATIVISTIC` (Wang et al., ECCVW 2018, eq. 3).
    First d is updated on new pictures from g, then g against the updated d. Each update changes one network: batch
    norm's running statistics change only in the forward pass of their own network's update.

    Args:
        content: the other losses of g, such as pixel=(1e-2, l1), feature=(1.0, a feature loss).
        weight: of the adversarial loss of g; 1e-3 in SRGAN, 5e-3 in ESRGAN.
        penalty: (d, hr, sr) -> scalar, added to the loss of d, in float32: `gradient_penalty` or `r1`.
        joint_batch: pass hr and sr through d as one batch. If False, each is a batch of its own with its own batch norm
            statistics, as in the ESRGAN authors' code, so d cannot use differences of their means.
        random_crop: number of rows and columns cropped from hr and sr, at sides drawn anew in each step. The strides
            of d and of a feature network then start anywhere on the grid of sr, so that g cannot hide a pattern that is
            aligned with them; scale − 1 is enough. For a d that takes pictures of any size.

    Differs from the paper: Ledig et al. do not say how batches pass through d, nor which network is updated first. Both
        updates use the same batch. In g's update, batch norm in d uses batch statistics, as in d's.
    """

    def logits(d: nn.Module, hr: Tensor, sr: Tensor) -> tuple[Tensor, ...]:
        return d(torch.cat([hr, sr])).float().chunk(2) if joint_batch else (d(hr).float(), d(sr).float())

    def step(nets: dict[str, nn.Module], opts: Optimizers, batch: tuple[Tensor, Tensor], run: Run) -> dict[str, Tensor]:
        lr, hr = batch
        with run.autocast():
            sr, hr = _random_crop(random_crop, nets["g"](lr), hr)
            real, fake = logits(nets["d"], hr, sr.detach())
            loss_d = gan_loss.d(real, fake)
        if penalty is not None:
            loss_d = loss_d + penalty(unwrap(nets["d"]), hr, sr.detach().float())
        run.minimize(loss_d, opts["d"])
        with run.autocast(), frozen(unwrap(nets["d"])) as d:
            loss_c, parts = content(sr, hr)
            fooled = weight * gan_loss.g(*logits(d, hr, sr))
        run.minimize(loss_c + fooled, opts["g"])
        parts = parts | {"adversarial": fooled.detach(), "loss": (loss_c + fooled).detach()}
        return parts | {"loss_d": loss_d.detach(), "real": real.detach().mean(), "fake": fake.detach().mean()}

    return step


def _random_crop(pixels: int, *pictures: Tensor) -> tuple[Tensor, ...]:
    """Crop every picture by `pixels` rows and columns, at the same random position."""
    if pixels == 0:
        return pictures
    top, left = torch.randint(pixels + 1, (2,)).tolist()
    height, width = (side - pixels for side in pictures[0].shape[-2:])
    return tuple(picture[..., top : top + height, left : left + width] for picture in pictures)
