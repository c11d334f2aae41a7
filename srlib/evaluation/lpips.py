"""LPIPS on VGG16: a perceptual distance trained on human judgements."""

from collections.abc import Collection, Mapping

from torch import Tensor

from srlib.data import pretrained
from srlib.losses.perceptual import features_of_both, freeze, imagenet, unit_vectors
from srlib.models.vgg import VGG

LPIPS_LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3")  # of VGG16


class LPIPS:
    """Learned perceptual distance of each pair of pictures, v0.1 on VGG16 (Zhang et al., CVPR 2018, eq. 1).

    The channels at each position are normalised to a unit vector. The squared difference is weighted by channel,
    averaged over positions and summed over layers. The paper's scaling of [−1, 1] equals `VGG`'s normalisation of
    [0, 1].

    Args:
        net: will be frozen. Default: VGG16 with ImageNet weights.
        heads: the weights, {"lin0.model.1.weight": (1, C, 1, 1), …} as published, one per layer. Default: the published
            ones.
        layers: of the heads, in order.

    Shapes: a, b (N, 1 or 3, H, W) in [0, 1] -> (N,).
    Raises: ValueError for heads that are missing, negative or of another shape, and for pictures of unequal shapes;
        WeightsError for a missing weights file, with the command to fetch it.
    Differs from the paper: VGG16 only; many of the paper's numbers use AlexNet, and the two are not comparable. Meant
        for evaluation: where no channel is active, the gradient is huge, as in the authors' code.
    """

    def __init__(
        self,
        net: VGG | None = None,
        heads: Mapping[str, Tensor] | None = None,
        layers: Collection[str] = LPIPS_LAYERS,
    ) -> None:
        self.net = freeze(imagenet("vgg16") if net is None else net)
        heads = pretrained.read("lpips_vgg") if heads is None else heads
        widths = _widths(self.net, layers)
        self.heads = {name: heads.get(f"lin{i}.model.1.weight") for i, name in enumerate(layers)}
        for name, head in self.heads.items():
            if head is None or head.shape != (1, widths[name], 1, 1) or head.min() < 0:
                raise ValueError(f"the head for {name} must be {widths[name]} numbers (1, C, 1, 1), none negative")

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        seen, wanted = features_of_both(self.net, self.heads, a, b)
        return sum(
            (unit_vectors(seen[name]) - unit_vectors(wanted[name]))
            .square()
            .mul(head.to(seen[name]))
            .sum(1)
            .mean((-2, -1))
            for name, head in self.heads.items()
        )


def _widths(net: VGG, layers: Collection[str]) -> dict[str, int]:
    """Channels of each layer."""
    counts, channels = {}, net.channels
    for name, layer in zip(net.layers, net.features, strict=True):
        channels = getattr(layer, "out_channels", channels)
        counts[name] = channels
    return {name: counts[name] for name in layers}
