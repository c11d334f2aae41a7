"""A damaged file is read right or refused in one line: no crash, no hang, no memory, nothing half written."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MEMORY = 2_000_000  # kB


def outcomes(folder, first, last):
    """What the process said about each file, and the most memory that it held, in kB."""
    words = [sys.executable, "-W", "error", "-m", "tests.io.mutated", str(folder), str(first), str(last)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    rows = [line.split(" ", 1) for line in done.stdout.splitlines()]
    assert done.returncode == 0, f"ended by {done.returncode} in {done.stdout[-80:]!r}: {done.stderr[-400:]}"
    assert len(rows) == last - first and done.stderr == ""  # libraries in C, too, are kept quiet
    return rows, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss


@pytest.mark.parametrize("first, last", [(0, 120), pytest.param(120, 1000, marks=pytest.mark.slow)])
def test_damaged_files_are_read_right_or_refused(tmp_path, first, last):
    rows, memory = outcomes(tmp_path, first, last)
    assert [row for row in rows if row[1] not in ("right", "refused")] == []
    assert {row[1] for row in rows} == {"right", "refused"}
    assert memory < MEMORY
    assert list(tmp_path.iterdir()) == []
