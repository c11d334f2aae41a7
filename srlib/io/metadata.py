"""EXIF and XMP that move to a picture of another size: what described the old pixels is corrected or left behind."""

import re

from PIL import Image

ORIENTATION, MAKER_NOTE = 0x0112, 0x927C
EXIF_IFD, GPS_IFD, INTEROP_IFD = 0x8769, 0x8825, 0xA005
_PIXELS_X, _PIXELS_Y = 0xA002, 0xA003
# Tags of the first directory that describe how pixels are stored; in a TIFF they stand beside the maker's name.
_STORAGE = {
    *range(0xFE, 0x10B), 0x111, ORIENTATION, 0x115, 0x116, 0x117, 0x11C, *range(0x120, 0x124), 0x129, 0x13D,
    *range(0x140, 0x146), 0x14A, *range(0x14C, 0x15C), *range(0x200, 0x20A), *range(0x211, 0x215), 0x2BC,
}  # fmt: skip
# Of the tags above 0x8000, those of registered programs, what is text for people; the rest are structures of programs.
_PRIVATE = {0x8298, 0x83BB, *range(0x9C9B, 0x9CA0), EXIF_IFD, GPS_IFD}
_LONGEST = 65_000  # bytes of EXIF that fit into the one segment of a JPEG
_XMP_SIZES = {"tiff:ImageWidth": 0, "exif:PixelXDimension": 0, "tiff:ImageLength": 1, "exif:PixelYDimension": 1}


def without_storage(exif: Image.Exif) -> bytes | None:
    """EXIF without the tags that describe stored pixels: size, orientation, strips, thumbnail; None where none is left.

    An entry that cannot be written again makes the whole EXIF unreadable, so then there is none.
    """
    kept = Image.Exif()
    try:
        for tag, value in exif.items():
            if tag not in _STORAGE and (tag < 0x8000 or tag in _PRIVATE):
                kept[tag] = value
        for tag in (EXIF_IFD, GPS_IFD):
            if inside := dict(exif.get_ifd(tag)):
                if INTEROP_IFD in inside:
                    inside[INTEROP_IFD] = dict(exif.get_ifd(INTEROP_IFD))
                kept[tag] = inside
        return kept.tobytes() if len(kept) else None
    except Exception:  # Pillow's readers and writers of tags raise many types
        return None


def exif_for(exif: bytes | None, width: int, height: int) -> Image.Exif | None:
    """EXIF that states this size, where it states one.

    What is too long for the one segment of a JPEG loses the maker's own block first, and then is None.
    """
    if not exif:
        return None
    loaded = Image.Exif()
    loaded.load(exif)
    inside = loaded.get_ifd(EXIF_IFD)
    for tag, size in ((_PIXELS_X, width), (_PIXELS_Y, height)):
        if tag in inside:
            inside[tag] = size
    if len(loaded.tobytes()) > _LONGEST:
        inside.pop(MAKER_NOTE, None)
    return loaded if len(loaded.tobytes()) <= _LONGEST else None


def xmp_upright(xmp: bytes | str | None) -> bytes | None:
    """An XMP packet whose orientation, if it states one, is 1."""
    if not xmp:
        return None
    xmp = xmp.encode() if isinstance(xmp, str) else bytes(xmp)
    return _state(xmp, "tiff:Orientation", 1)


def xmp_for(xmp: bytes | None, width: int, height: int) -> bytes | None:
    """An XMP packet that states this size, where it states one."""
    for name, axis in _XMP_SIZES.items() if xmp else ():
        xmp = _state(xmp, name, (width, height)[axis])
    return xmp


def _state(xmp: bytes, name: str, value: int) -> bytes:
    """Replace a number, written as an attribute or as an element."""
    key = re.escape(name.encode())
    pattern = rb"(%s\s*=\s*[\"']|<%s>\s*)\d+" % (key, key)
    return re.sub(pattern, lambda found: found[1] + b"%d" % value, xmp)
