"""Supervised training of one network on pairs of lr and hr."""

from torch import Tensor, nn

from srlib.losses.weighted import Levels, Weighted
from srlib.training.loop import Optimizers, Step
from srlib.training.run import Run


def supervised(loss: Weighted | Levels, *, at_scale: bool = False, pyramid: bool = False) -> Step:
    """Train the network `g` to turn lr into hr (Dong et al., ECCV 2014, sec. 3.2, with any loss).

    Args:
        at_scale: for a network of several scales (MDSR): pass the scale of the batch to it.
        pyramid: for a network of several outputs; `loss` is a `Levels`. The last pictures of a batch are their targets:
            all but lr for LapSRN, whose outputs begin at ×2, and lr too for DRN, whose outputs begin at ×1.

    Differs from the paper: nothing known; the loss and the optimizer are the caller's.
    """

    def step(nets: dict[str, nn.Module], opts: Optimizers, batch: tuple[Tensor, ...], run: Run) -> dict[str, Tensor]:
        lr, *hr = batch
        with run.autocast():
            if pyramid:
                srs = nets["g"](lr, pyramid=True)
                total, parts = loss(srs, batch[-len(srs) :])
            else:
                (hr,) = hr
                sr = nets["g"](lr, hr.shape[-1] // lr.shape[-1]) if at_scale else nets["g"](lr)
                total, parts = loss(sr, hr)
        run.minimize(total, opts["g"])
        return parts | {"loss": total.detach()}

    return step
