"""What the supervisor learns about one notebook, from messages that the notebook may have forged.

A message is 4 bytes length and a JSON object. All that a forged one can do is to blame a cell of its own notebook.
"""

import signal
import struct
import time
from dataclasses import dataclass, field

from srlib.grading.sandbox import protocol

LENGTH = struct.Struct("<I")
_MAX_MESSAGE = 65_536
_MAX_CELL = 10_000
_MAX_PRINTS = 3_000
_FORGED = "the notebook wrote into the grader's channel"


class Died(Exception):
    """The notebook's process ended or was ended; the text says why."""


class Gone(Exception):
    """The grader closed the connection."""


@dataclass
class Notes:
    """What is known of one notebook so far; this goes to the grader as it is."""

    cells: int = 0
    errors: dict[int, str] = field(default_factory=dict)
    dropped: dict[int, str] = field(default_factory=dict)
    skipped: list[int] = field(default_factory=list)
    problem: str = ""
    runs: int = 0
    prints: tuple[int, ...] | None = None
    stamp: list[str] = field(default_factory=lambda: ["", ""])
    output: bytearray = field(default_factory=bytearray)
    cut: bool = False
    current: int | None = None
    began: float = 0.0

    def restart(self) -> None:
        """Forget what the last run said, but not which cells were dropped."""
        self.runs += 1
        self.current, self.skipped, self.errors = None, [], {}

    def take(self, message: dict) -> None:
        """Note one message.

        Raises: Died if it is none, or says that the notebook cannot be run.
        """
        number = next((message[key] for key in ("begin", "end", "skip", "cells") if key in message), 0)
        if type(number) is not int or not 0 <= number <= _MAX_CELL:
            raise Died(_FORGED)
        if "prints" in message:
            self._take_prints(message["prints"])
        elif "begin" in message:
            self.current, self.began = number, time.monotonic()
        elif "end" in message:
            self.current = None
            if type(message.get("error")) is str:
                self.errors[number] = protocol.clean(message["error"], 400)
        elif "skip" in message:
            self.skipped += [number] if len(self.skipped) < _MAX_CELL else []
        elif "cells" in message:
            self.cells = number
            stamp = message.get("stamp")
            if type(stamp) is list and len(stamp) == 2 and all(type(word) is str for word in stamp):
                self.stamp = [protocol.clean(word, 60) for word in stamp]
        elif "problem" in message:
            self.problem = protocol.clean(str(message["problem"]), 500)
            raise Died(self.problem)

    def _take_prints(self, found: object) -> None:
        """Fingerprints come once, before the first cell; later ones are forged and change nothing."""
        if type(found) is list and self.prints is None and len(found) <= _MAX_PRINTS:
            self.prints = tuple(n for n in found if type(n) is int and 0 <= n < 2**32)


def message(inbox: bytearray) -> dict | None:
    """The first whole message of `inbox`, taken out of it; None while it is not there yet.

    Raises: Died if what is there is no message.
    """
    if len(inbox) < LENGTH.size:
        return None
    length = LENGTH.unpack(inbox[: LENGTH.size])[0]
    if length > _MAX_MESSAGE:
        raise Died(_FORGED)
    if len(inbox) < LENGTH.size + length:
        return None
    text = bytes(inbox[LENGTH.size : LENGTH.size + length])
    del inbox[: LENGTH.size + length]
    try:
        return protocol.parse(text)
    except protocol.ProtocolError:
        raise Died(_FORGED) from None


def report(notes: Notes) -> tuple[dict, bytes]:
    """The notes as a header and the output as body."""
    header = {
        "cells": notes.cells,
        "errors": {str(number): text[:200] for number, text in list(notes.errors.items())[:100]},
        "dropped": {str(number): text for number, text in notes.dropped.items()},
        "skipped": notes.skipped[:200],
        "problem": notes.problem,
        "runs": notes.runs,
        "prints": list(notes.prints or ()),
        "stamp": notes.stamp,
        "cut": notes.cut,
    }
    return header, bytes(notes.output)


def ending(code: object) -> str:
    """How a process ended, in words."""
    if code is None:
        return "its connection to the grader"
    if type(code) is int and code < 0:
        try:
            return f"by {signal.Signals(-code).name}"
        except ValueError:
            return f"by signal {-code}"
    return f"with status {code}"
