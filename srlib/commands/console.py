"""What a terminal, a log or a pipe does to a command: its encoding, its end, and its signals."""

import codecs
import os
import select
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn, TextIO

_ENDS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
_PLAIN = {"×": "x", "–": "-", "−": "-", "…": "...", "→": "->", "’": "'"}


class Terminated(KeyboardInterrupt):
    """The process was asked to end, by SIGTERM or because its terminal has gone; cleans up as Ctrl-C does."""


def any_encoding() -> None:
    """Let standard output and error print every text: what their encoding lacks in plainer signs, or escaped."""
    codecs.register_error("srlib", _plainer)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="srlib")


def _plainer(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(_PLAIN.get(c) or c.encode("ascii", "backslashreplace").decode() for c in text), error.end


@contextmanager
def ended_in_order() -> Iterator[None]:
    """Within, SIGTERM and SIGHUP raise `Terminated`, so that what is open is cleaned up; not where others have them.

    Raises: Terminated.
    """
    mine = [number for number in _ENDS if signal.getsignal(number) == signal.SIG_DFL] if _is_main_thread() else []
    for number in mine:
        signal.signal(number, _terminate)
    try:
        yield
    finally:
        for number in mine:
            signal.signal(number, signal.SIG_DFL)


def _is_main_thread() -> bool:
    """Whether Python lets this thread say what signals do."""
    return threading.current_thread() is threading.main_thread()


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    signal.signal(number, signal.SIG_IGN)  # once is enough: the next would stop the cleaning up
    raise Terminated


def settle() -> bool:
    """Write out what standard output and error still hold; one that takes nothing more goes nowhere from then on.

    Otherwise Python would complain about it once more as it ends.

    Returns: whether a reader has gone, such as `head` that has enough.
    """
    return any([_settled(stream) for stream in (sys.stdout, sys.stderr) if stream is not None])


def _settled(stream: TextIO) -> bool:
    gone = _has_no_reader(stream)
    try:
        stream.flush()
    except OSError as error:
        gone, failed = gone or isinstance(error, BrokenPipeError), True
    else:
        failed = gone
    if failed:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    return gone


def _has_no_reader(stream: TextIO) -> bool:
    """Whether a stream leads into a pipe that nobody reads any more."""
    try:
        poll = select.poll()
        poll.register(stream.fileno(), 0)
        return any(event & select.POLLERR for _, event in poll.poll(0))
    except (AttributeError, OSError, ValueError):  # a system without it, and a stream that is no file
        return False
