"""Interpolators in the shape of a network: what every learned model is compared with."""

from torch import Tensor, nn

from srlib.resample import KERNELS, resize


class Interpolator(nn.Module):
    """Enlarge by convolution with a fixed kernel (`srlib.resample`); no parameters, any number of channels.

    Args:
        scale: any positive number.
        kernel: a name in `srlib.resample.KERNELS`.

    Shapes: lr (N, C, h, w) in [0, 1] -> sr (N, C, ceil(scale·h), ceil(scale·w)), not clamped.
    Differs from the paper: bicubic is Keys 1981 with a = −0.5 and mirrored borders, as MATLAB's imresize.
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
    """Each pixel becomes a block."""
    return Interpolator(scale=scale, kernel="nearest")


def bilinear(scale: float) -> Interpolator:
    """Straight lines between pixel centres."""
    return Interpolator(scale=scale, kernel="bilinear")


def bicubic(scale: float) -> Interpolator:
    """Keys' cubic with a = −0.5: the baseline of every paper."""
    return Interpolator(scale=scale, kernel="bicubic")


def lanczos(scale: float) -> Interpolator:
    """Windowed sinc with three lobes."""
    return Interpolator(scale=scale, kernel="lanczos3")


INTERPOLATORS = {"nearest": nearest, "bilinear": bilinear, "bicubic": bicubic, "lanczos": lanczos}
