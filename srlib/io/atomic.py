"""Writing a file whole or not at all, and several files all or none."""

import csv
import hashlib
import io
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def write(path: str | os.PathLike, content: bytes | str, *, durable: bool = False) -> None:
    """Put a file in place whole; until then, and when anything fails, an old one stays as it is.

    A link is written through: it stays, and the file that it names is replaced. The permissions of an old file stay.

    Args:
        content: text is written as UTF-8.
        durable: wait until the bytes are on the disk, so that a power cut leaves the old or the new file, too.

    Raises: OSError as for writing a file.
    """
    with replacing(path) as partial:
        _put(partial, content, durable=durable)


@contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """A hidden name beside `path` to write to, which becomes `path` at the end; where anything fails, it goes away.

    A killed process leaves it: a name that begins with a dot and ends with `.part`.

    Raises: OSError as `write`.
    """
    path = _target(Path(path))
    partial = _beside(path, "part")
    try:
        yield partial
        if path.exists():
            shutil.copymode(path, partial)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def write_all(files: Mapping[str | os.PathLike, bytes | str]) -> None:
    """Put several files in place, all or none: when anything fails, each old one is there as it was.

    The new files and copies of the old ones are on the disk, under names beside theirs, before the first is renamed.
    Only a process killed between two renamings leaves some new and some old; the copies then still lie there.

    Args:
        files: content by path; text is written as UTF-8.

    Raises: OSError as for writing a file; where an old file could not be put back, it names the copy.
    """
    contents = {_target(Path(path)): content for path, content in files.items()}
    fresh = {path: _beside(path, "part") for path in contents}
    copies = {path: _beside(path, "old.part") for path in contents if path.exists()}
    try:
        for path, content in contents.items():
            _put(fresh[path], content, durable=True)
        for path, copy in copies.items():
            _put(copy, path.read_bytes(), durable=True)
        _rename(fresh, copies)
    finally:
        for partial in (*fresh.values(), *copies.values()):
            partial.unlink(missing_ok=True)


def _rename(fresh: Mapping[Path, Path], copies: dict[Path, Path]) -> None:
    """Give each new file its name; after a failure, put the old ones back and take out those that were not there."""
    try:
        for path, partial in fresh.items():
            os.replace(partial, path)
    except BaseException as error:
        # an interrupt may come just after a renaming, so what counts is which new files have left their first name;
        # a copy that is still needed is no longer among those that are deleted at the end
        back = {path: copies.pop(path, None) for path, partial in fresh.items() if not partial.exists()}
        stuck = [f"{copy or 'nothing'} -> {path}" for path, copy in back.items() if not _put_back(path, copy)]
        if stuck:
            raise OSError(f"could not put back {', '.join(stuck)}") from error
        raise


def _put_back(path: Path, copy: Path | None) -> bool:
    """Whether the old file, or its absence, is there again."""
    try:
        if copy is None:
            path.unlink(missing_ok=True)
        else:
            os.replace(copy, path)
    except OSError:
        return False
    return True


def _target(path: Path) -> Path:
    """The file that is written: where links lead.

    Raises: OSError for what is there and no file, such as a device, which must not be replaced.
    """
    path = Path(os.path.realpath(path)) if path.is_symlink() else path
    if path.exists() and not path.is_file():
        raise OSError(f"{path}: is no file that can be replaced")
    return path


def _beside(path: Path, suffix: str) -> Path:
    """A hidden name in the same folder, this process's own; short, since names end at 255 bytes."""
    digest = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:12]
    return path.with_name(f".{path.name[:16]}.{digest}.{os.getpid()}.{suffix}")


def _put(path: Path, content: bytes | str, *, durable: bool) -> None:
    with path.open("wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
        if durable:
            file.flush()
            os.fsync(file.fileno())  # the name must not arrive on the disk before the bytes


def write_table(path: str | os.PathLike, rows: Iterable[dict[str, Any]], columns: Sequence[str] | None = None) -> None:
    """A CSV file with a header; what a row lacks is left empty.

    Args:
        columns: default: the names in the rows, in the order in which they first come.

    Raises: ValueError for a row with a name that is no column; OSError as for `write`.
    """
    rows = list(rows)
    columns = columns or list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    if columns:
        writer.writeheader()
    writer.writerows(rows)
    write(path, text.getvalue())
