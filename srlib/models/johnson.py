"""The network of the first feature losses: residual blocks at low resolution, then transposed convolutions."""

from torch import Tensor, nn

from srlib.models.blocks import SHUFFLE_FACTORS, ResidualBlock, check_input, check_scale
from srlib.models.upsampling import TransposedConv


class Johnson(nn.Module):
    """Residual blocks with batch norm, a transposed convolution for each ×2 (Johnson et al., ECCV 2016, supplement).

    Args:
        blocks: residual blocks at low resolution.

    Shapes: lr (N, 3, h, w) in [0, 1] -> sr (N, 3, scale·h, scale·w), not clamped.
    Raises: ValueError unless scale is 2, 3, 4 or 8.
    Differs from the paper: the transposed convolutions have kernels of 4 instead of 3, since a kernel that the stride
        does not divide causes checkerboards; with 3 there would be 401,859 parameters at ×4. No tanh after the last
        convolution: sr lies in [0, 1] here. The paper has ×4 and ×8 only; ×3 is one stage with a kernel of 9.
    """

    channels = 3

    def __init__(self, *, scale: int = 4, width: int = 64, blocks: int = 4) -> None:
        super().__init__()
        check_scale(scale, SHUFFLE_FACTORS)
        self.scale = scale
        self.settings = {"width": width, "blocks": blocks}
        self.head = nn.Sequential(nn.Conv2d(3, width, 9, padding=4), nn.BatchNorm2d(width), nn.ReLU())
        self.body = nn.Sequential(*[ResidualBlock(width=width, norm=True) for _ in range(blocks)])
        stages = []
        for factor in SHUFFLE_FACTORS[scale]:
            kernel = factor * (2 + factor % 2)  # divisible by the stride, and can be centred
            enlarge = TransposedConv(scale=factor, channels_in=width, channels_out=width, kernel=kernel)
            stages += [enlarge, nn.BatchNorm2d(width), nn.ReLU()]
        self.upsample = nn.Sequential(*stages)
        self.tail = nn.Conv2d(width, 3, 9, padding=4)

    def forward(self, lr: Tensor) -> Tensor:
        check_input(lr, self.channels)
        return self.tail(self.upsample(self.body(self.head(lr))))  # (N, width, h, w) -> (N, 3, s·h, s·w)


def johnson(scale: int = 4) -> Johnson:
    """The paper's size, 4 blocks of 64 maps: 459,203 parameters at ×4, 393,475 at ×2, 659,715 at ×3, 524,931 at ×8."""
    return Johnson(scale=scale)


def johnson_small(scale: int = 4) -> Johnson:
    """Half as wide, for two cores: 123,107 parameters at ×4, 106,627 at ×2, 173,187 at ×3, 139,587 at ×8."""
    return Johnson(scale=scale, width=32)
