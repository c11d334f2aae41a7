"""Finding and ending a notebook's processes, daemons too, and removing folders however they were made.

Source: proc(5); the memory is the proportional set size, since forked processes share pages.
"""

import os
import signal
import stat
import time
from collections.abc import Collection

_PAGE = os.sysconf("SC_PAGE_SIZE")


def below(ancestor: int) -> list[int]:
    """All living processes that descend from `ancestor`, which is a subreaper or process 1, so that none is lost."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    fields = file.read().rpartition(b")")[2].split()
            except OSError:
                continue  # it has ended since
            if fields[0] not in (b"Z", b"X"):
                parents[int(name)] = int(fields[1])
    found, known = [], {ancestor}
    while new := [process for process, parent in parents.items() if parent in known and process not in known]:
        found += new
        known.update(new)
    return found


def end_all(ancestor: int, spared: int = 0, seconds: float = 3.0) -> int:
    """Kill everything below `ancestor` but `spared`; returns how many are left after `seconds` (0 is the rule).

    They are stopped first and killed then, so that nothing forks while it is being killed.
    """
    end = time.monotonic() + seconds
    while True:
        found = [process for process in below(ancestor) if process != spared]
        if not found or time.monotonic() > end:
            return len(found)
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for process in found:
                try:
                    os.kill(process, number)
                except OSError:
                    continue  # it has ended since
        reap(spared)
        time.sleep(0.001)


def reap(spared: int = 0) -> None:
    """Collect ended children except `spared`, whose status somebody waits for."""
    while True:
        try:
            found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if found is None or found.si_pid == spared:
                return
            os.waitpid(found.si_pid, os.WNOHANG)
        except ChildProcessError:
            return


def code(process: int) -> int | None:
    """How a child whose connection has just ended did end: its status, or minus a signal; None while it still runs."""
    for _ in range(50):  # the connection ends a moment before the process
        try:
            found = os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return None
        if found is not None:
            return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status
        time.sleep(0.004)
    return None


def memory(found: Collection[int], enough: int) -> int:
    """Bytes that the processes use together: a quick sum first, the exact one only where that is more than `enough`."""
    quick = sum(_resident(process) for process in found)
    return quick if quick <= enough else sum(_proportional(process) for process in found)


def tasks(found: Collection[int]) -> int:
    """Processes and threads."""
    count = 0
    for process in found:
        try:
            count += len(os.listdir(f"/proc/{process}/task"))
        except OSError:
            continue
    return count


def size_of(folder: str, enough: int) -> int:
    """Bytes on disk below a folder; counting stops once there are more than `enough`."""
    total, waiting = 0, [folder]
    while waiting and total <= enough:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    found = entry.stat(follow_symlinks=False)
                    total += max(found.st_blocks * 512, 512)
                    if stat.S_ISDIR(found.st_mode):
                        waiting.append(entry.path)
        except OSError:
            continue  # removed since, or too deep to name: its files are counted by the limit of a file
    return total


def remove(folder: str) -> None:
    """Remove a folder however deep it is: no path is ever named, no file more than one is open.

    Raises: OSError if something cannot be removed.
    """
    inside: list[str] = []
    here = _enter(folder, None)
    try:
        while True:
            deeper = ""
            with os.scandir(here) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        deeper = entry.name
                        break
                    os.unlink(entry.name, dir_fd=here)
            if deeper:
                inside.append(deeper)
                here = _enter(deeper, here)
            elif inside:
                here = _enter("..", here)
                os.rmdir(inside.pop(), dir_fd=here)
            else:
                break
    finally:
        os.close(here)
    os.rmdir(folder)


def _enter(name: str, here: int | None) -> int:
    """A folder as an open file in place of `here`; a closed one is opened first."""
    try:
        there = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
    except PermissionError:
        os.chmod(name, 0o700, dir_fd=here)
        there = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
    if here is not None:
        os.close(here)
    return there


def waited(process: int) -> float:
    """Seconds that a process's first thread was ready to run and had to wait; 0 where the kernel does not say."""
    try:
        with open(f"/proc/{process}/schedstat", "rb") as file:
            return int(file.read().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0


def _resident(process: int) -> int:
    try:
        with open(f"/proc/{process}/statm", "rb") as file:
            fields = file.read().split()
        return int(fields[1]) * _PAGE
    except (OSError, IndexError):
        return 0


def _proportional(process: int) -> int:
    try:
        with open(f"/proc/{process}/smaps_rollup", "rb") as file:
            for line in file:
                if line.startswith(b"Pss:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return _resident(process) if os.path.exists(f"/proc/{process}") else 0
