"""LPIPS on VGG16: what a network trained on people's judgements says of two pictures."""

from collections.abc import Collection, Mapping

from torch import Tensor

from srlib.data import pretrained
from srlib.losses.perceptual import features_of_both, freeze, imagenet, unit_vectors
from srlib.models.vgg import VGG

LPIPS_LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3")  # of VGG16


class LPIPS:
    """Learned perceptual distance of each pair of pictures, v0.1 on VGG16 (Zhang et al., CVPR 2018, eq. 1).

    Each place's channels are made a unit vector; the squared difference is weighted channel by channel, averaged over
    places and summed over layers. The paper's scaling of [−1, 1] is the normalisation that `VGG` does on [0, 1].

    Args:
        net: is frozen. Default: VGG16 of ImageNet.
        heads: the weights, {"lin0.model.1.weight": (1, C, 1, 1), …} as published, a layer each. Default: the published.
        layers: that the heads are for.

    Shapes: a, b (N, 1 or 3, H, W) in [0, 1] -> (N,).
    Raises: ValueError for heads that do not fit or are negative; WeightsError where a file is missing: it says what
        to run.
    Differs from the paper: VGG16 alone; the paper's numbers are often those of AlexNet, and the two do not compare.
        Meant for measuring: where a place has no active channel, its gradient is huge, as in the authors' code.
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
