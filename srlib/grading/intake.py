"""What lies in a folder of hand-ins: every file, as it came from Canvas, Gradescope, nbgrader or by hand.

Names and contents are the students'. No link is followed, nothing but regular files is opened, a zip is read in memory
with a limit and never unpacked onto the disk.
"""

import hashlib
import io
import os
import stat
import unicodedata
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

MAX_FILE = 50_000_000
MAX_ENTRIES = 20_000
MAX_DEPTH = 8
MAX_ZIP_MEMBERS = 500
_LONGEST = 120
_READABLE = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # of others zipfile unpacks whole blocks, whatever is asked for
_OF_SYSTEMS = {".DS_Store", "Thumbs.db", "desktop.ini", "__MACOSX", ".ipynb_checkpoints", "__pycache__", ".git"}


@dataclass(frozen=True)
class Entry:
    """A file somewhere in the folder, or in a zip that lies there.

    Args:
        parts: its path below the folder, cleaned; a zip counts as a folder.
        read: its bytes; raises `Unreadable`.
        when: time of the last change, UTC.
        problem: why it cannot be read at all; empty for a regular file.
    """

    parts: tuple[str, ...]
    read: Callable[[], bytes]
    when: datetime
    problem: str = ""

    @property
    def path(self) -> str:
        """The path as one text."""
        return "/".join(self.parts)

    @property
    def suffix(self) -> str:
        """The name's ending in small letters."""
        return PurePosixPath(self.parts[-1]).suffix.lower()


class Unreadable(Exception):
    """A file that cannot be read, with the reason."""


def entries(folder: Path) -> list[Entry]:
    """Everything in a folder, or in one zip, sorted by path; what computers leave behind (.DS_Store) is passed over.

    Raises: ValueError if there is no such folder or zip, or there is far too much in it.
    """
    if folder.is_file() and folder.suffix.lower() == ".zip":
        found = list(_in_zip((), _file(folder), _when(folder.stat())))
    elif folder.is_dir():
        found = list(_in_folder(folder, (), 0))
    else:
        raise ValueError(f"{folder}: no such folder of hand-ins, and no zip")
    return sorted(found, key=lambda entry: entry.parts)


def clean(name: str, longest: int = 120) -> str:
    """A name as it may stand in results: NFC, one line, without control and direction characters, not too long."""
    name = unicodedata.normalize("NFC", name.encode("utf-8", "replace").decode())
    name = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name).strip()
    return name if len(name) <= longest else f"{name[: longest - 1]}…"


def file_name(raw: str | bytes) -> str:
    """A file's name as it may stand in results, its ending kept; where cleaning loses something, it ends on a digest.

    So two names that look alike afterwards stay two.
    """
    data = raw if isinstance(raw, bytes) else raw.encode("utf-8", "surrogateescape")
    whole = unicodedata.normalize("NFC", data.decode("utf-8", "replace"))
    if (
        whole.isprintable()
        and whole == whole.strip()
        and len(whole) <= _LONGEST
        and "\N{REPLACEMENT CHARACTER}" not in whole
    ):
        return whole
    ending = clean(PurePosixPath(whole).suffix[:20])
    start = clean(whole.removesuffix(PurePosixPath(whole).suffix), _LONGEST - 30)
    return f"{start}~{hashlib.sha256(data).hexdigest()[:6]}{ending}"


def _in_folder(folder: Path, parts: tuple[str, ...], depth: int) -> Iterator[Entry]:
    try:
        with os.scandir(folder) as listing:
            found = sorted(listing, key=lambda entry: entry.name)
    except OSError as error:
        yield _bad((*parts, ""), f"the folder cannot be read: {error.strerror}")
        return
    if len(found) > MAX_ENTRIES and parts:
        yield _bad((*parts, ""), f"the folder has {len(found)} entries; at most {MAX_ENTRIES} are looked at")
        return
    if not found and parts:
        yield _bad((*parts, ""), "the folder is empty")
    if len(found) > MAX_ENTRIES:
        raise ValueError(f"{folder} has {len(found)} entries; at most {MAX_ENTRIES} are graded at once")
    for entry in found:
        if entry.name in _OF_SYSTEMS:
            continue
        here, path = (*parts, file_name(os.fsencode(entry.name))), Path(entry.path)
        if entry.is_symlink():
            yield _bad(here, "a link is not followed")
        elif entry.is_dir(follow_symlinks=False):
            if depth >= MAX_DEPTH:
                yield _bad(here, f"folders more than {MAX_DEPTH} deep are not looked into")
            else:
                yield from _in_folder(path, here, depth + 1)
        elif not entry.is_file(follow_symlinks=False):
            yield _bad(here, "this is no regular file")
        elif here[-1].lower().endswith(".zip"):
            yield from _in_zip(here, _file(path), _changed(entry))
        else:
            yield Entry(here, _file(path), _changed(entry))


def _changed(entry: os.DirEntry) -> datetime:
    """When a file was changed; the beginning of time where its folder may be listed but not entered."""
    try:
        return _when(entry.stat(follow_symlinks=False))
    except OSError:
        return datetime.fromtimestamp(0, UTC)


def _file(path: Path) -> Callable[[], bytes]:
    """A reader that opens neither links nor pipes and reads no more than `MAX_FILE` bytes."""

    def read() -> bytes:
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise Unreadable(f"it cannot be opened: {error.strerror}") from None
        with os.fdopen(handle, "rb") as file:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode):
                raise Unreadable("this is no regular file")
            if found.st_size > MAX_FILE:
                raise Unreadable(f"it has {found.st_size} bytes; at most {MAX_FILE} are read")
            try:
                return file.read(MAX_FILE)
            except OSError as error:
                raise Unreadable(f"it cannot be read: {error.strerror}") from None

    return read


def _in_zip(parts: tuple[str, ...], read: Callable[[], bytes], when: datetime) -> Iterator[Entry]:
    """The members of a zip as entries; a zip in a zip is one more level, no deeper."""
    label = parts or ("",)
    try:
        most = MAX_ZIP_MEMBERS if parts else MAX_ENTRIES  # one student's, or everybody's
        data = read()
        if data.count(b"PK\1\2") > 4 * most:  # a million entries cost half a gigabyte before they can be counted
            raise Unreadable(f"it has far more than {most} files")
        archive = zipfile.ZipFile(io.BytesIO(data))
        members = [member for member in archive.infolist() if member.filename and not member.is_dir()]
        del data, archive
    except Exception as error:  # an archive may be damaged in every way there is
        yield _bad(label, f"the zip cannot be read: {clean(str(error))}")
        return
    if not members:
        yield _bad(label, "the zip is empty")
        return
    if len(members) > most:
        yield _bad(label, f"the zip has {len(members)} files; at most {most} are read")
        return
    seen = 0
    for member in members:
        names = [name for name in member.filename.replace("\\", "/").split("/") if name not in ("", ".", "..")]
        if not names or any(name in _OF_SYSTEMS for name in names):
            continue
        seen += member.file_size
        here = (*parts, *(file_name(name) for name in names[-MAX_DEPTH:]))
        # the time in a student's own zip is what the student says; the zip's own is when it came
        inside = Entry(here, _member(read, member), when if parts else _member_time(member, when))
        if stat.S_ISLNK(member.external_attr >> 16):
            yield _bad(here, "a link is not followed")
        elif member.compress_type not in _READABLE:
            yield _bad(here, "it is compressed in an unusual way; make the zip with the system's own program")
        elif member.file_size > MAX_FILE or (parts and seen > 4 * MAX_FILE):
            yield _bad(here, f"it has {member.file_size} bytes; at most {MAX_FILE} are read")
        elif inside.suffix == ".zip":
            yield from _in_zip(here, inside.read, inside.when) if not parts else [_bad(here, "a zip in a zip")]
        else:
            yield inside


def _member(whole: Callable[[], bytes], member: zipfile.ZipInfo) -> Callable[[], bytes]:
    """A reader of one member, which stops at the size that the zip names; a bomb names less than it holds.

    The zip is read anew, since those of a whole course would not fit into memory.
    """

    def read() -> bytes:
        try:
            with zipfile.ZipFile(io.BytesIO(whole())) as archive, archive.open(member) as file:
                data = file.read(min(member.file_size, MAX_FILE) + 1)
        except Exception as error:  # an archive may be damaged in every way there is
            raise Unreadable(f"the zip is damaged here: {clean(type(error).__name__)}") from None
        if len(data) > member.file_size:
            raise Unreadable("the zip holds more than it says")
        return data

    return read


def _member_time(member: zipfile.ZipInfo, otherwise: datetime) -> datetime:
    try:
        return datetime(*member.date_time).astimezone(UTC)  # a zip has the local time of who made it
    except (ValueError, OverflowError, OSError):
        return otherwise


def _when(found: os.stat_result) -> datetime:
    try:
        return datetime.fromtimestamp(found.st_mtime, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC)


def _bad(parts: tuple[str, ...], problem: str) -> Entry:
    def read() -> bytes:
        raise Unreadable(problem)

    return Entry(parts, read, datetime.fromtimestamp(0, UTC), problem)
