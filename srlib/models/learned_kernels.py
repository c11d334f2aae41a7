"""Blur kernels that a critic can teach, and the picture that they make: shrunk, then blurred."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from srlib.resample import resize


class GaussianKernel(nn.Module):
    """A kernel with three numbers to learn: a Gaussian of any widths and direction, whatever they become.

    They are the triangular root of its covariance, with which no direction is special and a round start can be left.

    Args:
        size: side of the kernel, odd.
        sigma: at the start, in pixels.
        round: one width for all directions: all that a scalar comparison can teach.

    Shapes: () -> (size, size), no tap negative, sum 1.
    """

    def __init__(self, *, size: int = 13, sigma: float = 1.0, round: bool = False) -> None:
        super().__init__()
        self.size = size
        self.widths = nn.Parameter(torch.full((1 if round else 2,), math.log(sigma)))
        self.shear = nn.Parameter(torch.zeros(()), requires_grad=not round)

    def forward(self) -> Tensor:
        steps = torch.arange(self.size, device=self.widths.device) - self.size // 2
        right, up = steps.expand(self.size, -1), -steps[:, None]
        first, second = self.widths.exp().expand(2)
        u = right / first  # L u = (right, up) with L = [[first, 0], [shear, second]]
        v = (up - self.shear * u) / second
        return (-(u * u + v * v) / 2).flatten().softmax(0).view(self.size, self.size)

    @torch.no_grad()
    def described(self) -> tuple[float, float, float]:
        """(σ₁, σ₂, angle): pixels, the larger first, and degrees anticlockwise from the horizontal."""
        first, second = self.widths.exp().expand(2)
        root = torch.stack([torch.stack([first, torch.zeros_like(first)]), torch.stack([self.shear, second])])
        values, axes = torch.linalg.eigh((root @ root.T).double())
        angle = math.degrees(math.atan2(axes[1, 1], axes[0, 1])) % 180
        return values[1].sqrt().item(), values[0].sqrt().item(), angle


class FreeTaps(nn.Module):
    """A kernel with a number to learn for each tap, through a softmax; it starts as a narrow Gaussian.

    Shapes: () -> (size, size), no tap negative, sum 1.
    """

    def __init__(self, *, size: int = 13, sigma: float = 1.0) -> None:
        super().__init__()
        steps = (torch.arange(size) - size // 2).square().float()
        self.logits = nn.Parameter(-(steps[:, None] + steps) / (2 * sigma**2))

    def forward(self) -> Tensor:
        return self.logits.flatten().softmax(0).view(self.logits.shape)


def adapted(picture: Tensor, kernel: Tensor, scale: int) -> Tensor:
    """G(x): shrink by bicubic interpolation, then blur with the kernel (Ji et al., AAAI 2021, eq. 2).

    Args:
        kernel: (k, k) for all pictures, or (N, k, k), one for each; odd. One kernel blurs all channels.

    Shapes: (N, C, H, W) -> (N, C, H / scale, W / scale).
    Raises: ValueError for a kernel with an even side.
    Differs from the paper: borders are reflected.
    """
    size = kernel.shape[-1]
    if size % 2 == 0 or kernel.shape[-2] != size:
        raise ValueError(f"the kernel must be square with an odd side, got {tuple(kernel.shape)}")
    small = resize(picture, 1 / scale)
    count, channels = small.shape[:2]
    taps = kernel.expand(count, size, size).flip(-2, -1)  # conv2d correlates
    weight = taps.repeat_interleave(channels, 0)[:, None].to(small)
    padded = F.pad(small, [size // 2] * 4, mode="reflect").reshape(1, count * channels, *_grown(small, size))
    return F.conv2d(padded, weight, groups=count * channels).view(small.shape)


def _grown(small: Tensor, size: int) -> tuple[int, int]:
    return small.shape[-2] + size - 1, small.shape[-1] + size - 1


def centre_of_mass(kernel: Tensor) -> Tensor:
    """(right, up) of the centre of mass from the middle tap, in taps.

    A penalty on its square keeps G from moving pictures; KernelGAN has one as well (Bell-Kligler et al., NeurIPS 2019).

    Shapes: (..., k, k) -> (..., 2).
    """
    steps = torch.arange(kernel.shape[-1], dtype=kernel.dtype, device=kernel.device) - kernel.shape[-1] // 2
    return torch.stack([(kernel.sum(-2) * steps).sum(-1), -(kernel.sum(-1) * steps).sum(-1)], -1)
