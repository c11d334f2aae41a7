"""`srlib.resample.resize` against torch's antialiased bicubic on a 1356 x 2040 RGB picture, in one run.

python benchmarks/resize.py
"""

import time

import torch
import torch.nn.functional as F

from srlib.resample import resize

REPEATS = 15


def best(function) -> float:
    """Shortest of several runs in milliseconds; the first, which fills caches, does not count."""
    function()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return 1000 * min(times)


def main() -> None:
    picture = torch.rand(1, 3, 1356, 2040)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, best of {REPEATS}")
    for scale in (1 / 4, 1 / 3, 1 / 2, 0.37, 2, 3):
        size = tuple(resize(picture, scale).shape[-2:])
        ours = best(lambda s=scale: resize(picture, s))
        theirs = best(lambda n=size: F.interpolate(picture, size=n, mode="bicubic", antialias=True))
        print(f"x{scale:<6.3g} srlib {ours:7.1f} ms   torch {theirs:7.1f} ms   ratio {ours / theirs:.2f}")


if __name__ == "__main__":
    main()
