"""The notebook's own process: reads the cells, runs them, then forks once for every call the grader makes.

Everything here may be overwritten by the notebook: it runs in the same interpreter. Nothing here is secret, and no
result is judged here; a notebook that breaks it breaks its own answers.
"""

import gc
import os
import resource
import signal
import socket
import sys
import time
from dataclasses import dataclass
from typing import Any, NoReturn

from srlib.grading.sandbox import cells, landlock, notes, prints, protocol, shell, values
from srlib.grading.sandbox.limits import Limits

CALL = b"C"
_PRINT_SECONDS = 3


def say(channel: socket.socket, **message: Any) -> None:
    """One message to the supervisor: 4 bytes length, then JSON."""
    text = protocol.frame(message)[protocol.HEAD.size :]
    channel.sendall(notes.LENGTH.pack(len(text)) + text)


def become(channel: socket.socket, output: int, folder: str) -> None:
    """Nothing as input, the pipe as output, the channel, and no other file of the supervisor."""
    os.environ.update(HOME=folder, TMPDIR=folder, MPLCONFIGDIR=folder)
    nothing = os.open("/dev/null", os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.closerange(3, channel.fileno())
    os.closerange(channel.fileno() + 1, 4096)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    sys.stdin = open(0, encoding="utf-8", closefd=False)
    sys.stdout = open(1, "w", encoding="utf-8", errors="replace", closefd=False)
    sys.stderr = open(2, "w", encoding="utf-8", errors="replace", closefd=False)


@dataclass(frozen=True)
class Submission:
    """A notebook's bytes, and the files that lie beside it."""

    notebook: bytes
    files: dict[str, bytes]


def main(channel: socket.socket, submission: Submission, limits: Limits, dropped: set[int], seconds: float) -> NoReturn:
    """Run the notebook and serve calls until the channel closes. Does not return.

    Args:
        channel: to the supervisor.
        submission: the notebook and its files.
        limits: the limits.
        dropped: numbers of cells that ended an earlier process; they are not run.
        seconds: what is left for the cells.
    """
    gc.enable()
    try:
        found = cells.read(submission.notebook)
    except cells.NoNotebook as error:
        say(channel, problem=str(error))
        os._exit(0)
    for name, data in (found.attached | submission.files).items():
        with open(name, "wb") as file:
            file.write(data)
    say(channel, cells=len(found.sources), stamp=found.stamp)
    _print(channel, found.sources)
    _run_cells(channel, found.sources, limits, dropped, time.monotonic() + seconds)
    say(channel, done=True)
    while True:
        word, files, _, _ = socket.recv_fds(channel, 1, 2)
        if word != CALL or len(files) != 2:
            os._exit(0)
        _make_room()
        process = os.fork()
        if process == 0:
            _serve(channel, *files, limits)
        for file in files:
            os.close(file)
        _, status = os.waitpid(process, 0)
        say(channel, ended=os.waitstatus_to_exitcode(status))


def _print(channel: socket.socket, sources: list[str]) -> None:
    """Fingerprints, before any cell runs and in a process of their own: odd code may break the parser."""
    process = os.fork()
    if process == 0:
        try:
            signal.alarm(_PRINT_SECONDS)
            say(channel, prints=prints.prints(sources))
        finally:
            os._exit(0)
    os.waitpid(process, 0)


def _run_cells(channel: socket.socket, sources: list[str], limits: Limits, dropped: set[int], end: float) -> None:
    ipython = shell.Shell.instance()
    monotonic, describe, run, close = time.monotonic, shell.describe, shell.run, shell.close_figures
    for number, source in enumerate(sources):
        left = end - monotonic()
        if number in dropped or left <= 0:
            say(channel, skip=number)
            continue
        say(channel, begin=number)
        error = run(ipython, source, min(limits.cell_seconds, left))
        close()
        text = None if error is None else protocol.clean(describe(error), 400)
        _flush()
        say(channel, end=number, error=text)


def _make_room() -> None:
    """Collect what the cells started and the supervisor ended; go above the limit that their threads may fill."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
    hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    resource.setrlimit(resource.RLIMIT_NPROC, (hard, hard))


def _serve(channel: socket.socket, request: int, reply: int, limits: Limits) -> NoReturn:
    """One call, in a process of its own, which cannot signal the others."""
    status = 1
    try:
        os.setsid()
        landlock.scope_signals()
        channel.close()
        signal.setitimer(signal.ITIMER_REAL, 0)
        with os.fdopen(request, "rb") as file:
            header, body = protocol.split(file.read(), limits.argument_bytes)
        answer = _answer(header, body, limits)
        _flush()
        with os.fdopen(reply, "wb") as file:
            file.write(answer)
        status = 0
    finally:
        os._exit(status)


def _answer(header: dict, body: memoryview, limits: Limits) -> bytes:
    kind, name = header["kind"], header["name"]
    if kind == "names":
        return _data(["dict", {key: ["int", 1] for key in _functions()}])
    if kind == "file":
        return _file(name, limits)
    names = shell.Shell.instance().user_ns
    if name not in names:
        return protocol.frame({"status": "missing", "reason": f"there is no {name!r} in your notebook."})
    value = names[name]
    if kind == "call":
        if not callable(value):
            return protocol.frame({"status": "unusable", "reason": f"{name!r} is no function in your notebook."})
        arguments = values.build(header["arguments"], body)
        try:
            value = value(*arguments)
        except NotImplementedError:
            return protocol.frame({"status": "raised", "reason": "not written yet."})
        except BaseException as error:  # whatever a student's function raises is the reason
            reason = f"your function raised {protocol.clean(shell.describe(error), 400)}"
            return protocol.frame({"status": "raised", "reason": reason})
        if values.contents(arguments) != values.contents(values.build(header["arguments"], body)):
            reason = "your function changed its argument; work on a copy (clone)."
            return protocol.frame({"status": "unusable", "reason": reason})
    try:
        return _data(*values.result(value, limits.reply_bytes))
    except values.Unusable as error:
        return protocol.frame({"status": "unusable", "reason": str(error)})
    except protocol.ProtocolError:
        return protocol.frame({"status": "unusable", "reason": "your function returned too much text."})


def _data(tree: list, body: bytes = b"") -> bytes:
    return protocol.frame({"status": "value", "value": tree}, body)


def _functions() -> list[str]:
    """Names of functions and classes that the notebook defined, for a hint about a renamed one."""
    found = shell.Shell.instance().user_ns
    names = [name for name in list(found) if type(name) is str and name.isidentifier() and name[:1] != "_"]
    return [name[:60] for name in names if getattr(found[name], "__module__", None) == "__main__"][:200]


def _file(name: str, limits: Limits) -> bytes:
    """The bytes of a file that the notebook wrote into its folder."""
    try:
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return protocol.frame({"status": "missing", "reason": f"your notebook wrote no file {name!r}."})
    with os.fdopen(file, "rb") as stream:
        data = stream.read(limits.reply_bytes + 1)
    if len(data) > limits.reply_bytes:
        return protocol.frame({"status": "unusable", "reason": f"the file {name!r} is too large."})
    return _data(["bytes", len(data)], data)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BaseException:  # a notebook may have replaced or closed it
            continue
