"""Score every shipped model on Set5, Set14 and BSD100 and write data/results/benchmark.csv.

SRLIB_DATA=<folder with the sets> python benchmarks/scores.py
"""

import csv
from pathlib import Path

from srlib.cli import INTERPOLATORS
from srlib.datasets import images_of
from srlib.metrics import PAPER, evaluate

RESULT = Path(__file__).parent.parent / "data" / "results" / "benchmark.csv"


def main() -> None:
    rows = []
    for name, make in INTERPOLATORS.items():
        for scale in (2, 3, 4):
            for data_set in ("Set5", "Set14", "BSD100"):
                scores = evaluate(make(scale), images_of(data_set), PAPER)
                rows.append(
                    {
                        "model": name,
                        "scale": scale,
                        "set": data_set,
                        "protocol": str(PAPER),
                        "psnr": f"{scores.psnr:.4f}",
                        "ssim": f"{scores.ssim:.4f}",
                    }
                )
                print(*rows[-1].values())
    with RESULT.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
