"""PNG in every depth: chunks that Pillow passes over are read here, and colour with 16 bits is written here."""

import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from PIL import Image, PngImagePlugin

from srlib.io import pillow
from srlib.io.metadata import without_storage, xmp_upright
from srlib.io.photo import ImageError, Metadata, Source

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_SMALL = (b"IHDR", b"PLTE", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"cICP", b"pHYs", b"eXIf", b"acTL")
_SRGB_CICP = (1, 6, 13)  # transfer functions for which a reader of sRGB sees the right picture
_XMP = b"XML:com.adobe.xmp"


def source(file: BinaryIO) -> Source:
    """A PNG, opened.

    Raises: ImageError for moving pictures and for transfer functions of high dynamic range; others for a damaged file.
    """
    known = dict(_chunks(file))
    width, height, depth, kind = struct.unpack(">IIBB", known[b"IHDR"][:10])
    frames = struct.unpack(">I", known[b"acTL"][:4])[0] if b"acTL" in known else 1
    if frames > 1:
        raise ImageError(f"{frames} frames or pages; only still pictures can be read, extract one first")
    if len(cicp := known.get(b"cICP", b"")) == 4 and cicp[1] not in _SRGB_CICP:
        raise ImageError("high dynamic range (cICP); convert it to sRGB first")
    file.seek(0)
    image = pillow.opened(file, ("PNG",))
    colours = 1 if kind in (0, 4) else 3
    key = known.get(b"tRNS") if kind in (0, 2) else None
    alpha = kind in (4, 6) or b"tRNS" in known

    def decode() -> np.ndarray:
        if depth == 16:
            array = _decode_16_bit(file, image, kind)
        else:
            image.info.pop("transparency", None) if key else None
            mode = {(1, False): "L", (1, True): "LA", (3, False): "RGB", (3, True): "RGBA"}[colours, alpha and not key]
            array = np.asarray(image.convert(mode))
            array = array[..., None] if array.ndim == 2 else array
        return _with_key(array, key, depth) if key else array

    def metadata() -> Metadata:
        srgb = b"sRGB" in known or "icc_profile" in image.info
        return Metadata(
            orientation=image.getexif().get(0x0112, 1),
            icc=image.info.get("icc_profile"),
            exif=without_storage(image.getexif()),
            xmp=xmp_upright(image.info.get("xmp") or image.info.get(_XMP.decode())),
            dpi=pillow.dpi(image),
            gamma=None if srgb else _gamma(known),
            chromaticities=None if srgb else _chromaticities(known),
        )

    def turned() -> bool:
        exif = Image.Exif()
        exif.load(known.get(b"eXIf", b""))
        return exif.get(0x0112, 1) >= 5

    return Source("PNG", width, height, colours, alpha, 16 if depth == 16 else 8, decode, metadata, turned)


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """The chunks of `_SMALL` before the pixels: (name, content)."""
    file.seek(len(SIGNATURE))
    while len(head := file.read(8)) == 8:
        length, name = struct.unpack(">I4s", head)
        if name == b"IDAT":
            return
        content = file.read(length) if name in _SMALL and length <= 1 << 20 else b""
        if content:
            yield name, content
        file.seek(length - len(content) + 4, 1)


def _decode_16_bit(file: BinaryIO, image: Image.Image, kind: int) -> np.ndarray:
    image.load()  # notices damage; Pillow keeps only 8 of the 16 bits of colour
    if kind == 0:
        return np.asarray(image).astype(np.uint16)[..., None]
    import cv2  # only here: the one maintained decoder of 16-bit colour

    file.seek(0)
    with pillow.quiet():
        array = cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_UNCHANGED)
    if array is None or array.dtype != np.uint16 or array.ndim != 3:
        raise ImageError("16-bit picture that OpenCV cannot decode; save it again with another program")
    return array[..., {2: [2, 1, 0], 4: [0, 3], 6: [2, 1, 0, 3]}[kind]]  # OpenCV keeps blue first, and grey three times


def _with_key(array: np.ndarray, key: bytes, depth: int) -> np.ndarray:
    """Add the alpha that a tRNS chunk gives: one value or colour is transparent, in the file's own depth."""
    values = np.frombuffer(key, ">u2")[: array.shape[2]].astype(np.int64) & ((1 << depth) - 1)
    if depth < 8:
        values = values * (255 // ((1 << depth) - 1))  # as the pixels were spread over 8 bits
    seen = (array != values.astype(array.dtype)).any(-1, keepdims=True).astype(array.dtype)
    return np.concatenate([array, seen * np.iinfo(array.dtype).max], axis=-1)


def _gamma(known: dict[bytes, bytes]) -> float | None:
    value = struct.unpack(">I", known[b"gAMA"][:4])[0] / 100_000 if len(known.get(b"gAMA", b"")) == 4 else 0
    return value if 0.01 <= value <= 10 else None


def _chromaticities(known: dict[bytes, bytes]) -> tuple[float, ...] | None:
    if len(known.get(b"cHRM", b"")) != 32:
        return None
    values = tuple(value / 100_000 for value in struct.unpack(">8I", known[b"cHRM"]))
    return values if all(0 < value < 1 for value in values) else None


def extra_chunks(
    gamma: float | None, chromaticities: tuple[float, ...] | None, xmp: bytes | None
) -> Iterator[tuple[bytes, bytes]]:
    """The chunks (name, content) that carry gamma, chromaticities and XMP."""
    if gamma:
        yield b"gAMA", struct.pack(">I", round(gamma * 100_000))
    if chromaticities:
        yield b"cHRM", struct.pack(">8I", *(round(value * 100_000) for value in chromaticities))
    if xmp:
        yield b"iTXt", _XMP + bytes(5) + xmp


def encode_8_bit(array: np.ndarray, file: BinaryIO, extra: Iterator[tuple[bytes, bytes]], **options: object) -> None:
    """Write (H, W, C) uint8 with these chunks and Pillow's options icc_profile, exif and dpi."""
    info = PngImagePlugin.PngInfo()
    for name, content in extra:
        info.add(name, content)
    Image.fromarray(array[..., 0] if array.shape[2] == 1 else array).save(file, format="PNG", pnginfo=info, **options)


def encode_16_bit(
    array: np.ndarray,
    extra: Iterator[tuple[bytes, bytes]],
    *,
    icc_profile: bytes | None = None,
    exif: bytes | None = None,
    dpi: tuple[float, float] | None = None,
) -> bytes:
    """(H, W, C) uint16 as a PNG made by hand, signature and chunks, since Pillow writes 16 bits only in grey."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    height, width, channels = array.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]  # grey, grey + alpha, RGB, RGBA
    rows = array.astype(">u2").view(np.uint8).reshape(height, -1)
    difference = np.diff(rows, axis=0, prepend=np.zeros_like(rows[:1]))  # filter 2: each byte minus the one above
    filtered = np.concatenate([np.full((height, 1), 2, np.uint8), difference], axis=1)
    parts = [chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0))]
    if icc_profile:
        parts.append(chunk(b"iCCP", b"profile\0\0" + zlib.compress(icc_profile)))
    if dpi:
        parts.append(chunk(b"pHYs", struct.pack(">IIB", *(round(value / 0.0254) for value in dpi), 1)))
    if exif:
        parts.append(chunk(b"eXIf", exif.removeprefix(b"Exif\0\0")))
    parts += [chunk(name, content) for name, content in extra]
    return SIGNATURE + b"".join(parts) + chunk(b"IDAT", zlib.compress(filtered, 6)) + chunk(b"IEND", b"")
