"""Test and training sets and others' weights from public addresses: checked, and in place whole or not at all."""

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
except ImportError:  # Windows: two fetches of one set at the same time are not kept apart there
    fcntl = None


def fetch(name: str, folder: str | os.PathLike | None = None, progress: Progress | None = None) -> Path:
    """Download a set or a file of weights, check it and put it in place; leave alone what is there already.

    An interrupted download goes on where it stopped. Nothing appears in the set's own folder before all of it
    has been checked.

    Args:
        name: in data/manifest.toml, such as "Set5" or "vgg19".
        folder: where to put it. Default: the first writable folder of $SRLIB_DATA, else the user cache.
        progress: called with the bytes so far and the bytes in all (or None).

    Returns: the folder that holds the images, or the file.
    Raises: FetchError: not in the manifest, no network, refused by the server, wrong checksum, disk full.
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
            raise FetchError(f"{name}: no space left in {root}; what was half written is removed") from error
        raise FetchError(f"{name}: {error.strerror or error}: {error.filename or root}") from error


def pixel_digest(folder: str | os.PathLike) -> str:
    """sha256 over the sorted sha256 of all images, whatever their names, order and compression.

    The sha256 of an image is that of "channels height width", a newline, and its 8-bit pixels (C, H, W).
    """
    each = []
    for file in image_files(Path(folder)):
        pixels = images.to_uint8(images.read(file))[0]
        head = " ".join(map(str, pixels.shape)) + "\n"
        each.append(hashlib.sha256(head.encode() + pixels.numpy().tobytes()).hexdigest())
    return hashlib.sha256("".join(sorted(each)).encode()).hexdigest()


def files_md5(folder: str | os.PathLike) -> str:
    """md5 over the md5 of every file as text, in the order of their names; published for some sets."""
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
    """Make the working folder and keep other processes out of it; remove it when nothing is left in it."""
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
        raise FetchError(f"another process is fetching it into {work.parent.parent}") from error
    except OSError:
        return  # a file system without locks


def _tidy(work: Path) -> None:
    for folder in (work, work.parent):  # other sets may be on their way beside this one
        with suppress(OSError):
            folder.rmdir()


def _from_any(entry: dict, home: Path, work: Path, progress: Progress | None) -> Path:
    """The set from the first of its addresses that gives it."""
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
    """Unpack beside the target, check, rename into place. An archive that does not pass is deleted."""
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
        raise FetchError(f"{source['url']}: {error}; the archive is deleted") from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return target


def _install_file(archive: Path, entry: dict, source: dict, home: Path, fresh: Path) -> Path:
    """Move what was downloaded, and checked by then, into place."""
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
    """Copy the images of an archive, those in the folder `inside` where one is named, flat into `folder`."""
    try:
        for name, stream in _members(archive):
            path = PurePosixPath(name)
            hidden = any(part.startswith((".", "__MACOSX")) for part in path.parts)
            if hidden or path.suffix.lower() not in IMAGE_SUFFIXES:
                continue
            if inside and path.parts[:-1][-len(inside) :] != inside:
                continue
            if stream is None:
                raise FetchError(f"{name} in the archive is a link or a device")
            with stream, open(folder / path.name, "xb") as file:
                shutil.copyfileobj(stream, file, 1 << 20)
    except FetchError:
        raise
    except FileExistsError as error:
        raise FetchError(f"two images named {Path(error.filename).name} in the archive") from error
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, LZMAError, RuntimeError) as error:
        raise FetchError(f"not a whole zip or tar archive ({error})") from error
    except OSError as error:
        if error.errno is not None:
            raise  # the disk's, not the archive's
        raise FetchError(f"not a whole zip or tar archive ({error})") from error


def _members(archive: Path) -> Iterator[tuple[str, IO[bytes] | None]]:
    """The name and the open content of every file in a zip or tar; None for what is not a plain file."""
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
    """The name, unless it would lead out of a folder. Only its last part is ever used."""
    path = PureWindowsPath(name)  # also splits at backslashes and knows drives
    if path.is_absolute() or path.root or path.drive or ".." in path.parts:
        raise FetchError(f"the archive has a file that leads out of its folder: {name!r}")
    return path.as_posix()
