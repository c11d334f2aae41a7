"""A kernel of any shape from the spectra of blurred pictures: its power by least squares, its phase by positivity."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from srlib.frequency import ROUNDING
from srlib.kernels.shapes import likely
from srlib.kernels.spectra import Spectra, grid

_SLOPE, _SLOPE_SPREAD = 2.2, 0.25  # of the power of sharp photographs against frequency, in their logarithms
_LOWEST = 0.04  # cycles per pixel


@dataclass(frozen=True)
class FreeKernel:
    """A kernel without a formula.

    Args:
        taps: (size, size) float64, none negative, sum one, centre of mass within half a tap of the middle. A kernel and
            the same turned by 180° give the same spectra: which of the two it is, they cannot say.
        noise: standard deviation in luma, for values in [0, 1].
        misfit: mean of the Huber loss of the logarithm of the power, over full and half size.
        spread: relative L2 distance between the two best kernels of different starts: how much is left open.
    """

    taps: Tensor
    noise: float
    misfit: float
    spread: float


def estimate_free(spectra: Spectra, *, size: int = 17, steps: int = 250, starts: int = 4) -> FreeKernel:
    """The non-negative kernel whose power explains the spectra of pictures and of their halves.

    Spectra hold the kernel's power, that is its autocorrelation (Goldstein & Fattal, ECCV 2012). The phase, but for a
    turn by 180°, follows from two facts: no tap is negative, and all lie in a small square (Fienup, Applied Optics
    1982). The power of sharp pictures is taken as a power of the frequency that depends smoothly on the direction, the
    same at both sizes; the kernel acts at full size, and at half size with twice the frequency. The search is descent
    from those of some 150 likely blurs that explain the spectra best; all taps are free in it.

    Args:
        size: side of the kernel, odd.
        steps: of descent (Adam) for each start.

    Raises: ValueError for an even size.
    """
    if size < 3 or size % 2 == 0:
        raise ValueError(f"the side of a kernel must be odd and at least 3, got {size}")
    observed = _Observed(spectra, size)
    first = likely(size).float()
    with torch.no_grad():
        ends = [observed.matched(part) for part in first.split(32)]
    misfit, scale = (torch.cat(parts) for parts in zip(*ends, strict=True))
    chosen = misfit.argsort()[:starts]
    logits = (first[chosen] + 2e-4).log().requires_grad_()
    law = torch.stack([scale[chosen], torch.full_like(scale[chosen], _SLOPE)], 1).requires_grad_()
    turning = torch.zeros(len(chosen), 3, requires_grad=True)
    opt = torch.optim.Adam([{"params": [logits], "lr": 0.05}, {"params": [law, turning], "lr": 0.02}])
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(opt, steps, eta_min=0.002)
    for _ in range(steps):
        loss = observed.misfit(_taps(logits), law, turning)
        usual = ((law[:, 1] - _SLOPE) / _SLOPE_SPREAD).square()
        opt.zero_grad()
        (loss + 0.02 * usual).sum().backward()
        opt.step()
        schedule.step()
    with torch.no_grad():
        found, loss = _taps(logits).double(), observed.misfit(_taps(logits), law, turning)
    best, *others = loss.argsort().tolist()
    spread = relative_distance(found[others[0]], found[best]) if others else math.nan
    return FreeKernel(_centred(found[best]), math.sqrt(observed.noise), loss[best].item(), spread)


def relative_distance(kernel: Tensor, truth: Tensor) -> float:
    """‖kernel − truth‖ / ‖truth‖, the least over shifts of up to three taps and a turn by 180°.

    Both are what spectra cannot tell. 0 for equal kernels; 1 for a kernel of zeros.

    Shapes: (a, a), (b, b), odd -> a number.
    """
    size = max(len(kernel), len(truth)) + 6
    fill = [(size - len(one)) // 2 for one in (kernel, truth)]
    kernel, truth = (F.pad(one, (n, n, n, n)) for one, n in zip((kernel, truth), fill, strict=True))
    shifts = [(down, right) for down in range(-3, 4) for right in range(-3, 4)]
    turned = [kernel, kernel.flip(0, 1)]
    nearest = min((one.roll(shift, (0, 1)) - truth).norm() for one in turned for shift in shifts)
    return (nearest / truth.norm()).item()


class _Observed:
    """The two spectra, and what a kernel leaves of them unexplained."""

    def __init__(self, spectra: Spectra, size: int) -> None:
        plane, (full, half) = grid(spectra.size), spectra.mean()
        use = plane.used & (plane.radius > _LOWEST)
        around = F.avg_pool2d(F.pad(full[None, None], (2, 2, 2, 2), mode="circular"), 5, 1)[0, 0]
        self.noise = max(around[use].min().item(), ROUNDING)  # every blur leaves some frequency to the noise alone
        self.full, self.half = full.log().float(), half.log().float()
        self.response, self.noise_half = plane.response.float(), self.noise * plane.noise.float()
        self.weight_full = use / use.sum()
        weight = use * (plane.radius < 0.4) * plane.response.clamp_max(1)
        self.weight_half = (weight / weight.sum()).float()
        low = use & (plane.radius < 0.12)
        self.low = low / low.sum()
        self.radius = plane.radius.clamp_min(1e-3).log().float()
        angle = torch.atan2(plane.up, plane.right).float()
        self.directions = torch.stack([(2 * angle).cos(), (2 * angle).sin(), (4 * angle).cos()])
        rows = torch.fft.fftfreq(spectra.size)
        places = torch.arange(size) - size // 2

        def waves(frequency: Tensor) -> Tensor:
            return torch.exp(-2j * math.pi * frequency[:, None] * places)

        columns = rows[: spectra.size // 2 + 1].abs()
        self.waves_full, self.waves_half = ((waves(rows / n), waves(columns / n)) for n in (1, 2))

    def matched(self, taps: Tensor) -> tuple[Tensor, Tensor]:
        """Misfit of each kernel with the best amplitude of the sharp pictures' spectrum, and that amplitude's log."""
        turning = torch.zeros(len(taps), 3)
        law = torch.full((len(taps), 2), _SLOPE)
        law[:, 0] = (self.full * self.low).sum() + _SLOPE * (self.radius * self.low).sum()
        for _ in range(6):
            full, half = self._errors(taps, law, turning)
            full, half = full.clamp(-1, 1) * self.weight_full, half.clamp(-1, 1) * self.weight_half
            law[:, 0] += (full.sum((1, 2)) + half.sum((1, 2))) / 2
        return self.misfit(taps, law, turning), law[:, 0]

    def misfit(self, taps: Tensor, law: Tensor, turning: Tensor) -> Tensor:
        full, half = (F.huber_loss(e, torch.zeros_like(e), reduction="none", delta=0.5)
                      for e in self._errors(taps, law, turning))  # fmt: skip
        return 2 * ((full * self.weight_full).sum((1, 2)) + (half * self.weight_half).sum((1, 2)))

    def _errors(self, taps: Tensor, law: Tensor, turning: Tensor) -> tuple[Tensor, Tensor]:
        """Logarithm of the observed over the explained power, at full and at half size."""
        amplitude, slope = law[:, 0, None, None], law[:, 1, None, None]
        direction = torch.einsum("kd,dhw->khw", turning, self.directions)
        sharp = (amplitude - slope * self.radius + direction).exp()
        sharp_half = sharp * (slope * math.log(2)).exp() / 4  # at half the frequency; a quarter of the pixels
        full = sharp * _power(taps, *self.waves_full) + self.noise
        half = sharp_half * _power(taps, *self.waves_half) * self.response + self.noise_half
        return self.full - full.log(), self.half - half.log()


def _power(taps: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """|DFT|² of each kernel, smeared as a Hann window smears spectra: by (1, 4, 1) / 6 along both axes."""
    power = (rows @ taps.to(rows.dtype) @ columns.T).abs().square()
    power = (power.roll(1, -2) + power.roll(-1, -2) + 4 * power) / 6
    before = power[..., 1:2].flip(-2).roll(1, -2)  # the column left of zero is that right of it, turned by 180°
    power = torch.cat([before, power, power[..., -2:-1]], -1)
    return (power[..., :-2] + power[..., 2:] + 4 * power[..., 1:-1]) / 6


def _taps(logits: Tensor) -> Tensor:
    return logits.flatten(1).softmax(1).view(logits.shape)


def _centred(taps: Tensor) -> Tensor:
    """Moved by whole taps until the centre of mass is in the middle one."""
    places = torch.arange(len(taps), dtype=taps.dtype) - len(taps) // 2
    centre: Callable[[int], int] = lambda axis: -round((taps.sum(axis) * places).sum().item())  # noqa: E731
    return taps.roll((centre(1), centre(0)), (0, 1))
