"""The grader's side: start a server, hand it notebooks, ask for values, and be sure that everything ends.

    with Sandbox() as sandbox:
        with sandbox.open(path.read_bytes()) as notebook:
            notebook.report.errors
            reply = notebook.call("enlarge", picture, 2)

Several threads may open notebooks of one sandbox at once.
"""

import json
import os
import socket
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path

from srlib.grading.sandbox import launch, probe, processes
from srlib.grading.sandbox.launch import SandboxError
from srlib.grading.sandbox.limits import Limits
from srlib.grading.sandbox.notebook import Notebook, Report

_START_SECONDS = 120.0
_END_SECONDS = 20.0


class Sandbox:
    """A server and what it needs; a context manager.

    Args:
        isolation_name: one of `isolation.ORDER`; None takes the first that works; "none" is no isolation at all.
        limits: what a notebook may use.
        srlib: folder of the package that notebooks use; default: the one that is installed.
        preload: import the libraries beforehand.

    Raises: SandboxError if no isolation works here, or the server does not start.
    """

    def __init__(
        self,
        isolation_name: str | None = None,
        *,
        limits: Limits = Limits(),  # noqa: B008 (frozen)
        srlib: Path | None = None,
        preload: bool = True,
    ):
        self.limits, self._lock = limits, threading.Lock()
        srlib = srlib or launch.installed()
        launch.tidy()
        self.plan = probe.choose(isolation_name, srlib)
        self.isolation, self._base = self.plan.used, self.plan.base
        self._lock_file = launch.hold(self._base)
        try:
            self._srlib, self._preload = srlib, preload
            self._start(srlib, preload)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self, notebook: bytes, limits: Limits | None = None, files: Mapping[str, bytes] | None = None) -> Notebook:
        """Run a notebook's cells; the result answers calls until it is closed.

        Args:
            notebook: the file's bytes.
            limits: for this notebook; default: the sandbox's.
            files: names and contents of files that lie beside the notebook.

        Raises: SandboxError if the server has ended. What the notebook does is in the report and raises nothing.
        """
        limits = limits or self.limits
        if len(notebook) > limits.notebook_bytes:
            problem = f"the file has {len(notebook)} bytes; at most {limits.notebook_bytes:g} are read."
            return Notebook(None, None, limits, Report(problem, isolation=self.isolation))
        mine, its = socket.socketpair()
        leash, other_end = socket.socketpair()
        try:
            self._hand_over(its, other_end)
        finally:
            its.close()
            other_end.close()
        found = Notebook(mine, leash, limits, Report(isolation=self.isolation))
        found.run(notebook, files or {})
        return found

    def _hand_over(self, *files: socket.socket) -> None:
        """Give the server a notebook's two sockets; a server that has ended is started again, once."""
        numbers = [file.fileno() for file in files]
        with self._lock:
            try:
                socket.send_fds(self._control, [b"notebook"], numbers)
            except OSError:
                self._end()
                self._start(self._srlib, self._preload)
                socket.send_fds(self._control, [b"notebook"], numbers)

    @property
    def server(self) -> int:
        """The server's process, below which all notebooks are."""
        return self.started["pid"]

    def close(self) -> None:
        """End the server and everything below it, and remove the temporary folder."""
        self._end()
        if os.path.isdir(self._base):
            processes.remove(self._base)
            os.close(self._lock_file)

    def _end(self) -> None:
        server = getattr(self, "_server", None)
        if server is None:
            return
        self._control.close()
        try:
            server.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()

    def _start(self, srlib: Path, preload: bool) -> None:
        self._control, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._server = launch.start(self.plan, srlib, its)
        its.close()
        self._control.settimeout(_START_SECONDS)
        try:
            self._control.send(launch.settings(self.plan, preload=preload, srlib=str(srlib)))
            self.started = json.loads(self._control.recv(65_536) or b'{"error": "it ended"}')
        except OSError as error:
            raise SandboxError(f"the sandbox's server did not start: {error}") from None
        if "error" in self.started:
            raise SandboxError(f"the sandbox's server did not start: {self.started['error']}")
        self._control.settimeout(10.0)
