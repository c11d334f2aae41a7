"""One notebook in the sandbox, seen from the grader: its report, and values on request.

Nothing of the notebook raises here: whatever it does becomes a report or a reply with a reason.
"""

import json
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from srlib.grading.sandbox import protocol, values
from srlib.grading.sandbox.limits import Limits

_END_SECONDS = 40.0  # a busy machine is no reason to doubt that everything has ended
_MAX_OUTPUT = 64_000_000


@dataclass(frozen=True)
class Report:
    """How a notebook ran. Every text is the student's: show it as text, never as markup.

    Args:
        problem: why the file or the run as a whole is unusable; empty where it is not.
        cells: number of code cells.
        errors: number of a cell -> what it raised.
        dropped: number of a cell -> why its process ended; such a cell was left out in the next run.
        skipped: cells that were not run, for lack of time or because they were dropped.
        output: what was written to stdout and stderr, cut at the limit.
        cut: whether it was cut.
        runs: how often the notebook was run.
        prints: fingerprints of its code.
        stamp: part and digest of the assignment that the notebook says it is from.
        seconds: wall time.
        isolation: what was used.
    """

    problem: str = ""
    cells: int = 0
    errors: dict[int, str] = field(default_factory=dict)
    dropped: dict[int, str] = field(default_factory=dict)
    skipped: tuple[int, ...] = ()
    output: str = ""
    cut: bool = False
    runs: int = 0
    prints: tuple[int, ...] = ()
    stamp: tuple[str, ...] = ("", "")
    seconds: float = 0.0
    isolation: str = ""


@dataclass(frozen=True)
class Ended:
    """What a notebook cost, and how many of its processes could not be ended (0, or something is wrong)."""

    cpu_seconds: float = 0.0
    left: int = 0
    error: str = ""


class Notebook:
    """A notebook that has run; a context manager. Made by `Sandbox.open`."""

    def __init__(self, channel: socket.socket | None, leash: socket.socket | None, limits: Limits, report: Report):
        self._channel, self._leash = channel, leash
        self.limits, self.report, self.ended = limits, report, Ended()

    def __enter__(self) -> "Notebook":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(self, notebook: bytes, files: Mapping[str, bytes]) -> None:
        """Send the notebook and its files and wait for the report; `Sandbox.open` does this.

        Raises: nothing; what fails becomes the problem of the report.
        """
        began = time.monotonic()
        header = {"limits": self.limits.as_json(), "files": {name: len(data) for name, data in files.items()}}
        try:
            header, body = self._ask(header, b"".join((*files.values(), notebook)), self.limits.longest, _MAX_OUTPUT)
            self.report = _report(header, body, time.monotonic() - began, self.report.isolation)
        except (OSError, protocol.ProtocolError) as error:
            problem = f"the notebook's supervisor did not answer: {type(error).__name__}: {error}"[:500]
            self.report = Report(problem, seconds=time.monotonic() - began, isolation=self.report.isolation)
            self.close()

    def call(self, name: str, *arguments: Any) -> protocol.Reply:
        """Call a function of the notebook, in a process of its own.

        Raises: TypeError or ValueError for arguments that cannot cross: the grader's mistake. Never the student's.
        """
        tree, body = values.arguments(arguments)
        if len(body) > self.limits.argument_bytes:
            raise ValueError(f"arguments of {len(body)} bytes; at most {self.limits.argument_bytes}")
        return self._request({"kind": "call", "name": name, "arguments": tree}, body)

    def value(self, name: str) -> protocol.Reply:
        """The value of a name, as data."""
        return self._request({"kind": "value", "name": name})

    def file(self, name: str) -> protocol.Reply:
        """The bytes of a file that the notebook wrote into its folder."""
        return self._request({"kind": "file", "name": name})

    def names(self) -> list[str]:
        """Functions and classes that the notebook defined, for a hint where one is missing."""
        reply = self._request({"kind": "names", "name": ""})
        return sorted(reply.value) if reply.ok and type(reply.value) is dict else []

    def close(self) -> Ended:
        """End everything of this notebook; what it cost and what is left."""
        if self._channel is None:
            return self.ended
        self._channel.close()
        self._channel = None
        self._leash.settimeout(_END_SECONDS)
        try:
            self._leash.sendall(b".")
            found = json.loads(self._leash.recv(4_096))
            self.ended = Ended(float(found["cpu"]), int(found["left"]), str(found["error"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            self.ended = Ended(left=-1, error=f"the keeper did not answer: {type(error).__name__}")
        finally:
            self._leash.close()
        return self.ended

    def _request(self, header: dict, body: bytes = b"") -> protocol.Reply:
        if self._channel is None:
            return protocol.Reply("died", self.report.problem or "the notebook has been closed.")
        began = time.monotonic()
        most = self.limits.reply_bytes + protocol.MAX_HEADER + protocol.HEAD.size
        try:
            found, data = self._ask(header, body, self.limits.longest, most)
        except (OSError, protocol.ProtocolError) as error:
            self.close()
            return protocol.Reply("died", f"the notebook's supervisor did not answer: {type(error).__name__}")
        status, reason = found.get("status"), found.get("reason")
        if status == "data":
            reply = protocol.read_reply(data, self.limits.reply_bytes)
        elif status in protocol.STATUSES and type(reason) is str:
            reply = protocol.Reply(status, protocol.clean(reason, 500))
        else:
            reply = protocol.Reply("broken", "what came back is no reply")
        return protocol.Reply(reply.status, reply.reason, reply.value, time.monotonic() - began)

    def _ask(self, header: dict, body: bytes, seconds: float, most: int) -> tuple[dict, bytes]:
        """Send a frame and receive one, within `seconds` altogether."""
        end = time.monotonic() + seconds
        self._channel.settimeout(seconds)
        self._channel.sendall(protocol.frame(header, body))
        head, size = protocol.lengths(_exactly(self._channel, protocol.HEAD.size, end), most)
        return protocol.parse(_exactly(self._channel, head, end)), _exactly(self._channel, size, end)


def _exactly(channel: socket.socket, count: int, end: float) -> bytes:
    """So many bytes until a moment.

    Raises: TimeoutError after it; ConnectionError if the other side ends before.
    """
    got = bytearray()
    while len(got) < count:
        channel.settimeout(max(end - time.monotonic(), 0.001))
        part = channel.recv(min(count - len(got), 1 << 20))
        if not part:
            raise ConnectionError("the connection ended")
        got += part
    return bytes(got)


def _report(header: dict, body: bytes, seconds: float, used: str) -> Report:
    """The report that the supervisor sent, each field of the right type or left out.

    Raises: ProtocolError if the supervisor itself failed.
    """
    if "broken" in header:
        raise protocol.ProtocolError(str(header["broken"])[:500])
    count = {name: found if type(found := header.get(name)) is int else 0 for name in ("cells", "runs")}
    skipped, stamp = header.get("skipped"), header.get("stamp")
    stamp = stamp if type(stamp) is list and len(stamp) == 2 else ("", "")
    return Report(
        problem=protocol.clean(str(header.get("problem", "")), 500),
        cells=count["cells"],
        errors=_by_cell(header.get("errors")),
        dropped=_by_cell(header.get("dropped")),
        skipped=tuple(n for n in skipped if type(n) is int) if type(skipped) is list else (),
        output="\n".join(protocol.clean(line, 2_000) for line in body.decode("utf-8", "replace").split("\n")),
        cut=header.get("cut") is True,
        runs=count["runs"],
        stamp=tuple(protocol.clean(word, 60) for word in stamp if type(word) is str),
        prints=tuple(n for n in found if type(n) is int) if type(found := header.get("prints")) is list else (),
        seconds=seconds,
        isolation=used,
    )


def _by_cell(found: object) -> dict[int, str]:
    if type(found) is not dict:
        return {}
    return {int(n): protocol.clean(t, 500) for n, t in found.items() if n.isdecimal() and len(n) < 6 and type(t) is str}
