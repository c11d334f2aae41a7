"""Netpbm: PBM, PGM and PPM, as text or bytes, with any largest value up to 65535 (Pillow keeps 8 bits of colour)."""

import re
from typing import BinaryIO

import numpy as np

from srlib.io.photo import ImageError, Metadata, Source

_HEAD = re.compile(rb"P([1-6])" + rb"(?:\s|#[^\n]*\n)+(\d{1,9})" * 2)
_TOP = re.compile(rb"(?:\s|#[^\n]*\n)+(\d{1,9})")
_LONGEST_HEAD = 4096


def source(file: BinaryIO) -> Source:
    """A Netpbm file, opened.

    Raises: ImageError for PAM, floats, and a header that cannot be read.
    """
    head = file.read(_LONGEST_HEAD)
    if head[:2] in (b"P7", b"Pf", b"PF"):
        name = "PAM" if head[:2] == b"P7" else "PFM, whose floats have no fixed range"
        raise ImageError(f"this is {name}; save it as PNG, PGM or PPM first")
    found = _HEAD.match(head)
    top = _TOP.match(head, found.end()) if found and found[1] not in b"14" else None
    if not found or (top is None and found[1] not in b"14"):
        raise ImageError("damaged picture (no Netpbm header)")
    kind, width, height = (int(part) for part in found.groups())
    start, top = (top.end(), int(top[1])) if top else (found.end(), 1)
    if not (0 < width and 0 < height and 0 < top <= 65535):
        raise ImageError(f"damaged picture ({width} x {height} pixels up to {top})")
    colours = 3 if kind in (3, 6) else 1

    def decode() -> np.ndarray:
        file.seek(start)
        count = width * height * colours
        values = _text(file, count, kind) if kind <= 3 else _bytes(file, width, height, colours, kind, top)
        if len(values) < count or values.max(initial=0) > top:
            raise ImageError("damaged picture (pixels are missing, or larger than its largest value)")
        if kind in (1, 4):
            values = 1 - values  # in a bitmap, 1 is black
        limit = 255 if top < 256 else 65535
        spread = (values.astype(np.uint32) * limit + top // 2) // top
        return spread.astype(np.uint8 if limit == 255 else np.uint16).reshape(height, width, colours)

    return Source("PPM", width, height, colours, False, 8 if top < 256 else 16, decode, Metadata)


def _text(file: BinaryIO, count: int, kind: int) -> np.ndarray:
    text = re.sub(rb"#[^\n]*", b" ", file.read(count * 12 + 65_536))
    words = re.findall(rb"[01]", text) if kind == 1 else text.split()
    return np.array([int(word) for word in words[:count]], dtype=np.int64)


def _bytes(file: BinaryIO, width: int, height: int, colours: int, kind: int, top: int) -> np.ndarray:
    file.seek(1, 1)  # one white space after the header
    if kind == 4:
        stride = -(-width // 8)
        rows = np.frombuffer(file.read(stride * height), np.uint8)
        if len(rows) < stride * height:
            return rows[:0]
        return np.unpackbits(rows.reshape(height, stride), axis=1)[:, :width].reshape(-1)
    type_ = np.dtype(">u2" if top > 255 else "u1")
    content = file.read(width * height * colours * type_.itemsize)
    return np.frombuffer(content[: len(content) // type_.itemsize * type_.itemsize], type_)
