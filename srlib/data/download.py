"""Download one file from one URL through `pooch`, resumable by HTTP Range, with one-line errors."""

import hashlib
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

try:
    import pooch
    import requests
except ImportError:  # `download` says so; whoever fetches nothing can do without
    pooch = requests = None

Progress = Callable[[int, int | None], None]  # bytes so far, total bytes if the server states them
TIMEOUT = 30  # seconds without an answer
_CHUNK = 1 << 16


class FetchError(RuntimeError):
    """A download failed; the one-line message says why."""


def download(
    url: str,
    folder: Path,
    *,
    known_hash: str | None = None,
    size: int | None = None,
    progress: Progress | None = None,
) -> Path:
    """Download a file into a folder, complete and with the right checksum, unless it is already there.

    An interrupted download leaves a `.part` file, from which the next call resumes.

    Args:
        known_hash: "sha256:…" or "md5:…". Without it, any content of the announced length passes.
        size: bytes, if known.
        progress: called with the bytes so far and the total bytes (or None).

    Raises: FetchError for no connection, an error or a web page from the server, a wrong size or checksum, or too
        little free space; OSError from the disk.
    """
    if pooch is None:
        raise FetchError(f"{url}: to fetch it, two more packages are needed: pip install pooch requests")
    file = PurePosixPath(urlsplit(url).path).name
    downloader = _Resume(folder / file, size, progress)
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel("ERROR")  # the library prints nothing
    try:
        return Path(pooch.retrieve(url, known_hash, file, folder, downloader=downloader))
    except ValueError as error:  # pooch has deleted the file; its first sentence has both checksums
        raise FetchError(f"{url}: {str(error).split('. ')[0]}; the file was deleted") from error
    finally:
        logger.setLevel(level)


class _Resume:
    """A downloader for pooch that resumes a partial download.

    The name of the part holds a digest of the server's ETag and length, so a changed file starts over.
    """

    def __init__(self, file: Path, size: int | None, progress: Progress | None):
        self.file, self.size, self.progress = file, size, progress

    def __call__(self, url: str, output_file: str, pooch: object = None) -> None:
        while True:
            before = self._have()
            try:
                part = self._get(url)
            except requests.RequestException as error:
                if self._have() <= before:  # after a lost connection that brought some bytes, resume
                    raise FetchError(f"{url}: {self._reason(error)}") from error
            else:
                os.replace(part, output_file)
                return

    def _get(self, url: str) -> Path:
        old, have = self._part(), self._have()
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as reply:
            part, start, total = self._offer(reply)
            refused = reply.status_code == requests.codes.requested_range_not_satisfiable
            if old is not None and (refused or (start and (part, start) != (old, have))):
                old.unlink()
                return self._get(url)
            reply.raise_for_status()
            if "text/html" in reply.headers.get("Content-Type", ""):
                raise FetchError(f"{url}: the server sent a web page instead of the file")
            if self.size is not None and total is not None and total != self.size:
                raise FetchError(f"{url}: has {total} bytes instead of {self.size}; the file on the server has changed")
            if old is not None and not start:
                old.unlink()
            self._check_room(total, start)
            have = start
            with open(part, "ab") as file:
                for chunk in reply.iter_content(_CHUNK):
                    file.write(chunk)
                    have += len(chunk)
                    if self.progress is not None:
                        self.progress(have, total)
        if total is not None and have != total:
            raise requests.ConnectionError(f"{have} bytes of {total}")
        return part

    def _offer(self, reply: "requests.Response") -> tuple[Path, int, int | None]:
        """The part file that this response belongs to, the byte it starts at, and the size of the whole file."""
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", reply.headers.get("Content-Range", ""))
        if reply.status_code == requests.codes.partial_content and found:
            start, length = int(found[1]), found[2]
        else:
            start, length = 0, reply.headers.get("Content-Length", "")
        version = reply.headers.get("ETag") or reply.headers.get("Last-Modified", "")
        digest = hashlib.sha256(f"{version} {length}".encode()).hexdigest()[:8]
        part = self.file.with_name(f"{self.file.name}.{digest}.part")
        return part, start, int(length) if length.isdigit() else None

    def _part(self) -> Path | None:
        return next(iter(sorted(self.file.parent.glob(f"{self.file.name}.*.part"))), None)

    def _have(self) -> int:
        part = self._part()
        return part.stat().st_size if part else 0

    def _check_room(self, total: int | None, have: int) -> None:
        """Both the archive and its unpacked images, which are about as large, must fit."""
        free = shutil.disk_usage(self.file.parent).free
        if total is not None and 2 * total - have > free:
            need = (2 * total - have) / 1e6
            raise FetchError(f"needs {need:.0f} MB in {self.file.parent}, where {free / 1e6:.0f} MB are free")

    def _reason(self, error: "requests.RequestException") -> str:
        if isinstance(error, requests.HTTPError):
            return f"the server answered {error.response.status_code} {error.response.reason}"
        kept = f"; {self._have()} bytes are kept, and the next try resumes from there" if self._have() else ""
        if isinstance(error, requests.Timeout):
            return f"no answer for {TIMEOUT} s{kept}"
        return f"no connection, or a lost connection ({type(error).__name__}){kept}"
