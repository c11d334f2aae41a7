"""Many low-resolution frames of one scene: y_k = D B M_k x + n as one linear operator; a simulated burst."""

import math
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from srlib.resample import mirrored


class ForwardModel:
    """The frames of a moving camera: the scene shifted, blurred and sampled (Elad & Feuer, IEEE TIP 1997).

    A Gaussian blur of a shifted scene is a convolution with a shifted Gaussian. So each frame is one convolution with
    its own kernel, of which only every `scale`-th value is computed. The scene is mirrored beyond its border.

    Args:
        shifts: (K, 2), how far the content of each frame has moved down and right, in lr pixels.
        sigma: of the blur, in hr pixels; at least 0.3, since pixels are too coarse for a narrower Gaussian.
        grid_origin: the hr pixel, from 0, on which the first lr pixel of an unmoved frame is centred. Default
            (scale − 1)/2, the convention of this library; 0 for frames made by `[::scale, ::scale]`.

    Shapes: x (1, C, H, W) -> (K, C, H / scale, W / scale).
    Raises: ValueError for shifts that are not finite numbers (K, 2) or are as large as a frame, for a scale below 1, a
        sigma below 0.3, and a scene that is not (1, C, H, W) with sides divisible by scale.
    Differs from the paper: translations only, and one blur for all frames.
    """

    def __init__(self, shifts: Tensor, *, scale: int, sigma: float, grid_origin: float | None = None) -> None:
        if shifts.ndim != 2 or shifts.shape[1] != 2 or not len(shifts):
            raise ValueError(f"shifts must be (frames, 2), got shape {tuple(shifts.shape)}")
        if not shifts.isfinite().all():
            raise ValueError("shifts must be finite numbers; leave out frames that could not be registered")
        if scale < 1 or not sigma >= 0.3:
            raise ValueError(f"scale must be at least 1 and sigma at least 0.3, got {scale} and {sigma}")
        self.scale, self.sigma = scale, sigma
        self.grid_origin = (scale - 1) / 2 if grid_origin is None else grid_origin
        self.shifts = shifts.double()
        centres = self.grid_origin - scale * self.shifts  # of each frame's first pixel, on the hr grid
        margin = math.ceil(4.5 * sigma)
        self._first = math.floor(centres.min()) - margin
        taps = math.ceil(centres.max()) + margin + 1 - self._first
        self._taps = scale * math.ceil(taps / scale)
        self._centres = centres
        self._transposed: tuple | None = None

    @cached_property
    def _kernels(self) -> Tensor:
        places = self._first + torch.arange(self._taps, dtype=torch.float64)
        away = (places - self._centres[..., None]) / self.sigma
        spots = torch.where(away.abs() <= 4.5, torch.exp(-0.5 * away**2), 0)  # (K, 2, taps); tiny numbers are slow
        spots = spots / spots.sum(-1, keepdim=True)
        kernels = spots[:, 0, :, None] * spots[:, 1, None, :]
        # a convolution of stride `scale` is one of stride 1 on the scale² interleaved pictures, which is much faster
        return F.pixel_unshuffle(kernels[:, None], self.scale)

    def __call__(self, x: Tensor) -> Tensor:
        if x.ndim != 4 or x.shape[0] != 1 or any(n % self.scale for n in x.shape[-2:]):
            raise ValueError(
                f"expected a scene (1, C, H, W) with sides divisible by {self.scale}, got {tuple(x.shape)}"
            )
        away = (self.shifts.abs() * self.scale >= torch.tensor(x.shape[-2:])).any(1)
        if away.any():
            k = away.nonzero()[0].item()
            raise ValueError(
                f"frame {k} is shifted by {self.shifts[k].tolist()} pixels, out of the scene; leave it out"
            )
        after = self._first + self._taps - self.scale
        padded = _mirror(_mirror(x[0], self._first, after, -2), self._first, after, -1)
        interleaved = F.pixel_unshuffle(padded[:, None], self.scale)  # (C, scale², ...)
        return F.conv2d(interleaved, self._kernels.to(x)).movedim(1, 0)

    def adjoint(self, frames: Tensor) -> Tensor:
        """Aᵀ y: the derivative of ⟨A x, y⟩.

        Shapes: (K, C, h, w) -> (1, C, scale·h, scale·w).
        """
        channels, height, width = frames.shape[1:]
        like = (channels, height, width, frames.dtype, frames.device)
        if self._transposed is None or self._transposed[0] != like:
            with torch.enable_grad():
                x = frames.new_zeros(1, channels, height * self.scale, width * self.scale, requires_grad=True)
                self._transposed = like, x, self(x)
        _, x, ax = self._transposed
        return torch.autograd.grad(ax, x, frames, retain_graph=True)[0]


def burst(
    hr: Tensor, rng: torch.Generator, *, frames: int = 16, scale: int = 2, sigma: float = 0.8, noise: float = 5 / 255
) -> tuple[Tensor, Tensor]:
    """Simulate a handheld burst: (frames, shifts). The first frame is not shifted, the others by up to 2 lr pixels.

    Args:
        sigma: of the blur, in hr pixels.
        noise: standard deviation, for values in [0, 1].

    Shapes: (1, C, H, W) -> (frames, C, H / scale, W / scale), not clamped, and (frames, 2), down and right, lr pixels.
    Raises: as `ForwardModel`.
    """
    shifts = 4 * torch.rand(frames, 2, generator=rng, dtype=torch.float64) - 2
    shifts[0] = 0
    taken = ForwardModel(shifts, scale=scale, sigma=sigma)(hr)
    return taken + noise * torch.randn(taken.shape, generator=rng, dtype=hr.dtype), shifts


def check_frames(frames: Tensor, count: int) -> None:
    """Check that frames can be fused.

    Shapes: (count, C, h, w).
    Raises: TypeError for a list, whose frames may differ in size, and for integers; ValueError for another shape, NaN
        or infinity.
    """
    if not isinstance(frames, Tensor):
        raise TypeError(f"frames must be one tensor (K, C, h, w), all of one size; got a {type(frames).__name__}")
    if not frames.is_floating_point():
        raise TypeError(f"frames must be float in [0, 1], got {frames.dtype}; convert with srlib.images")
    if frames.ndim != 4 or len(frames) != count:
        raise ValueError(f"expected {count} frames (K, C, h, w) of one size, got shape {tuple(frames.shape)}")
    bad = [str(k) for k, frame in enumerate(frames) if not frame.isfinite().all()]
    if bad:
        raise ValueError(f"frame {', '.join(bad)} has NaN or infinite values; leave out broken frames")


def _mirror(x: Tensor, first: int, after: int, dim: int) -> Tensor:
    """From pixel `first`, which may be negative, to `after` pixels beyond the end, mirrored at the border."""
    n = x.shape[dim]
    return x.index_select(dim, mirrored(torch.arange(first, n + after, device=x.device), n))
