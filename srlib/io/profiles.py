"""Colour profiles: which one belongs to which pixels, one made from a PNG's gamma, and conversion to sRGB."""

import io
import struct

import numpy as np
from PIL import Image, ImageCms

SRGB_CHROMATICITIES = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
_D50 = np.array([0.9642, 1.0, 0.8249])
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_SPACES = {1: b"GRAY", 3: b"RGB "}
_CARRIED = {1: (b"GRAY", b"RGB "), 3: (b"RGB ",)}


def fits(icc: bytes | None, colours: int) -> bool:
    """Whether the bytes are a profile for pixels with 1 or 3 colours.

    Many programs give grey pictures the profile of their RGB space, whose tone curve is right for them, so it stays.
    """
    return bool(icc) and len(icc) > 128 and icc[36:40] == b"acsp" and icc[16:20] in _CARRIED[colours]


def converted(image: Image.Image, icc: bytes | None) -> Image.Image | None:
    """A CMYK, Lab, RGB or grey picture in sRGB by its profile; None where that is missing or not for these pixels."""
    try:
        if image.mode == "LAB":
            profile = ImageCms.createProfile("LAB")
        elif icc:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        else:
            return None
        if image.mode == "L" and icc[16:20] == b"RGB ":
            return ImageCms.profileToProfile(image.convert("RGB"), profile, ImageCms.createProfile("sRGB")).convert("L")
        seen = ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
        return seen.convert("L") if image.mode == "L" else seen
    except (ImageCms.PyCMSError, OSError, TypeError):
        return None


def from_gamma(gamma: float | None, chromaticities: tuple[float, ...] | None, colours: int) -> bytes:
    """A profile that says what a PNG's gAMA and cHRM say, for formats that have only profiles.

    Args:
        gamma: of the encoding: sample = light ** gamma; None: 1 / 2.2.
        chromaticities: CIE x, y of white, red, green and blue; None: those of sRGB.

    Source: version 2 of the specification of the ICC, a display profile by matrix and tone curves; white is adapted to
        D50 by Bradford's matrix.
    """
    exponent = min(1 / (gamma or 1 / 2.2), 255.0)
    curve = struct.pack(">4sIIHH", b"curv", 0, 1, round(exponent * 256), 0)
    name = f"gamma {exponent:.3g}".encode()
    tags = {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", len(name) + 1) + name + bytes(79),
        b"cprt": b"text" + bytes(4) + b"no copyright\0",
        b"wtpt": _xyz(_D50),
    }
    if colours == 1:
        tags[b"kTRC"] = curve
    else:
        columns = _primaries(chromaticities or SRGB_CHROMATICITIES).T
        tags |= {name + b"XYZ": _xyz(column) for name, column in zip((b"r", b"g", b"b"), columns, strict=True)}
        tags |= {name + b"TRC": curve for name in (b"r", b"g", b"b")}
    offset, table, body = 132 + 12 * len(tags), b"", b""
    for tag, content in tags.items():
        table += struct.pack(">4sII", tag, offset + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    head = struct.pack(">I4sI4s4s4s", offset + len(body), bytes(4), 0x02100000, b"mntr", _SPACES[colours], b"XYZ ")
    head += struct.pack(">6H4s", 2000, 1, 1, 0, 0, 0, b"acsp") + bytes(28) + _xyz(_D50)[8:]
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def _xyz(value: np.ndarray) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(float(v) * 65536) for v in value))


def _primaries(chromaticities: tuple[float, ...]) -> np.ndarray:
    """(3, 3): the XYZ of red, green and blue in columns, their sum adapted to D50."""
    points = np.array(chromaticities, dtype=float).reshape(4, 2)
    white, *colours = np.column_stack([points[:, 0] / points[:, 1], np.ones(4), (1 - points.sum(1)) / points[:, 1]])
    matrix = np.array(colours).T
    matrix = matrix * np.linalg.solve(matrix, white)
    cones = np.diag((_BRADFORD @ _D50) / (_BRADFORD @ white))
    return np.linalg.inv(_BRADFORD) @ cones @ _BRADFORD @ matrix
