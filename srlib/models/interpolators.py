"""Interpolators as networks: the baselines of every learned model."""

from torch import Tensor, nn

from srlib.resample import KERNELS, resize


class Interpolator(nn.Module):
    """Enlarge by convolution with a fixed kernel (`srlib.resample`); no parameters, any number of channels.

    Bicubic is Keys, IEEE TASSP 1981, with a = −0.5 and mirrored borders, as MATLAB's `imresize`.

    Args:
        scale: any positive number.
        kernel: a name in `srlib.resample.KERNELS`.

    Shapes: lr (N, C, h, w) in [0, 1] -> sr (N, C, ceil(scale·h), ceil(scale·w)), not clamped.
    Raises: ValueError for an unknown kernel, and for a scale that is not positive.
    """

    def __init__(self, *, scale: float, kernel: str = "bicubic") -> None:
        super().__init__()
        if kernel not in KERNELS:
            raise ValueError(f"no kernel {kernel!r}; choose one of {', '.join(KERNELS)}")
        if not scale > 0:
            raise ValueError(f"scale must be positive, got {scale}")
        self.scale = scale
        self.kernel = kernel

    def forward(self, lr: Tensor) -> Tensor:
        return resize(lr, self.scale, kernel=self.kernel)


def nearest(scale: float) -> Interpolator:
    """Nearest neighbour: each pixel becomes a block."""
    return Interpolator(scale=scale, kernel="nearest")


def bilinear(scale: float) -> Interpolator:
    """Linear interpolation between pixel centres."""
    return Interpolator(scale=scale, kernel="bilinear")


def bicubic(scale: float) -> Interpolator:
    """Keys' cubic with a = −0.5: the baseline of every paper."""
    return Interpolator(scale=scale, kernel="bicubic")


def lanczos(scale: float) -> Interpolator:
    """Windowed sinc with three lobes."""
    return Interpolator(scale=scale, kernel="lanczos3")


INTERPOLATORS = {"nearest": nearest, "bilinear": bilinear, "bicubic": bicubic, "lanczos": lanczos}
