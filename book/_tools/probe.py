"""A fixed piece of the work that chapters do, in processor seconds: the yardstick for what a chapter costs.

`book._tools.execute` runs this file inside a chapter's kernel, in a namespace that is dropped afterwards. It draws no
random number, leaves no setting behind, and imports nothing but torch, which every chapter imports.
"""

import time

import torch

ROUNDS = 10  # of about 35 ms each
# Seconds of a chapter's compute line for which a probe stands: the chapters' seconds by the clock over their probes,
# on two cores of the machine that the lines were written on. `python -m benchmarks.compute_lines` prints it last. A
# chapter that trains comes to 0.12 and one that draws to 0.5, so the middle of both, and a bound that is wide.
LINE_SECONDS = 0.25


def work() -> None:
    """One training step of a small network, a few products of matrices, and a loop in Python."""
    x = torch.linspace(0, 1, 4 * 24 * 48 * 48, dtype=torch.float32, device="cpu").reshape(4, 24, 48, 48)
    kernel = torch.linspace(-0.1, 0.1, 24 * 24 * 9, dtype=torch.float32, device="cpu").reshape(24, 24, 3, 3)
    kernel.requires_grad_()
    y = x
    for _ in range(4):
        y = torch.relu(torch.nn.functional.conv2d(y, kernel, padding=1))
    y.square().mean().backward()
    square = x.reshape(-1)[: 256 * 256].reshape(256, 256)
    for _ in range(8):
        square = square @ square / 256
    total = 0
    for number in range(200_000):
        total += number & 3


def probe() -> tuple[float, float]:
    """(processor seconds, seconds) that this process needs for the fixed work."""
    start = time.process_time(), time.perf_counter()
    with torch.enable_grad():
        for _ in range(ROUNDS):
            work()
    return time.process_time() - start[0], time.perf_counter() - start[1]
