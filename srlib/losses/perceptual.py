"""Comparing pictures by what a frozen network sees in them: feature and style losses, LPIPS, and our own distance."""

import os
from collections.abc import Collection, Mapping
from functools import lru_cache

import torch
from torch import Tensor

from srlib.checkpoints import weights_of
from srlib.data import pretrained
from srlib.data.datasets import data_file
from srlib.losses.pixel import Loss, l1, mse
from srlib.models.features import STAGES, FeatureNet
from srlib.models.vgg import VGG, load_state, vgg16, vgg19

NAME = "srlib features v1"  # stands beside every number that `distance` gives
STYLE = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")  # of VGG16, as in Johnson et al.


def freeze(net: VGG) -> VGG:
    """The same network in evaluation mode with weights that take no gradient; its input still does."""
    return net.eval().requires_grad_(False)


@lru_cache
def srlib_features() -> FeatureNet:
    """The shipped feature network, trained by us without labels, frozen."""
    net = FeatureNet()
    net.load_state_dict(weights_of("features_v1", data_file("checkpoints/features.safetensors")))
    return freeze(net)


def random_features(seed: int = 0) -> FeatureNet:
    """The same network with the weights it starts training from, frozen. Draws nothing from torch's own generator."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return freeze(FeatureNet())


def imagenet(name: str = "vgg19", path: str | os.PathLike | None = None) -> VGG:
    """VGG16 or VGG19 with the weights that torchvision publishes, frozen.

    Args:
        path: of the file, where it is not below `weights` in $SRLIB_DATA or the user cache.

    Raises: ValueError for another name; WeightsError as `weights.read`: where there is no file it says what to run.
    """
    makers = {"vgg16": vgg16, "vgg19": vgg19}
    if name not in makers:
        raise ValueError(f"no ImageNet weights for {name!r}; there are {', '.join(makers)}")
    state = pretrained.read(name, path)  # first, since it may be missing, and the network takes a second
    return freeze(load_state(makers[name](), state))


class FeatureLoss:
    """Distance of two pictures' features, summed over layers (Johnson et al., ECCV 2016, eq. 2).

    Args:
        net: is frozen. Default: `own_features`.
        layers: {name: weight}; conv5_4 is before the activation and relu5_4 after it.
        loss: of the features of one layer.
        rescale: features are multiplied by it first; the squared error goes with its square.

    Shapes: sr, hr (N, 1 or 3, H, W) in [0, 1] -> scalar; gradients reach `sr` alone.
    Raises: ValueError for unequal shapes, no layers, and layers that the network does not have.
    Differs from the paper: by default its features are those of our network, not of VGG; the mean over channels and
        places is the paper's division by C·H·W.
    """

    def __init__(
        self, net: VGG | None = None, *, layers: Mapping[str, float], loss: Loss = mse, rescale: float = 1.0
    ) -> None:
        self.net = srlib_features() if net is None else freeze(net)
        missing = [name for name in layers if name not in self.net.layers]
        if missing or not layers:
            raise ValueError(f"no layer {', '.join(missing) or 'named'}; there are {', '.join(self.net.layers)}")
        self.layers, self.loss, self.rescale = dict(layers), loss, rescale

    def __call__(self, sr: Tensor, hr: Tensor) -> Tensor:
        seen, wanted = features_of_both(self.net, self.layers, sr, hr.detach())
        return sum(
            weight * self.loss(self.rescale * seen[name], self.rescale * wanted[name])
            for name, weight in self.layers.items()
        )


def srgan_content(net: VGG | None = None, layer: str = "relu5_4", rescale: float = 1 / 12.75) -> FeatureLoss:
    """The content loss of SRGAN: relu5_4 is VGG54 and relu2_2 is VGG22 (Ledig et al., CVPR 2017, eq. 5).

    Args:
        net: default: VGG19 of ImageNet.
        rescale: the paper's, which makes the loss about 0.006 times as large.

    Raises: as `imagenet`.
    Differs from the paper: the mean goes over the channels too.
    """
    return FeatureLoss(imagenet() if net is None else net, layers={layer: 1.0}, rescale=rescale)


def esrgan_content(net: VGG | None = None) -> FeatureLoss:
    """The feature loss of ESRGAN: L1 of conv5_4, before the activation (Wang et al., ECCVW 2018, sec. 3.3).

    Args:
        net: default: VGG19 of ImageNet.

    Raises: as `imagenet`.
    Differs from the paper: L1, as in the authors' code.
    """
    return FeatureLoss(imagenet() if net is None else net, layers={"conv5_4": 1.0}, loss=l1)


def srlib_content() -> FeatureLoss:
    """The feature loss that our GANs are trained with: L1 at four depths of our own network, before the activations.

    The weights make the four about equal between a picture enlarged by a network trained with L1 and the true one. A
    single deep layer lets the generator draw fine grids, which the pools of the feature network hide.

    Differs from the paper: it is in no paper; several depths as in Real-ESRGAN (Wang et al., ICCVW 2021).
    """
    return FeatureLoss(layers={"conv1_2": 0.9, "conv2_2": 0.7, "conv3_2": 0.4, "conv4_2": 0.11}, loss=l1)


def gram(features: Tensor) -> Tensor:
    """Which channels are active together, wherever that is: F Fᵀ / (C·h·w) (Johnson et al., ECCV 2016, eq. 3).

    Shapes: (N, C, h, w) -> (N, C, C).
    Differs from the paper: nothing known.
    """
    flat = features.flatten(2)
    return flat @ flat.mT / flat[0].numel()


class StyleLoss:
    """Squared difference of two pictures' Gram matrices, summed over layers (Johnson et al., ECCV 2016, eq. 4).

    Args:
        net: is frozen. Default: VGG16 of ImageNet.

    Shapes: sr, hr (N, 1 or 3, H, W) in [0, 1] -> scalar, the mean over the pictures.
    Raises: as `FeatureLoss` and `imagenet`.
    Differs from the paper: colours lie in [0, 1], so the numbers are smaller than with the paper's 0 to 255.
    """

    def __init__(self, net: VGG | None = None, *, layers: Collection[str] = STYLE) -> None:
        self.net, self.layers = freeze(imagenet("vgg16") if net is None else net), tuple(layers)

    def __call__(self, sr: Tensor, hr: Tensor) -> Tensor:
        seen, wanted = features_of_both(self.net, self.layers, sr, hr.detach())
        return sum((gram(seen[name]) - gram(wanted[name])).square().sum((1, 2)).mean() for name in self.layers)


def distance(a: Tensor, b: Tensor, net: VGG | None = None, layers: Collection[str] = STAGES) -> Tensor:
    """How differently our own feature network sees two pictures, each pair for itself: "srlib features v1".

    As LPIPS without learned weights (Zhang et al., CVPR 2018, eq. 1): unit vectors of channels, squared difference,
    mean over places and over layers. From 0 for equal pictures to 2; symmetric; it needs no download. It is not
    LPIPS, and its numbers do not compare with LPIPS's.

    Args:
        net: another network to see with; then the numbers have another name. Default: `own_features`.

    Shapes: a, b (N, 1 or 3, H, W) in [0, 1], H and W at least 16 -> (N,).
    Raises: as `FeatureLoss`.
    Differs from the paper: features from our network; no weights on channels; vectors shorter than about 0.01 count
        less, so that gradients stay finite where no channel is active.
    """
    seen, wanted = features_of_both(srlib_features() if net is None else freeze(net), layers, a, b)
    each = [
        (unit_vectors(seen[name], 0.01) - unit_vectors(wanted[name], 0.01)).square().sum(1).mean((-2, -1))
        for name in layers
    ]
    return torch.stack(each).mean(0)


def unit_vectors(features: Tensor, floor: float = 0.0) -> Tensor:
    """Every place's vector of channels divided by its length (with a floor in the root) plus 1e-10."""
    return features / ((features.square().sum(1, keepdim=True) + floor**2).sqrt() + 1e-10)


def features_of_both(
    net: VGG, layers: Collection[str], a: Tensor, b: Tensor
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The features of two batches, in float32 at least; the network goes where the pictures are."""
    if a.shape != b.shape:
        raise ValueError(f"the two pictures must have the same shape, got {tuple(a.shape)} and {tuple(b.shape)}")
    net.to(a.device)
    found = []
    for image in (a, b):
        image = image.expand(-1, 3, -1, -1) if image.ndim == 4 and image.shape[1] == 1 else image
        seen = net(image, list(layers))
        found.append({name: x if x.dtype == torch.float64 else x.float() for name, x in seen.items()})
    return found[0], found[1]
