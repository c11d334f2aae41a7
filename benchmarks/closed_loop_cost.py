"""What the closed loop of DRN costs in a step; writes data/results/closed_loop_cost.csv.

python -m benchmarks.closed_loop_cost [--rounds 15]

Steps of `drn_small` ×4, ten at a time, the arms taking turns: all answers, all with the dual networks, all with bicubic
interpolation in their place. For each arm the median over the rounds of the processor time of a step, and of its ratio
to the open loop in the same round; for the batch of benchmarks/closed_loop.py and for that of the recipe. The training
sets must be in $SRLIB_DATA.
"""

import argparse
import statistics
import time

import torch
from torch.optim import Adam

from benchmarks.closed_loop import BATCH, DUALS, LR_SIZE, RATE, SCALE, WEIGHT, levels
from benchmarks.paired import RESULTS, pictures
from srlib.data.sources import Pyramids
from srlib.io import atomic
from srlib.models.drn import BicubicDual, drn_small, dual
from srlib.training.muon import Muon
from srlib.training.run import Run
from srlib.training.steps.dual import dual_regression
from srlib.training.steps.supervised import supervised

STEPS = 10
SIZES = ((BATCH, LR_SIZE), (8, 32))


class Arm:
    """One arm's networks and optimizers; `seconds` takes ten steps."""

    def __init__(self, kind: str) -> None:
        torch.manual_seed(0)
        self.run = Run("bf16", 1.0, "cpu")
        self.nets = {"g": drn_small(SCALE)}
        self.step = supervised(levels(1.0), pyramid=True)
        if kind != "all":
            self.nets |= {name: dual(8) if kind == "dual" else BicubicDual() for name in DUALS}
            self.step = dual_regression(levels(1.0), levels(WEIGHT), duals=DUALS)
        for net in self.nets.values():
            self.run.place(net).train()
        self.opts = {"g": Muon(self.nets["g"].parameters(), lr=RATE)}
        if kind == "dual":
            self.opts |= {name: Adam(self.nets[name].parameters(), lr=1e-3, fused=True) for name in DUALS}

    def seconds(self, batches: list[tuple[torch.Tensor, ...]]) -> float:
        """Of the processor, for a step, mean over the batches."""
        start = time.process_time()
        for batch in batches:
            self.step(self.nets, self.opts, batch, self.run)
        return (time.process_time() - start) / len(batches)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    rows = [row for batch, lr_size in SIZES for row in costs(batch, lr_size, rounds)]
    atomic.write_table(RESULTS / "closed_loop_cost.csv", rows)


def costs(batch: int, lr_size: int, rounds: int) -> list[dict[str, str]]:
    """A row for each arm at one size of the batch."""
    patches = Pyramids(SCALE, lr_size)({"hr": pictures(SCALE * lr_size)}, seed=0, batch=batch)
    batches = [patches.batch(range(batch * k, batch * (k + 1)), torch.device("cpu")) for k in range(STEPS)]
    arms = {kind: Arm(kind) for kind in ("all", "dual", "bicubic")}
    for arm in arms.values():
        arm.seconds(batches[:2])
    took = [{kind: arm.seconds(batches) for kind, arm in arms.items()} for _ in range(rounds)]
    rows = []
    for kind in arms:
        each, ratio = (
            statistics.median(values)
            for values in ((row[kind] for row in took), (row[kind] / row["all"] for row in took))
        )
        size = {"arm": kind, "batch": str(batch), "lr_size": str(lr_size)}
        rows.append(size | {"milliseconds": f"{1000 * each:.1f}", "ratio": f"{ratio:.3f}"})
        print(rows[-1], flush=True)
    return rows


if __name__ == "__main__":
    main()
