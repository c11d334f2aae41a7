"""Upsampling layers: three forms of one linear map, initialisation without checkerboards, and unpooling."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from srlib.models.blocks import check_scale


class TransposedConv(nn.Module):
    """Transposed convolution: each lr pixel adds a scaled kernel to the fine grid (Zeiler et al., CVPR 2010).

    Also called deconvolution, although it inverts nothing. Kernels lie `scale` apart, and overlaps add up. The kernel
    is centred on the pixel it enlarges, so the picture does not move.

    Args:
        kernel: side on the fine grid; scale, scale + 2, scale + 4, ...

    Shapes: (N, channels_in, h, w) -> (N, channels_out, scale·h, scale·w).
    Raises: ValueError unless scale is a positive integer, and for a kernel that cannot be centred.
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
    """A deconvolution layer as zero stuffing and a convolution on the fine grid (Shi et al., arXiv 2016).

    The same map as `TransposedConv` with the kernel rotated by 180° (`transposed_to_subpixel`). All but one in scale²
    multiplications are by zero.

    Args:
        kernel: side on the fine grid; scale, scale + 2, scale + 4, ...

    Shapes: (N, channels_in, h, w) -> (N, channels_out, scale·h, scale·w).
    Raises: ValueError unless scale is a positive integer, and for a kernel that cannot be centred.
    Differs from the paper: nothing known.
    """

    def __init__(self, *, scale: int, channels_in: int, channels_out: int, kernel: int) -> None:
        super().__init__()
        _check_fine(scale, kernel)
        self.scale = scale
        self.conv = nn.Conv2d(channels_in, channels_out, kernel)

    def forward(self, x: Tensor) -> Tensor:
        after = (self.conv.kernel_size[0] - self.scale) // 2
        before = after + self.scale - 1  # more than after: a pixel is in the upper left corner of its block
        return self.conv(F.pad(zero_stuff(x, self.scale), (before, after, before, after)))


class PixelShuffleConv(nn.Module):
    """Convolve to channels_out · scale² maps at low resolution, then interleave them (Shi et al., CVPR 2016, eq. 3-4).

    The same map as a `TransposedConv` with a kernel `scale` times as wide (`shuffle_to_transposed`), except for the
    bias, which here may differ between the scale² positions of a block. No multiplication is by zero.

    Args:
        kernel: side on the coarse grid, odd.

    Shapes: (N, channels_in, h, w) -> (N, channels_out, scale·h, scale·w).
    Raises: ValueError unless scale is a positive integer, and for an even kernel.
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
    """Nearest-neighbour upsampling, then a convolution: no checkerboards at any time (Odena et al., Distill 2016).

    Args:
        kernel: side on the fine grid, odd.

    Shapes: (N, channels_in, h, w) -> (N, channels_out, scale·h, scale·w).
    Raises: ValueError unless scale is a positive integer, and for an even kernel.
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
    """Zero stuffing: put each pixel in the upper left corner of a block of zeros.

    Shapes: (..., h, w) -> (..., scale·h, scale·w).
    Raises: ValueError unless scale is a positive integer.
    """
    check_scale(scale)
    height, width = x.shape[-2:]
    fine = x.new_zeros(*x.shape[:-2], height * scale, width * scale)
    fine[..., ::scale, ::scale] = x
    return fine


def shuffle_to_transposed(weight: Tensor, scale: int) -> Tensor:
    """Turn a `PixelShuffleConv` weight into that of an equal deconvolution layer (Shi et al., arXiv 2016).

    The result is the weight of a `TransposedConv`.

    Each of the scale² maps holds one phase of the wide kernel: every scale-th tap, in reverse order, since a transposed
    convolution writes where a convolution reads.

    Shapes: (channels_out·scale², channels_in, k, k) -> (channels_in, channels_out, scale·k, scale·k).
    Raises: ValueError unless scale is a positive integer, and for a weight that a shuffle by it cannot have.
    """
    _check_phases(weight, scale)
    maps, channels_in, kernel, _ = weight.shape
    phases = weight.view(maps // scale**2, scale, scale, channels_in, kernel, kernel).flip(-2, -1)
    wide = phases.permute(3, 0, 4, 1, 5, 2)  # (channels_in, channels_out, k, scale, k, scale)
    return wide.reshape(channels_in, maps // scale**2, kernel * scale, kernel * scale)


def transposed_to_shuffle(weight: Tensor, scale: int) -> Tensor:
    """The inverse of `shuffle_to_transposed`.

    Shapes: (channels_in, channels_out, scale·k, scale·k) -> (channels_out·scale², channels_in, k, k), k odd.
    Raises: ValueError unless scale is a positive integer, and for a kernel that is not an odd multiple of it; pad such
        a kernel with zeros on all sides.
    """
    check_scale(scale)
    channels_in, channels_out, side, _ = weight.shape
    kernel, rest = divmod(side, scale)
    if rest or kernel % 2 == 0:
        raise ValueError(f"the kernel must be an odd multiple of scale {scale} wide, got weight {tuple(weight.shape)}")
    phases = weight.view(channels_in, channels_out, kernel, scale, kernel, scale).permute(1, 3, 5, 0, 2, 4)
    return phases.reshape(channels_out * scale**2, channels_in, kernel, kernel).flip(-2, -1)


def transposed_to_subpixel(weight: Tensor) -> Tensor:
    """The `SubPixelConv` weight that equals a `TransposedConv` weight: the kernel rotated by 180°.

    Shapes: (channels_in, channels_out, K, K) -> (channels_out, channels_in, K, K).
    """
    return weight.transpose(0, 1).flip(-2, -1)


@torch.no_grad()
def icnr_(weight: Tensor, scale: int, init: Callable[[Tensor], object] = nn.init.kaiming_normal_) -> Tensor:
    """ICNR: initialise all phases of a `PixelShuffleConv` weight equally, in place (Aitken et al., arXiv 2017).

    The untrained layer is then a convolution followed by nearest-neighbour upsampling, without checkerboards.

    Args:
        init: fills one phase, in place.

    Shapes: (channels_out·scale², channels_in, k, k) -> the same tensor.
    Raises: as `shuffle_to_transposed`.
    Differs from the paper: nothing known.
    """
    _check_phases(weight, scale)
    phase = torch.empty_like(weight[:: scale**2])
    init(phase)
    return weight.copy_(phase.repeat_interleave(scale**2, 0))


def max_pool(x: Tensor, scale: int) -> tuple[Tensor, Tensor]:
    """The largest pixel of each block, and its position in the large picture.

    Shapes: (N, C, scale·h, scale·w) -> two of (N, C, h, w): float, and int64 indices into the flat large picture.
    Raises: ValueError unless scale is a positive integer.
    """
    check_scale(scale)
    return F.max_pool2d(x, scale, return_indices=True)


def max_unpool(x: Tensor, index: Tensor, scale: int) -> Tensor:
    """Put each pixel back where `max_pool` found it, zeros elsewhere (Zeiler & Fergus, ECCV 2014, sec. 2.1).

    It cannot super-resolve: `index` comes from the large picture, which is unknown when only lr is given.

    Shapes: two of (N, C, h, w) -> (N, C, scale·h, scale·w).
    Raises: ValueError unless scale is a positive integer.
    """
    check_scale(scale)
    return F.max_unpool2d(x, index, scale)


def _check_fine(scale: int, kernel: int) -> None:
    check_scale(scale)
    if kernel < scale or (kernel - scale) % 2:
        choices = ", ".join(str(scale + 2 * i) for i in range(4))
        raise ValueError(f"kernel must be one of {choices}, ... to be centred at scale {scale}, got {kernel}")


def _check_odd(kernel: int) -> None:
    if kernel < 1 or kernel % 2 == 0:
        raise ValueError(f"kernel must be odd, such as 3 or 5, so that the picture does not move; got {kernel}")


def _check_phases(weight: Tensor, scale: int) -> None:
    check_scale(scale)
    if weight.ndim != 4 or weight.shape[0] % scale**2:
        need = f"(channels_out·{scale**2}, channels_in, k, k)"
        raise ValueError(f"a weight for a shuffle by {scale} must be {need}, got {tuple(weight.shape)}")
