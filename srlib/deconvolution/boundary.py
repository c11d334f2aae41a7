"""What every deconvolution needs: the frequency response of a kernel, and a picture made periodic at its borders."""

import math

import torch
from torch import Tensor

BOUNDARIES = ("symmetric", "taper", "periodic")
_LEAK = 2e-3  # how far from one a kernel may sum: half a step of 8 bits in white


def transfer(kernel: Tensor, size: tuple[int, int]) -> Tensor:
    """The transfer function H, a kernel's frequency response on a periodic picture, for `torch.fft.rfft2`.

    The kernel is zero-padded and rolled so that its centre lies at (0, 0); otherwise the picture would move. The centre
    is tap k // 2: the middle of an odd size, and the first tap after the middle of an even one.

    Shapes: (kh, kw) -> complex (H, W // 2 + 1) for size = (H, W).
    Raises: ValueError for a kernel that is not two-dimensional or is larger than the picture.
    """
    _check_size(kernel, size)
    height, width = kernel.shape
    padded = kernel.new_zeros(tuple(size))
    padded[:height, :width] = kernel
    return torch.fft.rfft2(padded.roll((-(height // 2), -(width // 2)), (0, 1)))


def radial_frequency(size: tuple[int, int]) -> Tensor:
    """Distance from zero of each entry of `transfer`, in cycles per pixel.

    Shapes: float64 (H, W // 2 + 1).
    """
    rows = torch.fft.fftfreq(size[0], dtype=torch.float64)
    return torch.hypot(rows[:, None], torch.fft.rfftfreq(size[1], dtype=torch.float64))


def laplacian(size: tuple[int, int]) -> Tensor:
    """`transfer` of the kernel (0 −1 0, −1 4 −1, 0 −1 0), which is |D|² of the two first differences; real.

    Shapes: float64 (H, W // 2 + 1).
    """
    rows = torch.fft.fftfreq(size[0], dtype=torch.float64)
    columns = torch.fft.rfftfreq(size[1], dtype=torch.float64)
    return 4 * ((math.pi * rows).sin().square()[:, None] + (math.pi * columns).sin().square())


def edge_taper(image: Tensor, kernel: Tensor) -> Tensor:
    """Blend the border into the periodically blurred picture, so that opposite borders meet without a jump.

    The weight of the given picture is (1 − β(row))·(1 − β(column)), where β is the autocorrelation of the kernel's
    profile along that axis: one on the border, zero from the kernel's size on. This is the rule of MATLAB's
    `edgetaper`, which rejects kernels larger than half the picture; here their β overlap.

    Shapes: (..., H, W) -> (..., H, W).
    Raises: as `check_kernel`.
    """
    check_kernel(image, kernel)
    kernel = kernel.double()
    blurred = convolve(image, transfer(kernel, image.shape[-2:]))
    rows, columns = (_taper(kernel.sum(1 - dim), n).to(image) for dim, n in enumerate(image.shape[-2:]))
    return blurred + rows[:, None] * columns * (image - blurred)


def _taper(profile: Tensor, n: int) -> Tensor:
    k = len(profile)
    beta = torch.stack([(profile[: k - lag] * profile[lag:]).sum() for lag in range(k)])
    near = beta.new_zeros(n)
    near[:k] = beta / beta[0]
    return (1 - near) * (1 - near.flip(0))


def symmetric_extend(image: Tensor, margin: tuple[int, int]) -> Tensor:
    """Add rows below and columns on the right that lead smoothly from the last pixel back to the first.

    The new strip fades from the mirrored end into the mirrored beginning, so the result is periodic without a jump, and
    both ends start like the half-sample mirror of `degradations.Blur`. Crop with [..., :H, :W]. Liu & Jia, ICIP 2008,
    fill such a strip by solving a Laplace equation instead.

    Args:
        margin: rows and columns to add, at most as many as the picture has.

    Shapes: (..., H, W) -> (..., H + rows, W + columns).
    Raises: ValueError for a margin that is negative or larger than the picture.
    """
    for dim, extra in zip((-2, -1), margin, strict=True):
        n = image.shape[dim]
        if not 0 <= extra <= n:
            raise ValueError(f"the margin must be 0 to {n} pixels, the size of the picture, got {extra}")
        fade = torch.linspace(-0.25, 1.25, extra, dtype=torch.float64, device=image.device).clamp(0, 1)
        fade = (0.5 - 0.5 * (math.pi * fade).cos()).to(image)
        fade = fade[:, None] if dim == -2 else fade
        end, beginning = image.narrow(dim, n - extra, extra).flip(dim), image.narrow(dim, 0, extra).flip(dim)
        image = torch.cat([image, end + fade * (beginning - end)], dim)
    return image


def periodic(image: Tensor, kernel: Tensor, boundary: str = "symmetric") -> Tensor:
    """Prepare a picture so that a method may treat it as periodic; its first H × W pixels are the result.

    Args:
        boundary: "symmetric" applies `symmetric_extend` with at least four kernel sizes and 32 pixels, "taper" is
            `edge_taper`, "periodic" changes nothing, for a blur that did wrap around.

    Shapes: (..., H, W) -> (..., H + rows, W + columns).
    Raises: ValueError for an unknown boundary; as `check_kernel` for the rest.
    """
    if boundary not in BOUNDARIES:
        raise ValueError(f"boundary must be {', '.join(BOUNDARIES[:-1])} or {BOUNDARIES[-1]}, got {boundary!r}")
    check_kernel(image, kernel)
    if boundary == "taper":
        return edge_taper(image, kernel)
    if boundary == "symmetric":
        sizes = zip(image.shape[-2:], kernel.shape, strict=True)
        return symmetric_extend(image, tuple(_margin(n, max(32, 4 * k)) for n, k in sizes))
    return image


def _margin(n: int, least: int) -> int:
    """`least` or a little more, so that no prime above 5 divides n + margin: the FFT is then several times faster."""
    for size in range(n + least, 2 * n):
        if pow(30, size.bit_length(), size) == 0:
            return size - n
    return n


def convolve(image: Tensor, h: Tensor, size: tuple[int, int] | None = None) -> Tensor:
    """Multiply by the response `h` in the Fourier domain; h.conj() is the adjoint.

    Args:
        size: the size `h` was made for, if larger than the picture, which is then zero-padded below and on the right.

    Shapes: (..., H, W) and h on the grid of `size` -> (..., H, W).
    """
    spectrum = torch.fft.rfft2(image, s=size)
    result = torch.fft.irfft2(spectrum * h.to(spectrum), s=size or image.shape[-2:])
    return result[..., : image.shape[-2], : image.shape[-1]]


def check_image(image: Tensor) -> None:
    """Check that a picture can be deconvolved.

    Shapes: (..., H, W).
    Raises: TypeError for an integer picture; ValueError for fewer than two dimensions, NaN or infinity.
    """
    if not image.is_floating_point():
        raise TypeError(f"deconvolution needs a float image in [0, 1], got {image.dtype}; convert with srlib.images")
    if image.ndim < 2:
        raise ValueError(f"a picture must be (..., H, W), got shape {tuple(image.shape)}")
    if not image.isfinite().all():
        raise ValueError("the picture has NaN or infinite values; replace them first, e.g. with torch.nan_to_num")


def check_kernel(image: Tensor, kernel: Tensor) -> None:
    """Check a picture as `check_image`, and that the kernel can be undone.

    Shapes: image (..., H, W), kernel (kh, kw).
    Raises: as `check_image`; ValueError for a kernel that is not two-dimensional, is larger than the picture, has NaN
        or infinite values, or does not sum to one: the picture would become darker or brighter.
    """
    check_image(image)
    _check_size(kernel, image.shape[-2:])
    taps = kernel.detach().double()
    if not taps.isfinite().all():
        raise ValueError("the kernel has NaN or infinite values; was it divided by a sum of zero?")
    total = taps.sum().item()
    if abs(total) <= 1e-6 * taps.abs().sum():
        raise ValueError("the kernel sums to zero, which leaves no brightness to restore; a blur sums to one")
    if abs(total - 1) > _LEAK:
        raise ValueError(f"the kernel sums to {total:.4g}, a blur to one; divide it by its sum: kernel / kernel.sum()")


def _check_size(kernel: Tensor, size: tuple[int, int]) -> None:
    if kernel.ndim != 2:
        raise ValueError(f"a kernel must be (kh, kw), got shape {tuple(kernel.shape)}")
    (height, width), (rows, columns) = kernel.shape, size
    if height > rows or width > columns:
        raise ValueError(f"the kernel {height}×{width} is larger than the picture {rows}×{columns}; crop the kernel")
