"""VGG16 and VGG19 up to their last pooling: the networks whose features most perceptual losses compare."""

from collections.abc import Collection, Mapping

import torch
from torch import Tensor, nn

from srlib.models.blocks import check_input

# Of ImageNet's pictures in [0, 1]; torchvision's weights were trained with this normalisation.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class VGG(nn.Module):
    """Stages of 3×3 convolutions and pooling, without classifier (Simonyan & Zisserman, ICLR 2015, tab. 1).

    Layers are named as in the literature: conv5_4 is the fourth convolution of the fifth stage before its activation,
    relu5_4 after it, pool5 the pooling. `features` has torchvision's order, so that its state dicts fit by name.

    Args:
        convolutions: number in each stage.
        widths: feature maps of each stage.
        mean, std: of each colour, for the normalisation before the first layer.
        pool: makes the layer that halves the picture.

    Shapes: image (N, 3, H, W) in [0, 1] -> {layer: (N, C, h, w)}.
    Raises: ValueError for no layers, an unknown layer, and a picture that the pooling shrinks to nothing.
    Differs from the paper: activations are not in place, so that their inputs can be read; colours are normalised
        inside; without the classifier, pictures may have any size.
    """

    channels = 3

    def __init__(
        self,
        *,
        convolutions: tuple[int, ...],
        widths: tuple[int, ...] = (64, 128, 256, 512, 512),
        mean: tuple[float, ...] = MEAN,
        std: tuple[float, ...] = STD,
        pool: type[nn.Module] = nn.MaxPool2d,
    ) -> None:
        super().__init__()
        layers, channels = {}, 3
        for stage, (count, width) in enumerate(zip(convolutions, widths, strict=True), 1):
            for i in range(1, count + 1):
                layers[f"conv{stage}_{i}"] = nn.Conv2d(channels, width, 3, padding=1)
                layers[f"relu{stage}_{i}"] = nn.ReLU()
                channels = width
            layers[f"pool{stage}"] = pool(2)
        self.layers = tuple(layers)
        self.features = nn.Sequential(*layers.values())
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1), persistent=False)

    def forward(self, image: Tensor, layers: Collection[str]) -> dict[str, Tensor]:
        check_input(image, self.channels)
        last = self._last(image, layers)
        x, found = (image - self.mean) / self.std, {}
        for name, layer in zip(self.layers[: last + 1], self.features, strict=False):
            x = layer(x)
            if name in layers:
                found[name] = x
        return {name: found[name] for name in layers}

    def _last(self, image: Tensor, layers: Collection[str]) -> int:
        """Index of the deepest requested layer; nothing after it is computed."""
        unknown = [name for name in layers if name not in self.layers]
        if unknown or not layers:
            raise ValueError(f"no layer {', '.join(unknown) or 'given'}; there are {', '.join(self.layers)}")
        last = max(self.layers.index(name) for name in layers)
        side = 2 ** sum(name.startswith("pool") for name in self.layers[: last + 1])
        if min(image.shape[-2:]) < side:
            raise ValueError(f"{self.layers[last]} needs at least {side} x {side} pixels, got {tuple(image.shape)}")
        return last


def vgg16() -> VGG:
    """Configuration D, untrained: 13 convolutions with 14,714,688 parameters."""
    return VGG(convolutions=(2, 2, 3, 3, 3))


def vgg19() -> VGG:
    """Configuration E, untrained: 16 convolutions with 20,024,384 parameters."""
    return VGG(convolutions=(2, 2, 4, 4, 4))


def load_state(net: VGG, state: Mapping[str, Tensor]) -> VGG:
    """Load weights in torchvision's layout into the network; those of the classifier are ignored.

    Raises: ValueError for a convolution that is missing or has another shape; then nothing is changed.
    """
    own = net.state_dict()
    bad = [name for name, value in own.items() if name not in state or state[name].shape != value.shape]
    if bad:
        raise ValueError(f"these are not the weights of this network: {bad[0]} is missing or has another shape")
    net.load_state_dict({name: state[name] for name in own})
    return net
