"""The server: has imported torch, numpy, IPython, Matplotlib and srlib once, and forks one keeper for each notebook.

It is started by `sandbox.Sandbox`, holds nothing secret (no expected value, no test), and after its imports gives up
what it could do to the grader. The keeper of a notebook enters its namespaces, starts the supervisor, and when the
grader lets go, ends and removes everything that is left.
"""

import gc
import importlib
import itertools
import json
import os
import pkgutil
import resource
import select
import signal
import socket
import sys
import time
from typing import NoReturn

from srlib.grading.sandbox import isolation, processes, protocol, view
from srlib.grading.sandbox.limits import Limits

ABOVE = {"exercises", "grading", "commands", "cli", "__main__"}  # parts of srlib that notebooks do without
LIBRARIES = ("numpy", "torch", "torch.nn.functional", "IPython", "matplotlib.pyplot", "PIL.Image")
LET_GO = b"."
_PATIENCE = 2.0  # seconds for a supervisor to end by itself


def main(control: socket.socket) -> NoReturn:
    """Serve until the grader closes `control`. Does not return.

    Args:
        control: a datagram-like socket (SOCK_SEQPACKET): first the plan, then two sockets for each notebook.
    """
    settings = json.loads(control.recv(1_000_000))
    plan = plan_from(settings["plan"])
    began = time.monotonic()
    try:
        if settings["preload"]:
            _import_everything(settings["srlib"])
        isolation.enter_server(plan)
    except Exception as error:
        control.send(json.dumps({"error": f"{type(error).__name__}: {error}"[:2_000]}).encode())
        os._exit(1)
    gc.collect()
    gc.freeze()  # the children do not touch, and so do not copy, what is here already
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the grader's to handle
    cpu = resource.getrusage(resource.RUSAGE_SELF)
    ready = {"seconds": time.monotonic() - began, "cpu": cpu.ru_utime + cpu.ru_stime, "pid": os.getpid()}
    try:
        control.send(json.dumps(ready).encode())
    except OSError:
        os._exit(0)  # the grader has ended meanwhile
    while True:
        word, files, _, _ = socket.recv_fds(control, 16, 2)
        processes.reap()
        if not word:
            processes.end_all(os.getpid(), seconds=10.0) if not plan.namespaces else None
            os._exit(0)
        if len(files) == 2 and _fork() == 0:
            control.close()
            keep(plan, socket.socket(fileno=files[0]), socket.socket(fileno=files[1]))
        for file in files:
            os.close(file)


def keep(plan: isolation.Plan, grader: socket.socket, leash: socket.socket) -> NoReturn:
    """A keeper: start the supervisor, wait until the grader lets go of the leash, end and remove everything.

    Args:
        plan: the isolation.
        grader: for the supervisor; the keeper closes it.
        leash: a byte or its end asks to end; the keeper answers with what the notebook cost and what is left of it.
    """
    folder, error, supervisor = "", "", 0
    uid = isolation.throw_away_uid()
    try:
        folder = isolation.enter_keeper(plan)
        supervisor = os.fork()
        if supervisor == 0:
            leash.close()
            _supervise(plan, grader, folder, uid)
    except OSError as problem:
        error = str(problem)[:300]
    grader.close()
    if supervisor:
        _wait(supervisor, leash)
    left = processes.end_all(os.getpid()) if not plan.namespaces else 0
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    own = resource.getrusage(resource.RUSAGE_SELF)
    cpu = spent.ru_utime + spent.ru_stime + own.ru_utime + own.ru_stime
    try:
        leash.sendall(json.dumps({"left": left, "cpu": cpu, "error": error}).encode())
    except OSError:
        pass  # the grader has ended; nobody wants to know
    if folder and not plan.namespaces:
        processes.remove(folder)  # may take seconds; what is left when the server ends, `Sandbox.close` removes
    os._exit(0)


def _fork() -> int:
    """`os.fork`, or -1 where the system has no room: then this notebook has no supervisor, and the next is tried."""
    try:
        return os.fork()
    except OSError:
        return -1


def plan_from(found: dict) -> isolation.Plan:
    """The plan that the grader sent as JSON."""
    files = view.Files(tuple(found["files"]["shown"]), tuple(found["files"]["hidden"]))
    return isolation.Plan(**found | {"files": files})


def _wait(supervisor: int, leash: socket.socket) -> None:
    """Return once the supervisor has ended; after the grader let go it has a moment to do so by itself."""
    handle = os.pidfd_open(supervisor)
    poller = select.poll()
    poller.register(handle, select.POLLIN)
    poller.register(leash.fileno(), select.POLLIN | select.POLLRDHUP)
    events = poller.poll()
    if handle not in dict(events):
        poller.unregister(leash.fileno())
        poller.poll(_PATIENCE * 1000)
    os.kill(supervisor, signal.SIGKILL)  # not collected yet, so the number is still its own
    os.waitpid(supervisor, 0)
    os.close(handle)


def _supervise(plan: isolation.Plan, grader: socket.socket, folder: str, uid: int) -> NoReturn:
    """The supervisor's life: one notebook, then requests, until the grader closes."""
    from srlib.grading.sandbox import child, notes, supervisor

    try:
        isolation.enter_supervisor(plan)
        header, notebook = _receive(grader, 1 << 32)
        limits = Limits(**header["limits"])
        files = {name: notebook[end - size : end] for name, size, end in _ends(header["files"])}
        notebook = notebook[sum(header["files"].values()) :]
        watcher = supervisor.Supervisor(grader, plan, limits, child.Submission(notebook, files), folder, uid)
        try:
            grader.sendall(protocol.frame(*notes.report(watcher.run())))
            while True:
                watcher.idle()
                header, body = _receive(grader, 1 << 32)
                status, reason, data = watcher.call(header, body)
                grader.sendall(protocol.frame({"status": status, "reason": reason}, data))
        except (notes.Gone, ConnectionError):
            processes.end_all(os.getpid())
            os._exit(0)
    except BaseException as error:
        try:
            grader.sendall(protocol.frame({"broken": f"{type(error).__name__}: {error}"[:500]}))
        finally:
            os._exit(72)
    os._exit(73)


def _ends(sizes: dict[str, int]) -> list[tuple[str, int, int]]:
    """Name, size and end of each file in the body, in front of the notebook."""
    ends = itertools.accumulate(sizes.values())
    return [(name, size, end) for (name, size), end in zip(sizes.items(), ends, strict=True)]


def _receive(grader: socket.socket, most: int) -> tuple[dict, bytes]:
    """One frame from the grader, which is trusted."""

    def exactly(count: int) -> bytes:
        got = bytearray()
        while len(got) < count:
            part = grader.recv(min(count - len(got), 1 << 20))
            if not part:
                raise ConnectionError
            got += part
        return bytes(got)

    head, body = protocol.lengths(exactly(protocol.HEAD.size), most)
    return json.loads(exactly(head)), exactly(body)


def _import_everything(srlib: str) -> None:
    """Import the libraries and srlib without its answers; make the shell; let no library start threads."""
    from srlib.grading.sandbox import shell, supervisor  # noqa: F401

    for name in LIBRARIES:
        importlib.import_module(name)
    shell.mask_answers()
    for module in pkgutil.walk_packages([srlib], "srlib.", onerror=lambda _: None):
        if module.name.split(".")[1] not in ABOVE and "_data" not in module.name:
            try:
                importlib.import_module(module.name)
            except ImportError:
                continue  # an optional library is missing; notebooks find that out by themselves
    import srlib as package

    package.exercises = sys.modules["srlib.exercises"]
    import torch

    torch.set_num_threads(1)
    torch.set_num_threads = lambda _: None  # threads of a parallel region would not survive a fork
    shell.make()
