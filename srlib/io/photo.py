"""A picture as it comes out of a file: its numbers as floats, and what the file said about them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

MAX_PIXELS = 200_000_000  # a larger file is treated as a decompression bomb; 200 megapixels are 2.4 GB as floats
MAX_RESULT = 1_000_000_000  # pixels that may be written; 12 GB as floats
# EXIF orientation -> (transpose first, flip rows, flip columns)
_TURNS = {
    2: (False, False, True), 3: (False, True, True), 4: (False, True, False), 5: (True, False, False),
    6: (True, False, True), 7: (True, True, True), 8: (True, True, False),
}  # fmt: skip
_STRIP = 512  # rows converted at a time, to avoid a second float copy of a large picture


class ImageError(ValueError):
    """A file cannot be read or written as a picture; the one-line message names the file."""


@dataclass(frozen=True)
class Metadata:
    """What a file says about its pixels, and about where they come from.

    Args:
        orientation: EXIF orientation 1 to 8 of the pixels as they are stored.
        icc: colour profile.
        exif: without what describes the stored pixels: their size, orientation and thumbnail.
        xmp: an XMP packet, upright.
        dpi: pixels per inch, (x, y).
        gamma: of the encoding, as in a PNG: sample = light ** gamma; None where a profile says it, or nothing does.
        chromaticities: CIE x, y of white, red, green and blue, as in a PNG.
    """

    orientation: int = 1
    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    gamma: float | None = None
    chromaticities: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Source:
    """A picture file that has been opened: what its header says, and functions that read the rest.

    Args:
        kind: PNG, JPEG, …
        width, height: of the pixels as they are stored, before they are turned upright.
        colours: 1 or 3.
        decode: gives (height, width, colours + alpha) uint8 or uint16, with straight alpha.
        metadata: called after `decode`; some formats have it behind the pixels.
        turned: whether the size must be swapped to be that of the upright picture; None: it never must.
    """

    kind: str
    width: int
    height: int
    colours: int
    alpha: bool
    bits: int
    decode: Callable[[], np.ndarray]
    metadata: Callable[[], Metadata]
    turned: Callable[[], bool] | None = None


@dataclass(frozen=True)
class Header:
    """What can be said about a picture file before its pixels are decoded; the size is that of the upright picture."""

    kind: str
    width: int
    height: int
    bits: int
    alpha: bool


@dataclass(frozen=True)
class Photo:
    """A decoded file: pixels (1, C, H, W) with C = 1 or 3, upright; alpha (1, 1, H, W) or None; bits 8 or 16.

    Args:
        icc, exif, xmp, dpi, gamma, chromaticities: as in `Metadata`.
        kind: the format that it was read from, whatever the name of the file; "" for none.
    """

    pixels: Tensor
    alpha: Tensor | None = None
    bits: int = 8
    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    gamma: float | None = None
    chromaticities: tuple[float, ...] | None = None
    kind: str = ""


def to_float(array: np.ndarray) -> Tensor:
    """(H, W, C) uint8 or uint16 -> (1, C, H, W) float32."""
    top = float(np.iinfo(array.dtype).max)
    result = torch.empty(1, array.shape[2], *array.shape[:2])
    for start in range(0, array.shape[0], _STRIP):
        strip = np.ascontiguousarray(array[start : start + _STRIP].transpose(2, 0, 1), dtype=np.float32)
        torch.div(torch.from_numpy(strip)[None], top, out=result[:, :, start : start + _STRIP])
    return result


def quantise(image: Tensor, top: int, dtype: torch.dtype) -> Tensor:
    """Clamp to [0, 1] and round to integers from 0 to `top`; the shape stays.

    Raises: TypeError for an integer image.
    """
    if not image.is_floating_point():
        raise TypeError(f"expected a float image in [0, 1], got {image.dtype}")
    result = torch.empty(image.shape, dtype=dtype, device=image.device)
    for start in range(0, image.shape[-2], _STRIP):
        rows = slice(start, start + _STRIP)
        strip = image[..., rows, :].detach().clamp(0, 1).mul_(top).round_()
        result[..., rows, :] = strip.to(torch.int32).to(dtype) if top > 255 else strip.to(dtype)
    return result


def upright(pixels: Tensor, orientation: int) -> Tensor:
    """Pixels as they are stored -> as they are meant to be seen.

    Shapes: (N, C, H, W) -> (N, C, H, W), or (N, C, W, H) for the orientations 5 to 8.
    """
    if orientation not in _TURNS:
        return pixels
    transpose, rows, columns = _TURNS[orientation]
    pixels = pixels.mT if transpose else pixels
    return pixels.flip([dim for dim, flip in ((-2, rows), (-1, columns)) if flip]).contiguous()
