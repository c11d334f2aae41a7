"""Losses on spectra: the complex difference, amplitudes alone, and the focal frequency loss; all with a gradient.

Spectra are orthonormal, so that a loss does not grow with the patch: noise of one strength has one value, whatever the
side. A real picture's spectrum is symmetric, and `rfft2` gives half of it. Every bin of that half stands for two,
except those of column 0 and, for an even width, of the last column. With this count Parseval's equation holds.
"""

import torch
from torch import Tensor


def spectral_l1(sr: Tensor, hr: Tensor) -> Tensor:
    """Mean over all frequencies of |F(sr) − F(hr)|, the modulus of the complex difference; it sees amplitude and phase.

    Of the squares, the mean would be the mean square of the pixels (Parseval) and nothing new. The modulus weighs
    frequencies where the error is small more than the square does: those of fine detail.

    Shapes: sr, hr (N, C, H, W) -> scalar, float32 inside autocast.
    Raises: ValueError for shapes that differ or have another number of dimensions.
    """
    spectrum = _spectrum(sr, hr, lambda x, y: (x - y,))[0]
    return _mean(spectrum.abs(), sr.shape[-1])


def amplitude_l1(sr: Tensor, hr: Tensor) -> Tensor:
    """Mean over all frequencies of ||F(sr)| − |F(hr)||; where things are does not matter to it.

    A picture that is shifted in a circle has the same amplitudes, so this loss cannot be used alone.

    Shapes: sr, hr (N, C, H, W) -> scalar, float32 inside autocast.
    Raises: as `spectral_l1`.
    """
    x, y = _spectrum(sr, hr, lambda x, y: (x, y))
    return _mean((x.abs() - y.abs()).abs(), sr.shape[-1])


def focal_frequency(sr: Tensor, hr: Tensor, *, alpha: float = 1.0) -> Tensor:
    """Focal frequency loss: squared differences of spectra, those that are large weighing more (Jiang, ICCV 2021).

    The mean of w · |F(sr) − F(hr)|² with w = |F(sr) − F(hr)|^alpha, divided by its maximum in each channel of each
    picture, and without gradient (eq. 8 and 9). As w is at most 1, the loss is at most the mean square. Its value
    depends on the patch, since the maximum of many frequencies is larger than that of few.

    Args:
        alpha: 1 in the paper; 0 gives the mean square.

    Shapes: sr, hr (N, C, H, W) -> scalar, float32 inside autocast.
    Raises: as `spectral_l1`; ValueError for a negative alpha.
    Differs from the paper: nothing known; the authors' options for parts of patches and for one maximum in a batch are
        left out.
    """
    if not alpha >= 0:
        raise ValueError(f"alpha must be at least 0, got {alpha}")
    square = _spectrum(sr, hr, lambda x, y: (x - y,))[0].abs().square()
    with torch.no_grad():
        weight = square.pow(alpha / 2)
        weight = torch.nan_to_num(weight / weight.amax((-2, -1), keepdim=True), nan=0.0).clamp(0, 1)
    return _mean(weight * square, sr.shape[-1])


def _spectrum(sr: Tensor, hr: Tensor, parts) -> tuple[Tensor, ...]:
    """Half-plane spectra (N, C, H, W // 2 + 1) of what `parts` makes of two pictures, in float32 or float64."""
    if sr.shape != hr.shape or sr.ndim != 4:
        raise ValueError(
            f"spectra need two batches (N, C, H, W) of one shape, got {tuple(sr.shape)}, {tuple(hr.shape)}"
        )
    with torch.autocast(sr.device.type, enabled=False):
        wide = [image if image.dtype == torch.float64 else image.float() for image in (sr, hr)]
        return tuple(torch.fft.rfft2(part, norm="ortho") for part in parts(*wide))


def _mean(values: Tensor, width: int) -> Tensor:
    """Mean over the whole plane of values on its half: (N, C, H, W // 2 + 1) -> scalar."""
    twice = values[..., 1 : (width + 1) // 2]
    once = values.sum() + twice.sum()
    return once / (values[..., 0].numel() * width)
