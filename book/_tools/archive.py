"""Pack the built site into one file to pass on: `python -m book._tools.archive`, which is `make archive`.

`dist/<repository>-<version>.zip` holds the site and a note on how to read it; the file beside it, ending in .sha256,
is for `sha256sum --check`. One site always gives the same bytes: names are sorted, and every file has the same date.
"""

import hashlib
import sys
import tomllib
import zipfile
from pathlib import Path

from book._tools.pages import ROOT, SITE, settings

DIST = ROOT / "dist"
# The same on every machine: the first day that a zip knows, and files that all may read.
DATE, MODE = (1980, 1, 1, 0, 0, 0), 0o100644 << 16
NOTE = """{title}, version {version}

To read it without a network:

1. Unpack this archive, on a disk or on a USB stick.
2. In this folder, start a server that only this machine sees:
       python -m http.server --bind localhost 8000
   (on Windows: py -m http.server --bind localhost 8000)
3. Open http://localhost:8000 in a browser.

Any Python 3 will do. Everything that the pages load is in this folder. The folder can also be copied to any web
server as it is.

{address}
"""


def version() -> str:
    with open(ROOT / "pyproject.toml", "rb") as file:
        return tomllib.load(file)["project"]["version"]


def name() -> str:
    """The archive's name, and that of the one folder in it."""
    return f"{settings()['repository']['url'].rsplit('/', 1)[1]}-{version()}"


def pack(site: Path, folder: Path) -> Path:
    """Write the archive of `site` and its checksum into `folder`.

    Raises:
        FileNotFoundError: there is no site.
    """
    if not (site / "index.html").is_file():
        raise FileNotFoundError("there is no site yet: run make book")
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / f"{name()}.zip"
    # Sphinx's own notes, which begin with a dot, are of no use to a reader.
    files = sorted(path for path in site.rglob("*") if path.is_file() and not path.name.startswith("."))
    note = NOTE.format(title=settings()["title"], version=version(), address=settings()["repository"]["url"])
    unfinished = archive.with_suffix(".part")
    with zipfile.ZipFile(unfinished, "w") as packed:
        _add(packed, "README.txt", note.encode())
        for path in files:
            _add(packed, path.relative_to(site).as_posix(), path.read_bytes())
    unfinished.replace(archive)
    archive.with_suffix(".zip.sha256").write_text(f"{checksum(archive)}  {archive.name}\n", encoding="utf-8")
    return archive


def _add(packed: zipfile.ZipFile, path: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(f"{name()}/{path}", DATE)
    entry.compress_type, entry.external_attr, entry.create_system = zipfile.ZIP_DEFLATED, MODE, 3
    packed.writestr(entry, content, compresslevel=9)


def checksum(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main() -> int:
    try:
        archive = pack(SITE, DIST)
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{archive.relative_to(ROOT)}: {archive.stat().st_size / 1e6:.0f} MB, and its checksum beside it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
