"""Download test and training sets and published weights: verified, then moved into place atomically."""

import errno
import hashlib
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from lzma import LZMAError
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from srlib import images
from srlib.data import pretrained
from srlib.data.datasets import IMAGE_SUFFIXES, find_in, image_files, manifest, search_path
from srlib.data.download import FetchError, Progress, download

try:
    import fcntl
except ImportError:  # Windows has no such lock, so two fetches of one set at the same time may collide there
    fcntl = None


def fetch(name: str, folder: str | os.PathLike | None = None, progress: Progress | None = None) -> Path:
    """Download a data set or a weights file and verify it, unless it is already there.

    An interrupted download resumes where it stopped. Nothing appears in the set's folder before all of it has been
    verified.

    Args:
        name: in data/manifest.toml, such as "Set5" or "vgg19".
        folder: where to put it. Default: the first writable folder of $SRLIB_DATA, else the user cache.
        progress: called with the bytes so far and the total bytes (or None).

    Returns: the folder of the images, or the file.
    Raises: FetchError for a name that is not in the manifest, no network, an error from the server, a wrong checksum, a
        full disk, and another process that is fetching the same set.
    """
    sets = manifest()
    if name not in sets:
        raise FetchError(f"{name} is not in the manifest; it has {', '.join(sets)}")
    where = search_path() if folder is None else [Path(folder)]
    found = pretrained.find_in(where, sets[name]) if "file" in sets[name] else find_in(where, name)
    if found is not None:
        return found
    root = _destination() if folder is None else Path(folder)
    work = root / ".fetch" / name
    try:
        with _alone(work):
            home = root / (pretrained.FOLDER if "file" in sets[name] else name)
            return _from_any(sets[name], home, work, progress)
    except FetchError as error:
        raise FetchError(f"{name}: {error}") from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            shutil.rmtree(work, ignore_errors=True)
            _tidy(work)
            raise FetchError(f"{name}: no space left in {root}; the partial download was removed") from error
        raise FetchError(f"{name}: {error.strerror or error}: {error.filename or root}") from error


def pixel_digest(folder: str | os.PathLike) -> str:
    """sha256 over the sorted sha256 of all images, independent of their names, order and compression.

    The sha256 of an image is that of "channels height width", a newline, and its 8-bit pixels (C, H, W).
    """
    each = []
    for file in image_files(Path(folder)):
        pixels = images.to_uint8(images.read(file))[0]
        head = " ".join(map(str, pixels.shape)) + "\n"
        each.append(hashlib.sha256(head.encode() + pixels.numpy().tobytes()).hexdigest())
    return hashlib.sha256("".join(sorted(each)).encode()).hexdigest()


def files_md5(folder: str | os.PathLike) -> str:
    """md5 over the hexadecimal md5 of every file, sorted by name; published for some sets."""
    total = hashlib.md5(usedforsecurity=False)
    for file in image_files(Path(folder)):
        total.update(hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest().encode())
    return total.hexdigest()


def _destination() -> Path:
    *listed, cache = search_path()
    for place in listed:
        with suppress(OSError):
            place.mkdir(parents=True, exist_ok=True)
            if os.access(place, os.W_OK):
                return place
    return cache


@contextmanager
def _alone(work: Path) -> Iterator[None]:
    """Create and lock the working folder; remove it at the end if it is empty."""
    work.mkdir(parents=True, exist_ok=True)
    handle = os.open(work, os.O_RDONLY) if fcntl else None
    try:
        if handle is not None:
            _lock(handle, work)
        yield
    finally:
        if handle is not None:
            os.close(handle)
        _tidy(work)


def _lock(handle: int, work: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise FetchError(f"another process is fetching it into {work.parent.parent}; wait until it is done") from error
    except OSError:
        return  # a file system without locks


def _tidy(work: Path) -> None:
    for folder in (work, work.parent):  # other sets may be downloading into the parent
        with suppress(OSError):
            folder.rmdir()


def _from_any(entry: dict, home: Path, work: Path, progress: Progress | None) -> Path:
    """Install the set from the first of its sources that works."""
    problems = []
    for source in entry["source"]:
        known = next((f"{kind}:{source[kind]}" for kind in ("sha256", "md5") if kind in source), None)
        try:
            archive = download(source["url"], work, known_hash=known, size=source.get("bytes"), progress=progress)
            install = _install_file if "file" in entry else _install
            path = install(archive, entry, source, home, work / "unpacked")
        except FetchError as error:
            problems.append(str(error))
        else:
            shutil.rmtree(work)
            return path
    raise FetchError("; ".join(problems))


def _install(archive: Path, entry: dict, source: dict, home: Path, fresh: Path) -> Path:
    """Unpack next to the target, verify, rename into place. An archive that fails is deleted."""
    target = home / entry.get("subfolder", "HR")
    try:
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
        _unpack(archive, fresh, PurePosixPath(source.get("inside", ".")).parts)
        _check(fresh, entry, source)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.rename(fresh, target)
    except (FetchError, images.ImageError) as error:
        archive.unlink()
        raise FetchError(f"{source['url']}: {error}; the archive was deleted") from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return target


def _install_file(archive: Path, entry: dict, source: dict, home: Path, fresh: Path) -> Path:
    """Move the downloaded and verified file into place."""
    home.mkdir(parents=True, exist_ok=True)
    os.replace(archive, home / entry["file"])
    return home / entry["file"]


def _check(folder: Path, entry: dict, source: dict) -> None:
    count = len(image_files(folder))
    if count != entry["images"]:
        raise FetchError(f"{count} images in the archive instead of {entry['images']}")
    for kind, digest, expected in (
        ("md5 of the files", files_md5, source.get("files_md5")),
        ("sha256 of the pixels", pixel_digest, entry.get("pixels")),
    ):
        if expected is not None and (got := digest(folder)) != expected:
            raise FetchError(f"{kind}: expected {expected} but got {got}")


def _unpack(archive: Path, folder: Path, inside: tuple[str, ...]) -> None:
    """Copy the images of an archive, or only those in its folder `inside`, flat into `folder`."""
    try:
        for name, stream in _members(archive):
            path = PurePosixPath(name)
            hidden = any(part.startswith((".", "__MACOSX")) for part in path.parts)
            if hidden or path.suffix.lower() not in IMAGE_SUFFIXES:
                continue
            if inside and path.parts[:-1][-len(inside) :] != inside:
                continue
            if stream is None:
                raise FetchError(f"{name} in the archive is a link or a device, not a plain file")
            with stream, open(folder / path.name, "xb") as file:
                shutil.copyfileobj(stream, file, 1 << 20)
    except FetchError:
        raise
    except FileExistsError as error:
        raise FetchError(f"two images named {Path(error.filename).name} in the archive") from error
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, LZMAError, RuntimeError) as error:
        raise FetchError(f"not a complete zip or tar archive ({error})") from error
    except OSError as error:
        if error.errno is not None:
            raise  # an error of the disk, not of the archive
        raise FetchError(f"not a complete zip or tar archive ({error})") from error


def _members(archive: Path) -> Iterator[tuple[str, IO[bytes] | None]]:
    """The name and the open content of every file in a zip or tar; None if it is not a plain file."""
    if tarfile.is_tarfile(archive):
        with tarfile.open(archive) as tar:
            for entry in tar:
                if not entry.isdir():
                    yield _safe(entry.name), tar.extractfile(entry) if entry.isfile() else None
    elif zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as packed:
            for info in packed.infolist():
                if not info.is_dir():
                    link = stat.S_ISLNK(info.external_attr >> 16)
                    yield _safe(info.filename), None if link else packed.open(info)
    else:
        raise FetchError("not a zip or tar archive")


def _safe(name: str) -> str:
    """The name, checked not to leave the target folder. Only its last part is ever used."""
    path = PureWindowsPath(name)  # also splits at backslashes and parses drives
    if path.is_absolute() or path.root or path.drive or ".." in path.parts:
        raise FetchError(f"a file name in the archive leads out of its folder: {name!r}")
    return path.as_posix()
