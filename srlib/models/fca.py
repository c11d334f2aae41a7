"""FCA: the two critics of a frequency density, and the network that reads a kernel off a picture."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from srlib.models.blocks import ResidualBlock, check_picture
from srlib.wavelets import haar

_SILENCE = 1e-5  # keeps the logarithm of a flat patch finite; rounding to 8 bits alone has ten times as much


class _Branches(nn.Module):
    """Three convolutions side by side: along the row, along the column, and square."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.row = nn.Conv2d(channels, width, (1, 3), padding=(0, 1))
        self.column = nn.Conv2d(channels, width, (3, 1), padding=(1, 0))
        self.square = nn.Conv2d(channels, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.row(x), self.column(x), self.square(x)], 1)


class Comparator(nn.Module):
    """Frequency density comparator: which of two patches has the denser spectrum (Ji et al., AAAI 2021, sec. 3.2).

    C(a, b) = E(a) − E(b) with one encoder E for both. Trained on a picture's own patches, of which some are shrunk (+1)
    and some enlarged (−1), it orders patches by what is in their high frequencies. It is antisymmetric whatever its
    weights.

    Args:
        branch, width: feature maps of each first convolution, and of the three with stride 2.
        outputs: 1 for a scalar comparison; 2 for one answer each along rows and along columns.
        norm: batch norm, as in the paper. In training mode it takes from each kind of patch the very statistic that is
            to be compared, so that the small version has none.
        high_pass: look at what a 5 x 5 mean leaves, times ten, rather than at the picture.

    Shapes: a, b (N, 3, H, W), sides multiples of 8 -> (N, outputs, H/8, W/8).
    Raises: ValueError for other than 3 channels.
    Differs from the paper: which has no text or code on its layers that we could read; sizes are those of its drawing,
        where three convolutions are all called "1*3": here they are 1 x 3, 3 x 1 and 3 x 3. `outputs` and `high_pass`
        are ours.
    """

    channels = 3

    def __init__(
        self, *, branch: int = 16, width: int = 64, outputs: int = 1, norm: bool = True, high_pass: bool = False
    ) -> None:
        super().__init__()
        self.high_pass, self.outputs = high_pass, outputs
        layers: list[nn.Module] = [_Branches(3, branch)]
        before = 3 * branch
        for _ in range(3):
            layers.append(nn.Conv2d(before, width, 3, stride=2, padding=1))
            layers += [nn.BatchNorm2d(width)] if norm else []
            layers.append(nn.LeakyReLU(0.2))
            before = width
        self.body = nn.Sequential(*layers, nn.Conv2d(width, outputs, 3, padding=1))

    def encode(self, patch: Tensor) -> Tensor:
        """E: the density of each part of a patch, on a scale that has no zero.

        Shapes: (N, 3, H, W) -> (N, outputs, H/8, W/8).
        Raises: ValueError for other than 3 channels.
        """
        check_picture(patch, self.channels)
        return self.body(high_pass(patch) if self.high_pass else patch)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return self.encode(a) - self.encode(b)


def comparator() -> Comparator:
    """The paper's comparator: 103,297 parameters; a patch of 128² pixels gives a map of 16²."""
    return Comparator()


class EnergyComparator(nn.Module):
    """A comparator for a processor: mean energies of learned filters, whose logarithms a small network compares.

    A density is an energy at each frequency. Logarithms make patches of high and low contrast comparable: contrast adds
    the same to all of them, and a difference of two cancels it. So there is little left to learn.

    Args:
        branch: filters of 1 x 7, of 7 x 1 and of 5 x 5 taps.
        width: of the hidden layer.
        outputs: as for `Comparator`.

    Shapes: a, b (N, 3, H, W) of any sides from 7 -> (N, outputs, 1, 1).
    Raises: ValueError for other than 3 channels.
    Source: ours.
    """

    channels = 3

    def __init__(self, *, branch: int = 16, width: int = 32, outputs: int = 1) -> None:
        super().__init__()
        self.outputs = outputs
        self.row = nn.Conv2d(3, branch, (1, 7), bias=False)
        self.column = nn.Conv2d(3, branch, (7, 1), bias=False)
        self.square = nn.Conv2d(3, branch, 5, bias=False)
        self.head = nn.Sequential(nn.Conv2d(3 * branch, width, 1), nn.LeakyReLU(0.2), nn.Conv2d(width, outputs, 1))

    def encode(self, patch: Tensor) -> Tensor:
        """E: the density of a patch, on a scale that has no zero.

        Shapes: (N, 3, H, W) -> (N, outputs, 1, 1).
        Raises: ValueError for other than 3 channels.
        """
        check_picture(patch, self.channels)
        patch = high_pass(patch)
        filters = (self.row, self.column, self.square)
        energies = torch.cat([filtered(patch).square().mean((-2, -1), keepdim=True) for filtered in filters], 1)
        return self.head((energies + _SILENCE).log())

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return self.encode(a) - self.encode(b)


def comparator_small(outputs: int = 1) -> EnergyComparator:
    """For a processor: 3,473 parameters with one output, 3,506 with two."""
    return EnergyComparator(outputs=outputs)


def high_pass(patch: Tensor, gain: float = 10.0) -> Tensor:
    """What the mean over 5 x 5 pixels leaves, amplified.

    Shapes: (N, C, H, W) -> the same.
    """
    return gain * (patch - F.avg_pool2d(F.pad(patch, (2, 2, 2, 2), mode="reflect"), 5, 1))


class WaveletDiscriminator(nn.Module):
    """A patch discriminator that sees the three detail bands of a Haar transform (Ji et al., AAAI 2021, sec. 3.3).

    Without the band of local means it cannot judge colour or content, only texture.

    Shapes: picture (N, 3, H, W), even sides from 32 on -> logits (N, 1, about H/16, W/16).
    Raises: ValueError for other than 3 channels, for odd sides and for less than 32 pixels a side.
    Differs from the paper: the number and strides of its layers are not given there; these are four of 4 x 4 taps,
        three of them with stride 2. No norm.
    """

    channels = 3

    def __init__(self, *, width: int = 64) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 9
        for maps in (width, 2 * width, 4 * width):
            layers += [nn.Conv2d(before, maps, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
            before = maps
        self.body = nn.Sequential(*layers, nn.Conv2d(before, 1, 4, padding=1))

    def forward(self, picture: Tensor) -> Tensor:
        check_picture(picture, self.channels)
        if picture.shape[-2] % 2 or picture.shape[-1] % 2 or min(picture.shape[-2:]) < 32:
            raise ValueError(f"this discriminator needs even sides of at least 32 pixels, got {tuple(picture.shape)}")
        _, details = haar(picture)  # (N, C, 3, H/2, W/2)
        return self.body(details.transpose(1, 2).flatten(1, 2))


def wavelet_discriminator() -> WaveletDiscriminator:
    """With 64, 128 and 256 maps: 669,121 parameters."""
    return WaveletDiscriminator()


class _Halving(nn.Module):
    """A residual block with stride 2; the skip is the mean of four pixels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, stride=2, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(x, 2) + self.conv2(F.leaky_relu(self.conv1(x), 0.2))


class KernelEstimator(nn.Module):
    """A network that reads a kernel off a picture (Ji et al., AAAI 2021, fig. 3).

    Args:
        size: side of the kernel, odd.
        halvings: residual blocks with stride 2, after a first convolution with stride 2.

    Shapes: picture (N, 3, H, W), sides multiples of 2^(halvings + 1) -> kernel (N, size, size), no tap negative, sum 1.
    Raises: ValueError for other than 3 channels.
    Differs from the paper: the drawing leaves open how a map becomes a kernel. Here a pooling to size² values, and a
        softmax over all of them. "Ds" in the drawing is read as down-sampling.
    """

    channels = 3

    def __init__(self, *, size: int = 13, width: int = 64, branch: int = 16, halvings: int = 5) -> None:
        super().__init__()
        self.size = size
        halve = [_Halving(width) for _ in range(halvings)]
        blocks = [ResidualBlock(width=width) for _ in range(2)]
        self.body = nn.Sequential(
            _Branches(3, branch), nn.Conv2d(3 * branch, width, 3, stride=2, padding=1), *halve, *blocks
        )
        self.tail = nn.Sequential(nn.Conv2d(width, width, 1), nn.ReLU(), nn.Conv2d(width, 1, 1, bias=False))

    def forward(self, picture: Tensor) -> Tensor:
        check_picture(picture, self.channels)
        taps = self.tail(F.adaptive_max_pool2d(self.body(picture), self.size))
        return taps.flatten(1).softmax(1).view(-1, self.size, self.size)


def kernel_estimator() -> KernelEstimator:
    """The paper's estimator for 512² pixels and a kernel of 13² taps: 549,696 parameters."""
    return KernelEstimator()
