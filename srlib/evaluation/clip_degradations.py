"""How frames of video are made small in papers, BI and BD, and upscalers that put BD results where they belong."""

from torch import Tensor, nn

from srlib.degradations import Blur, gaussian_kernel
from srlib.models.interpolators import Interpolator
from srlib.resample import resize
from srlib.warp import translate


def bicubic_down(hr: Tensor, scale: int = 4) -> Tensor:
    """BI: bicubic downscaling, as MATLAB's `imresize`.

    Shapes: (N, C, scale·h, scale·w) -> (N, C, h, w).
    """
    return resize(hr, 1 / scale)


def blurred_down(hr: Tensor, scale: int = 4) -> Tensor:
    """BD: Gaussian blur of σ = 0.4 · scale hr pixels, 1.6 for ×4, then the first pixel of each block.

    The first pixel lies (scale − 1)/2 hr pixels up and left of the middle of its block. Whoever enlarges BD frames on
    the usual grid gets a picture that is misplaced by so much: 1.5 pixels at ×4.

    Shapes: (N, C, scale·h, scale·w) -> (N, C, h, w).
    """
    return Blur(gaussian_kernel(0.4 * scale))(hr)[..., ::scale, ::scale]


class Shifted(nn.Module):
    """An interpolation that knows where BD frames were sampled, and puts them there.

    Shapes: (N, C, h, w) -> (N, C, scale·h, scale·w).
    """

    channels = None

    def __init__(self, scale: int = 4, offset: tuple[float, float] | None = None, kernel: str = "bicubic") -> None:
        super().__init__()
        self.scale, self.kernel = scale, kernel
        self.offset = offset or ((scale - 1) / (2 * scale),) * 2  # lr pixels from the first of a block to its middle

    def forward(self, lr: Tensor) -> Tensor:
        return resize(lr, self.scale, kernel=self.kernel, offset=self.offset)


class MovedBack(nn.Module):
    """A network that was trained on frames of the usual grid, whose results on BD frames are put where they belong.

    Shapes: as `net`.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net, self.scale, self.frames = net, net.scale, getattr(net, "frames", 1)
        self.channels = getattr(net, "channels", None)

    def forward(self, lr: Tensor) -> Tensor:
        up_left = -(self.scale - 1) / 2
        return translate(self.net(lr), up_left, up_left)


def aligned(net: nn.Module) -> nn.Module:
    """An upscaler of BD frames, from one of the usual grid."""
    return Shifted(net.scale, kernel=net.kernel) if isinstance(net, Interpolator) else MovedBack(net)
