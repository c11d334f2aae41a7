"""Layers that enlarge: three ways to write one linear map, how to start it without checkerboards, and unpooling."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from srlib.models.blocks import check_scale


class TransposedConv(nn.Module):
    """Each lr pixel paints a kernel onto the fine grid, `scale` apart; where kernels overlap, they add up.

    Also called deconvolution (Zeiler et al., CVPR 2010), although it inverts nothing. The kernel lies centred on the
    pixel it enlarges, so the picture does not move.

    Args:
        kernel: side on the fine grid; scale, scale + 2, scale + 4, ...

    Shapes: (N, channels_in, h, w) -> (N, channels_out, scale·h, scale·w).
    Raises: ValueError for a kernel that cannot lie centred.
    Differs from the paper: nothing known.
    """

    def __init__(self, *, scale: int, channels_in: int, channels_out: int, kernel: int) -> None:
        super().__init__()
        _check_fine(scale, kernel)
        self.scale = scale
        self.conv = nn.ConvTranspose2d(channels_in, channels_out, kernel, stride=scale, padding=(kernel - scale) // 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class SubPixelConv(nn.Module):
    """Put the lr pixels on the fine grid with zeros between, then convolve (Shi et al., arXiv 1609.07009).

    The same map as `TransposedConv` with the kernel turned by 180° (`transposed_to_subpixel`). All but one in scale²
    multiplications are by zero.

    Args:
        kernel: side on the fine grid; scale, scale + 2, scale + 4, ...

    Shapes: (N, channels_in, h, w) -> (N, channels_out, scale·h, scale·w).
    Raises: ValueError for a kernel that cannot lie centred.
    Differs from the paper: nothing known.
    """

    def __init__(self, *, scale: int, channels_in: int, channels_out: int, kernel: int) -> None:
        super().__init__()
        _check_fine(scale, kernel)
        self.scale = scale
        self.conv = nn.Conv2d(channels_in, channels_out, kernel)

    def forward(self, x: Tensor) -> Tensor:
        after = (self.conv.kernel_size[0] - self.scale) // 2
        before = after + self.scale - 1  # more than after: a pixel stands in the upper left corner of its block
        return self.conv(F.pad(zero_stuff(x, self.scale), (before, after, before, after)))


class PixelShuffleConv(nn.Module):
    """Convolve to channels_out · scale² maps at low resolution, then interleave them (Shi et al., CVPR 2016, eq. 3-4).

    The same map as a `TransposedConv` with a kernel `scale` times as wide (`shuffle_to_transposed`), but for the bias,
    which here may differ between the scale² places of a block. Nothing is multiplied by zero.

    Args:
        kernel: side on the coarse grid, odd.

    Shapes: (N, channels_in, h, w) -> (N, channels_out, scale·h, scale·w).
    Raises: ValueError for an even kernel.
    Differs from the paper: nothing known. Maps are ordered as in torch: c·scale² + i·scale + j goes to row i and
        column j of the block.
    """

    def __init__(self, *, scale: int, channels_in: int, channels_out: int, kernel: int = 3) -> None:
        super().__init__()
        check_scale(scale)
        _check_odd(kernel)
        self.scale = scale
        self.conv = nn.Conv2d(channels_in, channels_out * scale**2, kernel, padding=kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        return F.pixel_shuffle(self.conv(x), self.scale)


class NearestConv(nn.Module):
    """Repeat each pixel, then convolve on the fine grid: no checkerboards at any time (Odena et al., Distill 2016).

    Args:
        kernel: side on the fine grid, odd.

    Shapes: (N, channels_in, h, w) -> (N, channels_out, scale·h, scale·w).
    Raises: ValueError for an even kernel.
    Differs from the paper: nothing known; zero padding at the border.
    """

    def __init__(self, *, scale: int, channels_in: int, channels_out: int, kernel: int = 3) -> None:
        super().__init__()
        check_scale(scale)
        _check_odd(kernel)
        self.scale = scale
        self.conv = nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.interpolate(x, scale_factor=self.scale, mode="nearest"))


def zero_stuff(x: Tensor, scale: int) -> Tensor:
    """Each pixel in the upper left corner of a block of zeros.

    Shapes: (..., h, w) -> (..., scale·h, scale·w).
    """
    check_scale(scale)
    height, width = x.shape[-2:]
    fine = x.new_zeros(*x.shape[:-2], height * scale, width * scale)
    fine[..., ::scale, ::scale] = x
    return fine


def shuffle_to_transposed(weight: Tensor, scale: int) -> Tensor:
    """The `TransposedConv` weight that does what a `PixelShuffleConv` weight does (Shi et al., arXiv 1609.07009).

    Each of the scale² maps holds one phase of the wide kernel: every scale-th tap, in reverse order, since a transposed
    convolution paints where a convolution reads.

    Shapes: (channels_out·scale², channels_in, k, k) -> (channels_in, channels_out, scale·k, scale·k).
    """
    _check_phases(weight, scale)
    maps, channels_in, kernel, _ = weight.shape
    phases = weight.view(maps // scale**2, scale, scale, channels_in, kernel, kernel).flip(-2, -1)
    wide = phases.permute(3, 0, 4, 1, 5, 2)  # (channels_in, channels_out, k, scale, k, scale)
    return wide.reshape(channels_in, maps // scale**2, kernel * scale, kernel * scale)


def transposed_to_shuffle(weight: Tensor, scale: int) -> Tensor:
    """The inverse of `shuffle_to_transposed`.

    Shapes: (channels_in, channels_out, scale·k, scale·k) -> (channels_out·scale², channels_in, k, k), k odd.
    Raises: ValueError when the kernel is not an odd multiple of the scale; fill it up with zeros on all sides.
    """
    check_scale(scale)
    channels_in, channels_out, side, _ = weight.shape
    kernel, rest = divmod(side, scale)
    if rest or kernel % 2 == 0:
        raise ValueError(f"the kernel must be an odd multiple of scale {scale} wide, got weight {tuple(weight.shape)}")
    phases = weight.view(channels_in, channels_out, kernel, scale, kernel, scale).permute(1, 3, 5, 0, 2, 4)
    return phases.reshape(channels_out * scale**2, channels_in, kernel, kernel).flip(-2, -1)


def transposed_to_subpixel(weight: Tensor) -> Tensor:
    """The `SubPixelConv` weight that does what a `TransposedConv` weight does: the kernel turned by 180°.

    Shapes: (channels_in, channels_out, K, K) -> (channels_out, channels_in, K, K).
    """
    return weight.transpose(0, 1).flip(-2, -1)


@torch.no_grad()
def icnr_(weight: Tensor, scale: int, init: Callable[[Tensor], object] = nn.init.kaiming_normal_) -> Tensor:
    """Start all phases of a `PixelShuffleConv` weight equal, in place (Aitken et al., arXiv 1707.02937).

    The untrained layer then is a convolution followed by repeating each pixel: it draws no checkerboard.

    Args:
        init: fills one phase, in place.

    Shapes: (channels_out·scale², channels_in, k, k) -> the same tensor.
    Differs from the paper: nothing known.
    """
    _check_phases(weight, scale)
    phase = torch.empty_like(weight[:: scale**2])
    init(phase)
    return weight.copy_(phase.repeat_interleave(scale**2, 0))


def max_pool(x: Tensor, scale: int) -> tuple[Tensor, Tensor]:
    """The largest pixel of each block, and where in the large picture it stood.

    Shapes: (N, C, scale·h, scale·w) -> two of (N, C, h, w): float, and int64 indices into the flat large picture.
    """
    check_scale(scale)
    return F.max_pool2d(x, scale, return_indices=True)


def max_unpool(x: Tensor, index: Tensor, scale: int) -> Tensor:
    """Put each pixel back where `max_pool` found it, zeros elsewhere (Zeiler and Fergus, ECCV 2014, sec. 2.1).

    It cannot super-resolve: `index` was taken from the large picture, and who has only lr has no index.

    Shapes: two of (N, C, h, w) -> (N, C, scale·h, scale·w).
    """
    check_scale(scale)
    return F.max_unpool2d(x, index, scale)


def _check_fine(scale: int, kernel: int) -> None:
    check_scale(scale)
    if kernel < scale or (kernel - scale) % 2:
        choices = ", ".join(str(scale + 2 * i) for i in range(4))
        raise ValueError(f"kernel must be one of {choices}, ... to lie centred at scale {scale}, got {kernel}")


def _check_odd(kernel: int) -> None:
    if kernel < 1 or kernel % 2 == 0:
        raise ValueError(f"kernel must be odd, such as 3 or 5, so that the picture does not move; got {kernel}")


def _check_phases(weight: Tensor, scale: int) -> None:
    check_scale(scale)
    if weight.ndim != 4 or weight.shape[0] % scale**2:
        need = f"(channels_out·{scale**2}, channels_in, k, k)"
        raise ValueError(f"a weight for a shuffle by {scale} is {need}, got {tuple(weight.shape)}")
