"""Pictures in the Fourier domain: window, power spectrum, radial profile."""

import torch
from torch import Tensor

_FLOOR = 1e-12  # keeps the logarithm finite at frequencies without power


def hann(height: int, width: int) -> Tensor:
    """Separable Hann window, against the cross in the spectrum that the jump between opposite borders causes.

    Shapes: (height, width), mean square 1, so that white noise keeps its power.
    """
    rows = torch.hann_window(height + 2, periodic=False, dtype=torch.float64)[1:-1]
    columns = torch.hann_window(width + 2, periodic=False, dtype=torch.float64)[1:-1]
    window = rows[:, None] * columns
    return window / window.square().mean().sqrt()


def power_spectrum(image: Tensor, window: bool = True) -> Tensor:
    """|DFT|² / (H·W) with zero frequency in the middle; its mean is the mean square of the windowed picture (Parseval).

    Args:
        window: subtract the mean and apply `hann` first.

    Shapes: (..., H, W) -> (..., H, W); entry (H // 2, W // 2) is frequency zero.
    Raises: TypeError for an integer image.
    """
    if not image.is_floating_point():
        raise TypeError(f"power_spectrum needs a float image in [0, 1], got {image.dtype}; convert with srlib.images")
    height, width = image.shape[-2:]
    if window:
        image = (image - image.mean((-2, -1), keepdim=True)) * hann(height, width).to(image)
    spectrum = torch.fft.fft2(image, norm="ortho").abs().square()
    return torch.fft.fftshift(spectrum, dim=(-2, -1))


def log_spectrum(image: Tensor, window: bool = True) -> Tensor:
    """10·log₁₀ of `power_spectrum`, in decibels.

    Shapes: (..., H, W) -> (..., H, W).
    Raises: as `power_spectrum`.
    """
    return 10 * power_spectrum(image, window).clamp_min(_FLOOR).log10()


def frequencies(height: int, width: int) -> Tensor:
    """Distance from zero of each entry of `power_spectrum`, in cycles per pixel; 0.5 is Nyquist.

    Shapes: (height, width).
    """
    rows = torch.fft.fftshift(torch.fft.fftfreq(height, dtype=torch.float64))
    columns = torch.fft.fftshift(torch.fft.fftfreq(width, dtype=torch.float64))
    return torch.hypot(rows[:, None], columns)


def radial_profile(power: Tensor, bins: int | None = None) -> tuple[Tensor, Tensor]:
    """Mean power in rings of equal width around zero frequency, up to 0.5 cycles per pixel.

    Args:
        power: from `power_spectrum`; leading dimensions are averaged.
        bins: number of rings; default half the shorter side.

    Shapes: (..., H, W) -> frequency (bins,), power (bins,); frequencies are ring centres, in cycles per pixel.
    """
    height, width = power.shape[-2:]
    bins = bins or max(1, min(height, width) // 2)
    plane = power.reshape(-1, height, width).mean(0).double()
    distance = frequencies(height, width).to(plane.device)
    ring = (distance / 0.5 * bins).long()
    inside = (distance <= 0.5) & (distance > 0)  # zero frequency is the mean brightness, not a ring
    ring = ring.clamp_max(bins - 1)[inside]
    total = torch.zeros(bins, dtype=torch.float64, device=plane.device).index_add_(0, ring, plane[inside])
    count = torch.zeros_like(total).index_add_(0, ring, torch.ones_like(plane[inside]))
    centre = (torch.arange(bins, dtype=torch.float64, device=plane.device) + 0.5) * 0.5 / bins
    filled = count > 0  # with many bins on a small picture, some rings are empty
    return centre[filled], (total / count.clamp_min(1))[filled]
