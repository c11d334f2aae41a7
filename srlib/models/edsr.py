"""EDSR and MDSR: SRResNet without batch norm, wider, with scaled residuals; and one body for several scales."""

from torch import Tensor, nn

from srlib.models.blocks import SHUFFLE_FACTORS, ResidualBlock, check_input, check_scale, div2k_mean, upsampler


def _conv(channels_in: int, channels_out: int) -> nn.Conv2d:
    return nn.Conv2d(channels_in, channels_out, 3, padding=1)


def _body(blocks: int, width: int, residual_scale: float) -> nn.Sequential:
    residuals = [ResidualBlock(width=width, residual_scale=residual_scale) for _ in range(blocks)]
    return nn.Sequential(*residuals, _conv(width, width))


class EDSR(nn.Module):
    """Residual blocks without batch norm at low resolution, then pixel shuffles (Lim et al., CVPRW 2017, fig. 3).

    Args:
        residual_scale: factor on each block's residual; 0.1 in the paper for width 256.
        tail: "paper" enlarges the feature maps and converts them to colours at high resolution; "light" computes the
            colours of all scale² positions at low resolution and shuffles them, as ESPCN does.

    Shapes: lr (N, 3, h, w) in [0, 1] -> sr (N, 3, scale·h, scale·w), not clamped.
    Raises: ValueError unless scale is 2, 3, 4 or 8, and for an unknown tail.
    Differs from the paper: colours lie in [0, 1], not [0, 255]; the mean is a constant and not among the parameters,
        where the authors' code has a frozen convolution; "light" is not in the paper.
    """

    channels = 3

    def __init__(
        self, *, scale: int, blocks: int, width: int, residual_scale: float = 1.0, tail: str = "paper"
    ) -> None:
        super().__init__()
        check_scale(scale, SHUFFLE_FACTORS)
        if tail not in ("paper", "light"):
            raise ValueError(f'tail must be "paper" or "light", got {tail!r}')
        self.scale = scale
        self.register_buffer("mean", div2k_mean(), persistent=False)
        self.head = _conv(3, width)
        self.body = _body(blocks, width, residual_scale)
        if tail == "paper":
            self.tail = nn.Sequential(upsampler(scale, width), _conv(width, 3))
        else:
            self.tail = nn.Sequential(_conv(width, 3 * scale**2), nn.PixelShuffle(scale))

    def forward(self, lr: Tensor) -> Tensor:
        check_input(lr, self.channels)
        x = self.head(lr - self.mean)
        x = x + self.body(x)
        return self.tail(x) + self.mean  # (N, width, h, w) -> (N, 3, s·h, s·w)


def edsr(scale: int) -> EDSR:
    """EDSR, 32 blocks of width 256: 40,729,603 parameters at ×2, 43,680,003 at ×3, 43,089,923 at ×4.

    Raises: as `EDSR`.
    """
    return EDSR(scale=scale, blocks=32, width=256, residual_scale=0.1)


def edsr_baseline(scale: int) -> EDSR:
    """The paper's baseline, 16 blocks of width 64: 1,369,859 parameters at ×2, 1,554,499 at ×3, 1,517,571 at ×4."""
    return EDSR(scale=scale, blocks=16, width=64)


def edsr_small(scale: int) -> EDSR:
    """For a laptop, 8 blocks of width 32 and the light tail: 161,580 parameters at ×2, 165,915 at ×3, 171,984 at ×4.

    This size is ours, not the paper's.
    """
    return EDSR(scale=scale, blocks=8, width=32, tail="light")


class MDSR(nn.Module):
    """One body for several scales, each with its own first blocks and upsampler (Lim et al., CVPRW 2017, fig. 5).

    `head` and `body` have the names and shapes of `EDSR`, so weights can be copied by name.

    Args:
        scale: the default of `forward`; may be set to another of `scales` later.

    Shapes: lr (N, 3, h, w) in [0, 1] -> sr (N, 3, scale·h, scale·w), not clamped.
    Raises: ValueError for a scale that is not among `scales`, and for `scales` other than 2, 3, 4 and 8.
    Differs from the paper: as for `EDSR`.
    """

    channels = 3

    def __init__(
        self, *, scale: int = 4, scales: tuple[int, ...] = (2, 3, 4), blocks: int = 16, width: int = 64
    ) -> None:
        super().__init__()
        for choice in scales:
            check_scale(choice, SHUFFLE_FACTORS)
        self.scales = tuple(scales)
        self.scale = scale
        self.register_buffer("mean", div2k_mean(), persistent=False)
        self.head = _conv(3, width)
        first = {str(s): [ResidualBlock(width=width, kernel=5) for _ in range(2)] for s in self.scales}
        self.first = nn.ModuleDict({key: nn.Sequential(*pair) for key, pair in first.items()})
        self.body = _body(blocks, width, 1.0)
        self.upsample = nn.ModuleDict({str(s): upsampler(s, width) for s in self.scales})
        self.tail = _conv(width, 3)

    @property
    def scale(self) -> int:
        return self._scale

    @scale.setter
    def scale(self, scale: int) -> None:
        check_scale(scale, self.scales)
        self._scale = scale

    def forward(self, lr: Tensor, scale: int | None = None) -> Tensor:
        check_input(lr, self.channels)
        scale = self.scale if scale is None else scale
        check_scale(scale, self.scales)
        x = self.first[str(scale)](self.head(lr - self.mean))
        x = x + self.body(x)
        return self.tail(self.upsample[str(scale)](x)) + self.mean  # (N, width, h, w) -> (N, 3, s·h, s·w)


def mdsr(scale: int = 4, blocks: int = 16) -> MDSR:
    """MDSR for ×2, ×3 and ×4: 3,227,203 parameters with 16 blocks, 7,953,987 with the paper's 80."""
    return MDSR(scale=scale, blocks=blocks)
