"""Starting a process for the sandbox: a clean environment, the interpreter's isolated mode, bubblewrap around it."""

import fcntl
import importlib.util
import json
import os
import socket
import stat
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from srlib.grading.sandbox import isolation, processes, view

_PREFIX = "srlib-grade-"
_YOUNG = 60.0  # seconds in which a new folder may not be locked yet
_ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "USER": "student",
    "LOGNAME": "student",
    "MPLBACKEND": "Agg",
    "CUDA_VISIBLE_DEVICES": "",
    "SRLIB_BUDGET": "smoke",
    "SRLIB_SANDBOX": "1",
    **{f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS", "NUMEXPR")},
}


class SandboxError(RuntimeError):
    """The sandbox itself failed; this is no student's fault."""


def installed() -> Path:
    """The folder of the installed srlib.

    Raises: SandboxError if there is none.
    """
    found = importlib.util.find_spec("srlib")
    if found is None or found.origin is None:
        raise SandboxError("srlib is not installed here")
    return Path(found.origin).resolve().parent


def plan(name: str, srlib: Path, *, namespaces: bool) -> isolation.Plan:
    """A plan with a temporary folder of its own, which whoever asked for it removes.

    Args:
        name: the isolation.
        srlib: the package's folder.
        namespaces: whether each notebook gets its own namespaces.
    """
    base = tempfile.mkdtemp(prefix=_PREFIX)
    os.chmod(base, 0o711)
    os.mkdir(os.path.join(base, "view"))
    files = view.files(srlib)
    closed = os.geteuid() == 0 and isolation.closed_to_others(files)
    return isolation.Plan(name, namespaces, files, os.path.realpath(base), closed)


def hold(base: str) -> int:
    """Say that a temporary folder is in use, as long as this process lives and the returned file is open."""
    lock = os.open(os.path.join(base, "lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def tidy() -> None:
    """Remove the temporary folders of this user's graders that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        try:
            found = folder.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or time.time() - found.st_mtime < _YOUNG:
                continue
            lock = os.open(folder / "lock", os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                processes.remove(str(folder))
            finally:
                os.close(lock)
        except OSError:
            continue  # in use, or another grader tidies up, too


def start(plan: isolation.Plan, srlib: Path, control: socket.socket, module: str = "server") -> subprocess.Popen:
    """Start `server` (or `probe`) with `control` as its only open file.

    Raises: OSError if a program is missing.
    """
    code = (
        f"import sys, socket; sys.path.insert(0, {str(srlib.parent)!r}); "
        f"from srlib.grading.sandbox.{module} import main; main(socket.socket(fileno={control.fileno()}))"
    )
    words = isolation.bubblewrap(plan) if plan.name == "bubblewrap" else []
    folder = view.HOME if words else plan.base
    environment = _ENVIRONMENT | {"HOME": folder, "TMPDIR": folder, "MPLCONFIGDIR": os.path.join(folder, "matplotlib")}
    words += [sys.executable, "-I", "-B", "-X", "utf8", "-c", code]
    return subprocess.Popen(
        words,
        env=environment,
        pass_fds=[control.fileno()],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE if module == "probe" else None,
        cwd="/",
        start_new_session=True,
    )


def settings(plan: isolation.Plan, **more: object) -> bytes:
    """The first message to a started process."""
    return json.dumps({"plan": asdict(plan), **more}).encode()
