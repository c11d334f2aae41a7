"""Which reader a file needs, by what it begins with; and the formats that Pillow reads right by itself."""

from typing import BinaryIO

import numpy as np

from srlib.io import netpbm, pillow, png, profiles, tiff
from srlib.io.metadata import ORIENTATION, without_storage, xmp_upright
from srlib.io.photo import ImageError, Metadata, Source

_BY_PILLOW = ("JPEG", "WEBP", "BMP", "GIF", "AVIF")
# What people take for a picture of a known kind: (offset, bytes, name).
_OTHERS = [
    (4, b"ftypheic", "HEIC"), (4, b"ftypheix", "HEIC"), (4, b"ftypmif1", "HEIF"), (4, b"ftypmsf1", "HEIF"),
    (0, b"\0\0\0\x0cJXL ", "JPEG XL"), (0, b"\xff\x0a", "JPEG XL"), (0, b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (0, b"8BPS", "Photoshop"), (0, b"%PDF", "PDF"), (0, b"<svg", "SVG"), (0, b"\x76\x2f\x31\x01", "OpenEXR"),
    (0, b"#?RADIANCE", "Radiance HDR"), (8, b"CR\x02", "a raw photo (CR2)"), (0, b"\0\0\x01\0", "an icon"),
]  # fmt: skip


def source(file: BinaryIO) -> Source:
    """The reader that fits what the file begins with, whatever its name.

    Raises: ImageError for what is not read, by its name; others for a damaged file.
    """
    head = file.read(16)
    file.seek(0)
    if not head:
        raise ImageError("empty file (0 bytes)")
    if head.startswith(tiff.SIGNATURES) and head[8:11] != b"CR\x02":
        return tiff.source(file)
    if head.startswith(png.SIGNATURE):
        return png.source(file)
    if head[:1] == b"P" and head[1:2] in b"1234567fF" and head[2:3].isspace():
        return netpbm.source(file)
    for offset, mark, kind in _OTHERS:
        if head[offset : offset + len(mark)] == mark:
            raise ImageError(f"this is {kind}, which is not read; convert it to PNG or JPEG first")
    return _with_pillow(file)


def _with_pillow(file: BinaryIO) -> Source:
    image = pillow.opened(file, _BY_PILLOW)
    frames = getattr(image, "n_frames", 1) if image.format in ("GIF", "WEBP", "AVIF") else 1
    if frames > 1:  # an MPO is a phone's JPEG with previews after the photo
        raise ImageError(f"{frames} frames or pages; only still pictures can be read, extract one first")
    profile = image.info.get("icc_profile")
    grey = image.mode in ("1", "L", "LA", "La")
    alpha = image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info
    mode = {(True, False): "L", (True, True): "LA", (False, False): "RGB", (False, True): "RGBA"}[grey, alpha]
    stored = image.mode

    def decode() -> np.ndarray:
        image.load()
        ready = profiles.converted(image, profile) if stored == "CMYK" else None
        array = np.asarray((ready or image).convert(mode))
        return array[..., None] if array.ndim == 2 else array

    def metadata() -> Metadata:
        exif = image.getexif()
        return Metadata(
            orientation=exif.get(ORIENTATION, 1),
            icc=None if stored == "CMYK" else profile,
            exif=without_storage(exif),
            xmp=xmp_upright(image.info.get("xmp")),
            dpi=pillow.dpi(image),
        )

    kind = "JPEG" if image.format == "MPO" else str(image.format)

    def turned() -> bool:
        return image.getexif().get(ORIENTATION, 1) in (5, 6, 7, 8)

    return Source(kind, *image.size, 1 if grey else 3, alpha, 8, decode, metadata, turned)
