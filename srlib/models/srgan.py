"""SRResNet, the generator of SRGAN: residual blocks with batch norm at low resolution, then pixel shuffles."""

from torch import Tensor, nn

from srlib.models.blocks import ResidualBlock, check_input, upsampler


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
