"""Self-supervised training: one network learns from automatic labels."""

from torch import Tensor, nn

from srlib.models.features import pretext_losses
from srlib.training.loop import Optimizers, Step
from srlib.training.run import Run


def self_supervised() -> Step:
    """Train the network `g`, a `Pretext`, to predict what was done to a patch (Gidaris et al., ICLR 2018).

    It predicts the rotation, the downscaling, and the type and strength of the degradation.

    Differs from the paper: the paper predicts the rotation only.
    """

    def step(nets: dict[str, nn.Module], opts: Optimizers, batch: tuple[Tensor, Tensor], run: Run) -> dict[str, Tensor]:
        patches, labels = batch
        with run.autocast():
            parts = pretext_losses(nets["g"](patches), labels)
        total = sum(parts.values())
        run.minimize(total, opts["g"])
        return {name: part.detach() for name, part in parts.items()} | {"loss": total.detach()}

    return step
