"""Reading TIFF by its tags: what they say decides which decoder runs, and whether the fourth channel is alpha.

Pillow and OpenCV turn a TIFF by its orientation themselves, each in some cases only. So they get a copy that says 1,
and the picture is turned here as every other.
"""

import io
import logging
import struct
import zlib
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from srlib.io import pillow, profiles
from srlib.io.metadata import ORIENTATION, without_storage, xmp_upright
from srlib.io.photo import ImageError, Metadata, Source

SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _CMYK, _YCBCR, _LAB = 0, 1, 2, 5, 6, 8
_GREY = (_WHITE_IS_ZERO, _BLACK_IS_ZERO)
_PREMULTIPLIED, _STRAIGHT = 1, 2
_PLAIN, _DEFLATE = (1,), (8, 32946)
_ROOM = 1 << 28  # bytes; deflate can make a thousand times its own length, so longer promises are counted first
_UNITS = {2: 1.0, 3: 2.54}  # inch, centimetre -> pixels per inch

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # what it logs on damaged files, errors here say


def source(file: BinaryIO) -> Source:
    """A TIFF, opened: its one picture, beside which there may be thumbnails and masks.

    Raises: ImageError for several pictures, and for pixels that have no fixed range or meaning; others for a damaged
        file.
    """
    import tifffile  # half a tenth of a second, which readers of other formats need not wait for

    page = _picture(tifffile.TiffFile(file))
    bits = page.bitspersample
    _refuse(page)
    _check_segments(file, page)
    colours = 1 if page.photometric in _GREY else 3
    extra = _extra(page, colours)
    alpha = next((colours + i for i, kind in enumerate(extra) if kind in (_PREMULTIPLIED, _STRAIGHT)), None)
    directly = page.photometric in (*_GREY, _RGB) and page.fillorder == 1 and bits in (8, 16)
    directly = directly and page.compression in (*_PLAIN, *_DEFLATE) and page.predictor in (1, 2)
    profile = _bytes(page, 34675)

    def decode() -> np.ndarray:
        if directly:
            array = page.asarray(squeeze=False, maxworkers=1)[:, 0]  # (separate samples, H, W, samples)
            array = array[0] if array.shape[0] == 1 else np.moveaxis(array[..., 0], 0, -1)
        elif bits == 16:
            array = _with_opencv(_neutral(file, page), page)
        else:
            return _with_pillow(_neutral(file, page), colours, profile)
        array = array.astype(array.dtype.newbyteorder("="), copy=False)
        return _straight(array, colours, alpha, page)

    def metadata() -> Metadata:
        exif = Image.Exif()
        exif.endian, exif.bigtiff = page.parent.byteorder, page.parent.is_bigtiff
        exif.load_from_fp(file, page.offset)
        icc = None if page.photometric in (_CMYK, _LAB) else profile  # it was for those, and the pixels are sRGB now
        dpi = tuple(_resolution(page, tag) for tag in (282, 283))
        orientation = page.tags.valueof(ORIENTATION, 1)
        xmp = xmp_upright(_bytes(page, 700))
        return Metadata(orientation, icc, without_storage(exif), xmp, dpi if all(dpi) else None)

    def turned() -> bool:
        return page.tags.valueof(ORIENTATION, 1) in (5, 6, 7, 8)

    found = (page.imagewidth, page.imagelength, colours, alpha is not None, 16 if bits == 16 else 8)
    return Source("TIFF", *found, decode, metadata, turned)


def _extra(page: Any, colours: int) -> tuple[int, ...]:
    """What the channels after the colours are. OpenCV does not say it: its fourth channel is straight alpha."""
    if page.photometric not in (*_GREY, _RGB):
        return ()
    count = page.samplesperpixel - colours
    return tuple(page.extrasamples)[:count] if 338 in page.tags else (_STRAIGHT,) if count == 1 else ()


def _picture(tif: Any) -> Any:
    """The one page that is neither a smaller copy of another nor a mask."""
    pages = []
    for index in range(len(tif.pages)):
        page = tif.pages[index]
        if not page.tags.valueof(254, 0) & 5:
            pages.append(page)
        if len(pages) > 1:
            raise ImageError(f"{len(tif.pages)} frames or pages; only still pictures can be read, extract one first")
    if not pages:
        raise ImageError("holds only thumbnails or masks; extract the picture with another program first")
    return pages[0]


def _refuse(page: Any) -> None:
    """Say what cannot be read right."""
    bits, photometric = page.bitspersample, page.photometric
    if page.imagedepth != 1 or 50706 in page.tags or photometric not in range(9) or photometric in (4, 7):
        raise ImageError(
            f"{'a raw photo (DNG)' if 50706 in page.tags else f'a TIFF of kind {photometric!s}'} cannot be read; "
            "develop or convert it to RGB first"
        )
    if page.sampleformat != 1 and bits > 1:
        kind = "floating-point" if page.sampleformat == 3 else "signed"
        raise ImageError(f"{kind} pixels have no fixed range; save it with 8 or 16 bits first")
    if bits not in (1, 2, 4, 8, 16):
        raise ImageError(f"{bits}-bit integer pixels are not read; save it with 8 or 16 bits first")
    if bits == 16 and photometric not in (*_GREY, _RGB):
        raise ImageError("16-bit pixels that are neither grey nor RGB; convert it to RGB first")
    if page.samplesperpixel < {_RGB: 3, _CMYK: 4, _YCBCR: 3, _LAB: 3}.get(photometric, 1):
        raise ImageError(f"damaged picture ({page.samplesperpixel} channels)")


def _check_segments(file: BinaryIO, page: Any) -> None:
    """Every strip and tile lies in the file, and gives no more bytes than the picture needs."""
    size = file.seek(0, io.SEEK_END)
    columns, rows = page.imagewidth, page.imagelength
    if page.is_tiled:
        across, down = -(-columns // max(page.tilewidth, 1)), -(-rows // max(page.tilelength, 1))
        needed, whole = across * down, page.tilewidth * page.tilelength
    else:
        needed, whole = -(-rows // max(page.rowsperstrip, 1)), columns * page.rowsperstrip
    separate = page.samplesperpixel if page.planarconfig == 2 else 1
    segments = list(zip(page.dataoffsets, page.databytecounts, strict=False))
    if len(segments) < needed * separate or any(not 0 < n or at + n > size for at, n in segments):
        raise ImageError("damaged picture (a part of the pixels is missing)")
    most = whole * (page.samplesperpixel // separate) * page.bitspersample // 8 + 1024
    if page.compression in _DEFLATE:
        for at, count in segments:
            if count * 1032 > max(most, _ROOM) and _inflated(file, at, count, most) > most:
                raise ImageError("damaged picture (a part unpacks to more than the picture needs)")


def _inflated(file: BinaryIO, at: int, count: int, most: int) -> int:
    """How many bytes deflate makes of these; counting stops above `most`."""
    file.seek(at)
    stream, data, made = zlib.decompressobj(), file.read(count), 0
    while data and made <= most:
        made += len(stream.decompress(data, 1 << 20))
        data = stream.unconsumed_tail
    return made


def _neutral(file: BinaryIO, page: Any) -> io.BytesIO:
    """A copy of the file whose orientation is 1, and whose first page is the picture."""
    file.seek(0)
    data = bytearray(file.read())
    order, tag = page.parent.byteorder, page.tags.get(ORIENTATION)
    if tag is not None:
        data[tag.valueoffset : tag.valueoffset + 2] = struct.pack(f"{order}H", 1)
    struct.pack_into(f"{order}{'Q' if page.parent.is_bigtiff else 'I'}", data, 8 if page.parent.is_bigtiff else 4,
                     page.offset)  # fmt: skip
    return io.BytesIO(data)


def _with_opencv(file: io.BytesIO, page: Any) -> np.ndarray:
    import cv2  # only here: libtiff's compressions with 16 bits

    known = page.photometric in (_BLACK_IS_ZERO, _RGB) and page.planarconfig == 1 and page.samplesperpixel in (1, 3, 4)
    with pillow.quiet():
        array = cv2.imdecode(np.frombuffer(file.getbuffer(), np.uint8), cv2.IMREAD_UNCHANGED) if known else None
    if (
        array is None
        or array.dtype != np.uint16
        or array.size != page.imagelength * page.imagewidth * (page.samplesperpixel)
    ):
        raise ImageError("16-bit TIFF that cannot be decoded; save it without compression, or as 16-bit PNG")
    return array[..., None] if array.ndim == 2 else array[..., [2, 1, 0, 3][: array.shape[2]]]


def _with_pillow(file: io.BytesIO, colours: int, profile: bytes | None) -> np.ndarray:
    with pillow.opened(file, ("TIFF",)) as image:
        with pillow.quiet():
            image.load()
        alpha = image.mode in ("LA", "PA", "RGBA", "RGBa")
        if image.mode in ("CMYK", "LAB"):
            ready = profiles.converted(image, profile)
            if ready is None and image.mode == "LAB":
                raise ImageError("Lab colours that cannot be converted; convert it to RGB first")
            image = ready or image
        mode = {(1, False): "L", (1, True): "LA", (3, False): "RGB", (3, True): "RGBA"}[colours, alpha]
        array = np.asarray(image.convert(mode))
    return array[..., None] if array.ndim == 2 else array


def _straight(array: np.ndarray, colours: int, alpha: int | None, page: Any) -> np.ndarray:
    """Colours and straight alpha of all samples; black is 0."""
    top = int(np.iinfo(array.dtype).max)
    pixels = array[..., :colours]
    if page.photometric == _WHITE_IS_ZERO:
        pixels = top - pixels
    if alpha is None:
        return pixels
    mask = array[..., alpha : alpha + 1]
    if 338 in page.tags and page.extrasamples[alpha - colours] == _PREMULTIPLIED:
        wide = pixels.astype(np.uint32) * top + mask // 2
        pixels = np.minimum(wide // np.maximum(mask, 1), top)
    return np.concatenate([pixels, mask], axis=-1, dtype=array.dtype, casting="unsafe")


def _bytes(page: Any, tag: int) -> bytes | None:
    value = page.tags.valueof(tag)
    return value.encode() if isinstance(value, str) else bytes(value) if isinstance(value, bytes) else None


def _resolution(page: Any, tag: int) -> float:
    value, unit = page.tags.valueof(tag), page.tags.valueof(296, 2)
    if not isinstance(value, tuple) or len(value) != 2 or not value[1]:
        return 0.0
    return value[0] / value[1] * _UNITS.get(int(unit), 0.0)
