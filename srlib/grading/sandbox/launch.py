"""Starting a process for the sandbox: a clean environment, the interpreter's isolated mode, bubblewrap around it."""

import importlib.util
import json
import os
import socket
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from srlib.grading.sandbox import isolation, view

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
    base = tempfile.mkdtemp(prefix="srlib-grade-")
    os.chmod(base, 0o711)
    os.mkdir(os.path.join(base, "view"))
    files = view.files(srlib)
    closed = os.geteuid() == 0 and isolation.closed_to_others(files)
    return isolation.Plan(name, namespaces, files, os.path.realpath(base), closed)


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
