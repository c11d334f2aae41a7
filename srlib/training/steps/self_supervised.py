"""Self-supervised training: one network answers questions whose answers nobody had to write."""

from torch import Tensor, nn

from srlib.models.features import pretext_losses
from srlib.training.loop import Optimizers, Step
from srlib.training.run import Run


def self_supervised() -> Step:
    """The network `g`, a `Pretext`, learns to say what was done to a patch.

    That is its rotation, its downscaling, the type of its degradation and how strong that is.

    Differs from the paper: it is in no paper; rotation as a question is from Gidaris et al. (ICLR 2018).
    """

    def step(nets: dict[str, nn.Module], opts: Optimizers, batch: tuple[Tensor, Tensor], run: Run) -> dict[str, Tensor]:
        patches, labels = batch
        with run.autocast():
            parts = pretext_losses(nets["g"](patches), labels)
        total = sum(parts.values())
        run.minimize(total, opts["g"])
        return {name: part.detach() for name, part in parts.items()} | {"loss": total.detach()}

    return step
