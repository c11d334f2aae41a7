"""Our own small feature network, and the pretext task that trains it without labels: four questions about a patch."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from srlib.models.blocks import he_
from srlib.models.vgg import VGG

STAGES = ("relu1_2", "relu2_2", "relu3_2", "relu4_2", "relu5_1")  # the last activation of each


class FeatureNet(VGG):
    """A small VGG: nine 3×3 convolutions in five stages, 321,232 parameters (Simonyan & Zisserman, ICLR 2015).

    Shapes: image (N, 3, H, W) in [0, 1] -> {layer: (N, C, h, w)}, layers named as in `VGG`.
    Raises: as `VGG`.
    Differs from the paper: 16, 32, 64, 96 and 128 maps; average instead of max pooling, which depends less on the exact
        position of an edge.
    """

    def __init__(self) -> None:
        super().__init__(
            convolutions=(2, 2, 2, 2, 1),
            widths=(16, 32, 64, 96, 128),
            mean=(0.45, 0.45, 0.45),
            std=(0.25, 0.25, 0.25),
            pool=nn.AvgPool2d,
        )
        he_(self)


class Answers(NamedTuple):
    """Predictions for each patch: logits of rotation, downscaling and type of degradation; strength of degradation."""

    rotation: Tensor
    downscale: Tensor
    type: Tensor
    strength: Tensor


class Pretext(nn.Module):
    """A feature network with heads for the pretext task of `srlib.training.pretext` (Gidaris et al., ICLR 2018).

    Only training needs the heads. They read the spatial means of every stage's last activation, so that every stage
    learns features.

    Shapes: image (N, 3, H, W) in [0, 1] -> Answers, logits (N, classes) and strength (N,).
    Differs from the paper: the paper predicts the rotation only.
    """

    def __init__(self, *, net: FeatureNet, rotations: int, downscales: int, types: int, width: int = 128) -> None:
        super().__init__()
        self.net = net
        self.sizes = (rotations, downscales, types, 1)
        maps = sum(net.features[net.layers.index(name) - 1].out_channels for name in STAGES)
        self.heads = nn.Sequential(nn.Linear(maps, width), nn.ReLU(), nn.Linear(width, sum(self.sizes)))

    def forward(self, image: Tensor) -> Answers:
        means = [x.mean((-2, -1)) for x in self.net(image, STAGES).values()]
        rotation, downscale, kind, strength = self.heads(torch.cat(means, 1)).float().split(self.sizes, 1)
        return Answers(rotation, downscale, kind, strength[:, 0])


def pretext_losses(answers: Answers, labels: Tensor) -> dict[str, Tensor]:
    """Cross entropies of rotation, downscale and type; mean squared error of the strength over degraded patches.

    Shapes: labels (N, 4): rotation, downscale, type, strength -> scalars by name.
    """
    names = ("rotation", "downscale", "type")
    losses = {name: F.cross_entropy(getattr(answers, name), labels[:, i].long()) for i, name in enumerate(names)}
    degraded = (labels[:, 2] > 0).float()
    error = (answers.strength - labels[:, 3]).square() * degraded
    return losses | {"strength": error.sum() / degraded.sum().clamp_min(1)}
