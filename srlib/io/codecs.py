"""Image files with all their metadata, written atomically: PNG, JPEG, WebP, TIFF, BMP; 8 and 16 bits."""

import io
import os
import struct
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from srlib.io import atomic

MAX_PIXELS = 200_000_000  # a larger file is treated as a decompression bomb; 200 megapixels are 2.4 GB as floats
FORMATS = {
    ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP",
    ".tif": "TIFF", ".tiff": "TIFF", ".bmp": "BMP",
}  # fmt: skip
_READABLE = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "AVIF")
_WITH_ALPHA = ("PNG", "WEBP", "TIFF")
_WITH_16_BIT = ("PNG", "TIFF")
_ORIENTATION = 0x0112
# EXIF orientation -> (transpose first, flip rows, flip columns)
_TURNS = {
    2: (False, False, True), 3: (False, True, True), 4: (False, True, False), 5: (True, False, False),
    6: (True, False, True), 7: (True, True, True), 8: (True, True, False),
}  # fmt: skip
_STRIP = 512  # rows converted at a time, to avoid a second float copy of a large picture


class ImageError(ValueError):
    """A file cannot be read or written as a picture; the one-line message names the file."""


@dataclass(frozen=True)
class Photo:
    """A decoded file: pixels (1, C, H, W) with C = 1 or 3, upright; alpha (1, 1, H, W) or None; bits 8 or 16."""

    pixels: Tensor
    alpha: Tensor | None = None
    bits: int = 8
    icc: bytes | None = None
    exif: bytes | None = None


def load(path: str | os.PathLike) -> Photo:
    """Read a picture with its alpha, bit depth, colour profile and EXIF (orientation applied, tag removed).

    Raises: ImageError for a file that is missing, damaged, too large, in an unknown format, or not one still picture.
    """
    path = Path(path)
    if not path.exists():
        raise ImageError(f"{path}: no such file")
    if path.is_dir():
        raise ImageError(f"{path}: is a folder, not a picture")
    if path.stat().st_size == 0:
        raise ImageError(f"{path}: empty file (0 bytes)")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns about odd metadata; only the pixels matter
            with Image.open(path, formats=_READABLE) as file:
                _refuse(path, file)
                return _decode(path, file)
    except ImageError:
        raise
    except Image.UnidentifiedImageError as error:
        raise ImageError(f"{path}: not a picture in a known format ({', '.join(_READABLE)})") from error
    except Image.DecompressionBombError as error:
        raise ImageError(f"{path}: more pixels than the limit of {MAX_PIXELS // 10**6} megapixels") from error
    except Exception as error:  # decoders raise many types on damaged files; all mean the same to the caller
        raise ImageError(f"{path}: damaged picture ({' '.join(str(error).split()) or type(error).__name__})") from error


def _refuse(path: Path, file: Image.Image) -> None:
    width, height = file.size
    if width * height > MAX_PIXELS:
        raise ImageError(
            f"{path}: {width} x {height} pixels are more than the limit of {MAX_PIXELS // 10**6} megapixels "
            "(srlib.io.codecs.MAX_PIXELS)"
        )
    frames = getattr(file, "n_frames", 1)
    if frames > 1 and file.format != "MPO":  # MPO: a phone's JPEG with previews after the photo
        raise ImageError(f"{path}: {frames} frames or pages; only still pictures can be read, extract one first")
    if file.mode == "F":
        raise ImageError(f"{path}: floating-point pixels have no fixed range; save it with 8 or 16 bits first")


def _decode(path: Path, file: Image.Image) -> Photo:
    raw = " ".join(str(tile[3]) for tile in file.tile)  # read first: reading EXIF may decode the file and clear it
    exif = file.getexif()
    turn = _TURNS.get(exif.pop(_ORIENTATION, 1))
    icc = file.info.get("icc_profile")
    if ";16" in raw and not file.mode.startswith("I"):
        file.load()  # detects truncation; Pillow keeps only 8 of the 16 bits
        array = _decode_16_bit(path, grey="LA;16" in raw)
        bits = 16
    elif file.mode.startswith("I"):
        array = np.asarray(file).astype(np.int64)
        if array.min() < 0 or array.max() > 65535:
            raise ImageError(f"{path}: 32-bit integer pixels have no fixed range; save it with 8 or 16 bits first")
        array, bits = array.astype(np.uint16)[..., None], 16
    else:
        mode = _plain_mode(file)
        if file.mode == "CMYK" or file.mode != mode:
            icc = icc if file.mode not in ("CMYK", "LAB", "YCbCr") else None  # it described another colour space
        array, bits = np.asarray(file.convert(mode)), 8
        array = array[..., None] if array.ndim == 2 else array
    pixels = _upright(to_float(array), turn)
    colours = 1 if pixels.shape[1] <= 2 else 3
    alpha = pixels[:, colours:] if pixels.shape[1] > colours else None
    return Photo(pixels[:, :colours], alpha, bits, icc, exif.tobytes() if len(exif) else None)


def _plain_mode(file: Image.Image) -> str:
    """L, LA, RGB or RGBA: the plain mode that loses nothing, not even a transparent palette colour."""
    grey = file.mode in ("1", "L", "LA", "La")
    alpha = file.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in file.info
    return {(True, False): "L", (True, True): "LA", (False, False): "RGB", (False, True): "RGBA"}[grey, alpha]


def _decode_16_bit(path: Path, grey: bool) -> np.ndarray:
    import cv2  # only here: the one maintained decoder of 16-bit colour

    array = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    if array is None or array.dtype != np.uint16 or array.ndim != 3:
        raise ImageError(f"{path}: 16-bit picture that OpenCV cannot decode; save it as 16-bit PNG")
    return array[..., [0, 3]] if grey else array[..., [2, 1, 0, 3][: array.shape[2]]]  # OpenCV keeps blue first


def to_float(array: np.ndarray) -> Tensor:
    """(H, W, C) uint8 or uint16 -> (1, C, H, W) float32."""
    top = float(np.iinfo(array.dtype).max)
    result = torch.empty(1, array.shape[2], *array.shape[:2])
    for start in range(0, array.shape[0], _STRIP):
        strip = np.ascontiguousarray(array[start : start + _STRIP].transpose(2, 0, 1), dtype=np.float32)
        torch.div(torch.from_numpy(strip)[None], top, out=result[:, :, start : start + _STRIP])
    return result


def _upright(pixels: Tensor, turn: tuple[bool, bool, bool] | None) -> Tensor:
    if turn is None:
        return pixels
    transpose, rows, columns = turn
    pixels = pixels.mT if transpose else pixels
    return pixels.flip([dim for dim, flip in ((-2, rows), (-1, columns)) if flip]).contiguous()


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


def writable(path: str | os.PathLike, *, bits: int = 8, alpha: bool = False) -> None:
    """Check in advance that `save` can write such a picture here.

    Raises: ImageError for an unknown extension, a missing folder, and a format without 16 bits or alpha.
    """
    path = Path(path)
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        raise ImageError(f"{path}: cannot write {path.suffix or 'a file without extension'}; use {', '.join(FORMATS)}")
    if path.is_dir():
        raise ImageError(f"{path}: is a folder")
    if not path.absolute().parent.is_dir():
        raise ImageError(f"{path}: no folder {path.parent}; create it first")
    if bits == 16 and kind not in _WITH_16_BIT:
        raise ImageError(f"{path}: {kind} has only 8 bits; write .png or .tif to keep 16")
    if alpha and kind not in _WITH_ALPHA:
        raise ImageError(f"{path}: {kind} has no transparency; write .png, .webp or .tif to keep it")


def save(path: str | os.PathLike, photo: Photo) -> None:
    """Write a `Photo` with all its metadata, atomically: an existing file stays until the new one is complete.

    Raises: ImageError as `writable`, for pixels of another shape than (1, 1 or 3, H, W), and for a failed write.
    """
    path = Path(path)
    pixels = photo.pixels
    if pixels.ndim != 4 or pixels.shape[0] != 1 or pixels.shape[1] not in (1, 3) or 0 in pixels.shape:
        raise ImageError(f"{path}: cannot write shape {tuple(pixels.shape)}; expected (1, 1 or 3, H, W)")
    writable(path, bits=photo.bits, alpha=photo.alpha is not None)
    try:
        # encode in memory: libtiff prints its own messages to stderr when a disk is full
        atomic.write(path, _encode(FORMATS[path.suffix.lower()], photo))
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(f"{path}: cannot write {pixels.shape[3]} x {pixels.shape[2]} pixels ({reason})") from error


def _encode(kind: str, photo: Photo) -> bytes:
    parts = [photo.pixels] if photo.alpha is None else [photo.pixels, photo.alpha]
    top, dtype = (255, torch.uint8) if photo.bits == 8 else (65535, torch.uint16)
    planes = [quantise(part, top, dtype)[0].cpu().numpy() for part in parts]
    array = np.ascontiguousarray(np.concatenate(planes).transpose(1, 2, 0))  # (H, W, C)
    if photo.bits == 16 and array.shape[2] > 1:
        return _png_16_bit(array, photo) if kind == "PNG" else _tiff_16_bit(array, photo)
    options: dict = {"icc_profile": photo.icc} if photo.icc else {}
    if photo.exif:
        options["exif"] = photo.exif
    if kind == "JPEG":
        options |= {"quality": 95, "subsampling": 0}
    if kind == "WEBP":
        options |= {"lossless": True, "exact": True}
    if kind == "TIFF":
        options.pop("exif", None)  # its tags would describe the old size
        options["compression"] = "tiff_deflate"
    file = io.BytesIO()
    Image.fromarray(array[..., 0] if array.shape[2] == 1 else array).save(file, format=kind, **options)
    return file.getvalue()


def _png_16_bit(array: np.ndarray, photo: Photo) -> bytes:
    """A 16-bit PNG written by hand, signature and chunks, since Pillow writes 16 bits only in grey."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    height, width, channels = array.shape
    kind = {2: 4, 3: 2, 4: 6}[channels]  # grey + alpha, RGB, RGBA
    rows = array.astype(">u2").view(np.uint8).reshape(height, -1)
    difference = np.diff(rows, axis=0, prepend=np.zeros_like(rows[:1]))  # filter 2: each byte minus the one above
    filtered = np.concatenate([np.full((height, 1), 2, np.uint8), difference], axis=1)
    parts = [chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0))]
    if photo.icc:
        parts.append(chunk(b"iCCP", b"profile\0\0" + zlib.compress(photo.icc)))
    if photo.exif:
        parts.append(chunk(b"eXIf", photo.exif.removeprefix(b"Exif\0\0")))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IDAT", zlib.compress(filtered, 6)) + chunk(b"IEND", b"")


def _tiff_16_bit(array: np.ndarray, photo: Photo) -> bytes:
    import tifffile  # comes with scikit-image

    array = array[..., [0, 0, 0, 1]] if array.shape[2] == 2 else array  # few readers support 16-bit grey with alpha
    file = io.BytesIO()
    tifffile.imwrite(
        file,
        array,
        photometric="rgb",
        planarconfig="contig",
        extrasamples=["unassalpha"] if array.shape[2] == 4 else None,
        compression="zlib",
        iccprofile=photo.icc,
        metadata=None,
    )
    return file.getvalue()
