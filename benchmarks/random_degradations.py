"""What the two-stage random degradation costs: processor time on one thread, for a batch of RGB pictures of 256².

python -m benchmarks.random_degradations
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Callable
from functools import wraps
from typing import Any

import cv2
import numpy as np
import torch

from srlib.data.datasets import photo
from srlib.data.streams import patches, sample_generator
from srlib.random_degradations import stages
from srlib.random_degradations.kernels import DrawnKernel
from srlib.random_degradations.two_stage import TwoStage

PARTS = ("blur", "resized", "gaussian_noise", "poisson_noise", "jpeg")


def timed(function: Callable, name: str, seconds: dict[str, float]) -> Callable:
    """The same function, whose processor time is added up."""

    @wraps(function)
    def measured(*arguments: Any) -> Any:
        start = time.process_time()
        result = function(*arguments)
        seconds[name] += time.process_time() - start
        return result

    return measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=400, help="pictures")
    parser.add_argument("--batch", type=int, default=16)
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    stream = patches([photo(name) for name in ("astronaut", "coffee", "chelsea", "rocket")], size=256)
    degrade, start = TwoStage(), time.process_time()
    for _ in range(1000):
        degrade.draw(np.random.default_rng(0))
    drawing = time.process_time() - start
    degrade(*(list(stream.batch([0])) + [[sample_generator(0, 0)]]))  # fills what is kept
    total = 0.0
    for split in (False, True):
        seconds: dict[str, float] = defaultdict(float)
        if split:
            for name in PARTS:
                setattr(stages, name, timed(getattr(stages, name), name, seconds))
            DrawnKernel.kernel = timed(DrawnKernel.kernel, "kernels", seconds)
        spent = 0.0
        for first in range(0, options.count, options.batch):
            indices = range(first, first + options.batch)
            (hr,) = stream.batch(indices)
            rngs = [sample_generator(0, index) for index in indices]
            start = time.process_time()
            degrade(hr, rngs)
            spent += time.process_time() - start
        count = len(range(0, options.count, options.batch)) * options.batch
        total = total or spent / count
    print(
        f"OpenCV {cv2.__version__}, torch {torch.__version__}, one thread, {count} pictures, batches of {options.batch}"
    )
    print(f"{'whole':16} {1000 * total:6.2f} ms of processor time for a picture")
    for name, value in sorted(seconds.items(), key=lambda pair: -pair[1]):
        print(f"  {name:14} {1000 * value / count:6.2f} ms")
    print(f"  {'draw':14} {drawing:6.2f} ms")


if __name__ == "__main__":
    main()
