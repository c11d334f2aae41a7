"""Megapixels of dead leaves that one core draws in a minute: python benchmarks/dead_leaves.py"""

import argparse
import os
import time

import torch

from srlib.data.datasets import photo
from srlib.data.synthetic import DeadLeaves


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="time spent on each row")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    print("size  supersample  pictures  megapixels/minute (one core)")
    for size in (64, 256, 1024):
        for supersample in (3, 4, 5):
            stream = DeadLeaves([photo("coffee")], size, supersample=supersample)
            start, done = time.perf_counter(), 0
            while time.perf_counter() - start < options.seconds:
                stream[done]
                done += 1
            rate = done * size**2 * 60 / (time.perf_counter() - start) / 1e6
            print(f"{size:4}  {supersample:11}  {done:8}  {rate:17.1f}", flush=True)


if __name__ == "__main__":
    main()
