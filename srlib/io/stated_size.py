"""How long a video file says it is, so that one that was cut off is known before any of it is decoded."""

from pathlib import Path
from typing import BinaryIO

_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"styp")  # with which MP4 and QuickTime begin
_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"


def stated_size(path: Path) -> int:
    """The bytes that a file needs by the sizes in its own structure: MP4, QuickTime, Matroska, WebM, AVI; else 0.

    Raises: OSError for a file that cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(12)
        if start[4:8] in _BOXES:
            return _boxes(file, path.stat().st_size)
        if start[:4] == _EBML:
            return _segment(file)
        if start[:4] == b"RIFF":
            return 8 + int.from_bytes(start[4:8], "little")
    return 0


def _boxes(file: BinaryIO, size: int) -> int:
    """Where the last of the boxes ends; each begins with its length, 4 bytes or, after a 1, 8 bytes behind its name."""
    place = 0
    while place < size:
        file.seek(place)
        head = file.read(16)
        length = int.from_bytes(head[:4], "big")
        if length == 0:  # to the end, wherever that is
            return size
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if length < 8 or len(head) < 8 or not head[4:8].isascii():  # no box: what follows is nobody's
            return place
        place += length
    return place


def _segment(file: BinaryIO) -> int:
    """Where the one segment of Matroska ends; 0 for a recording whose writer never came to its end."""
    file.seek(4)
    file.seek(_number(file) or 0, 1)
    if file.read(4) != _SEGMENT:
        return 0
    length = _number(file)
    return 0 if length is None else file.tell() + length


def _number(file: BinaryIO) -> int | None:
    """A length of EBML: as many bytes as its first has leading zeros, and one; None for "unknown", all ones."""
    first = (file.read(1) or b"\0")[0]
    more = 8 - first.bit_length()
    value = int.from_bytes(bytes([first & (0x7F >> more)]) + file.read(more), "big")
    return None if value == (1 << 7 * (more + 1)) - 1 else value
