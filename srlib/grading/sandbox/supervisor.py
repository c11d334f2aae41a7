"""The supervisor of one notebook: starts its process, watches it, runs it again without a cell that ended it.

It is process 1 of the notebook's namespace: the notebook cannot signal, trace or see into it, and when it ends, the
kernel ends everything in the namespace. What the notebook writes is only measured, cut and passed on.
"""

import os
import select
import socket
import time

from srlib.grading.sandbox import child, isolation, notes, processes, protocol
from srlib.grading.sandbox.limits import Limits
from srlib.grading.sandbox.notes import Died, Gone, Notes, ending
from srlib.grading.sandbox.watch import Watch

_GRACE = 1.0  # seconds between the interruption of a cell and the end of its process
_TICK = 0.05


class Supervisor:
    """One notebook.

    Args:
        grader, plan, limits: socket to the grader, the isolation, the limits.
        notebook: the notebook and its files.
        folder, uid: the notebook's folder, and the throw-away user.
    """

    def __init__(self, grader: socket.socket, plan, limits: Limits, notebook: child.Submission, folder: str, uid: int):
        self.grader, self.plan, self.limits, self.notebook = grader, plan, limits, notebook
        self.folder, self.uid, self.notes = folder, uid, Notes()
        self.process, self.channel, self.pipe, self.inbox = 0, None, -1, bytearray()
        self.watch = Watch(limits, folder, measured=not plan.namespaces)
        self.cells_left, self.calls_left = limits.notebook_seconds, limits.calls_seconds
        self.alive = self.running = self.muted = False  # the cells have run and calls can be made; there is a process

    def run(self) -> Notes:
        """Run the cells, again without a guilty one where a process died; returns what is known afterwards.

        Raises: Gone.
        """
        while True:
            self.notes.restart()
            self._start()
            began = time.monotonic()
            try:
                self._until("done", began + self.cells_left + _GRACE, "the notebook used all its time")
                self.alive = True
                self.cells_left -= time.monotonic() - began
                processes.end_all(os.getpid(), self.process)
                return self.notes
            except Died as reason:
                guilty = self.notes.current
                self._stop()
                self.cells_left -= time.monotonic() - began
                if guilty is None:
                    self.notes.problem = self.notes.problem or str(reason)
                    return self.notes
                self.notes.dropped[guilty] = str(reason)
                if self.notes.runs > self.limits.restarts or self.cells_left <= 0:
                    self.notes.problem = f"its process ended {self.notes.runs} times, at last: {reason}"
                    return self.notes

    def call(self, header: dict, body: bytes) -> tuple[str, str, bytes]:
        """One request: status, reason and the bytes that the notebook's process wrote.

        Raises: Gone.
        """
        if not self.alive and not self._again():
            return "died", self.notes.problem or "the notebook's process has ended.", b""
        if self.calls_left <= 0:
            return "time", "the calls of this notebook used all their time.", b""
        began = time.monotonic()
        end = began + min(self.limits.call_seconds, self.calls_left)
        try:
            return self._call(protocol.frame(header, body), end)
        except Died as reason:
            self.alive = False
            self._stop()
            return "died", str(reason), b""
        finally:
            self.calls_left -= time.monotonic() - began

    def _call(self, request: bytes, end: float) -> tuple[str, str, bytes]:
        requests, replies = os.pipe2(os.O_CLOEXEC), os.pipe2(os.O_CLOEXEC)
        try:
            socket.send_fds(self.channel, [child.CALL], [requests[0], replies[1]])
        except OSError:
            raise Died("the notebook's process has ended") from None
        finally:
            os.close(requests[0])
            os.close(replies[1])
        try:
            found = self._exchange(requests[1], replies[0], memoryview(request), end)
        finally:
            os.close(replies[0])
        processes.end_all(os.getpid(), self.process)
        code = self._until("ended", time.monotonic() + 2 + _GRACE, "the notebook's process does not answer")
        if found[0] == "data" and not found[2]:
            return "died", f"the call's process ended {ending(code)}", b""
        return found

    def _exchange(self, request: int, reply: int, left: memoryview, end: float) -> tuple[str, str, bytes]:
        got, writing, most = bytearray(), True, self.limits.reply_bytes + protocol.MAX_HEADER + protocol.HEAD.size
        os.set_blocking(request, False)
        try:
            while True:
                if (now := time.monotonic()) > end and now > end + self.watch.waited(self.process):
                    return "time", f"your function was stopped after {self.limits.call_seconds:g} seconds.", b""
                if too_much := self.watch.too_much(self.process):
                    return "memory", f"your function {too_much}.", b""
                ready = self._wait([reply], [request] if writing else [])
                if writing and request in ready:
                    try:
                        left = left[os.write(request, left[:65_536]) :]
                    except BrokenPipeError:
                        left = left[:0]
                    if not left:
                        os.close(request)
                        writing = False
                if reply in ready:
                    part = os.read(reply, 1 << 20)
                    got += part
                    if len(got) > most:
                        return "too large", f"your function returned more than {self.limits.reply_bytes} bytes.", b""
                    if not part:
                        return "data", "", bytes(got)
        finally:
            if writing:
                os.close(request)

    def idle(self) -> None:
        """Wait for the grader's next request and watch the notebook's processes meanwhile.

        Raises: Gone when the grader has closed the connection.
        """
        while self.grader.fileno() not in self._wait([self.grader.fileno()], []):
            if self.alive and self.watch.too_much(self.process):
                self.alive = False
                self._stop()

    def _again(self) -> bool:
        """Run the notebook again after a call ended its process."""
        if self.notes.problem or self.notes.runs > self.limits.restarts or self.cells_left <= 0:
            return False
        self.run()
        return self.alive

    def _start(self) -> None:
        mine, its = socket.socketpair()
        self.pipe, output = os.pipe2(os.O_CLOEXEC)
        home = isolation.home(self.plan, self.folder, self.uid, self.notes.runs)
        self.process = os.fork()
        if self.process == 0:
            try:
                child.become(its, output, home)
                isolation.enter_notebook(self.plan, self.limits, home, self.uid)
            except BaseException as error:
                child.say(its, problem=f"the sandbox could not be entered: {error}"[:500])
                os._exit(70)
            try:
                child.main(its, self.notebook, self.limits, set(self.notes.dropped), self.cells_left)
            finally:
                os._exit(71)
        its.close()
        os.close(output)
        os.set_blocking(self.pipe, False)
        self.channel, self.inbox, self.running, self.muted = mine, bytearray(), True, False

    def _stop(self) -> None:
        self.running = False
        processes.end_all(os.getpid())
        self._drain()
        self.channel.close()
        os.close(self.pipe)

    def _until(self, word: str, end: float, otherwise: str) -> object:
        """Read the notebook's messages until one has `word`; its value.

        Raises: Died when the process ended, broke a limit or wrote what is no message; Gone without the grader.
        """
        while True:
            message = notes.message(self.inbox)
            if message is None:
                now = time.monotonic()
                if self.notes.current is not None and now > self.notes.began + self.limits.cell_seconds + _GRACE:
                    raise Died(f"the cell did not stop after {self.limits.cell_seconds:g} seconds")
                if now > end:
                    raise Died(otherwise)
                if too_much := self.watch.too_much(self.process):
                    raise Died(f"the notebook {too_much}")
                if self.channel.fileno() in self._wait([self.channel.fileno()], []):
                    self._receive()
                continue
            if word in message:
                return message[word]
            if "end" in message and (too_much := self.watch.too_much(self.process, now=True)):
                raise Died(f"the notebook {too_much}")
            self.notes.take(message)

    def _receive(self) -> None:
        try:
            part = self.channel.recv(65_536)
        except OSError:
            part = b""
        if not part:
            processes.reap(self.process)
            raise Died(f"the process ended {ending(processes.code(self.process))}")
        self.inbox += part

    def _wait(self, reading: list[int], writing: list[int]) -> set[int]:
        """Wait a moment for one of these; output is read, the grader's end is noticed, orphans are collected."""
        poller = select.poll()
        poller.register(self.grader.fileno(), select.POLLRDHUP)
        if self.running and not self.muted:
            poller.register(self.pipe, select.POLLIN)
        for number in reading:
            poller.register(number, select.POLLIN | select.POLLRDHUP)
        for number in writing:
            poller.register(number, select.POLLOUT)
        events = dict(poller.poll(_TICK * 1000))
        if events.get(self.grader.fileno(), 0) & (select.POLLRDHUP | select.POLLHUP | select.POLLERR):
            raise Gone
        ready = set(events)
        if self.pipe in ready:
            self._drain()
            if len(ready) == 1:
                time.sleep(0.001)  # a flood of output does not make this process busy
        return ready

    def _drain(self) -> None:
        for _ in range(16):
            try:
                part = os.read(self.pipe, 65_536)
            except OSError:
                return
            if not part:
                self.muted = True  # the notebook has closed it
                return
            room = self.limits.output_bytes - len(self.notes.output)
            self.notes.output += part[: max(room, 0)]
            self.notes.cut = self.notes.cut or len(part) > room
