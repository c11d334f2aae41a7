"""System calls that Python 3.11 does not have, by ctypes: namespaces, mounts, capabilities, process controls.

Source: the manual pages of the calls named in each docstring.
"""

import ctypes
import os
import platform
import struct

_LIBC = ctypes.CDLL(None, use_errno=True)
MACHINE = platform.machine()
_NUMBERS = {  # x86_64, aarch64
    "pivot_root": (155, 41),
    "capset": (126, 91),
    "seccomp": (317, 277),
    "mount_setattr": (442, 442),
    "landlock_create_ruleset": (444, 444),
    "landlock_add_rule": (445, 445),
    "landlock_restrict_self": (446, 446),
}

NEW_MOUNT, NEW_CGROUP, NEW_UTS, NEW_IPC = 0x00020000, 0x02000000, 0x04000000, 0x08000000
NEW_USER, NEW_PID, NEW_NET = 0x10000000, 0x20000000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 32, 4096, 16384, 1 << 18
DETACH = 2
_ATTR_RDONLY, _ATTR_NOSUID, _RECURSIVE, _AT_FDCWD = 1, 2, 0x8000, -100
_SET_DUMPABLE, _CAPBSET_DROP, _SET_SECUREBITS, _SET_SUBREAPER, _SET_NO_NEW_PRIVS = 4, 24, 28, 36, 38
_SET_KEEPCAPS, _CAP_AMBIENT = 8, 47
CAP_DAC_READ_SEARCH = 2


def supported() -> bool:
    """Whether this is Linux on a machine whose call numbers are known here."""
    return platform.system() == "Linux" and MACHINE in ("x86_64", "aarch64")


def call(name: str, *arguments: object) -> int:
    """A system call by name.

    Raises: OSError, with the call's name.
    """
    number = _NUMBERS[name][MACHINE == "aarch64"]
    return _checked(_LIBC.syscall(ctypes.c_long(number), *(_long(a) for a in arguments)), name)


def unshare(flags: int) -> None:
    """Leave the named namespaces for new ones (unshare(2)).

    Raises: OSError where it is forbidden.
    """
    _checked(_LIBC.unshare(ctypes.c_int(flags)), "unshare")


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Mount a file system (mount(2)).

    Raises: OSError.
    """
    names = [os.fsencode(text) or None for text in (source, target, kind)]
    _checked(_LIBC.mount(*names, ctypes.c_ulong(flags), os.fsencode(options) or None), f"mount {target}")


def bind(source: str, target: str) -> None:
    """Show `source` at `target`, with what is mounted below it.

    Raises: OSError.
    """
    mount(source, target, flags=MS_BIND | MS_REC)


def read_only(target: str, *, below: bool = True) -> None:
    """Make a mount, and those below it, read-only without set-uid programs (mount_setattr(2), Linux 5.12).

    Raises: OSError.
    """
    attributes = struct.pack("=QQQQ", _ATTR_RDONLY | _ATTR_NOSUID, 0, 0, 0)
    path = ctypes.c_char_p(os.fsencode(target))
    call("mount_setattr", _AT_FDCWD, path, _RECURSIVE if below else 0, ctypes.c_char_p(attributes), len(attributes))


def enter_root(folder: str) -> None:
    """Make `folder` the root of this mount namespace and drop the old one (pivot_root(2), last example).

    Raises: OSError.
    """
    os.chdir(folder)
    call("pivot_root", ctypes.c_char_p(b"."), ctypes.c_char_p(b"."))
    _checked(_LIBC.umount2(b".", DETACH), "umount2")
    os.chdir("/")


def map_user(inside: int, outside_uid: int, outside_gid: int) -> None:
    """Map one user and group into the user namespace just entered (user_namespaces(7)).

    Raises: OSError.
    """
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{inside} {outside_uid} 1"),
        ("gid_map", f"{inside} {outside_gid} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def become(uid: int, *, keep_reading: bool = False) -> None:
    """Change to user and group `uid` for good.

    Args:
        uid: user and group, real, effective and saved.
        keep_reading: keep the capability to read what permissions deny, where Landlock does the denying.

    Raises: OSError.
    """
    if keep_reading:
        prctl(_SET_KEEPCAPS, 1)
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    if keep_reading:
        set_capabilities(1 << CAP_DAC_READ_SEARCH)
    set_dumpable(True)  # else /proc/self would belong to root, and its uid_map could not be written


def set_capabilities(mask: int) -> None:
    """Keep only the capabilities in `mask` (capset(2), version 3), nothing of them inheritable.

    Raises: OSError.
    """
    header = struct.pack("=Ii", 0x20080522, 0)
    low, high = mask & 0xFFFFFFFF, mask >> 32
    data = struct.pack("=IIIIII", low, low, 0, high, high, 0)
    call("capset", ctypes.c_char_p(header), ctypes.c_char_p(data))


def drop_capabilities(keep: int = 0) -> None:
    """Give up all capabilities, now and for every program started later.

    Args:
        keep: a mask of capabilities that this process keeps; a program that it starts has none.

    Raises: OSError.
    """
    for number in range(64):
        if _LIBC.prctl(_CAPBSET_DROP, ctypes.c_ulong(number), 0, 0, 0) < 0:
            break  # no such capability, or no right to drop it: then there is none to lose
    set_capabilities(keep)
    no_new_privileges()


def no_new_privileges() -> None:
    """Set-uid programs give nothing from now on."""
    prctl(_SET_NO_NEW_PRIVS, 1)


def set_dumpable(value: bool) -> None:
    """Whether others with the same user may see into this process, and whether its `/proc` files are its user's."""
    prctl(_SET_DUMPABLE, int(value))


def become_subreaper() -> None:
    """Orphans among the descendants become children of this process (prctl(2), PR_SET_CHILD_SUBREAPER)."""
    prctl(_SET_SUBREAPER, 1)


def prctl(option: int, value: int) -> None:
    """One process control (prctl(2)).

    Raises: OSError.
    """
    _checked(_LIBC.prctl(option, ctypes.c_ulong(value), 0, 0, 0), f"prctl {option}")


def _long(value: object) -> object:
    return ctypes.c_long(value) if isinstance(value, int) else value


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result
