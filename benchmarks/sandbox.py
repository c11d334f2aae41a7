"""What a notebook costs in the sandbox: `python -m benchmarks.sandbox [ISOLATION] [N]`, in CPU-seconds."""

import json
import statistics
import sys
import time

from grading.probe import available
from grading.sandbox import Sandbox


def main(name: str | None = None, count: int = 20) -> None:
    """Run `count` trivial notebooks with one call each and print medians."""
    for row in available():
        print(f"{row.name:13}{'works' if row.works else 'no   '}  {row.reason}")
    cells = [{"cell_type": "code", "source": text} for text in ("import torch", "def f(x):\n    return x * 2")]
    data = json.dumps({"nbformat": 4, "cells": cells}).encode()
    began = time.monotonic()
    with Sandbox(name) as sandbox:
        print(f"{sandbox.isolation}: start {time.monotonic() - began:.1f} s, {sandbox.started['cpu']:.1f} CPU-s")
        spent, walls = [], []
        for _ in range(count):
            began = time.monotonic()
            with sandbox.open(data) as found:
                found.call("f", 1)
            walls.append(time.monotonic() - began)
            spent.append(found.ended.cpu_seconds)
    print(f"{count} notebooks: median {statistics.median(spent):.3f} CPU-s, {statistics.median(walls):.3f} s wall")


if __name__ == "__main__":
    main(*sys.argv[1:2], *(int(text) for text in sys.argv[2:3]))
