"""Degradations of a batch whose strength is drawn for each sample, on the device that trains."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from srlib.images import quantised
from srlib.resample import mirrored, resize


@dataclass(frozen=True)
class RandomBlurNoise:
    """lr = (hr ⊗ Gaussian)↓ + noise, with a σ of blur and of noise for each sample; a `degrade` of `DegradedStream`.

    What a sample gets depends on its own generator alone, not on the rest of its batch.

    Args:
        sigma: range of the blur's σ, in hr pixels.
        noise: range of the noise's σ, 1 for white.
        eight_bits: round lr to 8 bits, as a file would.

    Shapes: hr (N, C, scale·h, scale·w) and N generators -> lr (N, C, h, w) in [0, 1].
    Raises: ValueError where the generators are not as many as the samples.
    """

    scale: int
    sigma: tuple[float, float] = (0.2, 2.0)
    noise: tuple[float, float] = (0.0, 10 / 255)
    eight_bits: bool = True

    def __call__(self, hr: Tensor, rngs: Sequence[torch.Generator]) -> Tensor:
        if len(rngs) != len(hr):
            raise ValueError(f"{len(hr)} samples need as many generators, got {len(rngs)}")
        drawn = torch.stack([torch.rand(2, generator=rng, device=hr.device) for rng in rngs])
        sigma, noise = (
            low + (high - low) * u for (low, high), u in zip((self.sigma, self.noise), drawn.T, strict=True)
        )
        lr = resize(gaussian_blur(hr, sigma), 1 / self.scale)
        grain = torch.stack([torch.randn(lr.shape[1:], generator=rng, device=hr.device) for rng in rngs])
        lr = (lr + noise.view(-1, 1, 1, 1) * grain).clamp(0, 1)
        return quantised(lr) if self.eight_bits else lr


def gaussian_blur(images: Tensor, sigma: Tensor) -> Tensor:
    """A Gaussian blur of each image with a σ of its own; borders are mirrored at the edge of the outer pixel.

    The kernels are as wide as the widest needs: six σ.

    Shapes: images (N, C, H, W), sigma (N,) in pixels -> (N, C, H, W).
    Raises: ValueError for a σ so large that its kernel is wider than twice the image.
    """
    count, channels, height, width = images.shape
    radius = max(1, int(torch.ceil(3 * sigma.max())))
    if radius >= min(height, width):
        raise ValueError(f"a blur of {float(sigma.max()):g} pixels is too wide for images of {width} x {height}")
    x = torch.arange(-radius, radius + 1, device=images.device, dtype=images.dtype)
    kernels = torch.exp(-0.5 * (x / sigma.to(images).clamp_min(1e-3)[:, None]) ** 2)
    kernels = (kernels / kernels.sum(1, keepdim=True)).repeat_interleave(channels, 0)  # (N·C, taps)
    flat = images.reshape(1, count * channels, height, width)
    for axis, kernel in ((3, kernels[:, None, None, :]), (2, kernels[:, None, :, None])):
        side = flat.shape[axis]
        border = mirrored(torch.arange(-radius, side + radius, device=flat.device), side)
        flat = F.conv2d(flat.index_select(axis, border), kernel, groups=count * channels)
    return flat.view(count, channels, height, width)
