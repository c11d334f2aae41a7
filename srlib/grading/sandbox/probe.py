"""Which isolation works here: each is entered by a small process, which then tries what it must not be able to do.

for row in available():
    print(row.name, row.works, row.reason)
"""

import json
import os
import socket
import subprocess
import sys
import traceback
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NoReturn

from srlib.grading.sandbox import isolation, launch, linux, processes
from srlib.grading.sandbox.launch import SandboxError
from srlib.grading.sandbox.limits import Limits

_SECONDS = 20.0


@dataclass(frozen=True)
class Row:
    """One isolation: whether it works here, and one line why not, or what it promises."""

    name: str
    works: bool
    reason: str
    namespaces: bool = False


@lru_cache
def available(srlib: Path | None = None) -> tuple[Row, ...]:
    """Every isolation, in the order in which they are tried. The answer is kept for this process."""
    return tuple(_row(name, srlib or launch.installed()) for name in isolation.ORDER) + (
        Row(
            "sandbox-exec", False, "macOS only, and not written yet" if sys.platform != "darwin" else "not written yet"
        ),
    )


def choose(name: str | None, srlib: Path) -> isolation.Plan:
    """A plan for the named isolation, or for the first that works.

    Raises: ValueError for an unknown name; SandboxError if it does not work here, or none does.
    """
    if name == isolation.NONE:
        return launch.plan(name, srlib, namespaces=False)
    if name is not None and name not in isolation.ORDER:
        raise ValueError(f"no isolation {name!r}; there are {', '.join(isolation.ORDER)}, {isolation.NONE}")
    rows = [_row(name, srlib)] if name else available(srlib)
    for row in rows:
        if row.works:
            return launch.plan(row.name, srlib, namespaces=row.namespaces)
    if name:
        raise SandboxError(f"isolation {name!r} does not work here: {rows[0].reason}")
    reasons = "\n".join(f"  {row.name}: {row.reason}" for row in rows)
    raise SandboxError(f"no isolation works here, so no notebook is run:\n{reasons}")


def main(control: socket.socket) -> NoReturn:
    """The probing process: all stages without a notebook, then attempts to get out. Does not return."""
    from srlib.grading.sandbox import server

    settings = json.loads(control.recv(1_000_000))
    plan = server.plan_from(settings["plan"])
    mine, its = socket.socketpair()
    if os.fork() == 0:
        _stages(plan, settings["outside"], its)
    its.close()
    text = mine.recv(65_536) or b"a stage ended without a word"
    control.send(text)
    os.wait()
    os._exit(0)


@lru_cache
def _row(name: str, srlib: Path) -> Row:
    if not linux.supported():
        return Row(name, False, "this is no Linux on x86_64 or aarch64")
    reason = ""
    for namespaces in (True, False) if name == "bubblewrap" else (name == "namespaces",):
        reason = _try(name, srlib, namespaces)
        if not reason:
            return Row(name, True, isolation.PROMISES[name], namespaces)
    return Row(name, False, reason)


def _try(name: str, srlib: Path, namespaces: bool) -> str:
    """Empty if it works, else one line why not."""
    plan = launch.plan(name, srlib, namespaces=namespaces)
    secret = os.path.join(plan.base, "secret")
    control, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    process = None
    try:
        Path(secret).write_text("secret")
        os.chmod(secret, 0o600)
        if plan.name == "uid" and plan.keep_reading:
            return "this Python lies in a folder that is closed to other users"
        process = launch.start(plan, srlib, its, "probe")
        its.close()
        control.settimeout(_SECONDS)
        outside = {"secret": secret, "process": os.getpid(), "answers": plan.files.hidden}
        control.send(launch.settings(plan, outside=outside))
        found = control.recv(65_536).decode()
        if found:
            return "" if found == "ok" else found
        return _last_line(process.communicate(timeout=_SECONDS)[1]) or "the probe ended without a word"
    except OSError as error:
        return str(error) if process is None else (_last_line(_ended(process)) or str(error))
    finally:
        control.close()
        its.close()
        if process is not None:
            _ended(process)
        processes.remove(plan.base)


def _ended(process: subprocess.Popen) -> bytes:
    try:
        return process.communicate(timeout=2)[1] or b""
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()[1] or b""
    except ValueError:
        return b""


def _last_line(text: bytes) -> str:
    return (text or b"").decode("utf-8", "replace").strip().rpartition("\n")[2][:300]


def _stages(plan: isolation.Plan, outside: dict, channel: socket.socket) -> NoReturn:
    try:
        isolation.enter_server(plan)
        uid = isolation.throw_away_uid()
        folder = isolation.enter_keeper(plan)
        if os.fork() == 0:
            try:
                isolation.enter_supervisor(plan)
                home = isolation.home(plan, folder, uid, 1)
                if os.fork() == 0:
                    isolation.enter_notebook(plan, Limits(), home, uid)
                    channel.send(("; ".join(_ways_out(plan, outside)) or "ok").encode())
                    os._exit(0)
                os.wait()
            except BaseException as error:
                channel.send(_line(error))
            os._exit(0)
        os.wait()
    except BaseException as error:
        channel.send(_line(error))
    os._exit(0)


def _line(error: BaseException) -> bytes:
    place = traceback.extract_tb(error.__traceback__)[-1].name
    return f"{error} ({place})"[:300].encode()


def _ways_out(plan: isolation.Plan, outside: dict) -> list[str]:
    """What is possible and should not be."""
    found = []
    limited = plan.name != "uid"
    for what, action in (
        ("files outside can be read", lambda: open(outside["secret"]).read()),
        ("files outside can be written", lambda: open(outside["secret"] + "2", "w").close()),
        ("answers can be read", lambda: limited and _answers(outside["answers"]) or _fail()),
        ("sockets can be made", lambda: socket.socket()),
        ("sockets of a path can be made", lambda: socket.socket(socket.AF_UNIX)),
        ("the grader can be signalled", lambda: os.kill(outside["process"], 0)),
        (
            "the server can be signalled",
            lambda: os.getppid() != 1 and os.kill(os.getppid(), 0) or os.getppid() == 1 and _fail(),
        ),
        ("new namespaces can be made", lambda: linux.unshare(linux.NEW_USER)),
    ):
        try:
            action()
        except OSError:
            continue
        found.append(what)
    for name in ("file", "/dev/null"):
        try:
            with open(name, "w") as file:
                file.write("x")
        except OSError as error:
            found.append(f"what it needs cannot be written: {error}")
    return found


def _answers(folders: list[str]) -> bool:
    """Whether a hidden folder holds more than the stub."""
    return any(set(os.listdir(folder)) - {"__init__.py"} for folder in folders)


def _fail() -> None:
    raise PermissionError
