"""The Gaussian that blurred pictures, from the ratio of their spectra at full and at half size."""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from srlib.degradations import anisotropic_gaussian
from srlib.frequency import ROUNDING
from srlib.kernels.spectra import Grid, KernelError, Spectra, grid

BAND = 0.35  # cycles per pixel; beyond, the halved picture is dimmed and aliased
# Of the logarithm of the power, of many pictures. Gaussian blurs of 40 photographs leave 0.09 to 0.25; motion over 8
# pixels and discs of radius 3 leave 1.3 and more, 0.4 under noise of 5/255, where little but a main lobe is seen.
MISFIT = 0.32
BOOTSTRAP = 24
# What pictures leave open, whatever their number: sharp ones are not scale-invariant exactly. Measured on four groups
# of 40 photographs with known blurs: σ off by 1 to 3 %, and sharp ones as if blurred by 0.2 to 0.3 pixels.
_RELATIVE, _VARIANCE = 0.02, 0.03
_FEW = 0.25  # over the root of the number of regions: one photograph with 8 regions is off by up to 13 %
_WAVES = 4 * math.pi**2


@dataclass(frozen=True)
class GaussianBlur:
    """A Gaussian blur and white noise, each with its standard error.

    Args:
        sigma: along and across, in pixels of the pictures, the larger one first; 0: as sharp as their halves.
        angle: of the larger one, degrees anticlockwise from the horizontal, 0 to 180.
        noise: standard deviation in luma, for values in [0, 1].
        misfit: root mean square of the logarithm of the power that the Gaussian leaves unexplained, in the band.
        allowed: the misfit up to which a Gaussian is an explanation: spectra of few regions scatter.
    """

    sigma: tuple[float, float]
    angle: float
    noise: float
    misfit: float
    allowed: float = MISFIT
    sigma_error: tuple[float, float] = (math.nan, math.nan)
    angle_error: float = math.nan
    noise_error: float = math.nan

    @property
    def fits(self) -> bool:
        """Whether a Gaussian explains the spectra."""
        return self.misfit < self.allowed

    def at_scale(self, scale: float) -> tuple[float, float]:
        """Widths of the kernel that gives pictures shrunk by `scale` the blur of the pictures: σ √(1 − 1/scale²).

        Shrinking leaves σ / scale of the old blur, and variances of Gaussians add up.

        Raises: ValueError for a scale that is not above 1.
        """
        if not scale > 1:
            raise ValueError(f"scale must be above 1, got {scale}")
        share = math.sqrt(1 - 1 / scale**2)
        return self.sigma[0] * share, self.sigma[1] * share

    def kernel(self, scale: float | None = None, size: int | None = None) -> Tensor:
        """The blur of the pictures, or with a scale the kernel for pictures that were shrunk by it; sum one.

        Shapes: (size, size) float64, by default as wide as four σ to each side.
        """
        along, across = self.sigma if scale is None else self.at_scale(scale)
        return anisotropic_gaussian(max(along, 0.05), max(across, 0.05), self.angle, size)


def estimate_gaussian(spectra: Spectra, *, bootstrap: int = BOOTSTRAP, seed: int = 0) -> GaussianBlur:
    """Fit a Gaussian blur and white noise to the spectra of pictures and of their halves.

    Sharp pictures look alike at every scale: their power falls as a power of the frequency (Field, JOSA A 1987), which
    halving turns into a constant. What else the ratio of the two spectra shows is the blur at full size against the
    blur at half size, a Gaussian of variance σ² (1 − 1/4). The noise adds a floor of known shape to both. Amplitude,
    three variances and the noise are found by weighted least squares of the logarithm, with a limit on what one
    frequency may say. At last the smearing by the window is taken out: it widens every spectrum, the wide one less.

    Args:
        bootstrap: resamples of the pictures, or of the regions where there are fewer than eight pictures, for the
            errors; to them is added what natural pictures leave open.

    Raises: KernelError for pictures of noise alone.
    """
    plane, flat = grid(spectra.size), spectra.mean()
    start = torch.tensor([math.log(4), 0.5, 0.0, 0.5, math.log(4 * ROUNDING)], dtype=torch.float64)
    fitted, misfit, known = _fit(*flat, plane, start)
    if known < 30:
        noise = math.exp(fitted[4] / 2) * 255
        raise KernelError(f"the pictures show nothing above their noise (about {noise:.1f}/255), so no blur either")
    allowed = math.sqrt(MISFIT**2 + 5 / len(spectra.picture))
    best = replace(_described(fitted, spectra.size, misfit), allowed=allowed)
    rng = torch.Generator().manual_seed(seed)
    others = [
        _described(_fit(*spectra.mean(chosen), plane, fitted, steps=12)[0], spectra.size, misfit)
        for chosen in (_resampled(spectra, rng) for _ in range(bootstrap))
    ]
    # Where no frequency is free of signal, the weakest only says that the noise is not more than that.
    ceiling = math.sqrt(flat[0][plane.used].quantile(0.05).item())
    return _with_errors(best, others, max(0.0, ceiling - best.noise), len(spectra.picture)) if others else best


def _resampled(spectra: Spectra, rng: torch.Generator) -> Tensor:
    owners = spectra.picture.unique()
    if len(owners) < 8:
        return torch.randint(len(spectra.picture), (len(spectra.picture),), generator=rng)
    drawn = owners[torch.randint(len(owners), (len(owners),), generator=rng)]
    return torch.cat([(spectra.picture == one).nonzero()[:, 0] for one in drawn])


def _fit(full: Tensor, half: Tensor, plane: Grid, start: Tensor, steps: int = 60) -> tuple[Tensor, float, int]:
    """(amplitude, three variances, log noise), the misfit, and how many frequencies stand above the noise.

    Gauss-Newton with a little damping. In the band the signal is the halved picture's, its noise taken off and the
    halving undone; beyond, it is a power law with the same blur, so that a sharp picture is not taken for a noisy one.
    """
    use = plane.used
    full, half, response, noise = (x[use] for x in (full, half, plane.response, plane.noise))
    right, up, radius = plane.right[use], plane.up[use], plane.radius[use]
    slopes = -_WAVES * torch.stack([right * right, 2 * right * up, up * up], -1)
    band, log_full, log_radius = radius < BAND, full.log(), radius.log()
    fitted = start.clone()
    for _ in range(steps):
        clean = half - fitted[4].exp() * noise
        known = band & (clean > 0.3 * half)
        signal = (clean.clamp_min(1e-3 * half) / response).log()
        blur = slopes @ fitted[1:4]
        signal = torch.where(known, signal, _power_law(signal - blur / 3, log_radius, known) + blur / 3)
        signal = (fitted[0] + blur + signal).exp()
        total = signal + fitted[4].exp()
        error, share = log_full - total.log(), signal / total
        weight = torch.where(known, response, torch.full_like(response, 0.3))
        held = weight * (0.45 / error.abs().clamp_min(1e-9)).clamp_max(1)
        jacobian = torch.cat([share[:, None], share[:, None] * slopes, 1 - share[:, None]], -1)
        normal = jacobian.T @ (jacobian * held[:, None])
        damping = torch.diag(1e-3 * normal.diagonal() + 1e-9)
        change = torch.linalg.solve(normal + damping, jacobian.T @ (error * held)).clamp(-0.7, 0.7)
        fitted = fitted + change
        fitted[4].clamp_(min=math.log(ROUNDING / 16))
        if change.abs().max() < 1e-4:
            break
    counted = weight * share * band
    misfit = ((error.square() * counted).sum() / counted.sum().clamp_min(1e-9)).sqrt().item()
    return fitted, misfit, int((known & (share > 0.5)).sum())


def _power_law(signal: Tensor, log_radius: Tensor, known: Tensor) -> Tensor:
    """The straight line through log power against log frequency."""
    chosen = known & (log_radius > math.log(0.08))
    if chosen.sum() < 10:
        return signal.mean() - 2 * (log_radius - log_radius.mean())
    x, y = log_radius[chosen], signal[chosen]
    slope = ((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum()
    return y.mean() + slope * (log_radius - x.mean())


def _described(fitted: Tensor, size: int, misfit: float) -> GaussianBlur:
    across, along = torch.linalg.eigh(torch.stack([fitted[[1, 2]], fitted[[2, 3]]]))[0].tolist()
    angle = 0.5 * math.degrees(math.atan2(2 * fitted[2].item(), (fitted[1] - fitted[3]).item())) % 180
    sigma = tuple(math.sqrt(max(0.0, _without_window(value, size))) for value in (along, across))
    return GaussianBlur(sigma, angle, math.exp(fitted[4].item() / 2), misfit)


def _without_window(observed: float, size: int) -> float:
    """σ² of the blur from the observed difference of the two spectra.

    A Hann window smears power over frequencies of variance 1 / (3 n²); a Gaussian exp(−q f²) becomes one with
    q / (1 + 2 q / (3 n²)), at full size with q and at half size with q / 4.
    """

    def seen(variance: float) -> float:
        return variance / (1 + 2 * _WAVES * max(variance, 0.0) / (3 * size**2))

    variance = observed / 0.75
    for _ in range(30):
        variance += (observed - seen(variance) + seen(variance / 4)) / 0.75
    return variance


def _with_errors(best: GaussianBlur, others: list[GaussianBlur], open_noise: float, regions: int) -> GaussianBlur:
    turns = [math.radians(2 * (other.angle - best.angle)) for other in others]
    length = math.hypot(sum(map(math.cos, turns)), sum(map(math.sin, turns))) / len(turns)
    spread = math.sqrt(max(0.0, -2 * math.log(max(length, 1e-9)))) / 2
    sigma_error = tuple(
        math.hypot(
            _deviation([other.sigma[k] for other in others], best.sigma[k]),
            math.hypot(_RELATIVE, _FEW / math.sqrt(regions)) * best.sigma[k],
            _VARIANCE / (2 * max(best.sigma[k], 0.1)),
        )
        for k in (0, 1)
    )
    return replace(
        best,
        sigma_error=sigma_error,
        angle_error=min(90.0, math.degrees(spread)),
        noise_error=math.hypot(_deviation([other.noise for other in others], best.noise), open_noise),
    )


def _deviation(values: list[float], centre: float) -> float:
    return math.sqrt(sum((value - centre) ** 2 for value in values) / len(values))
