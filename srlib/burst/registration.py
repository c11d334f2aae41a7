"""How far one picture has moved relative to another: phase correlation, and gradient-based Lucas–Kanade."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from srlib.degradations import Blur, gaussian_kernel
from srlib.frequency import hann
from srlib.warp import rigid


def phase_correlation(reference: Tensor, moved: Tensor, *, upsample: int = 100, window: bool = True) -> Tensor:
    """The shift (down, right) in pixels from `reference` to `moved` (Guizar-Sicairos et al., Optics Letters 2008).

    A shift is a linear phase in the Fourier domain. With the amplitudes divided out, its inverse transform is a peak at
    the shift. The peak is found on whole pixels, then between them by a small DFT around it.

    Args:
        upsample: positions per pixel in each direction.
        window: fade out the borders, which do not move with the content; leave it off for periodic pictures.

    Shapes: (..., H, W) twice; leading dimensions are averaged first -> (2,) float64.
    Raises: ValueError for pictures of different sizes, without contrast, or with NaN or infinite values.
    Differs from the paper: amplitudes are divided out; the refinement searches 0.75 pixels to each side.
    """
    a, b = (_plane(image) for image in (reference, moved))
    if a.shape != b.shape:
        raise ValueError(f"the two pictures must have the same size, got {tuple(a.shape)} and {tuple(b.shape)}")
    if window:
        fade = hann(*a.shape).to(a)
        a, b = a * fade, b * fade
    cross = torch.fft.fft2(b) * torch.fft.fft2(a).conj()
    cross = cross / cross.abs().clamp_min(1e-12)
    peak = torch.fft.ifft2(cross).real.argmax().item()
    sizes = a.shape
    coarse = [(n + size // 2) % size - size // 2 for n, size in zip(divmod(peak, sizes[1]), sizes, strict=True)]
    reach = math.ceil(0.75 * upsample)
    steps = torch.arange(-reach, reach + 1, dtype=torch.float64) / upsample
    waves = []
    for size, start in zip(sizes, coarse, strict=True):
        angles = 2 * math.pi * (start + steps)[:, None] * torch.fft.fftfreq(size, dtype=torch.float64)
        waves.append(torch.polar(torch.ones_like(angles), angles))
    fine = (waves[0] @ cross @ waves[1].T).real.argmax().item()
    rows, columns = divmod(fine, len(steps))
    return torch.tensor(coarse, dtype=torch.float64) + torch.stack([steps[rows], steps[columns]])


def lucas_kanade(
    reference: Tensor,
    moved: Tensor,
    *,
    start: Tensor | None = None,
    turn: bool = False,
    blur: float = 1.0,
    steps: int = 30,
) -> Tensor:
    """Refine a shift by Gauss–Newton steps on the squared difference (Lucas & Kanade, IJCAI 1981).

    Each step linearises the picture around every pixel and solves a system of two or three equations, in the inverse
    form of Baker & Matthews, IJCV 2004. That converges within about a pixel: start from `phase_correlation` where the
    motion may be larger.

    Args:
        start: (down, right) or (down, right, degrees), in pixels; default: `phase_correlation`.
        turn: estimate a rotation about the centre too.
        blur: standard deviation in pixels of a Gaussian over both, against noise and aliasing; 0: none.
        steps: at most; it stops when the shift changes by less than 10⁻⁵ pixels.

    Shapes: (..., H, W) twice; leading dimensions are averaged first -> (2,) or (3,) float64: down, right in pixels,
        then anticlockwise degrees.
    Raises: as `phase_correlation`; ValueError for pictures that hardly overlap after the shift.
    Differs from the paper: the gradient is that of the reference throughout; the border is excluded.
    """
    begin = phase_correlation(reference, moved) if start is None else start.double()
    motion = F.pad(begin, (0, 3 - len(begin)))
    a, b = (_plane(image) for image in (reference, moved))
    if a.shape != b.shape:
        raise ValueError(f"the two pictures must have the same size, got {tuple(a.shape)} and {tuple(b.shape)}")
    if blur > 0:
        a, b = (Blur(gaussian_kernel(blur))(image) for image in (a, b))
    height, width = a.shape
    margin = math.ceil(motion[:2].abs().max().item()) + 3
    if min(height, width) < 2 * margin + 8:
        raise ValueError(f"{height} x {width} pixels overlap too little after a shift of {motion[:2].tolist()} pixels")
    inside = (slice(margin, -margin),) * 2
    down, right = torch.gradient(a)
    rows = torch.arange(height, dtype=torch.float64)[:, None] - (height - 1) / 2
    columns = torch.arange(width, dtype=torch.float64) - (width - 1) / 2
    around = (right * rows - down * columns) * math.pi / 180  # how a pixel changes per degree
    slopes = torch.stack([plane[inside].flatten() for plane in (down, right, around)[: 2 + turn]])
    hessian = slopes @ slopes.T
    for _ in range(steps):
        back = rigid(b[None, None], motion[0], motion[1], motion[2], inverse=True)[0, 0]
        change = torch.linalg.solve(hessian, slopes @ (a - back)[inside].flatten())
        step = F.pad(change, (0, 1 - turn))
        motion = motion + step
        if step[:2].abs().max() < 1e-5:
            break
    return motion[: 2 + turn]


def register(frames: Tensor, *, blur: float = 1.0) -> Tensor:
    """The shift of every frame relative to the first: phase correlation, then Lucas–Kanade.

    Shapes: (K, C, h, w) -> (K, 2) float64, down and right in pixels; the first is zero.
    Raises: ValueError for a frame that cannot be registered; the message names it.
    """
    shifts = [torch.zeros(2, dtype=torch.float64)]
    for k in range(1, len(frames)):
        try:
            shifts.append(lucas_kanade(frames[0], frames[k], blur=blur))
        except ValueError as error:
            raise ValueError(f"frame {k}: {error}") from error
    return torch.stack(shifts)


def _plane(image: Tensor) -> Tensor:
    """(H, W) float64, its mean subtracted."""
    plane = image.double().reshape(-1, *image.shape[-2:]).mean(0)
    if not plane.isfinite().all():
        raise ValueError("a picture with NaN or infinite values cannot be registered")
    plane = plane - plane.mean()
    if plane.abs().max() < 1e-9:
        raise ValueError("a picture without contrast cannot be registered")
    return plane
