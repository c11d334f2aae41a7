"""One function for each way to train: each makes a step for `srlib.training.train`."""

from torch import Tensor, nn

from srlib.losses import Weighted
from srlib.run import Run
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
