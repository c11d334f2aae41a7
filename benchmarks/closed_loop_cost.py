"""What the closed loop of DRN costs in a step; writes data/results/closed_loop_cost.csv.

python -m benchmarks.closed_loop_cost [--rounds 120]

Steps of `drn_small` ×4, one at a time, the arms taking turns in an order that turns, too: all answers, all with the
dual networks, all with bicubic interpolation in their place. For each arm the median over the rounds of the processor
time of a step, and of its ratio to the open loop in the same round; for the batch of benchmarks/closed_loop.py and for
that of the recipe. The training sets must be in $SRLIB_DATA.
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

BATCHES = 10
SIZES = ((BATCH, LR_SIZE), (8, 32))


class Arm:
    """One arm's networks and optimizers; `seconds` takes a step."""

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

    def seconds(self, batch: tuple[torch.Tensor, ...]) -> float:
        """Of the processor, for a step."""
        start = time.process_time()
        self.step(self.nets, self.opts, batch, self.run)
        return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=120)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    rows = [row for batch, lr_size in SIZES for row in costs(batch, lr_size, rounds)]
    atomic.write_table(RESULTS / "closed_loop_cost.csv", rows)


def costs(batch: int, lr_size: int, rounds: int) -> list[dict[str, str]]:
    """A row for each arm at one size of the batch."""
    patches = Pyramids(SCALE, lr_size)({"hr": pictures(SCALE * lr_size)}, seed=0, batch=batch)
    batches = [patches.batch(range(batch * k, batch * (k + 1)), torch.device("cpu")) for k in range(BATCHES)]
    arms = {kind: Arm(kind) for kind in ("all", "dual", "bicubic")}
    for arm in arms.values():
        arm.seconds(batches[0])
    took, order = [], list(arms)
    for number in range(rounds):
        order = order[1:] + order[:1]
        took.append({kind: arms[kind].seconds(batches[number % BATCHES]) for kind in order})
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
