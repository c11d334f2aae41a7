"""Score interpolators and shipped networks on Set5, Set14 and BSD100 and write data/results/benchmark.csv.

SRLIB_DATA=<folder with the sets> python benchmarks/scores.py [--only NAME ...]
"""

import argparse
import csv
from collections.abc import Iterator
from pathlib import Path

from torch import nn

from srlib import checkpoints
from srlib.commands.networks import INTERPOLATORS
from srlib.data.datasets import images_of
from srlib.io import atomic
from srlib.metrics import PAPER, evaluate
from srlib.models.catalogue import CATALOGUE

RESULT = Path(__file__).parent.parent / "data" / "results" / "benchmark.csv"
SETS = ("Set5", "Set14", "BSD100")
ORDER = [*INTERPOLATORS, *CATALOGUE]
COLUMNS = ("model", "scale", "set", "protocol", "psnr", "ssim")


def upscalers() -> Iterator[tuple[str, int, nn.Module]]:
    for name, make in INTERPOLATORS.items():
        for scale in (2, 3, 4):
            yield name, scale, make(scale)
    for path in checkpoints.shipped():
        card = checkpoints.read_card(path)
        for scale in checkpoints.scales_of(card):
            yield checkpoints.name_of(path), scale, checkpoints.load(path, scale)


def scored(name: str, scale: int, net: nn.Module) -> Iterator[dict[str, str]]:
    for data_set in SETS:
        scores = evaluate(net, images_of(data_set), PAPER)
        values = (name, str(scale), data_set, str(PAPER), f"{scores.psnr:.4f}", f"{scores.ssim:.4f}")
        print(*values, flush=True)
        yield dict(zip(COLUMNS, values, strict=True))


def place(row: dict[str, str]) -> tuple[int, str, int, int]:
    """Interpolators first, then networks by their age; then scale and set."""
    model = row["model"]
    known = ORDER.index(model) if model in ORDER else len(ORDER)
    return known, model, int(row["scale"]), SETS.index(row["set"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="keep the rows of all others as they are")
    options = parser.parse_args()
    with RESULT.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if options.only and row["model"] not in options.only]
    chosen = [found for found in upscalers() if not options.only or found[0] in options.only]
    if missing := set(options.only or ()) - {name for name, _, _ in chosen}:
        parser.error(f"no model {', '.join(sorted(missing))}")
    for found in chosen:
        rows += scored(*found)
    atomic.write_table(RESULT, sorted(rows, key=place), COLUMNS)


if __name__ == "__main__":
    main()
