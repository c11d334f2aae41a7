"""What every deconvolution needs: the frequency response of a kernel, and a picture that may be taken as periodic."""

import math

import torch
from torch import Tensor

BOUNDARIES = ("symmetric", "taper", "periodic")


def transfer(kernel: Tensor, size: tuple[int, int]) -> Tensor:
    """H, the frequency response of a kernel on a periodic picture, for `torch.fft.rfft2`.

    The kernel is padded with zeros and rolled until its centre lies at (0, 0), lest the picture moves.
    The centre is tap k // 2: the middle of an odd size, for an even one the first tap behind the middle.

    Shapes: (kh, kw) -> complex (H, W // 2 + 1) for size = (H, W).
    Raises: ValueError for a kernel without two dimensions or larger than the picture.
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
    """`transfer` of the kernel (0 −1 0, −1 4 −1, 0 −1 0), also |D|² of the two first differences; real.

    Shapes: float64 (H, W // 2 + 1).
    """
    rows = torch.fft.fftfreq(size[0], dtype=torch.float64)
    columns = torch.fft.rfftfreq(size[1], dtype=torch.float64)
    return 4 * ((math.pi * rows).sin().square()[:, None] + (math.pi * columns).sin().square())


def edge_taper(image: Tensor, kernel: Tensor) -> Tensor:
    """Blend the border into the periodically blurred picture, so that opposite borders meet without a jump.

    The share of the given picture is (1 − β(row))·(1 − β(column)), β being the autocorrelation of the kernel's profile
    along that axis, one on the border and zero from the kernel's size on (the rule of MATLAB's `edgetaper`).

    Shapes: (..., H, W) -> (..., H, W).
    Raises: as `check`.
    Differs from the paper: there is none; MATLAB refuses kernels over half the picture, here their β overlap.
    """
    check(image, kernel)
    kernel = kernel.double() / kernel.double().sum()
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
    """Add rows below and columns on the right that lead from the last pixel smoothly back to the first.

    The new strip fades from the mirrored end into the mirrored beginning, so the result is periodic without a jump
    and begins like the half-sample mirror of `degradations.Blur` on both sides. Crop with [..., :H, :W].

    Args:
        margin: rows and columns to add, at most as many as the picture has.

    Shapes: (..., H, W) -> (..., H + rows, W + columns).
    Differs from the paper: there is none; Liu and Jia (ICIP 2008) fill such a strip by solving a Laplace equation.
    """
    for dim, extra in zip((-2, -1), margin, strict=True):
        n = image.shape[dim]
        if not 0 <= extra <= n:
            raise ValueError(f"a margin of {extra} pixels needs 0 to {n}, the size of the picture")
        fade = torch.linspace(-0.25, 1.25, extra, dtype=torch.float64, device=image.device).clamp(0, 1)
        fade = (0.5 - 0.5 * (math.pi * fade).cos()).to(image)
        fade = fade[:, None] if dim == -2 else fade
        end, beginning = image.narrow(dim, n - extra, extra).flip(dim), image.narrow(dim, 0, extra).flip(dim)
        image = torch.cat([image, end + fade * (beginning - end)], dim)
    return image


def periodic(image: Tensor, kernel: Tensor, boundary: str = "symmetric") -> Tensor:
    """The picture that a method works on as if it were periodic; its first H × W pixels are the result.

    Args:
        boundary: "symmetric" adds `symmetric_extend` of at least four kernel sizes and 32 pixels, "taper" is
            `edge_taper`, "periodic" changes nothing, for a blur that did wrap around.

    Shapes: (..., H, W) -> (..., H + rows, W + columns).
    Raises: as `check`.
    """
    if boundary not in BOUNDARIES:
        raise ValueError(f"boundary must be {', '.join(BOUNDARIES[:-1])} or {BOUNDARIES[-1]}, got {boundary!r}")
    check(image, kernel)
    if boundary == "taper":
        return edge_taper(image, kernel)
    if boundary == "symmetric":
        sizes = zip(image.shape[-2:], kernel.shape, strict=True)
        return symmetric_extend(image, tuple(_margin(n, max(32, 4 * k)) for n, k in sizes))
    return image


def _margin(n: int, least: int) -> int:
    """`least` or a little more, until no prime above 5 divides n + margin: its transform is several times faster."""
    for size in range(n + least, 2 * n):
        if pow(30, size.bit_length(), size) == 0:
            return size - n
    return n


def convolve(image: Tensor, h: Tensor, size: tuple[int, int] | None = None) -> Tensor:
    """Multiply by the response `h` in the Fourier domain; h.conj() is the adjoint.

    Args:
        size: the size `h` was made for, if larger than the picture: zeros are added below and on the right.

    Shapes: (..., H, W) and h on the grid of `size` -> (..., H, W).
    """
    spectrum = torch.fft.rfft2(image, s=size)
    result = torch.fft.irfft2(spectrum * h.to(spectrum), s=size or image.shape[-2:])
    return result[..., : image.shape[-2], : image.shape[-1]]


def check_image(image: Tensor) -> None:
    """Refuse what no method here can work on.

    Shapes: (..., H, W).
    Raises: TypeError for an integer picture; ValueError for fewer than two dimensions, NaN or infinity.
    """
    if not image.is_floating_point():
        raise TypeError(f"deconvolution needs a float image in [0, 1], got {image.dtype}; convert with srlib.images")
    if image.ndim < 2:
        raise ValueError(f"a picture is (..., H, W), got shape {tuple(image.shape)}")
    if not image.isfinite().all():
        raise ValueError("the picture holds NaN or infinite values; replace them first, e.g. with torch.nan_to_num")


def check(image: Tensor, kernel: Tensor) -> None:
    """`check_image`, and that the kernel can be undone.

    Shapes: image (..., H, W), kernel (kh, kw).
    Raises: as `check_image`; ValueError for a kernel without two dimensions, larger than the picture, not finite or of
        sum zero.
    """
    check_image(image)
    _check_size(kernel, image.shape[-2:])
    if not kernel.isfinite().all():
        raise ValueError("the kernel holds NaN or infinite values; was it divided by a sum of zero?")
    if kernel.sum().abs() <= 1e-6 * kernel.abs().sum():
        raise ValueError("the kernel sums to zero, so that no brightness is left to restore; a blur sums to one")


def _check_size(kernel: Tensor, size: tuple[int, int]) -> None:
    if kernel.ndim != 2:
        raise ValueError(f"a kernel is (kh, kw), got shape {tuple(kernel.shape)}")
    (height, width), (rows, columns) = kernel.shape, size
    if height > rows or width > columns:
        raise ValueError(f"the kernel {height}×{width} is larger than the picture {rows}×{columns}; crop the kernel")
