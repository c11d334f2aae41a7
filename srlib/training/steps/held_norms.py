"""Fine-tuning a network with batch norm as it will be used: by its running statistics, not by those of the batch."""

from torch import Tensor, nn

from srlib.training.loop import Optimizers, Step
from srlib.training.run import Run, unwrap


def held_norms(step: Step, *, names: tuple[str, ...] = ("g",)) -> Step:
    """The step, with the statistics of batch norm in these networks held; scales and offsets are trained on.

    For a network that begins with trained weights. In training mode, batch norm takes the mean and the variance of a
    few patches; what colour a flat patch gets then depends on its neighbours in the batch, and no weight can mend it.
    """

    def held(nets: dict[str, nn.Module], opts: Optimizers, batch: tuple[Tensor, ...], run: Run) -> dict[str, Tensor]:
        for name in names:
            for layer in unwrap(nets[name]).modules():
                if isinstance(layer, nn.BatchNorm2d):
                    layer.eval()
        return step(nets, opts, batch, run)

    return held
