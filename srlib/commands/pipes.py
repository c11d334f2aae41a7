"""Pictures that come or go through a pipe: standard input and output, `<(...)`, and pipes with a name."""

import io
import os
import stat
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import BinaryIO

from srlib.commands.arguments import UsageError

LARGEST = 1 << 30  # bytes read from a pipe; what never ends must not fill the memory
_STREAMS = ("/dev/stdin", "/dev/stdout", "/dev/fd/", "/proc/self/fd/")


def is_pipe(text: str) -> bool:
    """Whether a word of the command line names a stream rather than a file: `-`, `/dev/stdin`, or a named pipe."""
    if text == "-" or text.startswith(_STREAMS):
        return True
    try:
        mode = os.stat(text).st_mode
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def read(text: str) -> BinaryIO:
    """Everything that comes through, as an open file in memory.

    Raises: UsageError for a terminal or another device, where nothing comes through, and for more than `LARGEST`.
    """
    with _open(text, "rb") as stream:
        if stat.S_ISCHR(_mode(stream)):
            raise UsageError(f"{text}: nothing is piped in; use srlib upscale {text} OUT < picture, or name a file")
        content = stream.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise UsageError(f"{text}: more than {LARGEST >> 30} GiB through a pipe; save it as a file first")
    return io.BytesIO(content)


def check_output(text: str, kind: str | None) -> None:
    """Check before the work that a picture can be written there.

    Args:
        kind: the format, which no name tells here.

    Raises: UsageError without a format, and for a terminal.
    """
    if kind is None:
        raise UsageError(f"{text}: a pipe has no name to tell the format; give it, such as --format png")
    if text in ("-", "/dev/stdout", "/dev/fd/1") and sys.stdout is not None and sys.stdout.isatty():
        raise UsageError(f"{text}: is a terminal, where a picture cannot be shown; pipe it into a program or a file")


def write(text: str, content: bytes) -> None:
    """Send a file's bytes through.

    Raises: OSError where they cannot be written; BrokenPipeError where nobody reads.
    """
    with _open(text, "wb") as stream:
        stream.write(content)
        stream.flush()


def _open(text: str, mode: str) -> AbstractContextManager[BinaryIO]:
    if text != "-":
        return open(text, mode)
    stream = sys.stdin if mode == "rb" else sys.stdout
    if not hasattr(stream, "buffer"):  # closed, or replaced by something that takes only text
        raise UsageError(f"-: standard {'input' if mode == 'rb' else 'output'} is not open for a picture")
    return nullcontext(stream.buffer)  # stays open


def _mode(stream: BinaryIO) -> int:
    """What kind of thing a stream is; 0 for one that is none of the system's, such as a test's."""
    try:
        return os.fstat(stream.fileno()).st_mode
    except (OSError, AttributeError):  # io.UnsupportedOperation is an OSError
        return 0
