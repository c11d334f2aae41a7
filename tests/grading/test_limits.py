"""Each limit, by a notebook that breaks it; the attacks break them in more ways."""

import dataclasses
import time

import pytest

from srlib.grading.sandbox.limits import Limits
from tests.grading.notebooks import SMALL, notebook


def changed(**limits) -> Limits:
    return dataclasses.replace(SMALL, **limits)


def test_limits_must_be_numbers():
    for wrong in (0, -1, "3", None, True, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="limit memory"):
            Limits(memory=wrong)
    assert Limits(restarts=0).restarts == 0


def test_a_slow_cell_is_interrupted_and_the_rest_runs(sandbox):
    with sandbox.open(notebook("import time\na = 1\ntime.sleep(5)\na = 2", "b = a")) as found:
        assert "CellTimeout" in found.report.errors[0] and found.report.dropped == {}
        assert found.value("b").value == 1 and found.report.seconds < 4


def test_a_notebooks_time_ends(sandbox):
    cells = ["import time\ntime.sleep(0.6)"] * 6
    with sandbox.open(notebook("a = 1", *cells, "b = 1"), changed(notebook_seconds=1.5)) as found:
        assert found.report.seconds < 4 and 7 in found.report.skipped
        assert found.value("a").value == 1 and found.value("b").status == "missing"


def test_runs_without_guilty_cells_share_one_time(sandbox):
    stubborn = (
        "import time\nend = time.monotonic() + 6\n"
        "while time.monotonic() < end:\n    try: time.sleep(1)\n    except BaseException: pass"
    )
    began = time.monotonic()
    with sandbox.open(notebook(*[stubborn] * 5), changed(notebook_seconds=3.0)) as found:
        assert found.report.problem != ""
    assert time.monotonic() - began < 8


def test_calls_share_one_time(sandbox):
    with sandbox.open(notebook("def f():\n    import time\n    time.sleep(3)"), changed(calls_seconds=1.5)) as found:
        statuses = [found.call("f").status for _ in range(3)]
        assert statuses == ["time"] * 3


def test_memory_ends_with_an_exception(sandbox):
    with sandbox.open(
        notebook("x = bytearray(3_000_000_000)", "import numpy\ny = numpy.ones(10**9)", "z = 1")
    ) as found:
        assert "MemoryError" in found.report.errors[0] and "MemoryError" in found.report.errors[1]
        assert found.value("z").value == 1


def test_files_end_with_an_exception(sandbox):
    cell = "for n in range(20):\n    with open(f'{n}', 'wb') as f: f.write(bytes(1_000_000))"
    with sandbox.open(notebook(cell + "\n    import time; time.sleep(0.02)", "z = 1")) as found:
        assert "OSError" in found.report.errors.get(0, "") or "MB of files" in found.report.dropped.get(0, ""), (
            found.report
        )
        assert found.value("z").value == 1


def test_output_is_cut_and_the_cell_goes_on(sandbox):
    with sandbox.open(notebook("for n in range(3_000): print('y' * 1_000)", "z = 1")) as found:
        assert found.report.cut and len(found.report.output) <= SMALL.output_bytes + 10 and found.value("z").value == 1


def test_processes_are_counted(sandbox):
    cell = (
        "import threading, time\nmade = 0\ntry:\n    while made < 200:\n"
        "        threading.Thread(target=time.sleep, args=(2,), daemon=True).start()\n"
        "        made += 1\nexcept RuntimeError: pass"
    )
    with sandbox.open(notebook(cell)) as found:
        assert 20 < found.value("made").value < 80, found.report


def test_a_result_has_a_largest_size(sandbox):
    with sandbox.open(notebook("import numpy\ndef f(n): return numpy.zeros(n)")) as found:
        assert found.call("f", 1_000_000).value.shape == (1_000_000,)
        assert (
            found.call("f", 1_000_001).status == "unusable" and "1000001 numbers" in found.call("f", 1_000_001).reason
        )


def test_the_network_is_refused(sandbox):
    cell = "import urllib.request\nurllib.request.urlopen('http://localhost:1/', timeout=1)"
    with sandbox.open(notebook(cell)) as found:
        assert "not permitted" in found.report.errors[0] or "resolution" in found.report.errors[0], found.report
