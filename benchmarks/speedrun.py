"""From nothing past published numbers on two cores, with a clock: writes data/results/speedrun.csv.

    SRLIB_DATA=... python benchmarks/speedrun.py OUT

Trains edsr_small x4 twice, as `srlib train` does: on T91, General100 and BSDS, and on packaged pictures only. Both are
scored on Set5 every few seconds; that time does not count. Leave the machine alone meanwhile.
"""

import sys
from pathlib import Path

import torch

from srlib.cli import main as srlib
from srlib.io import atomic
from srlib.metrics import PAPER
from srlib.training.logs import read_log

RUNS = {
    "T91 + General100 + BSDS": ["--steps", "12000", "--every", "250"],
    "packaged": ["--steps", "3000", "--every", "150", "--data", "packaged"],
}
COLUMNS = ["run", "step", "seconds", "psnr", "ssim", "images_per_second", "threads", "protocol"]


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/speedrun")
    rows = []
    for number, (name, words) in enumerate(RUNS.items()):
        out = folder / str(number)
        if srlib(["train", "edsr_small", "--scale", "4", *words, "--out", str(out), "--resume"]):
            raise SystemExit(f"{name}: the run failed")
        for row in read_log(out):
            if "psnr" in row:
                extra = {"run": name, "threads": torch.get_num_threads(), "protocol": f"Set5, {PAPER.describe(4)}"}
                rows.append({column: (row | extra)[column] for column in COLUMNS})
    target = Path(__file__).parents[1] / "data" / "results" / "speedrun.csv"
    rows = [{key: f"{value:.4f}" if isinstance(value, float) else value for key, value in row.items()} for row in rows]
    atomic.write_table(target, rows, COLUMNS)
    print(target)


if __name__ == "__main__":
    main()
