"""A seccomp filter: calls that no notebook needs fail with "operation not permitted".

The filter forbids by name and allows the rest, since torch, numpy and their threads use many calls; what it forbids is
the kernel's list of ways out: namespaces, mounts, tracing, keys, io_uring, sockets, other processes' limits.

Source: seccomp(2); Docker's default profile for the list; numbers from the kernel's tables for x86_64 and aarch64.
"""

import ctypes
import struct

from srlib.grading.sandbox import linux

_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_EPERM, _ENOSYS = 1, 38
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_NUMBER, _ARCH, _FIRST, _SECOND = 0, 4, 16, 24  # offsets in struct seccomp_data: number, machine, two arguments
_X32 = 0x40000000
_SET_MODE_FILTER = 1
_NAMESPACES = 0x7E020000  # every CLONE_NEW* that clone(2) takes

# name: (x86_64, aarch64); None where the machine does not have it
_ALWAYS = {
    "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41),
    "chroot": (161, 51), "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
    "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442),
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "pidfd_open": (434, 434), "pidfd_getfd": (438, 438), "process_madvise": (440, 440), "process_mrelease": (448, 448),
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282), "add_key": (248, 217),
    "request_key": (249, 218), "keyctl": (250, 219), "io_uring_setup": (425, 425), "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427), "memfd_create": (319, 279), "memfd_secret": (447, 447),
    "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265), "kexec_load": (246, 104),
    "kexec_file_load": (320, 294), "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106),
    "reboot": (169, 142), "swapon": (167, 224), "swapoff": (168, 225), "settimeofday": (164, 170),
    "clock_settime": (227, 112), "clock_adjtime": (305, 266), "adjtimex": (159, 171), "sethostname": (170, 161),
    "setdomainname": (171, 162), "acct": (163, 89), "quotactl": (179, 60), "syslog": (103, 116),
    "vhangup": (153, 58), "iopl": (172, None), "ioperm": (173, None), "modify_ldt": (154, None),
    "fanotify_init": (300, 262), "socket": (41, 198), "shmget": (29, 194), "msgget": (68, 186), "semget": (64, 190),
    "setsockopt": (54, 208),  # the buffers of socket pairs are memory that no limit counts
    "mq_open": (240, 180), "sched_setaffinity": (203, 122), "sched_setscheduler": (144, 119),
    "sched_setparam": (142, 118), "sched_setattr": (314, 274), "setpriority": (141, 140), "ioprio_set": (251, 30),
    "migrate_pages": (256, 238), "move_pages": (279, 239), "mknod": (133, None), "mknodat": (259, 33),
}  # fmt: skip
# Landlock does not guard these, and without a file view of their own they would reach files of the same user.
_SHARED_FILES = {
    "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452), "chown": (92, None),
    "lchown": (94, None), "fchown": (93, 55), "fchownat": (260, 54), "setxattr": (188, 5), "lsetxattr": (189, 6),
    "fsetxattr": (190, 7), "setxattrat": (463, 463), "removexattr": (197, 14), "lremovexattr": (198, 15),
    "fremovexattr": (199, 16), "utime": (132, None), "utimes": (235, None), "futimesat": (261, None),
    "utimensat": (280, 88),
}  # fmt: skip
# Only where neither a process namespace nor Landlock keeps signals inside.
_SIGNALS = {
    "kill": (62, 129), "tkill": (200, 130), "tgkill": (234, 131), "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240), "pidfd_send_signal": (424, 424),
}  # fmt: skip
_CLONE, _CLONE3, _PRLIMIT, _IOCTL = (56, 220), (435, 435), (302, 261), (16, 29)
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C


def names(*, shared_files: bool, signals: bool) -> list[str]:
    """The calls that `restrict` forbids."""
    return [*_ALWAYS, *(_SHARED_FILES if shared_files else ()), *(_SIGNALS if signals else ())]


def restrict(*, shared_files: bool, signals: bool) -> None:
    """Install the filter for this process and all it starts, for good.

    Args:
        shared_files: also forbid changes of mode, owner, times and attributes: there is no file view of its own.
        signals: also forbid all signals: nothing else keeps them inside.

    Raises: OSError where seccomp does not work.
    """
    machine = linux.MACHINE == "aarch64"
    tables = _ALWAYS | (_SHARED_FILES if shared_files else {}) | (_SIGNALS if signals else {})
    forbidden = [pair[machine] for pair in tables.values() if pair[machine] is not None]
    program = _program(forbidden, machine)
    code = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("@HP", len(program) // 8, ctypes.addressof(code))
    linux.no_new_privileges()
    linux.call("seccomp", _SET_MODE_FILTER, 0, ctypes.c_char_p(header))


def _program(forbidden: list[int], machine: bool) -> bytes:
    lines = [
        (_LOAD, 0, 0, _ARCH),
        (_EQUAL, 1, 0, _ARCHITECTURE[linux.MACHINE]),
        (_RETURN, 0, 0, _KILL),  # calls of another machine's kind have other numbers
        (_LOAD, 0, 0, _NUMBER),
    ]
    if not machine:
        lines += [(_AT_LEAST, 0, 1, _X32), (_RETURN, 0, 0, _KILL)]
    for number in forbidden:
        lines += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ERRNO | _EPERM)]
    lines += [(_EQUAL, 0, 1, _CLONE3[machine]), (_RETURN, 0, 0, _ERRNO | _ENOSYS)]  # its flags are out of sight
    # clone with new namespaces; limits of another process (its number is not 0); keys pressed on a terminal
    lines += _argument(_CLONE[machine], _FIRST, (_ANY_BIT, 0, 1, _NAMESPACES))
    lines += _argument(_PRLIMIT[machine], _FIRST, (_EQUAL, 1, 0, 0))
    lines += _argument(_IOCTL[machine], _SECOND, (_EQUAL, 0, 1, _TIOCSTI))
    lines += _argument(_IOCTL[machine], _SECOND, (_EQUAL, 0, 1, _TIOCLINUX))
    lines.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("=HBBI", *line) for line in lines)


def _argument(number: int, offset: int, test: tuple[int, int, int, int]) -> list[tuple[int, int, int, int]]:
    """Forbid a call if a test of one argument's lower half says so; after it, the number is loaded again."""
    return [
        (_EQUAL, 0, 4, number),
        (_LOAD, 0, 0, offset),
        test,
        (_RETURN, 0, 0, _ERRNO | _EPERM),
        (_LOAD, 0, 0, _NUMBER),
    ]
