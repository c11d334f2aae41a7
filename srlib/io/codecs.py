"""Image files with their metadata, read by what they hold, and written whole or not at all; 8 and 16 bits."""

import io
import os
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import BinaryIO

import torch
from PIL import Image

from srlib.io import atomic, encoding, profiles, readers, tiff_writer
from srlib.io.encoding import FORMATS
from srlib.io.photo import MAX_PIXELS, Header, ImageError, Metadata, Photo, Source, to_float, upright

_READABLE = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "AVIF")


def load(source: str | os.PathLike | BinaryIO) -> Photo:
    """Read a picture with its alpha, bit depth and metadata (orientation applied, and removed from the metadata).

    Args:
        source: a path, or an open binary file, which is read to its end.

    Raises: ImageError for a file that is missing, damaged, too large, in an unknown format, or not one still picture.
    """
    with _opened(source) as found:
        array = found.decode()
        about = found.metadata()
    pixels = upright(to_float(array), about.orientation)
    rest = {part.name: getattr(about, part.name) for part in fields(Metadata) if part.name != "orientation"}
    if not profiles.fits(about.icc, found.colours):
        rest["icc"] = None
    if 5 <= about.orientation <= 8 and about.dpi:
        rest["dpi"] = about.dpi[::-1]
    alpha = pixels[:, found.colours :] if pixels.shape[1] > found.colours else None
    return Photo(pixels[:, : found.colours], alpha, found.bits, **rest, kind=found.kind)


def header(source: str | os.PathLike | BinaryIO) -> Header:
    """What kind of file it is, its upright size, depth, and whether it has alpha; the pixels are not decoded.

    Raises: ImageError as `load`, for what can be seen without decoding.
    """
    with _opened(source) as found:
        size = (found.width, found.height)
        return Header(found.kind, *(size[::-1] if found.turned and found.turned() else size), found.bits, found.alpha)


@contextmanager
def _opened(source: str | os.PathLike | BinaryIO) -> Iterator[Source]:
    """The source of a file; whatever goes wrong becomes one line that names it."""
    name = _name(source)
    try:
        with warnings.catch_warnings(), _file(source) as file:
            warnings.simplefilter("ignore")  # Pillow warns about odd metadata; only the pixels matter
            found = readers.source(file)
            if found.width * found.height > MAX_PIXELS:
                raise ImageError(
                    f"{found.width} x {found.height} pixels are more than the limit of {MAX_PIXELS // 10**6} "
                    "megapixels (srlib.io.photo.MAX_PIXELS)"
                )
            if found.width < 1 or found.height < 1:
                raise ImageError("a picture without pixels")
            yield found
    except ImageError as error:
        raise ImageError(f"{name}: {error}") from error
    except Image.UnidentifiedImageError as error:
        raise ImageError(f"{name}: not a picture in a known format ({', '.join(_READABLE)})") from error
    except Exception as error:  # decoders raise many types on damaged files; all mean the same to the caller
        raise ImageError(f"{name}: damaged picture ({' '.join(str(error).split()) or type(error).__name__})") from error


def _name(source: object) -> str:
    """What an error calls a path or a file object."""
    if isinstance(source, str | os.PathLike):
        return os.fspath(source)
    name = getattr(source, "name", None)
    return name if isinstance(name, str) else "<standard input>"


@contextmanager
def _file(source: str | os.PathLike | BinaryIO) -> Iterator[BinaryIO]:
    """The file to read; Pillow is never given a path, since it decodes some TIFFs in another way then."""
    if not isinstance(source, str | os.PathLike):
        yield io.BytesIO(source.read())
        return
    path = Path(source)
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise ImageError("no such file") from None
    if stat.S_ISDIR(mode):
        raise ImageError("is a folder, not a picture")
    if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
        raise ImageError("is a device, not a picture")
    with path.open("rb") as file:
        yield file if stat.S_ISREG(mode) else io.BytesIO(file.read())


def writable(
    path: str | os.PathLike, *, bits: int = 8, alpha: bool = False, size: tuple[int, int] | None = None
) -> None:
    """Check in advance that `save` can write such a picture here.

    Args:
        size: (height, width) in pixels, if it is known.

    Raises: ImageError for an unknown extension, a missing folder, what is no file, and a format that cannot hold the
        depth, alpha or size.
    """
    path = Path(path)
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        raise ImageError(f"{path}: cannot write {path.suffix or 'a file without extension'}; use {', '.join(FORMATS)}")
    if path.is_dir():
        raise ImageError(f"{path}: is a folder")
    if not path.absolute().parent.is_dir():
        raise ImageError(f"{path}: no folder {path.parent}; create it first")
    if path.exists() and not path.is_file():
        raise ImageError(f"{path}: is a device or a pipe; write to a file")
    holds(kind, bits=bits, alpha=alpha, size=size, name=str(path))


def holds(kind: str, *, bits: int, alpha: bool, size: tuple[int, int] | None, name: str) -> None:
    """Check that a format can hold such a picture.

    Args:
        size: (height, width) in pixels, if it is known.
        name: what the error calls the file.

    Raises: ImageError if it cannot, with a format that can.
    """
    if bits == 16 and kind not in encoding.WITH_16_BIT:
        raise ImageError(f"{name}: {kind} has only 8 bits; write .png or .tif to keep 16")
    if alpha and kind not in encoding.WITH_ALPHA:
        raise ImageError(f"{name}: {kind} has no transparency; write .png, .webp or .tif to keep it")
    longest = encoding.LONGEST_SIDE.get(kind)
    if size and longest and max(size) > longest:
        raise ImageError(
            f"{name}: {kind} holds at most {longest} pixels a side, not {size[1]} x {size[0]}; write .png or .tif"
        )
    if size and kind == "TIFF" and size[0] * size[1] * 4 * (bits // 8) > tiff_writer.MOST:
        raise ImageError(f"{name}: {size[1]} x {size[0]} pixels may be more than the 4 GB of a TIFF; write .png")


def encode(kind: str, photo: Photo, *, quality: int | None = None) -> bytes:
    """A picture as the bytes of a file.

    Args:
        kind: PNG, JPEG, WEBP, TIFF or BMP.
        quality: 1 to 100, for JPEG (default: 95) and WebP (default: lossless).

    Raises: ImageError for pixels of another shape than (1, 1 or 3, H, W) or that are not finite, and for a format that
        cannot hold the depth, alpha or size.
    """
    pixels = photo.pixels
    if pixels.ndim != 4 or pixels.shape[0] != 1 or pixels.shape[1] not in (1, 3) or 0 in pixels.shape:
        raise ImageError(f"cannot write shape {tuple(pixels.shape)}; expected (1, 1 or 3, H, W)")
    for part in (pixels, photo.alpha):
        if part is not None and part.is_floating_point() and not all(map(torch.isfinite, part.aminmax())):
            raise ImageError("cannot write pixels that are not finite (NaN or infinity)")
    size = (pixels.shape[2], pixels.shape[3])
    holds(kind, bits=photo.bits, alpha=photo.alpha is not None, size=size, name=kind)
    return encoding.encode(kind, photo, quality)


def save(path: str | os.PathLike, photo: Photo, *, quality: int | None = None) -> None:
    """Write a `Photo` with all its metadata, atomically: an existing file stays until the new one is complete.

    Args:
        quality: as for `encode`.

    Raises: ImageError as `writable` and `encode`, and for a failed write.
    """
    path = Path(path)
    writable(path, bits=photo.bits, alpha=photo.alpha is not None)
    try:
        # encode in memory: libtiff prints its own messages to stderr when a disk is full
        atomic.write(path, encode(FORMATS[path.suffix.lower()], photo, quality=quality))
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from error
    except Exception as error:
        height, width = photo.pixels.shape[-2:]
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(f"{path}: cannot write {width} x {height} pixels ({reason})") from error
