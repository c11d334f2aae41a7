"""How far one picture has moved relative to another: phase correlation, and gradient-based Lucas–Kanade."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from srlib.degradations import Blur, gaussian_kernel
from srlib.frequency import hann
from srlib.warp import rigid

# Mean squares of the gradient, across the weaker direction over across the stronger one. Of 1,486 crops of 64² pixels
# of the packaged photographs none has less than 0.002; stripes with noise of 5/255 have 0.0008.
APERTURE = 1e-3
# Of 3,825 pairs of packaged photographs of two scenes, in frames of 24² to 128² pixels with noise of 2 to 15/255, two
# have more; of 743 frames registered within half a pixel seven have less, noisy ones of a low contrast.
SURE = 0.1
_PATCH = 25  # pixels whose gradients say about the same, after a blur of one pixel


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
    Raises: as `phase_correlation`; ValueError for pictures that hardly overlap after the shift, and for a reference
        that a shift along some direction leaves as it is: stripes, or one straight edge (the aperture problem). With
        `turn`, also for one that a turn leaves as it is, such as rings.
    Differs from the paper: the gradient is that of the reference throughout; the border is excluded.
    """
    a, b = _blurred(reference, moved, blur)
    _check_detail(a)
    begin = phase_correlation(reference, moved) if start is None else start.double()
    motion = F.pad(begin, (0, 3 - len(begin)))
    height, width = a.shape
    inside = _inside(a, motion)
    down, right = torch.gradient(a)
    rows = torch.arange(height, dtype=torch.float64)[:, None] - (height - 1) / 2
    columns = torch.arange(width, dtype=torch.float64) - (width - 1) / 2
    around = (right * rows - down * columns) * math.pi / 180  # how a pixel changes per degree
    slopes = torch.stack([plane[inside].flatten() for plane in (down, right, around)[: 2 + turn]])
    hessian = slopes @ slopes.T
    unit = torch.tensor([1.0, 1.0, 180 / math.pi / math.hypot(height, width)][: 2 + turn], dtype=torch.float64)
    if turn and _weakest(unit[:, None] * hessian * unit) < APERTURE:  # the turn that moves the corners by half a pixel
        raise ValueError("a turn of this picture looks like a shift, or like nothing at all; register it without turn")
    for _ in range(steps):
        back = rigid(b[None, None], motion[0], motion[1], motion[2], inverse=True)[0, 0]
        change = torch.linalg.solve(hessian, slopes @ (a - back)[inside].flatten())
        step = F.pad(change, (0, 1 - turn))
        motion = motion + step
        if step[:2].abs().max() < 1e-5:
            break
    return motion[: 2 + turn]


def confidence(reference: Tensor, moved: Tensor, shift: Tensor, *, blur: float = 1.0) -> float:
    """How sure it is that two pictures agree once `moved` is moved back, from −1 to 1.

    It is the correlation of their gradients, less three times its standard error: edges must lie on edges, rise to the
    same side, and be many enough. 1: equal but for brightness and contrast. 0 and less: nothing to do with each other.
    Noise lowers it, and so does a part that differs. A pattern that repeats has several right answers; it is as high
    for each of them.

    Args:
        shift: (down, right) from `reference` to `moved`, in pixels.
        blur: as for `lucas_kanade`.

    Shapes: (..., H, W) twice; leading dimensions are averaged first.
    Raises: ValueError for pictures of different sizes, without contrast, or with NaN or infinite values, and for those
        that hardly overlap after the shift.
    """
    a, b = _blurred(reference, moved, blur)
    inside = _inside(a, shift)
    back = rigid(b[None, None], shift[0], shift[1], inverse=True)[0, 0]
    first, second = (torch.stack([slope[inside] for slope in torch.gradient(plane)]).flatten() for plane in (a, back))
    same = (first @ second / (first.norm() * second.norm()).clamp_min(1e-30)).item()
    return same - 3 * (1 - same**2) / math.sqrt(len(first) / 2 / _PATCH)


def register(frames: Tensor, *, blur: float = 1.0, least: float | None = SURE) -> Tensor:
    """The shift of every frame relative to the first: phase correlation, then Lucas–Kanade.

    Args:
        blur: as for `lucas_kanade`.
        least: the `confidence` below which a frame is refused, as one of another scene; None: none is.

    Shapes: (K, C, h, w) -> (K, 2) float64, down and right in pixels; the first is zero.
    Raises: ValueError for a frame that cannot be registered, or that shows another scene; the message names it.
    """
    shifts = [torch.zeros(2, dtype=torch.float64)]
    for k in range(1, len(frames)):
        try:
            shifts.append(lucas_kanade(frames[0], frames[k], blur=blur))
            sure = confidence(frames[0], frames[k], shifts[-1], blur=blur)
        except ValueError as error:
            raise ValueError(f"frame {k}: {error}") from error
        if least is not None and sure < least:
            raise ValueError(
                f"frame {k}: does not show the scene of frame 0, or too noisily: a confidence of {sure:.2f} is below "
                f"{least:g}; leave it out, or pass least=None"
            )
    return torch.stack(shifts)


def _blurred(reference: Tensor, moved: Tensor, blur: float) -> tuple[Tensor, Tensor]:
    """Both as planes of one size, smoothed."""
    a, b = (_plane(image) for image in (reference, moved))
    if a.shape != b.shape:
        raise ValueError(f"the two pictures must have the same size, got {tuple(a.shape)} and {tuple(b.shape)}")
    return tuple(Blur(gaussian_kernel(blur))(image) for image in (a, b)) if blur > 0 else (a, b)


def _inside(plane: Tensor, shift: Tensor) -> tuple[slice, slice]:
    """What both pictures show after a shift, without the border."""
    margin = math.ceil(shift[:2].abs().max().item()) + 3
    height, width = plane.shape
    if min(height, width) < 2 * margin + 8:
        raise ValueError(f"{height} x {width} pixels overlap too little after a shift of {shift[:2].tolist()} pixels")
    return (slice(margin, -margin),) * 2


def _check_detail(plane: Tensor) -> None:
    """Refuse a picture that looks the same after a shift along some direction."""
    inside = _inside(plane, torch.zeros(2))
    slopes = torch.stack([slope[inside].flatten() for slope in torch.gradient(plane)])
    if _weakest(slopes @ slopes.T) < APERTURE:
        raise ValueError(
            "the picture has detail across one direction only, such as stripes or one straight edge; how far it moved "
            "along them cannot be seen"
        )


def _weakest(squares: Tensor) -> float:
    """The least eigenvalue over the largest."""
    values = torch.linalg.eigvalsh(squares)
    return (values[0] / values[-1].clamp_min(1e-30)).item()


def _plane(image: Tensor) -> Tensor:
    """(H, W) float64, its mean subtracted."""
    plane = image.double().reshape(-1, *image.shape[-2:]).mean(0)
    if not plane.isfinite().all():
        raise ValueError("a picture with NaN or infinite values cannot be registered")
    plane = plane - plane.mean()
    if plane.abs().max() < 1e-9:
        raise ValueError("a picture without contrast cannot be registered")
    return plane
