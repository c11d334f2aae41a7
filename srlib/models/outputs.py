"""One answer of a network that has several, as an upscaler of its own."""

from torch import Tensor, nn


class Output(nn.Module):
    """A smaller answer of a network such as LapSRN or DRN: from a network for ×4, an upscaler for ×2.

    The rest of the network runs along and is thrown away.

    Args:
        net: with `answers`, the scales of what it returns with `pyramid=True`.
        scale: one of these.

    Shapes: as `net`, at this scale.
    Raises: ValueError for a scale at which it does not answer.
    """

    def __init__(self, net: nn.Module, scale: int) -> None:
        super().__init__()
        if scale not in (scales := answers(net)):
            told = ", ".join(f"×{answer}" for answer in scales)
            raise ValueError(f"{type(net).__name__} answers at {told}, not at ×{scale}")
        self.net, self.scale, self.channels = net, scale, net.channels
        self.blend = getattr(net, "blend", 0)
        self.place = scales.index(scale) if len(scales) > 1 else None

    def forward(self, lr: Tensor) -> Tensor:
        return self.net(lr) if self.place is None else self.net(lr, pyramid=True)[self.place]


def answers(net: nn.Module) -> tuple[int, ...]:
    """The scales at which a network answers, smallest first; one for most."""
    return getattr(net, "answers", (net.scale,))
