"""Which isolation works here, and its four stages: the server's, a notebook's keeper's, its supervisor's, its own.

    server      has imported everything, forks         sees the view of files, has no privileges of the grader's user
      keeper      one a notebook; ends everything       enters the namespaces
        supervisor  watches time, memory, output        process 1 of the notebook's process namespace
          notebook    runs the cells                    Landlock, seccomp, limits, no capabilities
            call        one call of one function        signals only itself

Source: user_namespaces(7), pid_namespaces(7), mount_namespaces(7), landlock(7), seccomp(2).
"""

import os
import resource
import shutil
from dataclasses import dataclass
from pathlib import Path

from srlib.grading.sandbox import landlock, linux, processes, seccomp, view
from srlib.grading.sandbox.limits import Limits

ORDER = ("bubblewrap", "namespaces", "landlock", "uid")
NONE = "none"
PROMISES = {
    "bubblewrap": "bubblewrap's view of files; inside it namespaces, Landlock and seccomp",
    "namespaces": "user, process, network, IPC and mount namespaces; a view of files; Landlock and seccomp",
    "landlock": "Landlock and seccomp; leftovers are found by a subreaper; names of files outside can be seen",
    "uid": "another user's number, limits and a subreaper; what everybody may read can be read",
    NONE: "no isolation: a notebook may do whatever you may do",
}
STUDENT = 1000  # the notebook's user, inside
_THROW_AWAY = 1_900_000_000  # users that exist nowhere: this plus the process's number
_STRAY_INODES = 16_384
_SPARE_TASKS = 4  # so that calls can be made after a cell's threads have filled the limit


@dataclass(frozen=True)
class Plan:
    """How notebooks are isolated: what the grader chose and the server found.

    Args:
        name: one of `ORDER`, or `NONE`.
        namespaces: each notebook has its own process, network, IPC, user and mount namespaces.
        files: what a notebook sees.
        base: a folder of the outer file system for mount point and temporary folders.
        keep_reading: the interpreter is closed to other users, so reading is left to Landlock.
    """

    name: str
    namespaces: bool
    files: view.Files
    base: str
    keep_reading: bool = False

    @property
    def used(self) -> str:
        """What stands in the results."""
        return self.name if self.namespaces or self.name != "bubblewrap" else "bubblewrap + landlock"

    @property
    def homes(self) -> str:
        """Where notebooks' folders are made that are no file systems of their own."""
        return view.HOME if self.name == "bubblewrap" else self.base


def throw_away_uid() -> int:
    """A user's number that belongs to nobody, different for each running process."""
    return _THROW_AWAY + os.getpid()


def enter_server(plan: Plan) -> None:
    """First stage, after the imports: the view of files, and the grader's privileges given up.

    Raises: OSError where this isolation does not work.
    """
    root = os.geteuid() == 0
    if plan.name == "namespaces":
        uid, gid = os.geteuid(), os.getegid()
        linux.unshare(linux.NEW_MOUNT | (0 if root else linux.NEW_USER))
        if not root:
            linux.map_user(uid, uid, gid)
        view.build(os.path.join(plan.base, "view"), plan.files)
    if plan.namespaces and root:
        linux.become(throw_away_uid())
    if plan.name == "landlock" and landlock.version() == 0:
        raise OSError(38, "no Landlock in this kernel")
    if plan.name == "uid" and not root:
        raise OSError(1, "only root can change to another user")


def enter_keeper(plan: Plan) -> str:
    """Second stage, one process a notebook: its namespaces, or its folder. Returns the notebook's folder.

    Raises: OSError where this isolation does not work.
    """
    os.setsid()
    linux.become_subreaper()
    if plan.namespaces:
        uid, gid = os.geteuid(), os.getegid()
        all_of_them = linux.NEW_USER | linux.NEW_PID | linux.NEW_NET | linux.NEW_IPC | linux.NEW_MOUNT | linux.NEW_UTS
        linux.unshare(all_of_them | linux.NEW_CGROUP)
        linux.map_user(STUDENT, uid, gid)
        return view.HOME
    folder = os.path.join(plan.homes, f"home-{os.getpid()}")
    os.mkdir(folder, 0o700)
    return folder


def home(plan: Plan, folder: str, uid: int, run: int) -> str:
    """The folder of one run of a notebook: a mount point, or a new folder without what earlier runs left.

    Raises: OSError if what they left cannot be removed.
    """
    if plan.namespaces:
        return folder
    for entry in list(os.scandir(folder)):
        processes.remove(entry.path)
    os.chmod(folder, 0o711)
    made = os.path.join(folder, str(run))
    os.mkdir(made, 0o700)
    if os.geteuid() == 0 and plan.name != NONE:
        os.chown(made, uid, uid)
    return made


def enter_supervisor(plan: Plan) -> None:
    """Third stage: process 1 of the notebook's namespace, with its own `/proc`; else a subreaper.

    Raises: OSError where this isolation does not work.
    """
    if plan.namespaces:
        flags = linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC
        linux.mount("proc", "/proc", "proc", flags)
    else:
        linux.become_subreaper()
    linux.set_dumpable(False)  # no other process sees into it, whatever their users are


def enter_notebook(plan: Plan, limits: Limits, folder: str, uid: int) -> None:
    """Last stage: limits, an empty folder, no capabilities, Landlock, seccomp. There is no way back.

    Args:
        plan: the isolation.
        limits: what the notebook may use.
        folder: its folder, as `enter_keeper` returned it.
        uid: the throw-away user, used where root has not given up its number before.

    Raises: OSError where this isolation does not work.
    """
    root = os.geteuid() == 0
    linux.set_dumpable(True)
    if plan.namespaces:
        linux.unshare(linux.NEW_MOUNT)
        options = f"size={limits.file_bytes},nr_inodes={_STRAY_INODES},mode=700"
        linux.mount("home", folder, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, options)
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")  # where memory ends, this ends first
    os.chdir(folder)
    os.umask(0o077)
    keep = 0
    if plan.name != NONE and root and not plan.namespaces:
        linux.become(uid, keep_reading=plan.keep_reading)
        keep = 1 << linux.CAP_DAC_READ_SEARCH if plan.keep_reading else 0
    _set_limits(limits, own=plan.namespaces or (root and plan.name != NONE))
    if plan.name == NONE:
        return
    linux.drop_capabilities(keep)
    if landlock.version() and plan.name != "uid":
        read = ["/"] if plan.namespaces else landlock.without(plan.files.shown, plan.files.hidden)
        landlock.restrict(read=read, write=[folder], devices=view.DEVICES)
    seccomp.restrict(
        shared_files=not plan.namespaces,
        signals=not plan.namespaces and plan.name != "uid" and landlock.version() < landlock.SCOPES_SIGNALS,
    )


def closed_to_others(seen: view.Files) -> bool:
    """Whether another user could not reach this Python's files (an interpreter below a closed home folder)."""
    for path in seen.shown:
        while path != "/":
            if os.path.isdir(path) and not os.stat(path).st_mode & 0o001:
                return True
            path = os.path.dirname(path)
    return False


def bubblewrap(plan: Plan) -> list[str]:
    """The command before the server's: the view of files by bubblewrap.

    Raises: OSError if bubblewrap is not installed.
    """
    program = shutil.which("bwrap")
    if program is None:
        raise OSError(2, "bwrap is not installed")
    words = [program, "--die-with-parent", "--unshare-ipc", "--unshare-net", "--unshare-uts"]
    reached = (*plan.files.shown, *view.links(), *view.DEVICES)
    for folder in sorted({str(up) for path in reached for up in Path(path).parents} - {"/"}):
        words += ["--perms", "0755", "--dir", folder]  # else only root could pass through
    for path in plan.files.shown:
        words += ["--ro-bind", path, path]
    for path in view.links():
        words += ["--symlink", os.readlink(path), path]
    for path in view.DEVICES:
        words += ["--dev-bind", path, path]
    for path, stub in view.stubs(plan.base, plan.files).items():
        words += ["--ro-bind", stub, path]
    words += ["--dev-bind", "/proc", "/proc"]  # a notebook's own lies over it, or Landlock forbids it
    words += ["--perms", "0755", "--tmpfs", view.HOME, "--symlink", view.HOME, "/dev/shm"]
    if not any(Path(path).is_relative_to("/tmp") for path in plan.files.shown):
        words += ["--symlink", view.HOME, "/tmp"]
    if os.geteuid() == 0:
        for name in ("SETUID", "SETGID", "CHOWN", "KILL", "DAC_OVERRIDE", "DAC_READ_SEARCH", "SETPCAP"):
            words += ["--cap-add", f"CAP_{name}"]
    words += ["--remount-ro", "/"]
    return [*words, "--"]


def _set_limits(limits: Limits, *, own: bool) -> None:
    """Limits of the kernel, below those that the supervisor watches.

    Args:
        limits: the limits.
        own: processes of this user are only this notebook's.
    """
    with open("/proc/self/statm") as file:
        pages = file.read().split()
    now, mapped = (int(pages[at]) * resource.getpagesize() for at in (5, 0))
    tasks = limits.processes if own else limits.processes + _tasks_of(os.getuid())
    seconds = int(limits.notebook_seconds + limits.calls_seconds + 10)
    for name, value in (
        ("RLIMIT_DATA", max(0.9 * limits.memory, now + 0.25 * limits.memory)),  # before the supervisor's own limit
        # page tables are memory that neither PSS nor RLIMIT_DATA counts: 4 KB for each 2 MB that are mapped
        ("RLIMIT_AS", mapped + max(8 * limits.memory, 16_000_000_000)),
        ("RLIMIT_NPROC", tasks),
        ("RLIMIT_FSIZE", limits.file_bytes),
        ("RLIMIT_CPU", seconds),
        ("RLIMIT_CORE", 0),
        ("RLIMIT_NOFILE", 256),
        ("RLIMIT_MSGQUEUE", 0),
        ("RLIMIT_MEMLOCK", 65_536),
    ):
        number = getattr(resource, name)
        hard = resource.getrlimit(number)[1]
        value = int(value) if hard == resource.RLIM_INFINITY else min(int(value), hard)
        resource.setrlimit(number, (value, value + (_SPARE_TASKS if name == "RLIMIT_NPROC" else 0)))


def _tasks_of(uid: int) -> int:
    """Processes and threads of a user, which RLIMIT_NPROC counts together with the notebook's."""
    count = 0
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                if os.stat(f"/proc/{name}").st_uid == uid:
                    count += len(os.listdir(f"/proc/{name}/task"))
            except OSError:
                continue  # it has ended since
    return count
