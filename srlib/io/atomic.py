"""Writing a file whole or not at all."""

import csv
import io
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any


def write(path: str | os.PathLike, content: bytes | str, *, durable: bool = False) -> None:
    """Put a file in place whole; until then, and when anything fails, an old one stays as it is.

    Args:
        content: text is written as UTF-8.
        durable: wait until the bytes are on the disk, so that a power cut leaves the old or the new file, too.

    Raises: OSError as for writing a file.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with partial.open("wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            if durable:
                file.flush()
                os.fsync(file.fileno())  # the name must not arrive on the disk before the bytes
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


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
