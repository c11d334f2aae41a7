"""Images as flat byte tables, and patches gathered from them by index arithmetic."""

import numpy as np
import torch
from torch import Tensor

from srlib import images


class PicturesTooSmall(ValueError):
    """No picture is as large as a patch; `side` is the length of the longest shorter side."""

    def __init__(self, message: str, side: int) -> None:
        super().__init__(message)
        self.side = side


def as_hr(picture: Tensor, channels: int = 3) -> Tensor:
    """A training picture as floats with the given number of channels: 3, or 1 for its luma.

    Shapes: (1, 1 or 3, H, W), float in [0, 1] or uint8 -> (1, channels, H, W).
    Raises: ValueError for another shape or type, and for channels other than 1 and 3.
    """
    if channels not in (1, 3):
        raise ValueError(f"channels must be 1 (luma) or 3 (RGB), got {channels}")
    if picture.dtype == torch.uint8 and picture.ndim == 4:
        picture = images.from_uint8(picture)
    if not picture.is_floating_point() or picture.ndim != 4 or len(picture) != 1 or picture.shape[1] not in (1, 3):
        raise ValueError(
            f"a picture must be a float or uint8 image (1, 1 or 3, H, W), got {picture.dtype} {tuple(picture.shape)}"
        )
    if channels == 1:
        return images.to_y(picture) if picture.shape[1] == 3 else picture
    return picture.expand(-1, 3, -1, -1)


def pack(image: Tensor) -> Tensor:
    """(1, C, h, w), float in [0, 1] or uint8 -> (h·w,): a byte per pixel for luma, for RGB four bytes in one int32."""
    image = image if image.dtype == torch.uint8 else images.to_uint8(image)
    pixels = image[0].movedim(0, -1).flatten(0, 1)  # (h·w, C)
    if pixels.shape[1] == 1:
        return pixels[:, 0].contiguous()
    return torch.cat([pixels, torch.zeros_like(pixels[:, :1])], 1).view(torch.int32)[:, 0].contiguous()


def gather(table: Tensor, first: np.ndarray, width: np.ndarray, size: int, symmetry: np.ndarray) -> Tensor:
    """Patches with upper left pixels `first`, flipped and transposed as by `warp.dihedral`.

    Shapes: table (pixels,), first, width, symmetry (N,) -> (N, C, size, size) float32 in [0, 1].
    """
    flip_columns, flip_rows, transpose = symmetry & 1, symmetry >> 1 & 1, symmetry >> 2 & 1
    down, right = np.where(flip_rows, -width, width), np.where(flip_columns, -1, 1)
    first = first + (flip_rows * width + flip_columns) * (size - 1)
    down, right = np.where(transpose, right, down), np.where(transpose, down, right)
    first, down, right = torch.from_numpy(np.stack([first, down, right])).to(table.device)[..., None, None]
    step = torch.arange(size, device=table.device)
    pixels = table.take(first + down * step[:, None] + right * step)  # (N, size, size)
    pixels = pixels[..., None].view(torch.uint8)[..., :3] if table.dtype == torch.int32 else pixels[..., None]
    return images.from_uint8(pixels.movedim(-1, 1))
