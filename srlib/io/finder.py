"""Finding the pictures of a folder, and names for them of which no two are equal."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path, PurePath

from srlib.io.codecs import FORMATS

# What a picture may be called: the formats that are written and read, and some that a reader will refuse by name.
SUFFIXES = (*FORMATS, ".jpe", ".jfif", ".mpo", ".apng", ".dib", ".gif", ".pbm", ".pgm", ".ppm", ".pnm", ".avif",
            ".heic", ".heif", ".jp2", ".jxl")  # fmt: skip
_SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a")
_THUMBNAILS = {"@eadir", "__macosx", "$recycle.bin"}  # folders that a system fills with copies of its own
_ENTRIES = 20_000  # looked at in subfolders only to say what was left out


def is_picture_name(path: PurePath) -> bool:
    """Whether the ending is one of `SUFFIXES`, in upper or lower case."""
    return path.suffix.lower() in SUFFIXES


def directly(folder: Path) -> list[Path]:
    """The pictures that lie in a folder itself, sorted by name.

    What is hidden (`.DS_Store`, `._x.png`) or has another ending (`Thumbs.db`, `notes.txt`) is no picture. A name
    without an ending, such as `IMG_1`, or with one that grew, such as `a.jpg_large`, is decided by the first bytes.

    Raises: OSError for a folder that cannot be read.
    """
    with os.scandir(folder) as entries:
        return sorted(Path(entry.path) for entry in entries if _is_picture(entry))


def pictures(place: Path, *, recursive: bool = False, skip: Path | None = None) -> list[Path]:
    """The pictures of a folder, sorted: its own, or those in its subfolder HR where it has none itself.

    Args:
        recursive: also those of all subfolders; hidden folders and links to folders are passed over.
        skip: a subfolder to pass over, such as one for results.

    Raises: OSError for a folder that cannot be read.
    """
    if recursive:
        return sorted(path for folder in [place, *_below(place, skip)] for path in directly(folder))
    return directly(place) or (directly(place / "HR") if (place / "HR").is_dir() else [])


def left_out(place: Path, *, skip: Path | None = None) -> str:
    """How many pictures in which subfolders `pictures` leaves out; "" if there are none.

    Raises: OSError for a folder that cannot be read.
    """
    if (place / "HR").is_dir() and not directly(place) and directly(place / "HR"):
        return ""
    seen: list[Path] = []
    with suppress(OSError):  # what may not be read is no reason to stop
        for path in islice(_entries(place, skip), _ENTRIES):
            seen.append(path)
    found = Counter(path.relative_to(place).parts[0] for path in seen if is_picture_name(path))
    count = sum(found.values())
    names = ", ".join([*islice(found, 3), *["…"] * (len(found) > 3)])
    least = "at least " * (len(seen) == _ENTRIES)
    return f"{least}{count} picture{'s' * (count != 1)} in subfolder{'s' * (len(found) != 1)} {names}" if count else ""


def nothing_in(place: Path) -> str:
    """The line that says that a folder has no pictures, and where some are.

    Raises: OSError for a folder that cannot be read.
    """
    elsewhere = left_out(place)
    hint = f", but {elsewhere}; name one of them, or use --recursive" if elsewhere else f" ({', '.join(FORMATS)}, …)"
    return f"{place}: no pictures in this folder{hint}"


def short_names(files: Sequence[PurePath]) -> list[str]:
    """A name for each file without its ending, or with it where several of a folder would share one.

    No two files of a folder get equal names; upper and lower case count as equal, as on the disks of some systems.
    """
    stems = Counter((file.parent, file.stem.casefold()) for file in files)
    taken, names = set(stems), []
    for file in files:
        name = file.stem
        if stems[file.parent, name.casefold()] > 1:
            name = file.name
            while (file.parent, name.casefold()) in taken:
                name += "_"
            taken.add((file.parent, name.casefold()))
        names.append(name)
    return names


def _is_picture(entry: os.DirEntry) -> bool:
    path = Path(entry.name)
    if entry.name.startswith(".") or _is_no_file(entry):
        return False
    if is_picture_name(path):
        return True  # also a link to nothing: whoever opens it says so
    ending = path.suffix.lower()
    return (not ending or ending.startswith((".jpg", ".jpeg", ".png", ".gif", ".webp"))) and _begins_as_one(entry.path)


def _is_no_file(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir() or not (entry.is_file() or entry.is_symlink())
    except OSError:  # a link to itself
        return False


def _begins_as_one(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            start = file.read(12)
    except OSError:
        return False
    return start.startswith(_SIGNATURES) or (start[:4] == b"RIFF" and start[8:] == b"WEBP")


def _below(place: Path, skip: Path | None) -> Iterator[Path]:
    """All subfolders of a folder, at any depth."""
    with os.scandir(place) as entries:
        folders = sorted(Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False))
    for folder in folders:
        if not folder.name.startswith(".") and folder.name.lower() not in _THUMBNAILS and not _same(folder, skip):
            yield folder
            yield from _below(folder, skip)


def _entries(place: Path, skip: Path | None) -> Iterator[Path]:
    """Everything in the subfolders that has a name of its own."""
    for folder in _below(place, skip):
        with os.scandir(folder) as entries:
            yield from (Path(entry.path) for entry in entries if not entry.name.startswith("."))


def _same(folder: Path, other: Path | None) -> bool:
    return other is not None and other.is_dir() and folder.samefile(other)
