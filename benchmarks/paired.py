"""Trainings in pairs: arms that share start and batches seed by seed; a table that goes on where it was left."""

import argparse
import csv
import time
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn

from srlib import metrics
from srlib.data import datasets
from srlib.io import atomic

RESULTS = Path(__file__).parent.parent / "data" / "results"
TRAINING = ("T91", "General100", "BSDS")
SETS = ("Set5", "Set14")

Row = dict[str, str]
Arm = Callable[[int, int], nn.Module]  # (seed, steps) -> the trained network


@cache
def pictures(side: int) -> list[Tensor]:
    """The training pictures whose shorter side is at least this, as bytes."""
    return datasets.load_training_images(TRAINING, side, lambda reason: None)[0]


@cache
def scored(name: str) -> list[tuple[str, Tensor]]:
    return list(datasets.images_of(name))


def command_line(description: str, *, seeds: int, steps: int) -> argparse.ArgumentParser:
    """FIRST, LAST and --steps; `planned` reads them."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("first", type=int, nargs="?", default=0)
    parser.add_argument("last", type=int, nargs="?", default=seeds)
    parser.add_argument("--steps", type=int, default=steps)
    return parser


def planned(options: argparse.Namespace) -> list[tuple[int, int]]:
    """(seed, steps) for `table`."""
    return [(seed, options.steps) for seed in range(options.first, options.last)]


def table(file: str, arms: Mapping[str, Arm], plan: Iterable[tuple[int, int]], measure: Callable) -> None:
    """Train what the table lacks, seed by seed, and write each row as soon as it is there.

    Args:
        plan: (seed, steps).
        measure: network -> scores by name.
    """
    path = RESULTS / file
    rows: list[Row] = list(csv.DictReader(path.open(encoding="utf-8"))) if path.is_file() else []
    done = {(row["arm"], row["seed"], row["steps"]) for row in rows}
    for seed, steps in plan:
        for name, arm in arms.items():
            if (name, str(seed), str(steps)) in done:
                continue
            start = time.process_time()
            net = arm(seed, steps).eval()
            seconds = time.process_time() - start
            row = {"arm": name, "seed": seed, "steps": steps, "core_seconds": f"{seconds:.0f}"} | measure(net)
            rows.append({key: str(value) for key, value in row.items()})
            atomic.write_table(path, rows)
            print(rows[-1], flush=True)


@torch.no_grad()
def psnr(net: nn.Module) -> dict[str, str]:
    """Under the papers' protocol, by set."""
    return {name: f"{metrics.evaluate(net, scored(name)).psnr:.4f}" for name in SETS}
