"""Warping pictures: the eight flips and rotations of the square, sub-pixel translation, affine maps, optical flow."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from srlib.resample import Kernel, mirrored, named, resize

DIHEDRAL = range(8)


def dihedral(image: Tensor, k: int) -> Tensor:
    """The k-th of the eight symmetries of the square: bit 0 flips columns, bit 1 flips rows, bit 2 then transposes.

    Shapes: (..., H, W) -> (..., H, W), or (..., W, H) for k ≥ 4.
    Raises: ValueError unless k is 0 to 7.
    """
    if k not in DIHEDRAL:
        raise ValueError(f"k must be 0 to 7, got {k}")
    flips = [dim for dim, bit in ((-1, 1), (-2, 2)) if k & bit]
    image = image.flip(flips) if flips else image
    return image.mT if k & 4 else image


def inverse_dihedral(image: Tensor, k: int) -> Tensor:
    """Undo `dihedral(image, k)`.

    Shapes: (..., H, W) -> (..., H, W), or (..., W, H) for k ≥ 4.
    Raises: ValueError unless k is 0 to 7.
    """
    if k not in DIHEDRAL:
        raise ValueError(f"k must be 0 to 7, got {k}")
    return dihedral(image.mT, k & 3) if k & 4 else dihedral(image, k)


def translate(image: Tensor, down: float, right: float, kernel: str | Kernel = "bicubic") -> Tensor:
    """Move the content by a sub-pixel amount; beyond the border the picture is mirrored.

    Args:
        down, right: in pixels; negative moves up and left.

    Shapes: (..., H, W) -> (..., H, W).
    """
    return resize(image, 1.0, kernel=kernel, offset=(-down, -right))


def sample(image: Tensor, rows: Tensor, columns: Tensor, kernel: str | Kernel = "bicubic") -> Tensor:
    """Interpolate a picture at any positions; beyond the border it is mirrored.

    `torch.nn.functional.grid_sample` has a bicubic mode too, with a = −0.75. That kernel does not reproduce a ramp: it
    moves the content by up to 0.05 pixels, which is too much for registration.

    Args:
        rows, columns: positions in pixels, 0 at the centre of the first pixel.

    Shapes: (N, C, H, W), positions (h, w) or (N, h, w) -> (N, C, h, w).
    """
    height, width = image.shape[-2:]
    flat = image.flatten(-2)
    vertical, horizontal = _taps(rows, height, kernel), _taps(columns, width, kernel)
    result = 0
    for row, row_weight in vertical:
        line = 0
        for column, column_weight in horizontal:
            index = (row * width + column).expand(len(image), *rows.shape[-2:]).flatten(1)[:, None]
            picked = flat.gather(-1, index.expand(-1, image.shape[1], -1)).unflatten(-1, rows.shape[-2:])
            line = line + picked * column_weight.to(image).unsqueeze(-3)
        result = result + line * row_weight.to(image).unsqueeze(-3)
    return result


def affine(image: Tensor, matrix: Tensor, kernel: str | Kernel = "bicubic") -> Tensor:
    """Warp by an affine map: each pixel shows the position that `matrix` maps it to, both relative to the centre.

    Args:
        matrix: (2, 3): (row, column, 1) of the result -> (row, column) of the picture, in pixels.

    Shapes: (N, C, H, W) -> (N, C, H, W).
    """
    rows, columns = _places(image)
    middle = torch.tensor([(n - 1) / 2 for n in image.shape[-2:]], dtype=torch.float64)
    place = torch.stack([rows - middle[0], columns - middle[1], torch.ones_like(rows)])
    taken = (matrix.double() @ place.flatten(1)).view(2, *rows.shape) + middle[:, None, None]
    return sample(image, *taken, kernel)


def rigid(
    image: Tensor, down: float | Tensor, right: float | Tensor, degrees: float | Tensor = 0.0, *, inverse: bool = False
) -> Tensor:
    """Rotate the content anticlockwise about the centre, then move it.

    Args:
        down, right: in pixels.
        inverse: undo this motion instead.

    Shapes: (N, C, H, W) -> (N, C, H, W).
    """
    angle = math.radians(float(degrees))
    turn = torch.tensor([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]], dtype=torch.float64)
    shift = torch.tensor([[float(down)], [float(right)]], dtype=torch.float64)
    # the source of each pixel of the result: content at p has moved to turnᵀ p + shift
    matrix = torch.cat([turn.T, shift], 1) if inverse else torch.cat([turn, -turn @ shift], 1)
    return affine(image, matrix)


def turned(image: Tensor, multiple: int = 1) -> Tensor:
    """The content turned by 45° anticlockwise, cut to the largest square about the centre that lies inside it.

    Args:
        multiple: of which the side is one.

    Shapes: (N, C, H, W) -> (N, C, side, side), where side is about min(H, W) / √2.
    Raises: ValueError for a picture in which there is no such square.
    """
    height, width = image.shape[-2:]
    side = int((min(height, width) - 2) / math.sqrt(2)) // multiple * multiple
    if side < 1:
        raise ValueError(f"a picture of {height} x {width} pixels holds no square of {multiple} that is turned by 45°")
    rows, columns = (torch.arange(side, dtype=torch.float64) - (side - 1) / 2 for _ in range(2))
    down, right = rows[:, None] * math.sqrt(0.5), columns * math.sqrt(0.5)
    return sample(image, down + right + (height - 1) / 2, right - down + (width - 1) / 2)


def flow(image: Tensor, motion: Tensor, kernel: str | Kernel = "bilinear") -> Tensor:
    """Backward warping by optical flow: each pixel shows the position that its motion vector points to.

    Args:
        motion: (2, H, W) or (N, 2, H, W), down and right in pixels.

    Shapes: (N, C, H, W) -> (N, C, H, W).
    """
    rows, columns = _places(image)
    down, right = motion.unbind(-3)
    return sample(image, rows + down, columns + right, kernel)


def adjoint(operator: Callable[[Tensor], Tensor], size: tuple[int, ...]) -> Callable[[Tensor], Tensor]:
    """The adjoint of a linear function of pictures of this size: ⟨A x, y⟩ = ⟨x, Aᵀ y⟩."""

    def transposed(y: Tensor) -> Tensor:
        with torch.enable_grad():
            x = y.new_zeros(size, requires_grad=True)
            return torch.autograd.grad(operator(x), x, y)[0]

    return transposed


def _places(image: Tensor) -> tuple[Tensor, Tensor]:
    height, width = image.shape[-2:]
    return torch.meshgrid(
        torch.arange(height, dtype=torch.float64), torch.arange(width, dtype=torch.float64), indexing="ij"
    )


def _taps(places: Tensor, size: int, kernel: str | Kernel) -> list[tuple[Tensor, Tensor]]:
    """The pixel and the weight of each tap of the kernel."""
    kernel = named(kernel)
    first = torch.floor(places - kernel.support / 2).long() + 1
    pixels = [first + i for i in range(math.ceil(kernel.support))]
    weights = [kernel.function(places - pixel) for pixel in pixels]
    total = sum(weights)
    return [(mirrored(pixel, size), weight / total) for pixel, weight in zip(pixels, weights, strict=True)]
