"""Pictures in the Fourier domain: window, power spectrum, density, profiles by frequency and by direction."""

import torch
from torch import Tensor

from srlib import images

# Power that rounding red, green and blue to 8 bits adds to luma at every frequency: rounding errors are spread evenly
# over one level. No picture that was read from such a file has less noise, on average.
ROUNDING = sum(weight**2 for weight in images.LUMA) / 12 / 255**2

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


def density(image: Tensor, side: int = 64, window: bool = True) -> Tensor:
    """Frequency density of a picture: the mean of the power spectra of its windows, of luma.

    Windows of equal size make pictures of different sizes comparable: an entry is a frequency in cycles per pixel, and
    its value a power for each pixel, whatever the size. Windows overlap by half, so that each part of the picture
    counts about equally, although a window fades out at its borders.

    Args:
        side: of the square windows, in pixels.
        window: as for `power_spectrum`.

    Shapes: (N, 1 or 3, H, W) -> (N, side, side); entry (side // 2, side // 2) is frequency zero.
    Raises: ValueError for a picture smaller than a window; as `power_spectrum`.
    """
    height, width = image.shape[-2:]
    if min(height, width) < side:
        raise ValueError(f"a picture of {height} x {width} pixels holds no window of {side}; choose a smaller side")
    step = max(1, side // 2)
    plane = images.grey(image)[:, 0]
    windows = plane.unfold(1, side, step).unfold(2, side, step)  # (N, rows, columns, side, side)
    return power_spectrum(windows, window).mean((1, 2))


def frequencies(height: int, width: int) -> Tensor:
    """Distance from zero of each entry of `power_spectrum`, in cycles per pixel; 0.5 is Nyquist.

    Shapes: (height, width).
    """
    return torch.hypot(*_axes(height, width))


def _axes(height: int, width: int) -> tuple[Tensor, Tensor]:
    """Cycles per pixel down (height, 1) and across (width,), frequency zero in the middle."""
    rows = torch.fft.fftshift(torch.fft.fftfreq(height, dtype=torch.float64))
    columns = torch.fft.fftshift(torch.fft.fftfreq(width, dtype=torch.float64))
    return rows[:, None], columns


def _means(values: Tensor, bin_of: Tensor, bins: int) -> tuple[Tensor, Tensor]:
    """Mean of the values of each bin, 0 for an empty one, and how many there are.

    Shapes: (N,), (N,) -> (bins,), (bins,).
    """
    total = torch.zeros(bins, dtype=torch.float64, device=values.device).index_add_(0, bin_of, values)
    count = torch.zeros_like(total).index_add_(0, bin_of, torch.ones_like(values))
    return total / count.clamp_min(1), count


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
    mean, count = _means(plane[inside], ring, bins)
    centre = (torch.arange(bins, dtype=torch.float64, device=plane.device) + 0.5) * 0.5 / bins
    filled = count > 0  # with many bins on a small picture, some rings are empty
    return centre[filled], mean[filled]


def directional_profile(power: Tensor, low: float, high: float, bins: int = 12) -> tuple[Tensor, Tensor]:
    """Mean power by direction, of the waves between two frequencies.

    Args:
        power: from `power_spectrum` or `density`; leading dimensions are averaged.
        low, high: in cycles per pixel; low is included, high is not.
        bins: directions, which divide the half circle.

    Shapes: (..., H, W) -> angle (bins,), power (bins,); angles are the centres of the bins in degrees from 0 to below
        180: the direction in which a wave rises and falls, counter-clockwise from the x axis. 0 is the centre of the
        first bin, so that upright stripes fall into its middle.
    Raises: ValueError for frequencies between which the spectrum has no entry in one of the directions.
    """
    height, width = power.shape[-2:]
    plane = power.reshape(-1, height, width).mean(0).double()
    down, right = _axes(height, width)
    degrees = torch.rad2deg(torch.atan2(-down, right)).to(plane.device)
    distance = frequencies(height, width).to(plane.device)
    inside = (distance >= low) & (distance < high)
    sector = (degrees[inside] / 180 * bins).round().long() % bins
    mean, count = _means(plane[inside], sector, bins)
    if not count.all():
        raise ValueError(
            f"no wave between {low:g} and {high:g} cycles per pixel in one of {bins} directions; choose fewer bins, a "
            "wider range or a larger window"
        )
    return torch.arange(bins, dtype=torch.float64, device=plane.device) * 180 / bins, mean
