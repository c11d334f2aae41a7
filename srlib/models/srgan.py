"""SRGAN: the generator SRResNet, of residual blocks with batch norm and pixel shuffles, and the discriminator."""

import math

from torch import Tensor, nn

from srlib.models.blocks import ResidualBlock, check_input, check_picture, upsampler


class SRResNet(nn.Module):
    """Residual blocks with batch norm and PReLU, one long skip, pixel shuffles (Ledig et al., CVPR 2017, fig. 4).

    Args:
        blocks: residual blocks (B in the paper).

    Shapes: lr (N, 3, h, w) in [0, 1] -> sr (N, 3, scale·h, scale·w), not clamped.
    Raises: ValueError unless scale is 2, 3, 4 or 8.
    Differs from the paper: sr lies in [0, 1] here, in [-1, 1] there; the paper has ×4 only. Each PReLU has one slope;
        with one slope per feature map there would be 1,550,659 parameters at ×4 and 1,402,883 at ×2.
    """

    channels = 3

    def __init__(self, *, scale: int = 4, width: int = 64, blocks: int = 16) -> None:
        super().__init__()
        self.scale = scale
        self.head = nn.Sequential(nn.Conv2d(3, width, 9, padding=4), nn.PReLU())
        residuals = [ResidualBlock(width=width, norm=True, activation=nn.PReLU) for _ in range(blocks)]
        self.body = nn.Sequential(*residuals, nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width))
        self.upsample = upsampler(scale, width, nn.PReLU)
        self.tail = nn.Conv2d(width, 3, 9, padding=4)

    def forward(self, lr: Tensor) -> Tensor:
        check_input(lr, self.channels)
        x = self.head(lr)
        x = x + self.body(x)
        return self.tail(self.upsample(x))  # (N, width, h, w) -> (N, 3, s·h, s·w)


def srresnet(scale: int = 4) -> SRResNet:
    """SRResNet with 16 blocks of 64 maps: 1,549,462 parameters at ×4, 1,401,749 at ×2, 1,586,389 at ×3."""
    return SRResNet(scale=scale)


class Discriminator(nn.Module):
    """Discriminator: eight convolutions, four of stride 2, then a head (Ledig et al., CVPR 2017, fig. 4).

    Args:
        size: side of the pictures, for the paper's dense head, which takes no other size. None: the same head at every
            position, which gives a map of logits for a picture of any size; its receptive field is 61² pixels.
        norm: batch norm after all convolutions but the first, as in the paper.

    Shapes: picture (N, 3, H, W) -> logits (N, 1), or (N, 1, ⌈H/16⌉, ⌈W/16⌉) for size None.
    Raises: ValueError for a picture of another size.
    Differs from the paper: it returns logits, and the sigmoid is in the loss; pictures in [0, 1], not [−1, 1]; the
        paper has no map of logits. All convolutions have biases; without those before batch norm there would be
        23,563,649 parameters.
    """

    channels = 3

    def __init__(self, *, size: int | None = 96, width: int = 64, norm: bool = True) -> None:
        super().__init__()
        self.size = size
        layers, before = [], 3
        for k in range(8):
            maps = width * 2 ** (k // 2)
            layers.append(nn.Conv2d(before, maps, 3, stride=1 + k % 2, padding=1))
            if norm and k > 0:
                layers.append(nn.BatchNorm2d(maps))
            layers.append(nn.LeakyReLU(0.2))
            before = maps
        self.body = nn.Sequential(*layers)
        if size is None:
            ends = nn.Conv2d(before, 2 * before, 1), nn.Conv2d(2 * before, 1, 1)
        else:
            ends = nn.Linear(before * math.ceil(size / 16) ** 2, 2 * before), nn.Linear(2 * before, 1)
        self.head = nn.Sequential(ends[0], nn.LeakyReLU(0.2), ends[1])

    def forward(self, picture: Tensor) -> Tensor:
        check_picture(picture, self.channels, self.size)
        x = self.body(picture)
        return self.head(x if self.size is None else x.flatten(1))


def srgan_discriminator(size: int | None = 96) -> Discriminator:
    """The paper's discriminator: 23,565,505 parameters for 96² pixels, 5,215,425 for pictures of any size (None)."""
    return Discriminator(size=size)
