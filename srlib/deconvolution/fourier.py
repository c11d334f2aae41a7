"""Deconvolution by one division in the Fourier domain: y = k * x + n becomes Y = H·X + N.

Iterative methods and the treatment of borders have modules of their own.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from srlib.deconvolution.boundary import (
    check_image,
    check_kernel,
    convolve,
    laplacian,
    periodic,
    radial_frequency,
    transfer,
)
from srlib.frequency import power_spectrum, radial_profile

_QUIET = 1e-4  # lower bound on the noise estimate: a tenth of the noise of rounding to 8 bits


def naive_inverse(image: Tensor, kernel: Tensor, boundary: str = "symmetric") -> Tensor:
    """X = Y / H, which multiplies the noise by 1/|H|; frequencies where H is exactly zero are set to zero.

    Shapes: image (..., H, W) in [0, 1], kernel (kh, kw) -> (..., H, W), not clamped and usually far outside [0, 1].
    Raises: as `tikhonov`.
    """
    return tikhonov(image, kernel, 0.0, boundary=boundary)


def tikhonov(
    image: Tensor, kernel: Tensor, weight: float, penalty: str = "laplacian", boundary: str = "symmetric"
) -> Tensor:
    """The x that minimises ‖k * x − y‖² + weight·‖L x‖² (Tikhonov, Doklady 1963; Hunt, IEEE Trans. Computers 1973).

    Args:
        weight: ≥ 0; 0 is the naive inverse. About 1e-3 to 1e-2 for the Laplacian and noise of a few grey levels.
        penalty: L, "laplacian" or "identity".
        boundary: see `periodic`.

    Shapes: image (..., H, W) in [0, 1], kernel (kh, kw) -> (..., H, W), not clamped.
    Raises: TypeError for an integer picture; ValueError for NaN, a kernel that does not sum to one or is larger than
        the picture, an unknown penalty or boundary, a negative weight.
    Differs from the paper: Hunt searches for the weight whose residual is as large as the noise; here it is given. With
        "periodic" and the Laplacian, this equals `skimage.restoration.wiener`, whose `balance` is the weight.
    """
    if not 0 <= weight < math.inf:
        raise ValueError(f"the weight must be zero or positive, got {weight}")
    if penalty not in ("laplacian", "identity"):
        raise ValueError(f"penalty must be laplacian or identity, got {penalty!r}")
    y = periodic(image, kernel, boundary)
    size = y.shape[-2:]
    squared = laplacian(size).square().to(kernel.device) if penalty == "laplacian" else 1.0
    return _regularised(y, transfer(kernel.double(), size), weight * squared)[..., : image.shape[-2], : image.shape[-1]]


def _regularised(y: Tensor, h: Tensor, ratio: Tensor | float) -> Tensor:
    power = h.abs().square() + ratio
    return convolve(y, torch.where(power > 0, h.conj() / torch.where(power > 0, power, 1.0), 0.0))


@dataclass(frozen=True, eq=False)
class PowerLaw:
    """Power spectrum of natural pictures: `amplitude` / frequency^`exponent` (Field, JOSA A 1987); exponent about 2.

    Shapes: amplitude and exponent (..., 1, 1), one pair per plane; frequency (H, W) -> (..., H, W).
    """

    amplitude: Tensor
    exponent: Tensor

    def __call__(self, frequency: Tensor) -> Tensor:
        return self.amplitude * frequency ** (-self.exponent)  # infinite at zero, so that the mean is not shrunk


def power_law(image: Tensor, kernel: Tensor, noise: float | Tensor) -> PowerLaw:
    """Fit |Y|² = |H|²·S + σ² with a power law S (Field, JOSA A 1987), by least squares on the logs of ring averages.

    Only rings with more than three times the power of the noise count. A plane with fewer than three such rings, such
    as a flat one, gets the exponent 2 and the amplitude that equals the noise at the lowest ring.

    Args:
        noise: σ in [0, 1], one number or one per plane (...,), as `estimate_noise` returns it.

    Shapes: (..., H, W) -> amplitude and exponent (..., 1, 1), float64.
    Raises: as `boundary.check_kernel`.
    Differs from the paper: Field studies sharp pictures without noise.
    """
    check_kernel(image, kernel)
    height, width = image.shape[-2:]
    padded = F.pad(kernel.double(), (0, width - kernel.shape[1], 0, height - kernel.shape[0]))
    h2 = radial_profile(power_spectrum(padded, window=False) * height * width)[1].to(image.device)
    variances = torch.as_tensor(noise, dtype=torch.float64).square().expand(image.shape[:-2]).flatten()
    laws = []
    for plane, variance in zip(image.detach().reshape(-1, height, width), variances, strict=True):
        frequency, power = radial_profile(power_spectrum(plane))
        loud = (power > 3 * variance) & (h2 > 0)
        loud[0] = False  # the window spreads the missing mean over this ring
        if loud.sum() < 3:
            laws.append((variance.clamp_min(1e-20) * frequency[0] ** 2, torch.tensor(2.0)))
            continue
        x, s = frequency[loud].log(), ((power - variance) / h2)[loud].log()
        exponent = (-((x - x.mean()) * s).sum() / (x - x.mean()).square().sum()).clamp(0, 4)
        laws.append(((s + exponent * x).mean().exp(), exponent))
    amplitude, exponent = (torch.stack([law[i].to(h2) for law in laws]) for i in (0, 1))
    shape = (*image.shape[:-2], 1, 1)
    return PowerLaw(amplitude.view(shape), exponent.view(shape))


def estimate_noise(image: Tensor) -> Tensor:
    """Standard deviation of white noise, per plane: median |residual| / 0.6745 (Donoho & Johnstone, Biometrika 1994).

    The residual is the picture filtered by (1 −2 1) in both directions and divided by 6, which removes slopes and keeps
    the variance of white noise (Immerkær, CVIU 1996).

    Shapes: (..., H, W) -> (...,), in the units of the picture.
    Raises: as `check_image`; ValueError for a side shorter than three pixels.
    Differs from the paper: the median of wavelet coefficients is replaced by that of Immerkær's residual, which
        rounding to 8 bits affects less; Immerkær takes the mean. Noise clipped at black or white is underestimated.
    """
    check_image(image)
    if min(image.shape[-2:]) < 3:
        raise ValueError(f"estimate_noise needs at least 3 × 3 pixels, got {image.shape[-2]} × {image.shape[-1]}")
    rows = image[..., :-2, :] - 2 * image[..., 1:-1, :] + image[..., 2:, :]
    residual = (rows[..., :-2] - 2 * rows[..., 1:-1] + rows[..., 2:]) / 6
    return residual.abs().flatten(-2).median(-1).values / 0.6745


def wiener(
    image: Tensor,
    kernel: Tensor,
    *,
    noise: float | Tensor | None = None,
    signal: float | Tensor | Callable[[Tensor], Tensor] | None = None,
    boundary: str = "symmetric",
) -> Tensor:
    """Wiener filter X = H* Y / (|H|² + σ² / S) (Wiener, MIT Press 1949; Helstrom, JOSA 1967).

    It has the least mean squared error if S is the true spectrum.

    Args:
        noise: σ in [0, 1], one number or one per plane (...,); default `estimate_noise`, at least 1e-4.
        signal: S, the power spectrum |X|² / (H·W) of the sharp picture: a number (then σ²/S is one noise-to-signal
            ratio for all frequencies, and the mean brightness shrinks too), a function of the frequency in cycles
            per pixel, or a tensor on the grid of `torch.fft.rfft2`, for boundary "taper" and "periodic" only.
            Default: `power_law` of this picture.
        boundary: see `periodic`.

    Shapes: image (..., H, W) in [0, 1], kernel (kh, kw) -> (..., H, W), not clamped.
    Raises: as `periodic`; ValueError for negative noise, a signal that is not positive or a tensor of another size.
    Differs from the paper: Wiener treats signals in time, and filters that only know the past.
    """
    y = periodic(image, kernel, boundary)
    size = y.shape[-2:]
    sigma = estimate_noise(image.detach()).clamp_min(_QUIET) if noise is None else noise
    sigma = torch.as_tensor(sigma, dtype=torch.float64)
    if not (sigma >= 0).all():
        raise ValueError(f"noise must be zero or positive, got {sigma.min().item()}")
    signal = power_law(image, kernel, sigma) if signal is None else signal
    power = signal(radial_frequency(size).to(image.device)) if callable(signal) else signal
    power = torch.as_tensor(power, dtype=torch.float64)
    if power.ndim and power.shape[-2:] != (size[0], size[1] // 2 + 1):
        raise ValueError(
            f"signal {tuple(power.shape)} is not on the grid {(size[0], size[1] // 2 + 1)} of boundary {boundary!r}; "
            "pass a function of the frequency instead"
        )
    if not (power > 0).all():
        raise ValueError("the signal must be positive at every frequency")
    sigma = sigma[..., None, None] if sigma.ndim else sigma
    result = _regularised(y, transfer(kernel.double(), size), sigma.square().to(power.device) / power)
    return result[..., : image.shape[-2], : image.shape[-1]]
