"""One function for each way to train: each makes a step for `srlib.training.train`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from srlib.adversarial import Game
from srlib.losses import Weighted
from srlib.models.features import pretext_losses
from srlib.run import Run, bare
from srlib.training import Optimizers, Step


def supervised(loss: Weighted, *, at_scale: bool = False) -> Step:
    """The network `g` learns to turn lr into hr (Dong et al., ECCV 2014, sec. 3.2, with any loss).

    Args:
        at_scale: for a network of several scales (MDSR): it is told which one the batch is for.

    Differs from the paper: nothing known; the loss and the optimizer are the caller's.
    """

    def step(nets: dict[str, nn.Module], opts: Optimizers, batch: tuple[Tensor, Tensor], run: Run) -> dict[str, Tensor]:
        lr, hr = batch
        with run.autocast():
            sr = nets["g"](lr, hr.shape[-1] // lr.shape[-1]) if at_scale else nets["g"](lr)
            total, parts = loss(sr, hr)
        run.minimize(total, opts["g"])
        return parts | {"loss": total.detach()}

    return step


def self_labelled() -> Step:
    """The network `g`, a `Pretext`, learns to say what was done to a patch: turned, shrunk, damaged, and how much.

    Differs from the paper: it is in no paper; turns as a question are from Gidaris et al. (ICLR 2018).
    """

    def step(nets: dict[str, nn.Module], opts: Optimizers, batch: tuple[Tensor, Tensor], run: Run) -> dict[str, Tensor]:
        patches, labels = batch
        with run.autocast():
            parts = pretext_losses(nets["g"](patches), labels)
        total = sum(parts.values())
        run.minimize(total, opts["g"])
        return {name: part.detach() for name, part in parts.items()} | {"loss": total.detach()}

    return step


def adversarial(
    content: Weighted,
    game: Game,
    *,
    weight: float,
    penalty: Callable[[nn.Module, Tensor, Tensor], Tensor] | None = None,
    together: bool = True,
    jitter: int = 0,
) -> Step:
    """The networks `g` and `d` play: d learns to tell hr from sr, g to look right and to be taken for hr.

    SRGAN with `BCE` (Ledig et al., CVPR 2017, eq. 2-6), ESRGAN with `RELATIVISTIC` (Wang et al., ECCVW 2018, eq. 3).
    First d is updated, on pictures that g has just made, then g, against the new d. Each update changes one network:
    batch norm's running statistics are updated by the forward pass of their own network's update, and by no other.

    Args:
        content: what g is told besides, such as pixel=(1e-2, l1), feature=(1.0, a distance of features).
        weight: of the adversarial loss of g; 1e-3 in SRGAN, 5e-3 in ESRGAN.
        penalty: (d, hr, sr) -> scalar, added to the loss of d, in float32: `gradient_penalty` or `r1`.
        together: hr and sr pass d as one batch. If not, each as its own, and batch norm gives each its own mean, as in
            the code of ESRGAN's authors; what then tells them apart is not their mean.
        jitter: hr and sr lose so many rows and columns, at sides drawn anew for each step. The strides of d and of a
            feature network then start anywhere on the grid of sr, and no pattern of g can lock to theirs and stay
            unseen: scale − 1 is enough. For a d that takes pictures of any size.

    Differs from the paper: Ledig et al. do not say how batches pass d, nor which network is updated first. One batch
        serves both updates. In g's update batch norm of d takes the statistics of the batch, as in d's.
    """

    def logits(d: nn.Module, hr: Tensor, sr: Tensor) -> tuple[Tensor, ...]:
        return d(torch.cat([hr, sr])).float().chunk(2) if together else (d(hr).float(), d(sr).float())

    def step(nets: dict[str, nn.Module], opts: Optimizers, batch: tuple[Tensor, Tensor], run: Run) -> dict[str, Tensor]:
        lr, hr = batch
        with run.autocast():
            sr, hr = _cut(jitter, nets["g"](lr), hr)
            real, fake = logits(nets["d"], hr, sr.detach())
            loss_d = game.d(real, fake)
        if penalty is not None:
            loss_d = loss_d + penalty(bare(nets["d"]), hr, sr.detach().float())
        run.minimize(loss_d, opts["d"])
        with run.autocast(), untouched(bare(nets["d"])) as d:
            loss_c, parts = content(sr, hr)
            believed = weight * game.g(*logits(d, hr, sr))
        run.minimize(loss_c + believed, opts["g"])
        parts = parts | {"adversarial": believed.detach(), "loss": (loss_c + believed).detach()}
        return parts | {"loss_d": loss_d.detach(), "real": real.detach().mean(), "fake": fake.detach().mean()}

    return step


def _cut(pixels: int, *pictures: Tensor) -> tuple[Tensor, ...]:
    """The same part of each picture, so many rows and columns smaller, at a random place."""
    if pixels == 0:
        return pictures
    top, left = torch.randint(pixels + 1, (2,)).tolist()
    height, width = (side - pixels for side in pictures[0].shape[-2:])
    return tuple(picture[..., top : top + height, left : left + width] for picture in pictures)


@contextmanager
def untouched(net: nn.Module) -> Iterator[nn.Module]:
    """Inside, a gradient passes the network and leaves no trace in it: not in its weights, nor in batch norm's means.

    Batch norm stays in its mode: in training it takes the statistics of the batch, but does not remember them.
    """
    weights = [weight for weight in net.parameters() if weight.requires_grad]
    norms = [layer for layer in net.modules() if getattr(layer, "track_running_stats", False)]
    try:
        for weight in weights:
            weight.requires_grad_(False)
        for layer in norms:
            layer.track_running_stats = False
        yield net
    finally:
        for weight in weights:
            weight.requires_grad_(True)
        for layer in norms:
            layer.track_running_stats = True
