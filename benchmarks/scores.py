"""Score interpolators and shipped networks of pictures on Set5, Set14 and BSD100 and write data/results/benchmark.csv.

SRLIB_DATA=<folder with the sets> python benchmarks/scores.py [--only NAME ...]
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

from torch import nn

from srlib import checkpoints
from srlib.evaluation.benchmark import FILE, Row, merged, scored
from srlib.io import atomic
from srlib.models.interpolators import INTERPOLATORS

RESULT = Path(__file__).parent.parent / "data" / FILE


def upscalers() -> Iterator[tuple[str, int, nn.Module]]:
    for name, make in INTERPOLATORS.items():
        for scale in (2, 3, 4):
            yield name, scale, make(scale)
    for path in checkpoints.of_pictures():
        card = checkpoints.read_card(path)
        for scale in checkpoints.scales_of(card):
            yield checkpoints.name_of(path), scale, checkpoints.load(path, scale)


def measured(name: str, scale: int, net: nn.Module) -> Iterator[Row]:
    for row in scored(name, scale, net):
        print(*row.values(), flush=True)
        yield row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="keep the rows of all others as they are")
    options = parser.parse_args()
    chosen = [found for found in upscalers() if not options.only or found[0] in options.only]
    if missing := set(options.only or ()) - {name for name, _, _ in chosen}:
        parser.error(f"no model {', '.join(sorted(missing))}")
    rows = [row for found in chosen for row in measured(*found)]
    old = RESULT.read_bytes().decode()
    atomic.write(RESULT, merged(old, rows, lambda row: not options.only or row["model"] in options.only))


if __name__ == "__main__":
    main()
