"""Degradation models, lr = (hr ⊗ k)↓ + n: one stage for each part, and the adjoint of the linear stages."""

import io
import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from srlib.images import from_uint8, to_uint8
from srlib.resample import Kernel, mirrored, resize


def gaussian_kernel(sigma: float, size: int | None = None) -> Tensor:
    """Isotropic Gaussian, sum one.

    Args:
        sigma: in pixels of the picture it blurs.
        size: odd; default reaches 4 sigma to each side.

    Shapes: (size, size) float64.
    Raises: ValueError for a sigma that is not positive or an even size.
    """
    return anisotropic_gaussian(sigma, sigma, 0.0, size)


def anisotropic_gaussian(sigma_x: float, sigma_y: float, angle: float, size: int | None = None) -> Tensor:
    """Gaussian of width sigma_x along `angle` and sigma_y across it, sum one.

    Args:
        sigma_x, sigma_y: in pixels.
        angle: degrees, anticlockwise from the horizontal axis.

    Shapes: (size, size) float64.
    Raises: ValueError for a sigma that is not positive or an even size.
    """
    if min(sigma_x, sigma_y) <= 0:
        raise ValueError(f"sigma must be positive, got {sigma_x}, {sigma_y}")
    size = 2 * math.ceil(4 * max(sigma_x, sigma_y)) + 1 if size is None else _odd(size)
    right, up = _grid(size)
    turn = math.radians(angle)
    along = right * math.cos(turn) + up * math.sin(turn)
    across = up * math.cos(turn) - right * math.sin(turn)
    kernel = torch.exp(-0.5 * ((along / sigma_x) ** 2 + (across / sigma_y) ** 2))
    return kernel / kernel.sum()


def motion_kernel(length: float, angle: float) -> Tensor:
    """Motion blur of a camera that moves straight at constant speed: a line one pixel wide, sum one.

    Args:
        length: of the path, in pixels.
        angle: degrees, anticlockwise from the horizontal axis.

    Shapes: (size, size) float64 with the smallest odd size that holds it.
    Raises: ValueError for a length that is not positive.
    """
    if length <= 0:
        raise ValueError(f"length must be positive, got {length}")
    size = 2 * math.ceil(length / 2 + 1) + 1
    right, up = _grid(size)
    turn = math.radians(angle)
    kernel = torch.zeros(size, size, dtype=torch.float64)
    for place in torch.linspace(-length / 2, length / 2, 64 * size, dtype=torch.float64):  # one tent per moment
        tent_x = (1 - (right - place * math.cos(turn)).abs()).clamp_min(0)
        tent_y = (1 - (up - place * math.sin(turn)).abs()).clamp_min(0)
        kernel += tent_x * tent_y
    return kernel / kernel.sum()


def _grid(size: int) -> tuple[Tensor, Tensor]:
    """Distance of each tap to the right of and above the centre."""
    steps = torch.arange(size, dtype=torch.float64) - size // 2
    return steps.expand(size, size), -steps[:, None].expand(size, size)


def _odd(size: int) -> int:
    if size < 1 or size % 2 == 0:
        raise ValueError(f"kernel size must be odd, so that it has a centre, got {size}")
    return size


@dataclass(frozen=True, eq=False)
class Blur:
    """Convolution with `kernel` (kh, kw), odd sizes, centre on the middle tap; the picture keeps its size.

    Args:
        boundary: "symmetric" (half-sample symmetric, as `resize`), "periodic", or "zero".

    Raises: ValueError for a kernel that is not two-dimensional or has an even side, and for an unknown boundary.
    """

    kernel: Tensor
    boundary: str = "symmetric"
    linear = True

    def __post_init__(self) -> None:
        if self.kernel.ndim != 2:
            raise ValueError(f"Blur needs a kernel (kh, kw), got shape {tuple(self.kernel.shape)}")
        for size in self.kernel.shape:
            _odd(size)
        if self.boundary not in ("symmetric", "periodic", "zero"):
            raise ValueError(f"boundary must be symmetric, periodic or zero, got {self.boundary!r}")

    def __call__(self, image: Tensor, rng: torch.Generator | None = None) -> Tensor:
        height, width = self.kernel.shape
        padded = _pad(_pad(image, height // 2, -2, self.boundary), width // 2, -1, self.boundary)
        planes = padded.reshape(-1, 1, *padded.shape[-2:])
        for factor in _factors(self.kernel):
            turned = factor.flip(0, 1).to(image)  # conv2d correlates; convolution rotates the kernel by 180°
            planes = F.conv2d(planes, turned[None, None])
        return planes.view(image.shape)


def _factors(kernel: Tensor) -> list[Tensor]:
    """A rank-one kernel, such as an isotropic Gaussian, as a column and a row: 2·k products per pixel, not k²."""
    u, s, v = torch.linalg.svd(kernel.double())
    if len(s) == 1 or s[1] > 1e-12 * s[0]:
        return [kernel]
    return [u[:, :1] * s[0], v[:1]]


def _pad(image: Tensor, margin: int, dim: int, boundary: str) -> Tensor:
    n = image.shape[dim]
    index = torch.arange(-margin, n + margin, device=image.device)
    if boundary == "periodic":
        return image.index_select(dim, index % n)
    if boundary == "symmetric":
        return image.index_select(dim, mirrored(index, n))
    return F.pad(image, (margin, margin) if dim == -1 else (0, 0, margin, margin))


@dataclass(frozen=True)
class Decimate:
    """Keep every `scale`-th pixel, the first at (offset, offset): sampling without any filter.

    Output pixel i is input pixel offset + scale·i; in a resized picture it is centred at (scale − 1)/2 + scale·i.

    Raises: ValueError for a scale below 1, and for an offset that is not 0 ≤ offset < scale.
    """

    scale: int
    offset: int = 0
    linear = True

    def __post_init__(self) -> None:
        if self.scale < 1 or not 0 <= self.offset < self.scale:
            raise ValueError(f"Decimate needs scale ≥ 1 and 0 ≤ offset < scale, got {self.scale}, {self.offset}")

    def __call__(self, image: Tensor, rng: torch.Generator | None = None) -> Tensor:
        return image[..., self.offset :: self.scale, self.offset :: self.scale]


@dataclass(frozen=True)
class Downscale:
    """`resize` by 1/scale: filter and sample in one step, aligned with the picture; benchmarks use bicubic."""

    scale: float
    kernel: str | Kernel = "bicubic"
    antialias: bool = True
    linear = True

    def __call__(self, image: Tensor, rng: torch.Generator | None = None) -> Tensor:
        return resize(image, 1 / self.scale, kernel=self.kernel, antialias=self.antialias)


@dataclass(frozen=True)
class GaussianNoise:
    """Independent noise of standard deviation `sigma` (for values in [0, 1]: 5/255 is visible, 25/255 strong).

    The result is not clamped.
    """

    sigma: float
    linear = False

    def __call__(self, image: Tensor, rng: torch.Generator | None = None) -> Tensor:
        noise = torch.randn(image.shape, generator=rng, dtype=image.dtype, device=image.device)
        return image + self.sigma * noise


@dataclass(frozen=True)
class PoissonNoise:
    """Photon noise: white is `peak` photons on average, so the variance is image / peak."""

    peak: float
    linear = False

    def __call__(self, image: Tensor, rng: torch.Generator | None = None) -> Tensor:
        return torch.poisson(image.clamp_min(0) * self.peak, generator=rng) / self.peak


@dataclass(frozen=True)
class JPEG:
    """Encode and decode with Pillow at `quality` 1 to 95, chroma at half size; rounds to 8 bits, no gradient.

    Raises: ValueError for images that are not (N, 1 or 3, H, W).
    """

    quality: int
    linear = False

    def __call__(self, image: Tensor, rng: torch.Generator | None = None) -> Tensor:
        if image.ndim != 4 or image.shape[1] not in (1, 3):
            raise ValueError(f"JPEG needs images (N, 1 or 3, H, W), got shape {tuple(image.shape)}")
        return torch.cat([self._one(array) for array in to_uint8(image).cpu().numpy()]).to(image)

    def _one(self, array: np.ndarray) -> Tensor:
        file = io.BytesIO()
        picture = array[0] if array.shape[0] == 1 else np.ascontiguousarray(array.transpose(1, 2, 0))
        Image.fromarray(picture).save(file, "JPEG", quality=self.quality, subsampling=2)
        return from_uint8(np.asarray(Image.open(file)))


class Degradation:
    """A sequence of stages: `degradation(hr, rng)` is lr, with independent noise for every picture of the batch.

    `linear` runs only the linear stages, A x; `adjoint` is Aᵀ. Linear stages come first, as in a camera.

    Shapes: (N, C, H, W) in [0, 1] -> (N, C, h, w), not clamped.
    Raises: ValueError for a linear stage after a nonlinear one.
    """

    def __init__(self, *stages: Blur | Decimate | Downscale | GaussianNoise | PoissonNoise | JPEG) -> None:
        kinds = [stage.linear for stage in stages]
        if kinds != sorted(kinds, reverse=True):
            raise ValueError("linear stages (blur, decimation, downscaling) must come before noise and JPEG")
        self.stages = stages

    def __call__(self, hr: Tensor, rng: torch.Generator | None = None) -> Tensor:
        for stage in self.stages:
            hr = stage(hr, rng)
        return hr

    def linear(self, hr: Tensor) -> Tensor:
        """A hr: only the linear stages.

        Shapes: (N, C, H, W) -> (N, C, h, w).
        """
        for stage in self.stages:
            hr = stage(hr) if stage.linear else hr
        return hr

    def adjoint(self, lr: Tensor, size: tuple[int, int]) -> Tensor:
        """Aᵀ lr on the grid of `size` = (H, W): the derivative of ⟨A x, lr⟩, which for a linear A is the same at any x.

        Shapes: (N, C, h, w) -> (N, C, H, W).
        Raises: ValueError for a size that does not degrade to that of lr.
        """
        with torch.enable_grad():
            x = lr.new_zeros(*lr.shape[:-2], *size, requires_grad=True)
            ax = self.linear(x)
            if ax.shape != lr.shape:
                raise ValueError(f"a picture of {tuple(size)} degrades to {tuple(ax.shape)}, not {tuple(lr.shape)}")
            (result,) = torch.autograd.grad(ax, x, lr, create_graph=lr.requires_grad)
        return result
