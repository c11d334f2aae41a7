"""Resizing by convolution with a continuous kernel, as MATLAB does it: a linear operator with its adjoint.

Pixel centres lie at half integers: sample i of n covers [i, i + 1], and its centre is i + 1/2. Every function here, and
every other module, uses this convention (torch calls it ``align_corners=False``).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

_BLOCK = 16  # output rows that share one small dense matrix; 8 to 32 are equally fast


@dataclass(frozen=True)
class Kernel:
    """A continuous interpolation kernel: `function(x)` on distances in input pixels, zero from ±support/2 on."""

    function: Callable[[Tensor], Tensor]
    support: float
    antialias: bool = True  # False: never stretched when shrinking (nearest neighbour)


def box(x: Tensor) -> Tensor:
    """1 on [-1/2, 1/2), else 0: the nearest neighbour. Ties go to the larger index, as in MATLAB."""
    tie = 1e-9  # positions have rounding errors of about 1e-12
    return ((x >= -0.5 - tie) & (x < 0.5 - tie)).to(x.dtype)


def triangle(x: Tensor) -> Tensor:
    """The box convolved with itself: linear interpolation."""
    return (1 - x.abs()).clamp_min(0)


@lru_cache
def cubic(a: float = -0.5) -> Kernel:
    """Piecewise cubic of support 4 with slope `a` at distance 1 (Keys, IEEE TASSP 1981, eq. 15).

    Args:
        a: −0.5 reproduces quadratics (Keys, MATLAB, Pillow, torch with antialias); OpenCV, and torch without antialias,
            use −0.75.
    """

    def function(x: Tensor) -> Tensor:
        x = x.abs()
        near = ((a + 2) * x - (a + 3)) * x * x + 1
        far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
        return torch.where(x <= 1, near, torch.where(x < 2, far, torch.zeros_like(x)))

    return Kernel(function, 4.0)


@lru_cache
def lanczos(lobes: int = 3) -> Kernel:
    """sinc(x) times the window sinc(x / lobes) (Duchon, J. Applied Meteorology 1979)."""

    def function(x: Tensor) -> Tensor:
        window = torch.where(x.abs() < lobes, torch.sinc(x / lobes), torch.zeros_like(x))
        return torch.sinc(x) * window

    return Kernel(function, 2.0 * lobes)


KERNELS: dict[str, Kernel] = {
    "nearest": Kernel(box, 1.0, antialias=False),
    "box": Kernel(box, 1.0),
    "bilinear": Kernel(triangle, 2.0),
    "bicubic": cubic(-0.5),
    "lanczos2": lanczos(2),
    "lanczos3": lanczos(3),
}


def taps(
    n_in: int, n_out: int, scale: float, kernel: Kernel, antialias: bool = True, offset: float = 0.0
) -> tuple[Tensor, Tensor]:
    """The input samples that each output sample depends on, and their weights.

    Output i lies at u = (i + 1/2) / scale − 1/2 + offset in input samples. When shrinking with antialias, the kernel is
    stretched by 1/scale, so that it also removes frequencies that the coarser grid cannot represent. Weights sum to
    one. Beyond the border the signal is mirrored at the edge of the outer pixel (half-sample symmetric), as in MATLAB.

    Shapes: index (n_out, k) int64 in [0, n_in), weight (n_out, k) float64.
    """
    stretch = min(scale, 1.0) if antialias and kernel.antialias else 1.0
    u = (torch.arange(n_out, dtype=torch.float64) + 0.5) / scale - 0.5 + offset
    width = kernel.support / stretch
    first = torch.floor(u - width / 2).long()
    index = first[:, None] + torch.arange(math.ceil(width) + 2)
    weight = kernel.function((u[:, None] - index) * stretch)
    return mirrored(index, n_in), weight / weight.sum(1, keepdim=True)


def mirrored(index: Tensor, size: int) -> Tensor:
    """Map a pixel index, which may lie outside, into a signal mirrored at the edge of its outer pixels."""
    index = index % (2 * size)
    return torch.where(index < size, index, 2 * size - 1 - index)


def weights(n_in: int, n_out: int, scale: float, kernel: str | Kernel = "bicubic", antialias: bool = True) -> Tensor:
    """`taps` as a dense (n_out, n_in) float64 matrix, for inspection and tests."""
    index, weight = taps(n_in, n_out, scale, named(kernel), antialias)
    return torch.zeros(n_out, n_in, dtype=torch.float64).scatter_add_(1, index, weight)


def resize(
    image: Tensor,
    scale: float | tuple[float, float] | None = None,
    *,
    size: tuple[int, int] | None = None,
    kernel: str | Kernel = "bicubic",
    antialias: bool = True,
    offset: tuple[float, float] = (0.0, 0.0),
) -> Tensor:
    """Resize as MATLAB's `imresize` does for floating-point images; linear in `image` and differentiable.

    MATLAB rounds 8-bit images between its two passes; nothing is rounded here.

    Args:
        scale: output pixels per input pixel, one number or (vertical, horizontal). Default: from `size`.
        size: output (height, width). Default: ceil(scale · input size).
        kernel: a name in `KERNELS` or a `Kernel`.
        antialias: widen the kernel when shrinking.
        offset: shift of the sampling grid (down, right) in input pixels; 0 keeps the pictures aligned, as MATLAB,
            Pillow and torch do.

    Shapes: (..., H, W) floating point -> (..., h, w), not clamped.
    Raises: TypeError for integer images; ValueError for an empty image, a size or scale that is missing or not
        positive, and an unknown kernel.
    """
    if not image.is_floating_point():
        raise TypeError(f"resize needs a float image in [0, 1], got {image.dtype}; convert with srlib.images")
    if image.ndim < 2 or 0 in image.shape[-2:]:
        raise ValueError(f"resize needs an image (..., H, W) that is not empty, got shape {tuple(image.shape)}")
    plan = _geometry(tuple(image.shape[-2:]), scale, size, offset)
    return _run(image, plan, named(kernel), antialias, transpose=False)


def resize_adjoint(
    image: Tensor,
    size: tuple[int, int],
    scale: float | tuple[float, float] | None = None,
    *,
    kernel: str | Kernel = "bicubic",
    antialias: bool = True,
    offset: tuple[float, float] = (0.0, 0.0),
) -> Tensor:
    """The exact adjoint Aᵀ of A = `resize`: ⟨A x, y⟩ = ⟨x, Aᵀ y⟩ for every x of `size` and y of the shape of A x.

    Args:
        size: (height, width) of the input of `resize`, that is, of the result here.
        scale: as passed to `resize`; default: from the two sizes.

    Shapes: (..., h, w) -> (..., H, W) with (H, W) = size.
    Raises: as `resize`; ValueError for an image of another size than `resize` returns.
    """
    if not image.is_floating_point():
        raise TypeError(f"resize_adjoint needs a float image, got {image.dtype}; convert with srlib.images")
    small = tuple(image.shape[-2:])
    plan = _geometry(tuple(size), scale, small if scale is None else None, offset)
    if tuple(n_out for _, n_out, _, _ in plan) != small:
        raise ValueError(f"resize of {tuple(size)} at scale {scale} does not give size {small}; check size and scale")
    return _run(image, plan, named(kernel), antialias, transpose=True)


def named(kernel: str | Kernel) -> Kernel:
    """A kernel by its name in `KERNELS`; a Kernel is returned unchanged.

    Raises: ValueError for an unknown name.
    """
    if isinstance(kernel, Kernel):
        return kernel
    if kernel not in KERNELS:
        raise ValueError(f"no kernel {kernel!r}; choose one of {', '.join(KERNELS)} or pass a Kernel")
    return KERNELS[kernel]


def _geometry(
    size_in: tuple[int, int],
    scale: float | tuple[float, float] | None,
    size: tuple[int, int] | None,
    offset: tuple[float, float],
) -> list[tuple[int, int, float, float]]:
    """(n_in, n_out, scale, offset) of the vertical and of the horizontal pass."""
    if scale is None and size is None:
        raise ValueError("resize needs a scale or a size")
    if scale is None:
        scale = (size[0] / size_in[0], size[1] / size_in[1])
    scales = tuple(scale) if isinstance(scale, tuple | list) else (scale, scale)
    if not all(math.isfinite(s) and s > 0 for s in scales) or (size is not None and min(size) < 1):
        raise ValueError(f"scale and size must be positive, got scale {scale}, size {size}")
    if size is None:  # 1e-9: 0.1 · 30 is 3.0000000000000004 in floating point
        size = tuple(max(1, math.ceil(n * s - 1e-9)) for n, s in zip(size_in, scales, strict=True))
    return [
        (n_in, int(n_out), float(s), float(o)) for n_in, n_out, s, o in zip(size_in, size, scales, offset, strict=True)
    ]


def _run(
    image: Tensor, plan: list[tuple[int, int, float, float]], kernel: Kernel, antialias: bool, transpose: bool
) -> Tensor:
    axes = sorted((-2, -1), key=lambda axis: plan[axis][2])  # the smaller scale first, as MATLAB: less work after it
    dtype = image.dtype if image.dtype == torch.float64 else torch.float32
    result = image.to(dtype)
    with torch.autocast(image.device.type, enabled=False):
        for axis in reversed(axes) if transpose else axes:
            bands = _bands(*plan[axis], kernel, antialias, dtype, image.device)
            result = _Banded.apply(result, bands, plan[axis][:2], axis, transpose)
    return result.to(image.dtype)


@lru_cache(maxsize=32)
def _bands(
    n_in: int,
    n_out: int,
    scale: float,
    offset: float,
    kernel: Kernel,
    antialias: bool,
    dtype: torch.dtype,
    device: torch.device,
) -> list[tuple[slice, slice, Tensor]]:
    """The weight matrix as blocks of rows, each restricted to its nonzero columns."""
    index, weight = taps(n_in, n_out, scale, kernel, antialias, offset)
    bands = []
    for start in range(0, n_out, _BLOCK):
        rows = slice(start, min(start + _BLOCK, n_out))
        first = int(index[rows].min())
        last = int(index[rows].max()) + 1
        block = torch.zeros(rows.stop - start, last - first, dtype=torch.float64)
        block.scatter_add_(1, index[rows] - first, weight[rows])
        bands.append((rows, slice(first, last), block.to(device, dtype)))
    return bands


class _Banded(torch.autograd.Function):
    """y = W x along one axis, or x = Wᵀ y; each is the other's derivative."""

    @staticmethod
    def forward(ctx, image: Tensor, bands: list, sizes: tuple[int, int], axis: int, transpose: bool) -> Tensor:
        ctx.arguments = bands, sizes, axis, not transpose
        shape = list(image.shape)
        shape[axis] = sizes[0] if transpose else sizes[1]
        result = image.new_zeros(shape) if transpose else image.new_empty(shape)
        for rows, columns, block in bands:
            here, there, block = (columns, rows, block.T) if transpose else (rows, columns, block)
            source = image.narrow(axis, there.start, there.stop - there.start)
            target = result.narrow(axis, here.start, here.stop - here.start)
            product = block @ source if axis == -2 else source @ block.T
            target.add_(product) if transpose else target.copy_(product)
        return result

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None, None, None, None]:
        return _Banded.apply(grad, *ctx.arguments), None, None, None, None
