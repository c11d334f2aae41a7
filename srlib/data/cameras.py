"""Pairs for a camera that nobody measured: its blur and its noise are estimated from photographs that it took."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from srlib import images
from srlib.data.streams import DegradedStream
from srlib.degradations import Blur
from srlib.frequency import ROUNDING
from srlib.kernels.free import estimate_free
from srlib.kernels.gaussian import estimate_gaussian
from srlib.kernels.shapes import described
from srlib.kernels.spectra import SIZES, collect
from srlib.resample import resize

_IN_LUMA = math.hypot(*images.LUMA)  # noise of luma, where each channel has noise 1 of its own


@dataclass(frozen=True)
class Camera:
    """lr as a camera would take it: shrunk by bicubic interpolation, blurred, with noise, at 8 bits.

    Args:
        kernel: (k, k), odd, of the blur in pixels of lr.
        noise: standard deviation of each value, 1 for white.

    Shapes: hr (N, C, scale·h, scale·w) and N generators -> lr (N, C, h, w) in [0, 1].
    """

    scale: int
    kernel: Tensor
    noise: float = 0.0

    @property
    def told(self) -> str:
        """Its blur and its noise in words."""
        along, across, angle = described(self.kernel)
        turned = f" at {angle:.0f}°" if along > 1.3 * across else ""
        widths = f"σ {along:.2f} and {across:.2f}{turned}, in pixels of lr"
        return f"blur of {widths}; noise {255 * self.noise:.1f} of 255"

    def __call__(self, hr: Tensor, rngs: Sequence[torch.Generator]) -> Tensor:
        lr = Blur(self.kernel)(resize(hr, 1 / self.scale))
        if self.noise:
            grain = [torch.randn(lr.shape[1:], generator=rng, device=lr.device) for rng in rngs]
            lr = lr + self.noise * torch.stack(grain)
        return images.quantised(lr)


def camera_of(photographs: Sequence[Tensor], scale: int) -> Camera:
    """The camera whose pictures these are, for a network that enlarges them by `scale`.

    A Gaussian where one explains the spectra, else the free kernel; noise beyond that of rounding. In colour
    photographs the noise is taken to be independent in each channel.

    Shapes: photographs (1, 1 or 3, H, W), float in [0, 1].
    Raises: `KernelError`, a ValueError, for pictures that say nothing about their blur.
    """
    spectra = collect(photographs)
    found = estimate_gaussian(spectra, bootstrap=0)
    kernel = found.kernel() if found.fits else estimate_free(spectra).taps
    grey = all(photograph.shape[1] == 1 for photograph in photographs)
    noise = math.sqrt(max(0.0, found.noise**2 - ROUNDING)) / (1 if grey else _IN_LUMA)
    return Camera(scale, kernel.float(), noise)


@dataclass(frozen=True)
class LikePhotographs:
    """Pairs of the role "hr", whose lr looks like the photographs of the role "like": their hr is not needed.

    Args:
        lr_size: side of a patch in lr pixels.
        channels: 3 for RGB, 1 for luma.
    """

    scale: int
    lr_size: int
    channels: int = 3

    @property
    def sides(self) -> dict[str, int]:
        return {"hr": self.lr_size * self.scale, "like": 2 * min(SIZES)}

    def __call__(self, pictures: Mapping[str, Sequence[Tensor]], *, seed: int, batch: int) -> DegradedStream:
        photographs = [images.from_uint8(each) if each.dtype == torch.uint8 else each for each in pictures["like"]]
        camera = camera_of(photographs, self.scale)
        size = self.lr_size * self.scale
        return DegradedStream(pictures["hr"], size=size, degrade=camera, channels=self.channels, seed=seed)
