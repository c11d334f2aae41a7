"""Blur kernels of many shapes, and how one is drawn: Gaussians, sharper and flatter ones, plateaus, and the sinc."""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

Range = tuple[float, float]

SHAPES = (
    "isotropic",
    "anisotropic",
    "generalised isotropic",
    "generalised anisotropic",
    "plateau isotropic",
    "plateau anisotropic",
)
SINC = "sinc"


def generalised_gaussian(sigma_x: float, sigma_y: float, angle: float, beta: float, size: int) -> Tensor:
    """exp(−½ (xᵀ Σ⁻¹ x)^β), sum one: sharper than a Gaussian for β < 1, flatter for β > 1 (Wang et al., ICCVW 2021).

    Args:
        sigma_x, sigma_y: in pixels, along `angle` and across it; for β = 1 the widths of `anisotropic_gaussian`.
        angle: degrees, anticlockwise from the horizontal axis.
        beta: shape, above 0.
        size: odd; what lies beyond is cut off.

    Shapes: (size, size) float64.
    Raises: ValueError for a sigma or a beta that is not positive, and for an even size.
    """
    return _unit_sum(torch.exp(-0.5 * _form(sigma_x, sigma_y, angle, beta, size)))


def plateau_gaussian(sigma_x: float, sigma_y: float, angle: float, beta: float, size: int) -> Tensor:
    """1 / (1 + (xᵀ Σ⁻¹ x)^β), sum one: level in the middle, half as high where xᵀ Σ⁻¹ x = 1 (Wang et al., ICCVW 2021).

    Args:
        sigma_x, sigma_y: in pixels, along `angle` and across it.
        angle: degrees, anticlockwise from the horizontal axis.
        beta: how steeply the plateau ends, above 0.
        size: odd; what lies beyond is cut off.

    Shapes: (size, size) float64.
    Raises: as `generalised_gaussian`.
    """
    return _unit_sum(1 / (1 + _form(sigma_x, sigma_y, angle, beta, size)))


def sinc_kernel(cutoff: float, size: int) -> Tensor:
    """The ideal low-pass filter, ω J₁(ω r) / (2 π r) with ω = 2 π cutoff, sum one (Wang et al., ICCVW 2021).

    Its negative rings draw the halos of oversharpened and heavily compressed pictures.

    Args:
        cutoff: in cycles per pixel, above 0; at 0.5 a kernel of any size is nearly one tap.
        size: odd; what lies beyond is cut off.

    Shapes: (size, size) float64.
    Raises: ValueError for a cutoff that is not positive and an even size.
    """
    if cutoff <= 0:
        raise ValueError(f"cutoff must be positive, got {cutoff}")
    right, up = _grid(size)
    omega, radius = 2 * math.pi * cutoff, torch.hypot(right, up)
    radius[size // 2, size // 2] = 1.0  # its value is the limit, set below
    kernel = omega * torch.special.bessel_j1(omega * radius) / (2 * math.pi * radius)
    kernel[size // 2, size // 2] = omega**2 / (4 * math.pi)
    return _unit_sum(kernel)


@dataclass(frozen=True)
class DrawnKernel:
    """The numbers of one kernel; what its kind has no use for stays as it is here.

    Args:
        kind: a name in `SHAPES`, or "sinc".
        size: odd, in pixels.
        sigma_x, sigma_y: in pixels.
        angle: degrees, anticlockwise from the horizontal axis.
        beta: the shape of a generalised Gaussian or a plateau.
        cutoff: of a sinc, in cycles per pixel.
    """

    kind: str
    size: int
    sigma_x: float = 0.0
    sigma_y: float = 0.0
    angle: float = 0.0
    beta: float = 1.0
    cutoff: float = 0.0

    def kernel(self) -> Tensor:
        """The kernel itself.

        Shapes: (size, size) float64.
        Raises: as the functions of this module.
        """
        if self.kind == SINC:
            return sinc_kernel(self.cutoff, self.size)
        make = plateau_gaussian if self.kind.startswith("plateau") else generalised_gaussian
        return make(self.sigma_x, self.sigma_y, self.angle, self.beta, self.size)


@dataclass(frozen=True)
class KernelRanges:
    """What kernels are drawn from, each number uniformly from its range (Wang et al., ICCVW 2021).

    Args:
        sinc: the probability of a sinc.
        shapes: the probability of each of `SHAPES`, otherwise; they sum to one.
        sigma: in pixels.
        generalised, plateau: of β.
        cutoff: of a sinc, in cycles per pixel; for sizes from 13 on it may begin lower, at `wide_cutoff`.
        sizes: odd.

    Raises: ValueError for another number of shapes, and for probabilities that do not sum to one.
    Differs from the paper: β is uniform in the range that the paper states.
    """

    sinc: float = 0.1
    shapes: tuple[float, ...] = (0.45, 0.25, 0.12, 0.03, 0.12, 0.03)
    sigma: Range = (0.2, 3.0)
    generalised: Range = (0.5, 4.0)
    plateau: Range = (1.0, 2.0)
    cutoff: Range = (1 / 6, 1 / 2)
    wide_cutoff: float = 1 / 10
    sizes: tuple[int, ...] = tuple(range(7, 22, 2))

    def __post_init__(self) -> None:
        if len(self.shapes) != len(SHAPES):
            raise ValueError(f"there are {len(SHAPES)} shapes ({', '.join(SHAPES)}), got {len(self.shapes)}")
        if abs(sum(self.shapes) - 1) > 1e-9:
            raise ValueError(f"the probabilities of the shapes must sum to one, got {sum(self.shapes):g}")

    def draw(self, rng: np.random.Generator) -> DrawnKernel:
        """One kernel."""
        size = self.sizes[rng.integers(len(self.sizes))]
        if rng.random() < self.sinc:
            low = self.wide_cutoff if size >= 13 else self.cutoff[0]
            return DrawnKernel(SINC, size, cutoff=rng.uniform(low, self.cutoff[1]))
        kind = SHAPES[rng.choice(len(SHAPES), p=self.shapes)]
        sigma_x = sigma_y = rng.uniform(*self.sigma)
        angle, beta = 0.0, 1.0
        if kind.endswith("anisotropic"):
            sigma_y, angle = rng.uniform(*self.sigma), rng.uniform(0, 180)
        if kind.startswith("generalised"):
            beta = rng.uniform(*self.generalised)
        elif kind.startswith("plateau"):
            beta = rng.uniform(*self.plateau)
        return DrawnKernel(kind, size, sigma_x, sigma_y, angle, beta)

    def draw_sinc(self, rng: np.random.Generator) -> DrawnKernel:
        """A sinc, as it comes last in the pipeline: any size has the whole range of `cutoff`."""
        return DrawnKernel(SINC, self.sizes[rng.integers(len(self.sizes))], cutoff=rng.uniform(*self.cutoff))


def _form(sigma_x: float, sigma_y: float, angle: float, beta: float, size: int) -> Tensor:
    """(xᵀ Σ⁻¹ x)^β at every tap."""
    if min(sigma_x, sigma_y, beta) <= 0:
        raise ValueError(f"sigma and beta must be positive, got {sigma_x}, {sigma_y} and {beta}")
    right, up = _grid(size)
    turn = math.radians(angle)
    along = right * math.cos(turn) + up * math.sin(turn)
    across = up * math.cos(turn) - right * math.sin(turn)
    return ((along / sigma_x) ** 2 + (across / sigma_y) ** 2) ** beta


@lru_cache
def _grid(size: int) -> tuple[Tensor, Tensor]:
    """How far each tap lies to the right of and above the centre; kept, since all kernels of a size share it."""
    if size < 1 or size % 2 == 0:
        raise ValueError(f"kernel size must be odd, so that it has a centre, got {size}")
    steps = torch.arange(size, dtype=torch.float64) - size // 2
    return steps.expand(size, size), -steps[:, None].expand(size, size)


def _unit_sum(kernel: Tensor) -> Tensor:
    return kernel / kernel.sum()
