"""Attacks on time, memory, files and output, endings of every kind, signals and processes."""

from srlib.grading.attacks.attack import CHECKOUT, GUARD, HOME, LATER, Attack, tries

ATTACKS = {
    # loops
    "catches everything": Attack(
        LATER + "while time.monotonic() < end:\n    try:\n        while time.monotonic() < end: pass\n    except BaseException: pass",
        dropped=True,
    ),
    "plain loop": Attack(LATER + "while time.monotonic() < end: pass", raises="CellTimeout"),
    "ignores signals": Attack(
        LATER + "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\nwhile time.monotonic() < end: pass",
        dropped=True,
    ),
    "stops the clock": Attack(
        LATER + "import signal\nsignal.setitimer(signal.ITIMER_REAL, 0)\nwhile time.monotonic() < end: pass", dropped=True
    ),
    "replaces the alarm": Attack(
        LATER + "import signal\nsignal.signal(signal.SIGALRM, lambda *a: None)\nwhile time.monotonic() < end: pass",
        dropped=True,
    ),
    "replaced clocks": Attack("import time\ntime.monotonic = time.time = time.perf_counter = lambda: 0.0"),
    "sleeps": Attack("import time\ntime.sleep(8)", raises="CellTimeout"),
    "loops in a call": Attack("def bad():\n    import time\n    time.sleep(8)", bad=True, status=("time",)),
    "infinite recursion": Attack(
        "import sys\nsys.setrecursionlimit(10**8)\ndef bad(n=0):\n    return bad(n + 1) if n < 10**7 else 0",
        bad=True,
        status=("died", "raised", "memory", "time"),
    ),
    "endless text of an error": Attack(
        LATER + "class E(Exception):\n    def __str__(self):\n        while time.monotonic() < end: pass\n        return ''\nraise E()",
        dropped=None,
    ),
    # memory
    "memory": Attack(
        "kept = []\nfor _ in range(60):\n    kept.append(bytearray(50_000_000))", raises="MemoryError", dropped=None
    ),
    "memory in a call": Attack(
        "def bad():\n    return len([bytearray(50_000_000) for _ in range(60)])", bad=True, status=("raised", "memory", "died")
    ),
    "shared memory": Attack(
        "import mmap\nkept = []\nfor _ in range(30):\n    m = mmap.mmap(-1, 50_000_000)\n"
        "    for at in range(0, 50_000_000, 4096): m[at] = 1\n    kept.append(m)",
        dropped=None,
    ),
    "memory of children": Attack(
        GUARD + "for _ in range(8):\n    if os.fork() == 0:\n        kept = bytearray(b'x' * 200_000_000)\n        time.sleep(6)\n"
        "        os._exit(0)\ntime.sleep(6)",
        dropped=None,
    ),
    "buffers of socket pairs": Attack(
        "import socket\nkept = []\nfor _ in range(60):\n    a, b = socket.socketpair()\n    a.setblocking(False)\n"
        "    a.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)\n    kept.append((a, b))",
        raises="PermissionError",
    ),
    "pages of nothing": Attack(
        "import mmap\nkept = []\nfor _ in range(60):\n    kept.append(mmap.mmap(-1, 1 << 30, prot=mmap.PROT_READ))",
        raises="Error",
        dropped=None,
    ),
    # files
    "fills its folder": Attack(
        "with open('srlib-attack', 'wb') as file:\n    for _ in range(200): file.write(bytes(1_000_000)); file.flush()",
        raises="OSError",
        dropped=None,
    ),
    "many files": Attack("for n in range(30_000): open(f'srlib-attack-{n}', 'w').close()", dropped=None),
    "many full files": Attack(
        "for n in range(100):\n    with open(f'srlib-attack-{n}', 'wb') as file: file.write(bytes(1_000_000))", dropped=None
    ),
    "deep folders": Attack(
        "import os\nfor n in range(3_000):\n    os.mkdir('srlib-attack')\n    os.chdir('srlib-attack')", dropped=None
    ),
    "odd names": Attack(
        "import os\nfor name in (b'\\xff\\xfe', '=1+1'.encode(), '\\u202eexe'.encode(), b'--help', b'x' * 255): open(name, 'w').close()"
    ),
    "a closed folder": Attack("import os\nos.mkdir('a')\nopen('a/b', 'w').close()\ntry: os.chmod('a', 0)\nexcept OSError: pass"),
    "writes everywhere": tries(
        "import os, pathlib",
        *(
            f"open({folder!r} + '/srlib-attack-write', 'w').close()"
            for folder in ("/", HOME, CHECKOUT, "/usr", "/var/tmp", "/etc", "/dev", "/proc", "/home", "/run")
        ),
        "open(os.__file__, 'a').close()",
        "os.unlink(os.__file__)",
        "os.rename(os.__file__, os.__file__ + 'x')",
        "open('/proc/sys/kernel/hostname', 'w').write('x')",
        "open('/proc/self/oom_score_adj', 'w').write('-1')",
        "open('/proc/1/oom_score_adj', 'w').write('-1')",
    ),
    # output
    "output": Attack("for _ in range(200): print('x' * 100_000)"),
    "output in a call": Attack("def bad():\n    for _ in range(200): print('x' * 100_000)", bad=True, status=("value",)),
    "displays": Attack("from IPython.display import display, HTML\nfor _ in range(100_000): display(HTML('<script>1</script>'))"),
    "markup": Attack(
        "print('<script>alert(1)</script>')\nraise ValueError('<img src=x onerror=alert(1)>')", raises="ValueError"
    ),
    "half characters": Attack("import os\nos.write(1, bytes(range(256)) * 20)\nprint('\\ud800 \\u202e')", dropped=None),
    # endings
    "os._exit": Attack("import os\nos._exit(0)", dropped=True),
    "sys.exit": Attack("import sys\nsys.exit(3)", raises="SystemExit"),
    "exit": Attack("exit()"),
    "exit in a call": Attack("def bad():\n    import os\n    os._exit(0)", bad=True, status=("died",)),
    "abort": Attack("import os\nos.abort()", dropped=True),
    "segmentation fault": Attack("import ctypes\nctypes.string_at(0)", dropped=True),
    "segmentation fault in a call": Attack("def bad():\n    import ctypes\n    ctypes.string_at(0)", bad=True, status=("died",)),
    "exit handlers": Attack(LATER + "import atexit\n@atexit.register\ndef late():\n    while time.monotonic() < end: pass"),
    "interrupt": Attack("raise KeyboardInterrupt", raises="KeyboardInterrupt"),
    "generator exit": Attack("raise GeneratorExit", raises="GeneratorExit"),
    # signals and processes
    "kills itself": Attack(GUARD + "os.kill(os.getpid(), signal.SIGKILL)", dropped=None),
    "stops itself": Attack(GUARD + "os.kill(os.getpid(), signal.SIGSTOP)", dropped=None),
    "kills its parent": Attack(GUARD + "os.kill(os.getppid(), signal.SIGKILL)", dropped=None),
    "kills its group": Attack(GUARD + "os.killpg(0, signal.SIGKILL)", dropped=None),
    "kills everybody": Attack(GUARD + "os.kill(-1, signal.SIGKILL)", dropped=None),
    "a call kills its parent": Attack(
        GUARD + "def bad():\n    os.kill(os.getppid(), signal.SIGKILL)", bad=True, status=("raised", "died", "missing")
    ),
    "a call kills everybody": Attack(
        GUARD + "def bad():\n    os.kill(-1, signal.SIGKILL)", bad=True, status=("raised", "died", "missing", "value")
    ),
    "processes": Attack(
        GUARD + "for _ in range(200):\n    if os.fork() == 0:\n        time.sleep(5)\n        os._exit(0)", dropped=None
    ),
    "processes of processes": Attack(
        GUARD + "for _ in range(8): os.fork()\ntime.sleep(3)", dropped=None
    ),
    "processes in a call": Attack(
        GUARD + "def bad():\n    for _ in range(200):\n        if os.fork() == 0:\n            time.sleep(5)\n            os._exit(0)",
        bad=True,
        status=("raised", "memory", "time", "died", "missing"),
    ),
    "threads": Attack(
        "import threading, time\nfor _ in range(300): threading.Thread(target=time.sleep, args=(6,), daemon=True).start()",
        dropped=None,
    ),
    "a daemon": Attack(
        GUARD + "if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        for n in range(3, 64):\n"
        "            try: os.close(n)\n            except OSError: pass\n        time.sleep(20)\n    os._exit(0)",
        dropped=None,
    ),
}  # fmt: skip
