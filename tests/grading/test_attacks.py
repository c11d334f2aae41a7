"""Every attack, between two innocent cells: the innocent count, nothing outside changes, nothing is left."""

import os
import signal
import time
from pathlib import Path

import pytest

from srlib.grading.attacks.attack import CHECKOUT, HOME
from srlib.grading.attacks.corpus import ATTACKS, ONLY_THEMSELVES
from srlib.grading.sandbox import processes
from tests.grading.notebooks import notebook

PLACES = ("/", "/tmp", "/var/tmp", "/dev/shm", HOME, CHECKOUT, "/usr", "/etc", "/run", "/home")


THROW_AWAY = 1_900_000_000  # where the sandbox's users begin


def outside() -> dict:
    """What an attack could have changed."""
    tables = [Path(f"/proc/net/{name}") for name in ("tcp", "tcp6")]
    lines = [line.split() for table in tables for line in table.read_text().splitlines() if " 0A " in line]
    return {
        "names": [f"{p}/{n}" for p in PLACES if os.access(p, os.R_OK) for n in os.listdir(p) if "srlib-attack" in n],
        "listening": [line[1] for line in lines if int(line[7]) >= THROW_AWAY],  # other tests have servers, too
        "host": os.uname().nodename,
        "signals": signal.getsignal(signal.SIGALRM),
        "library": os.stat(os.__file__).st_mtime_ns,
    }


def left_over(sandbox) -> list[int]:
    """Processes below the server, once the keeper that has just answered has ended."""
    for _ in range(1_000):
        found = processes.below(sandbox.server)
        if not found:
            break
        time.sleep(0.02)
    return found


@pytest.mark.parametrize("name", ATTACKS)
def test_attack(sandbox, name):
    attack, before = ATTACKS[name], outside()
    with sandbox.open(
        notebook("def good(x):\n    return x + 1", attack.cell, "def also(x):\n    return x * 2")
    ) as found:
        report = found.report
        first = found.call("good", 2)
        if attack.bad:
            reply = found.call("bad")
            if not (reply.status == "missing" and "not in the sandbox's own" in report.errors.get(1, "")):
                assert reply.status in attack.status, (reply, report)
                assert not attack.empty or reply.value == [], reply.value
        second = found.call("also", 4)
    assert found.ended.left == 0 and not found.ended.error, found.ended
    assert outside() == before
    assert left_over(sandbox) == []
    assert report.cells == 3 and report.isolation == sandbox.isolation
    assert len(report.output) <= sandbox.limits.output_bytes + 10
    assert attack.raises in report.errors.get(1, "") + ("MemoryError OSError" if 1 in report.dropped else ""), report
    if attack.dropped is not None:
        assert (1 in report.dropped) is attack.dropped, report
    assert name in ONLY_THEMSELVES or (first.ok and first.value == 3 and second.ok and second.value == 8), (
        first,
        second,
        report,
    )
