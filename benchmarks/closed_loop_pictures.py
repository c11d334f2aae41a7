"""Short trainings with the loop open and closed, by picture; writes data/results/closed_loop_pictures.csv.

python -m benchmarks.closed_loop_pictures [FIRST LAST] [--steps 400]

Two arms of `benchmarks/closed_loop.py` with the same start and the same batches, seed by seed: all answers, without and
with the dual networks. The table has the PSNR of each picture of Set5 and Set14, so that the spread between pictures
can be held against the spread between seeds. Seeds FIRST to LAST - 1 (default: 0 to 8).
"""

from functools import partial

from torch import nn

from benchmarks.closed_loop import arm
from benchmarks.paired import SETS, command_line, planned, scored, table
from srlib import metrics


def measure(net: nn.Module) -> dict[str, str]:
    """The PSNR of every picture, under the papers' protocol."""
    found = {}
    for name in SETS:
        found |= {f"{name}/{row['name']}": f"{row['psnr']:.4f}" for row in metrics.evaluate(net, scored(name)).rows}
    return found


if __name__ == "__main__":
    options = command_line(__doc__, seeds=8, steps=400).parse_args()
    table("closed_loop_pictures.csv", {kind: partial(arm, kind) for kind in ("all", "dual")}, planned(options), measure)
