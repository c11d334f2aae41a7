"""Undoing a known blur step by step: Richardson–Lucy for light that is never negative, total variation for edges."""

from collections.abc import Callable

import torch
from torch import Tensor

from srlib.deconvolution.boundary import BOUNDARIES, convolve, laplacian, periodic, transfer

_TINY = 1e-12  # light that an empty place is given, so that nothing is divided by zero; as in skimage


def richardson_lucy(
    image: Tensor,
    kernel: Tensor,
    steps: int = 40,
    damping: float = 0.0,
    *,
    start: float | Tensor = 0.5,
    boundary: str = "symmetric",
    log: Callable[[int, float], None] | None = None,
) -> Tensor:
    """Multiply x by k* ⋆ (y / (k ⋆ x)), towards the likeliest x under photon noise (Richardson 1972; Lucy 1974).

    k* is the kernel turned by 180°. Few steps are what keeps the noise down: it grows with every step.

    Args:
        damping: T; residuals up to T·√brightness count as noise and are hardly followed (White, SPIE 2198, 1994, with
            N = 10). T is the σ of the noise where the picture is white, 1/√photons; 0 is the plain method.
        start: the first x, a number or a picture. A smooth one is best, since details are kept; zeros stay zero.
        boundary: as in `deconvolution.periodic`, or "zero": darkness outside.
        log: called with the step and, after it, Csiszár's Σ y ln(y/ŷ) − y + ŷ with ŷ = k ⋆ x, on the picture that
            `periodic` gives, all planes together. It falls while damping is 0 and the boundary is not "zero".

    Shapes: image (..., H, W) in [0, 1], negative values taken as 0, kernel (kh, kw) -> (..., H, W), ≥ 0, not clamped.
    Raises: as `deconvolution.tikhonov`; ValueError for a kernel with negative taps, a start that is negative or of
        another shape, negative damping, less than one step.
    Differs from the paper: with "zero" the light that leaves the frame is not made up for, as in skimage, whose
        `richardson_lucy(clip=False)` this then equals.
    """
    _check_steps(steps)
    if boundary not in (*BOUNDARIES, "zero"):
        raise ValueError(f"boundary must be {', '.join(BOUNDARIES)} or zero, got {boundary!r}")
    if not damping >= 0:
        raise ValueError(f"damping must be zero or positive, got {damping}")
    if (kernel < 0).any():
        raise ValueError("Richardson-Lucy needs a kernel without negative taps")
    frame = "periodic" if boundary == "zero" else boundary
    y = periodic(image, kernel, frame).clamp_min(0)
    start = torch.as_tensor(start, dtype=y.dtype, device=y.device)
    if start.ndim and start.shape != image.shape:
        raise ValueError(f"start {tuple(start.shape)} is neither a number nor of the shape {tuple(image.shape)}")
    if (start < 0).any():
        raise ValueError("Richardson-Lucy starts from a picture without negative values; clamp it first")
    x = periodic(start.expand_as(image), kernel, frame)
    outside = kernel.shape if boundary == "zero" else (1, 1)
    size = tuple(n + k - 1 for n, k in zip(y.shape[-2:], outside, strict=True))
    h = transfer(kernel.double(), size)
    back = h.conj() / kernel.double().sum()
    blurred = convolve(x, h, size).clamp_min(_TINY)
    for step in range(steps):
        ratio = y / blurred
        if damping:
            u = (2 / damping**2 * (torch.special.xlogy(y, ratio) - y + blurred)).clamp(0, 1)
            ratio = 1 + u**9 * (10 - 9 * u) * (ratio - 1)
        x = x * convolve(ratio, back, size).clamp_min(0)  # rounding can leave -1e-16
        blurred = convolve(x, h, size).clamp_min(_TINY)
        if log:
            log(step, (torch.special.xlogy(y, y / blurred) - y + blurred).sum().item())
    return x[..., : image.shape[-2], : image.shape[-1]]


def tv_deconvolution(
    image: Tensor,
    kernel: Tensor,
    weight: float,
    steps: int = 30,
    *,
    coupling: float = 80.0,
    boundary: str = "symmetric",
    log: Callable[[int, float], None] | None = None,
) -> Tensor:
    """The x with the least ½‖k * x − y‖² + weight·Σ|∇x|, which keeps edges (Rudin, Osher, Fatemi 1992), by ADMM.

    The gradient z = ∇x is split off (Wang, Yang, Yin, Zhang, SIAM J. Imaging Sci. 2008) and tied to x by multipliers
    (Boyd et al. 2011, §3.1.1): z is shrunk pixel by pixel, and x is one division in the Fourier domain.

    Args:
        weight: > 0, brightness per unit of gradient; 1e-4 to 1e-3 for noise of a few grey levels.
        coupling: ADMM's ρ divided by the weight: 1 / coupling is the gradient that one step shrinks to zero. It changes
            the way, not the end. With the defaults photographs end within 1 % of the least objective.
        boundary: see `deconvolution.periodic`.
        log: called with the step and the objective after it, on the picture that `periodic` gives, all planes together.

    Shapes: image (..., H, W) in [0, 1], kernel (kh, kw) -> (..., H, W), not clamped.
    Raises: as `deconvolution.tikhonov`; ValueError for a weight or coupling that is not positive, less than one step.
    Differs from the paper: ρ is fixed, where Wang et al. raise a penalty without multipliers and Chan et al. (IEEE TIP
        2011) adapt ρ; forward differences of the periodic picture; the edges of one channel do not help another.
    """
    _check_steps(steps)
    if not weight > 0:
        raise ValueError(f"the weight must be positive, got {weight}; for none at all use naive_inverse")
    if not coupling > 0:
        raise ValueError(f"coupling must be positive, got {coupling}")
    y = periodic(image, kernel, boundary)
    size = y.shape[-2:]
    rho = coupling * weight
    spectrum = torch.fft.rfft2(y)
    h = transfer(kernel.double(), size).to(spectrum)
    data = h.conj() * spectrum
    system = h.abs().square() + rho * laplacian(size).to(y)
    x, u = y, torch.zeros_like(_gradient(y))
    for step in range(steps):
        v = _gradient(x) + u
        z = _shrink(v, 1 / coupling)
        u = v - z
        spectrum = (data + rho * torch.fft.rfft2(_gradient_adjoint(z - u))) / system
        x = torch.fft.irfft2(spectrum, s=size)
        if log:
            residual = torch.fft.irfft2(h * spectrum, s=size) - y
            log(step, (0.5 * residual.square().sum() + weight * _gradient(x).norm(dim=0).sum()).item())
    return x[..., : image.shape[-2], : image.shape[-1]]


def _gradient(x: Tensor) -> Tensor:
    """Forward differences with wrap-around: (..., H, W) -> (2, ..., H, W)."""
    return torch.stack([x.roll(-1, -2) - x, x.roll(-1, -1) - x])


def _gradient_adjoint(z: Tensor) -> Tensor:
    return z[0].roll(1, -2) - z[0] + z[1].roll(1, -1) - z[1]


def _shrink(v: Tensor, threshold: float) -> Tensor:
    """Shorten each gradient vector by the threshold."""
    return v * (1 - threshold / v.norm(dim=0).clamp_min(threshold))


def _check_steps(steps: int) -> None:
    if steps < 1:
        raise ValueError(f"needs at least one step, got {steps}")
