"""Writing TIFF with 8 or 16 bits, alpha and EXIF: Pillow writes no 16-bit colour, and tifffile no EXIF directories."""

import struct
import zlib

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from srlib.io.metadata import EXIF_IFD, GPS_IFD, INTEROP_IFD

MOST = (1 << 32) - (1 << 20)  # bytes; offsets in a TIFF have 32 bits
_STRIP = 1 << 18  # bytes of pixels in a strip
_LONG, _ASCII, _BYTE, _UNDEFINED = 4, 2, 1, 7
_TYPES = {700: _BYTE, 34675: _UNDEFINED}


def encode(
    array: np.ndarray,
    *,
    icc_profile: bytes | None = None,
    exif: Image.Exif | None = None,
    xmp: bytes | None = None,
    dpi: tuple[float, float] | None = None,
) -> bytes:
    """(H, W, C) uint8 or uint16, C = 1 to 4, as a TIFF: little-endian strips, deflated, with differences along rows.

    Source: the specification of TIFF 6.0, sections 7, 8, 14 and 18, and its supplement by Adobe for deflate.
    """
    if array.shape[2] == 2 and array.dtype == np.uint16:
        array = array[..., [0, 0, 0, 1]]  # few programs read grey with alpha in 16 bits
    height, width, channels = array.shape
    bits = 8 * array.dtype.itemsize
    rows = max(1, _STRIP // (width * channels * array.dtype.itemsize))
    strips, offsets = [], [0]
    for start in range(0, height, rows):
        strip = array[start : start + rows].astype(f"<u{array.dtype.itemsize}")
        strip[:, 1:] -= strip[:, :-1].copy()  # modulo 2 ** bits, as the predictor asks
        strips.append(zlib.compress(strip.tobytes(), 6))
        offsets.append(offsets[-1] + len(strips[-1]))
    tags = ImageFileDirectory_v2(prefix=b"II")
    for tag, value in _texts(exif, dpi):
        tags[tag] = value
    colours = 1 if channels < 3 else 3
    tags[256], tags[257], tags[258], tags[259] = width, height, (bits,) * channels, 8
    tags[262], tags[277], tags[278], tags[284], tags[317] = 1 if colours == 1 else 2, channels, rows, 1, 2
    tags.tagtype[273] = tags.tagtype[279] = _LONG
    tags[273], tags[279] = tuple(offsets[:-1]), tuple(map(len, strips))  # Pillow adds where the directory ends
    if channels > colours:
        tags[338] = 2  # straight alpha
    for tag, value in ((700, xmp), (34675, icc_profile)):
        if value:
            tags.tagtype[tag] = _TYPES[tag]
            tags[tag] = value
    return b"".join([struct.pack("<2sHI", b"II", 42, 8), tags.tobytes(8), *strips])


def _texts(exif: Image.Exif | None, dpi: tuple[float, float] | None) -> list[tuple[int, object]]:
    """EXIF and resolution as entries of the first directory; directories inside it are dictionaries."""
    entries: dict[int, object] = {}
    for tag, value in exif.items() if exif else ():
        if tag not in (EXIF_IFD, GPS_IFD):
            entries[tag] = value
    for tag in (EXIF_IFD, GPS_IFD) if exif else ():
        if inside := dict(exif.get_ifd(tag)):
            if INTEROP_IFD in inside:
                inside[INTEROP_IFD] = dict(exif.get_ifd(INTEROP_IFD))
            entries[tag] = inside
    if dpi:
        entries |= {282: dpi[0], 283: dpi[1], 296: 2}
    return list(entries.items())
