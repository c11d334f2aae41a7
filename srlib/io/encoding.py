"""Pictures as the bytes of a file: what each format can hold, and how it is written."""

import io
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image

from srlib.io import png, profiles, tiff_writer
from srlib.io.metadata import exif_for, xmp_for
from srlib.io.photo import Photo, quantise

FORMATS = {
    ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP",
    ".tif": "TIFF", ".tiff": "TIFF", ".bmp": "BMP",
}  # fmt: skip
WITH_ALPHA = ("PNG", "WEBP", "TIFF")
WITH_16_BIT = ("PNG", "TIFF")
LONGEST_SIDE = {"WEBP": 16383, "JPEG": 65500, "BMP": 1 << 20}  # pixels
QUALITY = 95  # of a JPEG, where none is asked for
_LONGEST_XMP = 65_000  # bytes that fit into the one segment of a JPEG


def encode(kind: str, photo: Photo, quality: int | None = None) -> bytes:
    """The bytes of a file of this kind."""
    parts = [photo.pixels] if photo.alpha is None else [photo.pixels, photo.alpha]
    top, dtype = (255, torch.uint8) if photo.bits == 8 else (65535, torch.uint16)
    planes = [quantise(part, top, dtype)[0].cpu().numpy() for part in parts]
    array = np.ascontiguousarray(np.concatenate(planes).transpose(1, 2, 0))  # (H, W, C)
    return _WRITERS[kind](array, photo, quality)


def _profile(photo: Photo) -> bytes | None:
    """The profile for a format that has no gamma and chromaticities of its own."""
    colours = photo.pixels.shape[1]
    if profiles.fits(photo.icc, colours):
        return photo.icc
    if photo.gamma or photo.chromaticities:
        return profiles.from_gamma(photo.gamma, photo.chromaticities, colours)
    return None


def _options(array: np.ndarray, photo: Photo) -> dict:
    """What all formats of Pillow take: profile, EXIF, resolution."""
    height, width, _ = array.shape
    exif = exif_for(photo.exif, width, height)
    options = {"icc_profile": _profile(photo), "exif": exif.tobytes() if exif else None, "dpi": photo.dpi}
    return {name: value for name, value in options.items() if value}


def _save(array: np.ndarray, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(array[..., 0] if array.shape[2] == 1 else array).save(file, format=kind, **options)
    return file.getvalue()


def _png(array: np.ndarray, photo: Photo, quality: int | None) -> bytes:
    fits = profiles.fits(photo.icc, photo.pixels.shape[1])
    colour = (None, None) if fits else (photo.gamma, photo.chromaticities)
    extra = png.extra_chunks(*colour, xmp_for(photo.xmp, array.shape[1], array.shape[0]))
    options = _options(array, photo)
    if not fits:
        options.pop("icc_profile", None)
    if photo.bits == 16:
        return png.encode_16_bit(array, extra, **options)
    file = io.BytesIO()
    png.encode_8_bit(array, file, extra, **options)
    return file.getvalue()


def _jpeg(array: np.ndarray, photo: Photo, quality: int | None) -> bytes:
    xmp = xmp_for(photo.xmp, array.shape[1], array.shape[0])
    options = _options(array, photo) | ({"xmp": xmp} if xmp and len(xmp) <= _LONGEST_XMP else {})
    return _save(array, "JPEG", quality=quality or QUALITY, subsampling=0, **options)


def _webp(array: np.ndarray, photo: Photo, quality: int | None) -> bytes:
    xmp = xmp_for(photo.xmp, array.shape[1], array.shape[0])
    options = _options(array, photo) | ({"xmp": xmp} if xmp else {})
    options |= {"lossless": True} if quality is None else {"quality": quality}
    return _save(array, "WEBP", exact=True, **options)


def _tiff(array: np.ndarray, photo: Photo, quality: int | None) -> bytes:
    height, width, _ = array.shape
    return tiff_writer.encode(
        array,
        icc_profile=_profile(photo),
        exif=exif_for(photo.exif, width, height),
        xmp=xmp_for(photo.xmp, width, height),
        dpi=photo.dpi,
    )


def _bmp(array: np.ndarray, photo: Photo, quality: int | None) -> bytes:
    """A BMP has no profile, so the pixels are converted."""
    image = Image.fromarray(array[..., 0] if array.shape[2] == 1 else array)
    image = profiles.converted(image, _profile(photo)) or image
    return _save(np.atleast_3d(np.asarray(image)), "BMP", **({"dpi": photo.dpi} if photo.dpi else {}))


_WRITERS: dict[str, Callable[[np.ndarray, Photo, int | None], bytes]] = {
    "PNG": _png, "JPEG": _jpeg, "WEBP": _webp, "TIFF": _tiff, "BMP": _bmp,
}  # fmt: skip
