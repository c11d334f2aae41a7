"""Writing a file whole or not at all."""

import os
from pathlib import Path


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
