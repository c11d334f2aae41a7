"""Landlock: this process and all it starts may read some folders, write one, signal only each other, use no TCP.

Source: landlock(7) and the kernel's Documentation/userspace-api/landlock.rst.
"""

import ctypes
import os
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

from srlib.grading.sandbox import linux

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_FIRST_ABI = (1 << 13) - 1  # the thirteen rights of the first version
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
_FOR_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_DEVICES_AND_SOCKETS = 1 << 6 | 1 << 9 | 1 << 11
READ = _EXECUTE | _READ_FILE | _READ_DIR
DEVICE = _READ_FILE | _WRITE_FILE
_BIND_TCP, _CONNECT_TCP = 1, 2
_SCOPE_SOCKETS, _SCOPE_SIGNALS = 1, 2
SCOPES_SIGNALS = 6  # the first version that can


def version() -> int:
    """The kernel's Landlock version; 0 where there is none."""
    if not linux.supported():
        return 0
    try:
        return max(0, linux.call("landlock_create_ruleset", None, 0, 1))
    except OSError:
        return 0


def restrict(*, read: Iterable[str], write: Iterable[str] = (), devices: Iterable[str] = ()) -> None:
    """Restrict this process for good.

    Args:
        read: files and folders that may be read and executed.
        write: folders in which everything but devices and sockets may be made, too.
        devices: files that may be read and written.

    Raises: OSError where Landlock does not work. A path that does not exist is left out.
    """
    abi = version()
    handled = _FIRST_ABI | (_REFER if abi >= 2 else 0) | (_TRUNCATE if abi >= 3 else 0)
    handled |= _IOCTL_DEV if abi >= 5 else 0
    ruleset = _ruleset(handled, _BIND_TCP | _CONNECT_TCP, _SCOPE_SOCKETS | _SCOPE_SIGNALS)
    try:
        for path in read:
            _allow(ruleset, path, READ & handled)
        for path in devices:
            _allow(ruleset, path, DEVICE & handled)
        for path in write:
            _allow(ruleset, path, handled & ~_DEVICES_AND_SOCKETS)
        linux.no_new_privileges()
        linux.call("landlock_restrict_self", ruleset, 0)
    finally:
        os.close(ruleset)


def scope_signals() -> bool:
    """From now on only this process and what it starts can be signalled by it; false where the kernel cannot.

    Raises: OSError.
    """
    if version() < SCOPES_SIGNALS:
        return False
    ruleset = _ruleset(0, 0, _SCOPE_SIGNALS)
    linux.call("landlock_restrict_self", ruleset, 0)
    os.close(ruleset)
    return True


def without(roots: Sequence[str], hidden: Sequence[str]) -> list[str]:
    """The roots, with every folder that holds something hidden replaced by its other entries.

    Landlock adds rights and takes none away below an allowed folder, so what leads to a hidden folder is opened up.
    """
    found = []
    for root in dict.fromkeys(os.path.realpath(root) for root in roots):
        inside = [path for path in hidden if Path(path).is_relative_to(root)]
        if root in inside:
            continue
        if inside:
            found += without([entry.path for entry in os.scandir(root) if not entry.is_symlink()], inside)
        else:
            found.append(root)
    return found


def _ruleset(files: int, network: int, scoped: int) -> int:
    abi = version()
    fields = (files, network, scoped)[: 1 if abi < 4 else 2 if abi < 6 else 3]
    attributes = struct.pack(f"={len(fields)}Q", *fields)
    return linux.call("landlock_create_ruleset", ctypes.c_char_p(attributes), len(attributes), 0)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        file = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what is not there, or not to be reached, needs no right
    try:
        if not os.path.isdir(path):
            rights &= _FOR_FILES
        rule = struct.pack("=Qi", rights, file)
        linux.call("landlock_add_rule", ruleset, 1, ctypes.c_char_p(rule), 0)
    finally:
        os.close(file)
