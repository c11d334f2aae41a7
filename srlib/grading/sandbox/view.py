"""The files that a notebook sees: an empty root with Python, the libraries and srlib bound into it, read-only.

Home folders, the grader's folder, the assignments and the answers (`srlib.exercises`) are not in it. What the notebook
writes goes to `HOME`, a file system in memory of its own with a size, which ends with its processes.
"""

import os
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from srlib.grading.sandbox import linux

HOME = "/sandbox"
STUB = '''"""The exercises are not in this sandbox: `check` does nothing here."""


class Result:
    name, passed, hint = "", True, "not checked here."

    def __repr__(self):
        return "not checked here."


def check(name, answer):
    return Result()


def names():
    return []


def find(name):
    raise ValueError("the exercises are not in this sandbox")
'''
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt/conda", "/nix/store")
_SETTINGS = ("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/fonts", "/etc/alternatives")
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
_PASSWD = "student:x:1000:1000:student:/sandbox:/bin/false\n"


@dataclass(frozen=True)
class Files:
    """What is shown and what is hidden.

    Args:
        shown: absolute real paths that are bound read-only (or allowed by Landlock).
        hidden: folders below them that hold answers.
    """

    shown: tuple[str, ...]
    hidden: tuple[str, ...]


def files(srlib: Path | None, more: tuple[str, ...] = ()) -> Files:
    """Python, its libraries, the system's libraries, and the parts of srlib's checkout that a notebook needs.

    Args:
        srlib: the package's folder, or None where only Python is needed (a probe).
        more: further files and folders to show.
    """
    paths = {sys.base_prefix, sys.base_exec_prefix, sys.prefix, sys.exec_prefix}
    paths |= {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    hidden = []
    if srlib is not None:
        paths |= {str(srlib), *(str(path) for path in [srlib.parent / "data"] if path.is_dir())}
        hidden = [os.path.realpath(srlib / "exercises")]
    shown = [os.path.realpath(path) for path in (*paths, *_SYSTEM, *_SETTINGS, *more) if path and os.path.exists(path)]
    shown = [path for path in dict.fromkeys(shown) if path != "/"]
    outermost = [p for p in shown if not any(p != other and Path(p).is_relative_to(other) for other in shown)]
    return Files(tuple(sorted(outermost)), tuple(path for path in hidden if os.path.isdir(path)))


def build(base: str, seen: Files) -> None:
    """Make `base` the root of this process's mount namespace, with nothing in it but `seen`.

    Args:
        base: an empty folder of the outer file system, used as mount point.
        seen: what is shown and hidden.

    Raises: OSError where mounting is forbidden.
    """
    linux.mount("", "/", flags=linux.MS_REC | linux.MS_PRIVATE)
    linux.mount("view", base, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "size=4m,mode=755")
    for path in seen.shown:
        _show(path, base)
    for path in links():
        _make_parent(base + path)
        if not os.path.lexists(base + path):
            os.symlink(os.readlink(path), base + path)
    os.makedirs(base + "/dev", exist_ok=True)
    for path in DEVICES:
        Path(base + path).touch()
        linux.bind(path, base + path)
    os.makedirs(base + HOME, exist_ok=True)
    if not any(Path(path).is_relative_to("/tmp") for path in seen.shown):
        os.symlink(HOME, base + "/tmp")
    os.symlink(HOME, base + "/dev/shm")
    os.makedirs(base + "/etc", exist_ok=True)
    Path(base + "/etc/passwd").write_text(_PASSWD)
    for path in seen.hidden:
        _hide(path, base)
    os.makedirs(base + "/proc")
    linux.read_only(base)
    linux.bind("/proc", base + "/proc")  # a notebook's own lies over it; the kernel wants to see this one first
    linux.enter_root(base)


def _show(path: str, base: str) -> None:
    target = base + path
    _make_parent(target)
    if os.path.isdir(path):
        os.makedirs(target, exist_ok=True)
    else:
        Path(target).touch()
    linux.bind(path, target)


def _make_parent(path: str) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)


def stubs(base: str, seen: Files) -> dict[str, str]:
    """Hidden folder -> a folder made in `base` that stands in for it, for bubblewrap."""
    found = {}
    for path in seen.hidden:
        found[path] = os.path.join(base, "hidden", os.path.basename(path))
        os.makedirs(found[path], exist_ok=True)
        if os.path.basename(path) == "exercises":
            Path(found[path], "__init__.py").write_text(STUB)
    return found


def _hide(path: str, base: str) -> None:
    """An empty folder over `path`; where it is the exercises', the stub is in it."""
    linux.mount("hidden", base + path, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "size=64k,mode=755")
    if os.path.basename(path) == "exercises":
        Path(base + path, "__init__.py").write_text(STUB)


def links() -> list[str]:
    """Links at the top (`/lib` -> `usr/lib`), and those by which this Python's own folders are reached."""
    links = [path for path in _SYSTEM if os.path.islink(path)]
    for start in (sys.prefix, sys.base_prefix):
        links += [str(path) for path in (Path(start), *Path(start).parents) if path.is_symlink()]
    return links
