"""One file from one address: resumable by HTTP Range, for `pooch`, with errors of one clear line."""

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

Progress = Callable[[int, int | None], None]  # bytes so far, bytes in all where the server says
TIMEOUT = 30  # seconds without an answer
_CHUNK = 1 << 16


class FetchError(RuntimeError):
    """Something that could not be fetched; the message is one line that says why."""


def download(
    url: str,
    folder: Path,
    *,
    known_hash: str | None = None,
    size: int | None = None,
    progress: Progress | None = None,
) -> Path:
    """The file behind an address, whole and with the right checksum, in a folder; not again if it is there.

    What an interruption leaves is a `.part` file, from which the next call goes on.

    Args:
        known_hash: "sha256:…" or "md5:…". Without it, any content passes that has the promised length.
        size: bytes, where they are known.
        progress: called with the bytes so far and the bytes in all (or None).

    Raises: FetchError; OSError from the disk.
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
        raise FetchError(f"{url}: {str(error).split('. ')[0]}; the file is deleted") from error
    finally:
        logger.setLevel(level)


class _Resume:
    """A downloader for pooch that keeps what it has and asks for the rest.

    The name of the part holds a digest of the server's ETag and length: a file that has changed starts anew.
    """

    def __init__(self, file: Path, size: int | None, progress: Progress | None):
        self.file, self.size, self.progress = file, size, progress

    def __call__(self, url: str, output_file: str, pooch: object = None) -> None:
        while True:
            before = self._have()
            try:
                part = self._get(url)
            except requests.RequestException as error:
                if self._have() <= before:  # a lost connection that brought something is taken up again
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
                raise FetchError(f"{url}: has {total} bytes instead of {self.size}; the file there has changed")
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
        """The part that this answer belongs to, the byte it starts at, and the bytes of the whole file."""
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
        """The archive must fit, and beside it the images in it, which are about as large."""
        free = shutil.disk_usage(self.file.parent).free
        if total is not None and 2 * total - have > free:
            need = (2 * total - have) / 1e6
            raise FetchError(f"needs {need:.0f} MB in {self.file.parent}, where {free / 1e6:.0f} MB are free")

    def _reason(self, error: "requests.RequestException") -> str:
        if isinstance(error, requests.HTTPError):
            return f"the server answered {error.response.status_code} {error.response.reason}"
        kept = f"; {self._have()} bytes are kept and the next try goes on from there" if self._have() else ""
        if isinstance(error, requests.Timeout):
            return f"no answer for {TIMEOUT} s{kept}"
        return f"no connection, or it was lost ({type(error).__name__}){kept}"
