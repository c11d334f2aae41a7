"""Files of every kind that photo, scan and drawing programs write, made without srlib, and what is in them."""

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import tifffile
from PIL import Image, ImageCms

H, W = 5, 7
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
# The same profile, as one of another space: only the name is looked at by those who carry it.
GREY, CMYK = (SRGB[:16] + space + SRGB[20:] for space in (b"GRAY", b"CMYK"))


@dataclass(frozen=True)
class Made:
    """A file: its content, the stored pixels in [0, 1] (H, W, colours), alpha (H, W, 1) or None, and its depth."""

    content: bytes
    pixels: np.ndarray
    alpha: np.ndarray | None
    bits: int
    tolerance: float = 1e-4


@dataclass(frozen=True)
class Kind:
    """A way to write a file, as a function of (orientation, profile)."""

    name: str
    suffix: str
    make: Callable[[int, bytes | None], Made]
    turns: bool = True
    profiled: bool = True


def samples(channels: int, bits: int, seed: int = 0) -> np.ndarray:
    """(H, W, channels) with all values far from a pattern; alpha, the last of 2 or 4, is never 0."""
    rng = np.random.default_rng(seed + 10 * channels)
    top = (1 << bits) - 1
    array = rng.integers(0, top + 1, (H, W, channels)).astype(np.uint8 if bits <= 8 else np.uint16)
    if channels in (2, 4):
        array[..., -1] = np.maximum(array[..., -1], top // 8)
    return array


def parts(array: np.ndarray, bits: int) -> tuple[np.ndarray, np.ndarray | None]:
    values = array / ((1 << bits) - 1)
    return (values[..., :-1], values[..., -1:]) if array.shape[2] in (2, 4) else (values, None)


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def packed(array: np.ndarray, bits: int) -> bytes:
    """The rows of a PNG without filters, each with its leading 0."""
    if bits == 16:
        rows = array.astype(">u2").view(np.uint8).reshape(len(array), -1)
    elif bits == 8:
        rows = array.reshape(len(array), -1)
    else:
        digits = np.unpackbits(array.reshape(len(array), -1, 1), axis=2)[..., 8 - bits :]
        rows = np.packbits(digits.reshape(len(array), -1), axis=1)
    return np.concatenate([np.zeros((len(array), 1), np.uint8), rows], 1).tobytes()


def png_bytes(array: np.ndarray, bits: int, colour: int, *, before: bytes = b"") -> bytes:
    head = struct.pack(">IIBBBBB", array.shape[1], array.shape[0], bits, colour, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(packed(array, bits)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + before + body + chunk(b"IEND", b"")


def exif_of(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = orientation, "maker"
    return exif


def png(channels: int, bits: int, key: bool = False) -> Callable[[int, bytes | None], Made]:
    def make(orientation: int, icc: bytes | None) -> Made:
        array = samples(channels, bits)
        pixels, alpha = parts(array, bits)
        before = chunk(b"iCCP", b"p\0\0" + zlib.compress(icc)) if icc else b""
        if key:
            value = array[2, 3]
            alpha = (array != value).any(-1, keepdims=True) * 1.0
            before += chunk(b"tRNS", b"".join(struct.pack(">H", int(v)) for v in value))
        before += chunk(b"eXIf", exif_of(orientation).tobytes()[6:])
        content = png_bytes(array, bits, {1: 0, 2: 4, 3: 2, 4: 6}[channels], before=before)
        return Made(content, pixels, alpha, max(bits, 8))

    return make


def png_palette(bits: int, transparent: bool) -> Callable[[int, bytes | None], Made]:
    def make(orientation: int, icc: bytes | None) -> Made:
        size = 1 << bits
        colours = np.random.default_rng(3).integers(0, 256, (size, 3)).astype(np.uint8)
        index = samples(1, bits)
        before = chunk(b"iCCP", b"p\0\0" + zlib.compress(icc)) if icc else b""
        before += chunk(b"PLTE", colours.tobytes())
        alphas = np.linspace(40, 255, size).astype(np.uint8)
        if transparent:
            before += chunk(b"tRNS", alphas.tobytes())
        before += chunk(b"eXIf", exif_of(orientation).tobytes()[6:])
        alpha = alphas[index] / 255 if transparent else None
        return Made(png_bytes(index, bits, 3, before=before), colours[index[..., 0]] / 255, alpha, 8)

    return make


def tiff(channels: int, bits: int, **options: object) -> Callable[[int, bytes | None], Made]:
    """As tifffile writes it; `unalpha` makes the last channel something else than alpha."""

    def make(orientation: int, icc: bytes | None) -> Made:
        array = samples(channels, bits)
        pixels, alpha = parts(array, bits)
        colours = 3 if channels > 2 else 1
        words = {"photometric": "rgb" if colours == 3 else "minisblack", "metadata": None} | options
        stored = array
        if alpha is not None:
            words.setdefault("extrasamples", ["unassalpha"])
            if words["extrasamples"] == ["unspecified"]:
                alpha = None
            if words["extrasamples"] == ["assocalpha"]:
                mask = array[..., -1:].astype(np.uint64)
                stored = array.copy()
                stored[..., :-1] = (array[..., :-1] * mask + ((1 << bits) - 1) // 2) // ((1 << bits) - 1)
                pixels = np.minimum(stored[..., :-1] / array[..., -1:], 1)
        if words["photometric"] == "miniswhite":
            pixels = 1 - pixels
        if words.get("planarconfig") == "separate":
            stored = np.moveaxis(stored, -1, 0)
        elif channels == 1:
            stored = stored[..., 0]
        else:
            words["planarconfig"] = "contig"
        file = io.BytesIO()
        tags = [(274, 3, 1, orientation, True), (271, 2, 0, "maker", True)]
        tifffile.imwrite(file, stored, extratags=tags, iccprofile=icc, **words)
        return Made(file.getvalue(), pixels, alpha, bits, 0.003 if bits == 8 else 1e-4)

    return make


def pillow(mode: str, form: str, tolerance: float = 1e-4, **options: object) -> Callable[[int, bytes | None], Made]:
    """As Pillow writes it; a lossy format gets one colour a side, so that a wrong turn still shows."""

    def make(orientation: int, icc: bytes | None) -> Made:
        channels = {"1": 1, "P": 3}.get(mode, len(mode))
        if tolerance > 0.01:
            array = np.full((8 * H, 8 * W, channels), 60, np.uint8)
            array[: 2 * H, : 3 * W], array[-2 * H :, : 3 * W] = 220, 130
        else:
            array = samples(channels, 8)
        image = Image.fromarray(array[..., 0] if channels == 1 else array)
        if mode == "1":
            image = image.convert("1", dither=Image.Dither.NONE)
            array = np.asarray(image)[..., None] * np.uint8(255)
        if mode == "P":
            image = image.quantize(16)
            array = np.asarray(image.convert("RGB"))
        file = io.BytesIO()
        if form in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF"):
            options["exif"] = exif_of(orientation)
            if icc:
                options["icc_profile"] = icc
            else:
                options.pop("icc_profile", None)
        image.save(file, form, **options)
        pixels, alpha = parts(array, 8)
        # the fourth byte of a pixel in a plain BMP is no alpha
        return Made(file.getvalue(), pixels, None if form == "BMP" else alpha, 8, tolerance)

    return make


def netpbm(number: int, top: int, comment: bool = False) -> Callable[[int, bytes | None], Made]:
    def make(orientation: int, icc: bytes | None) -> Made:
        colours = 3 if number in (3, 6) else 1
        array = np.random.default_rng(top).integers(0, top + 1, (H, W, colours))
        head = f"P{number}\n" + "# made by a scanner\n" * comment + f"{W} {H}\n" + f"{top}\n" * (number not in (1, 4))
        if number <= 3:
            body = " ".join(str(v) for v in array.reshape(-1)).encode()
        elif number == 4:
            body = np.packbits(array[..., 0].astype(np.uint8), axis=1).tobytes()
        else:
            body = array.astype(">u2" if top > 255 else "u1").tobytes()
        pixels = 1 - array if number in (1, 4) else array / top
        return Made(head.encode() + body, pixels * 1.0, None, 8 if top < 256 else 16, 1e-4 if top > 255 else 0.0021)

    return make


def _kinds() -> Iterator[Kind]:
    for bits in (1, 2, 4, 8, 16):
        yield Kind(f"png grey {bits}", "png", png(1, bits))
        yield Kind(f"png grey {bits} tRNS", "png", png(1, bits, key=True))
    for bits in (8, 16):
        yield Kind(f"png rgb {bits}", "png", png(3, bits))
        yield Kind(f"png rgb {bits} tRNS", "png", png(3, bits, key=True))
        yield Kind(f"png grey+alpha {bits}", "png", png(2, bits))
        yield Kind(f"png rgba {bits}", "png", png(4, bits))
    for bits in (1, 2, 4, 8):
        yield Kind(f"png palette {bits}", "png", png_palette(bits, False))
        yield Kind(f"png palette {bits} tRNS", "png", png_palette(bits, True))
    for bits in (8, 16):
        for name, options in {"": {}, "deflate": {"compression": "zlib"}, "big-endian": {"byteorder": ">"},
                              "predictor": {"compression": "zlib", "predictor": True}, "bigtiff": {"bigtiff": True},
                              "tiled": {"tile": (16, 16)}}.items():  # fmt: skip
            yield Kind(f"tiff grey {bits} {name}", "tif", tiff(1, bits, **options))
            yield Kind(f"tiff rgb {bits} {name}", "tif", tiff(3, bits, **options))
            yield Kind(f"tiff rgba {bits} {name}", "tif", tiff(4, bits, **options))
        yield Kind(f"tiff white-is-zero {bits}", "tif", tiff(1, bits, photometric="miniswhite"))
        yield Kind(f"tiff grey+alpha {bits}", "tif", tiff(2, bits))
        yield Kind(f"tiff premultiplied {bits}", "tif", tiff(4, bits, extrasamples=["assocalpha"]))
        yield Kind(f"tiff fourth channel {bits}", "tif", tiff(4, bits, extrasamples=["unspecified"]))
        yield Kind(f"tiff planar {bits}", "tif", tiff(3, bits, planarconfig="separate"))
        yield Kind(f"tiff planar deflate {bits}", "tif", tiff(3, bits, planarconfig="separate", compression="zlib"))
        yield Kind(f"tiff planar rgba {bits}", "tif", tiff(4, bits, planarconfig="separate"))
    for compression in ("raw", "tiff_lzw", "packbits", "tiff_adobe_deflate"):
        for mode in ("L", "RGB", "RGBA"):
            yield Kind(f"tiff pillow {mode} {compression}", "tif", pillow(mode, "TIFF", compression=compression))
    yield Kind("tiff bilevel group4", "tif", pillow("1", "TIFF", compression="group4"))
    yield Kind("tiff palette", "tiff", pillow("P", "TIFF"))
    yield Kind("tiff jpeg", "tif", pillow("RGB", "TIFF", 0.06, compression="jpeg", quality=100))
    yield Kind("jpeg rgb", "jpg", pillow("RGB", "JPEG", 0.03, quality=100, subsampling=0))
    yield Kind("jpeg grey", "jpeg", pillow("L", "JPEG", 0.03, quality=100))
    yield Kind("jpeg progressive", "jpg", pillow("RGB", "JPEG", 0.03, quality=100, subsampling=0, progressive=True))
    yield Kind("webp rgb", "webp", pillow("RGB", "WEBP", lossless=True))
    yield Kind("webp rgba", "webp", pillow("RGBA", "WEBP", lossless=True, exact=True))
    yield Kind("avif rgb", "avif", pillow("RGB", "AVIF", 0.06, quality=100, subsampling="4:4:4"))
    yield Kind("avif rgba", "avif", pillow("RGBA", "AVIF", 0.06, quality=100, subsampling="4:4:4"))
    for mode in ("1", "L", "RGB", "RGBA", "P"):
        yield Kind(f"bmp {mode}", "bmp", pillow(mode, "BMP"), turns=False, profiled=False)
    yield Kind("gif", "gif", pillow("P", "GIF"), turns=False, profiled=False)
    for number in (1, 2, 3, 4, 5, 6):
        for top in (1,) if number in (1, 4) else (15, 255, 1000, 4095, 65535):
            yield Kind(f"netpbm P{number} to {top}", "ppm", netpbm(number, top, top == 255), False, False)


KINDS = list(_kinds())


def turned(array: np.ndarray, orientation: int) -> np.ndarray:
    """Stored pixels as they are meant to be seen, by the table of EXIF 2.3."""
    flips = {2: np.s_[:, ::-1], 3: np.s_[::-1, ::-1], 4: np.s_[::-1]}
    if orientation < 5:
        return array[flips[orientation]] if orientation > 1 else array
    array = array.swapaxes(0, 1)
    return array[{6: np.s_[:, ::-1], 7: np.s_[::-1, ::-1], 8: np.s_[::-1]}[orientation]] if orientation > 5 else array
