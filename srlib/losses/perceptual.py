"""Perceptual losses on the features of a frozen network: feature and style loss, and our own perceptual distance."""

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

NAME = "srlib features v1"  # quoted with every number of `distance`
STYLE = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")  # of VGG16, as in Johnson et al.


def freeze(net: VGG) -> VGG:
    """Freeze a network in place: evaluation mode, no gradients for its weights; its input still gets gradients."""
    return net.eval().requires_grad_(False)


@lru_cache
def srlib_features() -> FeatureNet:
    """The shipped feature network, which we trained without labels, frozen."""
    net = FeatureNet()
    net.load_state_dict(weights_of("features_v1", data_file("checkpoints/features.safetensors")))
    return freeze(net)


def random_features(seed: int = 0) -> FeatureNet:
    """The feature network with untrained weights, frozen; torch's global random state is unchanged."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return freeze(FeatureNet())


def imagenet(name: str = "vgg19", path: str | os.PathLike | None = None) -> VGG:
    """VGG16 or VGG19 with torchvision's ImageNet weights, frozen.

    Args:
        path: of the file, if it is not in `weights` below $SRLIB_DATA or the user cache.

    Raises: ValueError for another name; WeightsError as `srlib.data.pretrained.read`, such as for a missing file.
    """
    makers = {"vgg16": vgg16, "vgg19": vgg19}
    if name not in makers:
        raise ValueError(f"no ImageNet weights for {name!r}; there are {', '.join(makers)}")
    state = pretrained.read(name, path)  # first: the file may be missing, and building the network takes a second
    return freeze(load_state(makers[name](), state))


class FeatureLoss:
    """Feature loss: distance between two pictures' features, summed over layers (Johnson et al., ECCV 2016, eq. 2).

    Args:
        net: will be frozen. Default: `srlib_features`.
        layers: {name: weight}; conv5_4 is before the activation and relu5_4 after it.
        loss: between the features of one layer.
        rescale: factor on the features; the squared error scales with its square.

    Shapes: sr, hr (N, 1 or 3, H, W) in [0, 1] -> scalar; only `sr` gets gradients.
    Raises: ValueError for unequal shapes, no layers, and layers that the network does not have.
    Differs from the paper: the default features are those of our network, not of VGG. The mean over channels and
        positions is the paper's division by C·H·W.
    """

    def __init__(
        self, net: VGG | None = None, *, layers: Mapping[str, float], loss: Loss = mse, rescale: float = 1.0
    ) -> None:
        self.net = srlib_features() if net is None else freeze(net)
        missing = [name for name in layers if name not in self.net.layers]
        if missing or not layers:
            raise ValueError(f"no layer {', '.join(missing) or 'given'}; there are {', '.join(self.net.layers)}")
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
        net: default: VGG19 with ImageNet weights.
        rescale: the paper's, which makes the loss about 0.006 times as large.

    Raises: as `imagenet`.
    Differs from the paper: the mean is over the channels too.
    """
    return FeatureLoss(imagenet() if net is None else net, layers={layer: 1.0}, rescale=rescale)


def esrgan_content(net: VGG | None = None) -> FeatureLoss:
    """The feature loss of ESRGAN: L1 of conv5_4, before the activation (Wang et al., ECCVW 2018, sec. 3.3).

    Args:
        net: default: VGG19 with ImageNet weights.

    Raises: as `imagenet`.
    Differs from the paper: L1, as in the authors' code.
    """
    return FeatureLoss(imagenet() if net is None else net, layers={"conv5_4": 1.0}, loss=l1)


def srlib_content() -> FeatureLoss:
    """The feature loss of our GANs: L1 at four depths of our own network, before the activations.

    Several depths, as in Real-ESRGAN (Wang et al., ICCVW 2021): with a single deep layer, the generator can draw fine
    grids, which the pooling of the feature network hides. The weights make the four terms about equal between the
    output of a network trained with L1 and the true picture.

    Differs from the paper: another network, its layers and weights.
    """
    return FeatureLoss(layers={"conv1_2": 0.9, "conv2_2": 0.7, "conv3_2": 0.4, "conv4_2": 0.11}, loss=l1)


def gram(features: Tensor) -> Tensor:
    """Gram matrix F Fᵀ / (C·h·w): which channels are active together, anywhere (Johnson et al., ECCV 2016, eq. 3).

    Shapes: (N, C, h, w) -> (N, C, C).
    Differs from the paper: nothing known.
    """
    flat = features.flatten(2)
    return flat @ flat.mT / flat[0].numel()


class StyleLoss:
    """Style loss: squared difference of Gram matrices, summed over layers (Johnson et al., ECCV 2016, eq. 4).

    Args:
        net: will be frozen. Default: VGG16 with ImageNet weights.

    Shapes: sr, hr (N, 1 or 3, H, W) in [0, 1] -> scalar, the mean over the pictures.
    Raises: as `imagenet`; ValueError for unequal shapes, no layers, and layers that the network does not have.
    Differs from the paper: colours lie in [0, 1], so the numbers are smaller than with the paper's 0 to 255.
    """

    def __init__(self, net: VGG | None = None, *, layers: Collection[str] = STYLE) -> None:
        self.net, self.layers = freeze(imagenet("vgg16") if net is None else net), tuple(layers)

    def __call__(self, sr: Tensor, hr: Tensor) -> Tensor:
        seen, wanted = features_of_both(self.net, self.layers, sr, hr.detach())
        return sum((gram(seen[name]) - gram(wanted[name])).square().sum((1, 2)).mean() for name in self.layers)


def distance(a: Tensor, b: Tensor, net: VGG | None = None, layers: Collection[str] = STAGES) -> Tensor:
    """Perceptual distance of each pair of pictures by our own feature network, "srlib features v1".

    Like LPIPS without learned weights (Zhang et al., CVPR 2018, eq. 1): channels normalised to unit vectors, squared
    difference, mean over positions and layers. It ranges from 0 for equal pictures to 2, is symmetric and needs no
    download. It is not LPIPS, and its numbers cannot be compared with LPIPS's.

    Args:
        net: another feature network; its numbers then need another name. Default: `srlib_features`.

    Shapes: a, b (N, 1 or 3, H, W) in [0, 1], H and W at least 16 -> (N,).
    Raises: ValueError for unequal shapes, pictures that are too small, and layers that the network does not have.
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
    """Divide the vector of channels at each position by its length plus 1e-10; floor² is added under the root."""
    return features / ((features.square().sum(1, keepdim=True) + floor**2).sqrt() + 1e-10)


def features_of_both(
    net: VGG, layers: Collection[str], a: Tensor, b: Tensor
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The features of two batches, in float32 or float64; the network is moved to the pictures' device.

    Raises: ValueError for unequal shapes; as `VGG` for the layers.
    """
    if a.shape != b.shape:
        raise ValueError(f"the two pictures must have the same shape, got {tuple(a.shape)} and {tuple(b.shape)}")
    net.to(a.device)
    found = []
    for image in (a, b):
        image = image.expand(-1, 3, -1, -1) if image.ndim == 4 and image.shape[1] == 1 else image
        seen = net(image, list(layers))
        found.append({name: x if x.dtype == torch.float64 else x.float() for name, x in seen.items()})
    return found[0], found[1]
