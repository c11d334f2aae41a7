"""Images in memory: float tensors (N, C, H, W) in [0, 1], RGB or grey; from and to files and uint8; luma and chroma.

Only this module and `srlib.io.codecs` handle uint8. `lr` is always the low-resolution image.
"""

import os

import numpy as np
import torch
from torch import Tensor

from srlib.io.codecs import load, save
from srlib.io.photo import ImageError, Photo, quantise, to_float

LUMA = (0.299, 0.587, 0.114)  # of red, green and blue, by ITU-R BT.601

__all__ = ["LUMA", "ImageError", "Photo", "from_uint8", "from_ycbcr", "grey", "load", "quantised", "read", "save",
           "to_uint8", "to_y", "to_ycbcr", "write"]  # fmt: skip


def read(path: str | os.PathLike) -> Tensor:
    """Read a picture, rotated upright by its EXIF tag; alpha is dropped (`load` keeps it).

    Shapes: (1, 1, H, W) for a grey file, else (1, 3, H, W); float32 in [0, 1].
    Raises: ImageError, as `load`.
    """
    return load(path).pixels


def write(path: str | os.PathLike, image: Tensor) -> None:
    """Write one image in [0, 1] with 8 bits; the extension selects the format.

    Shapes: (C, H, W) or (1, C, H, W), C = 1 or 3.
    Raises: ImageError, as `save`.
    """
    save(path, Photo(image if image.ndim == 4 else image[None]))


def from_uint8(array: np.ndarray | Tensor) -> Tensor:
    """(H, W), (H, W, C) NumPy or (N, C, H, W) torch uint8 -> (N, C, H, W) float32 in [0, 1].

    Raises: TypeError for another shape or type.
    """
    if isinstance(array, Tensor):
        if array.dtype != torch.uint8 or array.ndim != 4:
            raise TypeError(f"from_uint8 needs a uint8 tensor (N, C, H, W), got {array.dtype} {tuple(array.shape)}")
        # not by a number of Python's, whose reciprocal CUDA would multiply with: another last bit than a processor's
        return array.float().div_(torch.tensor(255.0, device=array.device))
    if array.dtype != np.uint8 or array.ndim not in (2, 3):
        raise TypeError(f"from_uint8 needs a uint8 array (H, W) or (H, W, C), got {array.dtype} {array.shape}")
    return to_float(array if array.ndim == 3 else array[..., None])


def to_uint8(image: Tensor) -> Tensor:
    """Clamp to [0, 1] and round half to even: (N, C, H, W) float -> uint8 of the same shape.

    Raises: TypeError for an integer image.
    """
    return quantise(image, 255, torch.uint8)


def quantised(image: Tensor, bits: int = 8) -> Tensor:
    """What a file with so many bits would keep of an image: clamped to [0, 1] and rounded to its levels, as floats.

    Shapes: any -> the same.
    """
    top = image.new_tensor(2**bits - 1)  # a tensor, as in `from_uint8`
    return (image.clamp(0, 1) * top).round() / top


def to_ycbcr(image: Tensor) -> Tensor:
    """RGB to Y, Cb, Cr of ITU-R BT.601 in studio range, as MATLAB's `rgb2ycbcr`: black is 16/255, white 235/255.

    Shapes: (N, 3, H, W) in [0, 1] -> (N, 3, H, W) in [16/255, 240/255].
    Raises: ValueError for other than 3 channels.
    """
    return _mix(_STUDIO, _rgb(image, "to_ycbcr")) + image.new_tensor(_OFFSET).view(3, 1, 1)


def from_ycbcr(image: Tensor) -> Tensor:
    """The inverse of `to_ycbcr`, not clamped.

    Shapes: (N, 3, H, W) -> (N, 3, H, W).
    Raises: ValueError for other than 3 channels.
    """
    centred = _rgb(image, "from_ycbcr") - image.new_tensor(_OFFSET).view(3, 1, 1)
    return _mix(np.linalg.inv(_STUDIO).tolist(), centred)


def to_y(image: Tensor) -> Tensor:
    """The studio-range luma (first channel of `to_ycbcr`); a grey image is returned unchanged.

    Shapes: (N, 1 or 3, H, W) in [0, 1] -> (N, 1, H, W).
    Raises: ValueError for other than 1 or 3 channels.
    """
    return image if image.shape[-3] == 1 else _mix(_STUDIO[:1], _rgb(image, "to_y")) + _OFFSET[0]


def grey(image: Tensor) -> Tensor:
    """Full-range BT.601 luma, 0.299 R + 0.587 G + 0.114 B: black is 0 and white is 1.

    Shapes: (N, 1 or 3, H, W) in [0, 1] -> (N, 1, H, W) in [0, 1].
    Raises: ValueError for other than 1 or 3 channels.
    """
    return image if image.shape[-3] == 1 else _mix([list(LUMA)], _rgb(image, "grey"))


_STUDIO = [
    [65.481 / 255, 128.553 / 255, 24.966 / 255],
    [-37.797 / 255, -74.203 / 255, 112.0 / 255],
    [112.0 / 255, -93.786 / 255, -18.214 / 255],
]
_OFFSET = [16 / 255, 128 / 255, 128 / 255]


def _rgb(image: Tensor, name: str) -> Tensor:
    if image.ndim < 3 or image.shape[-3] != 3:
        raise ValueError(f"{name} needs 3 channels (N, 3, H, W), got shape {tuple(image.shape)}")
    return image


def _mix(matrix: list[list[float]], image: Tensor) -> Tensor:
    """Weighted sums of the channels; not a matrix product, whose result autocast would round to bf16."""
    red, green, blue = image.unbind(-3)
    return torch.stack([r * red + g * green + b * blue for r, g, b in matrix], dim=-3)
