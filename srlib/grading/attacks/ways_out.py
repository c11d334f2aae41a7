"""Reading what is not theirs, ways out of the sandbox, and what a notebook has that a script has not."""

from srlib.grading.attacks.attack import CHECKOUT, GUARD, HOME, LATER, Attack, tries

ATTACKS = {
    # reading
    "answers": tries(
        "import sys, gc, os, srlib\nfrom pathlib import Path",
        "from srlib.exercises.interpolation import EXERCISES",
        "from srlib.exercises import Exercise",
        "from srlib.exercises import _chapter",
        "sys.modules['srlib.exercises'].find('interpolation-cubic').reference",
        "sorted((Path(srlib.__file__).parent / 'exercises').glob('[a-z]*.py'))[0]",
        "[o for o in gc.get_objects() if type(o).__name__ == 'Exercise'][0]",
        "os.listdir(Path(srlib.__file__).parent.parent / 'tests')[0]",
        "os.listdir(Path(srlib.__file__).parent.parent / 'assignments')[0]",
        "os.listdir(Path(srlib.__file__).parent.parent / '.git')[0]",
    ),
    "files of others": tries(
        "import os",
        *(f"open({path!r}, 'rb').read(1)" for path in (
            "/etc/shadow", "/etc/hostname", f"{HOME}/.bashrc", f"{HOME}/.profile", f"{CHECKOUT}/README.md",
            f"{CHECKOUT}/tests/test_layers.py", "/var/log/dpkg.log", "/proc/1/environ", "/proc/1/mem", "/proc/1/maps",
            "/proc/kcore", "/proc/kmsg", "/dev/vda", "/dev/mem", "/dev/tty", "/proc/1/fd/0", "/proc/1/fd/1", "/proc/1/root" "/etc/passwd",
        )),
        *(f"os.listdir({path!r})[0]" for path in ("/home", f"{CHECKOUT}/book", f"{CHECKOUT}/assignments", "/var/tmp", "/sys")),
    ),
    "environment": tries(
        "import os",
        "os.environ['PIP_FIND_LINKS']",
        "os.environ['SRLIB_TEST_SECRET']",
        "[n for n in os.listdir('/proc') if n.isdigit() and b'SECRET' in open(f'/proc/{n}/environ', 'rb').read()][0]",
        "[n for n in os.listdir('/proc') if n.isdigit() and b'pytest' in open(f'/proc/{n}/cmdline', 'rb').read()][0]",
    ),
    # ways out
    "sockets": tries(
        "import socket",
        "socket.socket()",
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
        "socket.socket(socket.AF_INET6)",
        "socket.socket(socket.AF_UNIX)",
        "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
        "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
        "socket.create_connection(('127.0.0.1', 2024), 1)",
        "socket.getaddrinfo('example.org', 80)[0]",
        "socket.create_server(('127.0.0.1', 0))",
    ),
    "raised limits": tries(
        GUARD + "import resource",
        *(f"resource.setrlimit(resource.RLIMIT_{name}, (resource.RLIM_INFINITY,) * 2)" for name in ("DATA", "NPROC", "FSIZE", "CPU", "NOFILE")),
        "resource.prlimit(1, resource.RLIMIT_CPU, (1, 1))",
        "import os; os.nice(-5)",
        "import os; os.setpriority(os.PRIO_PROCESS, 1, 19)",
    ),
    "other users": tries(
        "import os",
        "os.setuid(0)", "os.setgid(0)", "os.setgroups([0])", "os.chroot('.')", "os.mknod('srlib-attack-dev', 0o600 | 0o020000, 1)",
    ),
    "calls of the kernel": tries(
        "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\ndef call(*a):\n    if libc.syscall(*map(ctypes.c_long, a)) < 0: raise OSError",
        *(f"call({number}, {rest})" for number, rest in (
            (272, 0x10000000), (272, 0x20000), (165, "0, 0, 0, 0"), (166, "0, 0"), (155, "0, 0"), (101, "16, 1, 0, 0"),
            (310, "1, 0, 0, 0, 0, 0"), (321, "0, 0, 0"), (298, "0, 0, 0, 0, 0"), (323, "0"), (425, "1, 0"), (250, "0, 0"),
            (248, "0, 0, 0, 0, 0"), (304, "0, 0, 0"), (246, "0, 0, 0, 0"), (175, "0, 0, 0"), (169, "0, 0, 0, 0"),
            (319, "0, 0"), (434, "1, 0"), (438, "0, 0, 0"), (428, "-100, 0, 0"), (430, "0, 0"), (308, "0, 0"),
            (29, "0, 4096, 0o1600"), (170, "0, 0"), (164, "0, 0"), (435, "0, 0"), (56, "0x10000011, 0, 0, 0, 0"),
        )),
    ),
    # what a notebook has that a script has not
    "shell and magics": Attack(
        "!touch /dev/shm/srlib-attack-shell\n%pip install x\n%cd /\nx = !ls\n%env A=B\n%system ls\n%run x.py", dropped=False
    ),
    "a cell for bash": Attack("%%bash\ntouch /dev/shm/srlib-attack-bash"),
    "a cell that writes": Attack("%%writefile /dev/shm/srlib-attack-file\nx"),
    "subprocess": Attack(
        GUARD + "import subprocess\nsubprocess.Popen(['/bin/sleep', '20'], start_new_session=True)", dropped=None
    ),
    "input": Attack("input()", raises="EOFError"),
    "debugger": Attack("breakpoint()\nx = 1", dropped=None),
    "getpass": Attack("import getpass, warnings\nwarnings.simplefilter('ignore')\ngetpass.getpass()", raises="EOFError"),
    "syntax error": Attack("def (:", raises="SyntaxError"),
    "null in the source": Attack("x = '\0'", raises="", dropped=None),
    "long line": Attack("x = " + "1+" * 50_000 + "1", dropped=None),
    "deep brackets": Attack("x = " + "(" * 5_000 + ")" * 5_000, dropped=None),
    "busy thread": Attack(
        LATER + "import threading\ndef work():\n    while time.monotonic() < end: pass\nthreading.Thread(target=work, daemon=True).start()"
    ),
    "event loop": Attack("import asyncio\nawait asyncio.sleep(8)", raises="CellTimeout", dropped=None),
    "replaced shell": Attack("ip = get_ipython()\nip.run_cell = None\nip.user_ns = {}\nip.__class__.instance = None", dropped=None),
    "empty namespace": Attack("for name in list(globals()):\n    if name[:1] != '_': del globals()[name]"),
}  # fmt: skip
