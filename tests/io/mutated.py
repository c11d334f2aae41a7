"""Damaged files of every kind through the command line, in a process of their own: `python -m tests.io.mutated FOLDER
FIRST LAST`. The process prints a line before and after each file, so that whoever reads along knows where it ended.
"""

import contextlib
import io
import signal
import sys
from pathlib import Path

import numpy as np

from srlib.cli import main
from srlib.io import codecs
from tests.io.kinds import KINDS

SECONDS = 10  # of processor time that one file may take; then the process is killed, however busy the machine


def mutated(index: int) -> tuple[str, bytes]:
    """File number `index`: (suffix, content). One of: bits turned over, cut, a header put in front, a part repeated."""
    rng = np.random.default_rng(index)
    kind = KINDS[index % len(KINDS)]
    data = bytearray(kind.make(int(rng.integers(1, 9)) if kind.turns else 1, None).content)
    how = rng.integers(0, 5)
    if how == 0:
        for place in rng.integers(0, len(data), rng.integers(1, 9)):
            data[place] ^= 1 << rng.integers(0, 8)
    elif how == 1:
        del data[rng.integers(1, len(data)) :]
    elif how == 2:
        other = KINDS[rng.integers(len(KINDS))].make(1, None).content
        cut = int(rng.integers(2, 64))
        data[:cut] = other[:cut]
    elif how == 3:
        place, value = int(rng.integers(0, max(1, len(data) - 4))), rng.choice([0, 0x7FFFFFFF, 0xFFFFFFFF, 0x10000])
        data[place : place + 4] = int(value).to_bytes(4, "big" if rng.integers(2) else "little")
    else:
        place, length = int(rng.integers(0, len(data))), int(rng.integers(1, 64))
        data[place:place] = data[place : place + length]
    return kind.suffix, bytes(data)


def attempt(folder: Path, index: int) -> str:
    """What became of one file: "right", "refused", or what is wrong about it."""
    suffix, content = mutated(index)
    source, target = folder / f"{index}.{suffix}", folder / f"{index}-out.png"
    source.write_bytes(content)
    said = io.StringIO()
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        status = main(["upscale", str(source), str(target), "--model", "nearest", "--scale", "1"])
    lines = said.getvalue().strip().splitlines()
    verdict = "right"
    if status == 2:
        verdict = "refused" if len(lines) == 1 and source.name in lines[0] else f"said {lines}"
    elif status:
        verdict = f"status {status}"
    if status == 0 and not bool(codecs.load(target).pixels.isfinite().all()):
        verdict = "wrong"
    left = [path.name for path in folder.iterdir() if path not in (source, target)]
    if left or (status and target.exists()):
        verdict = f"left {left or [target.name]}"
    signal.setitimer(signal.ITIMER_PROF, 0)
    source.unlink()
    target.unlink(missing_ok=True)
    return verdict


if __name__ == "__main__":
    place, first, last = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    for number in range(first, last):
        print(number, end=" ", flush=True)
        try:
            result = attempt(place, number)
        except BaseException as error:
            result = f"{type(error).__name__}: {error}"
        print(result, flush=True)
