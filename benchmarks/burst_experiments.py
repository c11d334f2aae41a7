"""What a burst is worth: writes data/results/burst_*.csv for the chapter on many images.

python benchmarks/burst_experiments.py [frames registration outliers cost]

Bursts are simulated from the evaluation photographs by `srlib.burst.forward_model.burst`: half size, a Gaussian blur of
0.8 hr pixels, noise of 5/255, shifts of up to two lr pixels. Unless a row says otherwise, the methods do not know the
shifts; they know the blur and the noise. The weights of smoothness follow from the noise and the number of frames.
PSNR is of grey pictures, not rounded, without the outermost eight pixels. `cost` needs a quiet machine.
"""

import itertools
import resource
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from srlib.burst.forward_model import ForwardModel, burst
from srlib.burst.fusion import shift_and_add
from srlib.burst.reconstruction import map_estimate, robust_estimate
from srlib.burst.registration import register
from srlib.data.datasets import EVAL_PHOTOS, photo
from srlib.images import to_y
from srlib.io import atomic
from srlib.resample import resize

RESULTS = Path(__file__).parent.parent / "data" / "results"
SCALE, SIGMA, BORDER = 2, 0.8, 8
NOISE = 5 / 255
Row = dict[str, object]


@cache
def scene(name: str, side: int | None = 192) -> Tensor:
    """Luma, float32; the middle of the photograph, or all of it."""
    hr = to_y(photo(name))
    height, width = (min(side or n, n) // SCALE * SCALE for n in hr.shape[-2:])
    top, left = (hr.shape[-2] - height) // 2, (hr.shape[-1] - width) // 2
    return hr[..., top : top + height, left : left + width]


def psnr(sr: Tensor, hr: Tensor) -> float:
    inside = (..., slice(BORDER, -BORDER), slice(BORDER, -BORDER))
    return round(float(-10 * torch.log10((sr.clamp(0, 1) - hr)[inside].square().mean())), 3)


def enlarged(frames: Tensor, shifts: Tensor, noise: float = NOISE) -> Tensor:
    return resize(frames[:1], SCALE)


def added(frames: Tensor, shifts: Tensor, noise: float = NOISE) -> Tensor:
    return shift_and_add(frames, shifts, scale=SCALE)


def least_squares(frames: Tensor, shifts: Tensor, noise: float = NOISE) -> Tensor:
    operator = ForwardModel(shifts, scale=SCALE, sigma=SIGMA)
    return map_estimate(frames, operator, weight=0.08 * (noise / NOISE) ** 2 / len(frames))


def robust(frames: Tensor, shifts: Tensor, noise: float = NOISE) -> Tensor:
    operator = ForwardModel(shifts, scale=SCALE, sigma=SIGMA)
    return robust_estimate(frames, operator, weight=0.08 * noise / NOISE / len(frames) ** 0.5, reject=3 * noise)


METHODS: dict[str, Callable[..., Tensor]] = {
    "bicubic of one": enlarged,
    "shift-and-add": added,
    "MAP": least_squares,
    "robust": robust,
}


def rms(found: Tensor, shifts: Tensor) -> float:
    return round(float((found - shifts)[1:].square().mean().sqrt()) if len(shifts) > 1 else 0.0, 4)


def frames() -> Iterator[Row]:
    """How many frames, and how much noise: twenty bursts each, five of every photograph."""
    for noise, count in itertools.product((2, 5, 15), (1, 2, 4, 8, 16)):
        for name, seed in itertools.product(EVAL_PHOTOS, range(5)):
            hr = scene(name)
            seen, shifts = burst(hr, torch.Generator().manual_seed(seed), frames=count, noise=noise / 255)
            found = register(seen)
            for method, estimate in METHODS.items():
                sr = estimate(seen, found, noise / 255)
                yield {"noise": noise, "frames": count, "photograph": name, "seed": seed, "method": method,
                       "registration": rms(found, shifts), "psnr": psnr(sr, hr)}  # fmt: skip


def registration() -> Iterator[Row]:
    """What wrong shifts cost: the true ones with an error of a known size."""
    for error in (0, 0.03, 0.1, 0.2, 0.4):
        for name, seed in itertools.product(EVAL_PHOTOS, range(5)):
            hr, rng = scene(name), torch.Generator().manual_seed(seed)
            seen, shifts = burst(hr, rng)
            wrong = shifts + error * torch.randn(shifts.shape, generator=rng, dtype=shifts.dtype)
            for method, estimate in METHODS.items():
                yield {"error": error, "photograph": name, "seed": seed, "method": method,
                       "psnr": psnr(estimate(seen, wrong), hr)}  # fmt: skip


def outliers() -> Iterator[Row]:
    """Frames that show something else, or lie in the wrong place; whole photographs."""
    for name, seed, count in itertools.product(EVAL_PHOTOS, range(2), (0, 1, 3, 5)):
        hr = scene(name, None)
        seen, shifts = burst(hr, torch.Generator().manual_seed(seed))
        found = register(seen)
        for k, change in zip(range(3, 3 + 2 * count, 2), itertools.cycle("mirrored moved negative".split())):
            moved = {"mirrored": seen[k].flip(-1), "moved": seen[k].roll((9, -7), (-2, -1)), "negative": 1 - seen[k]}
            seen[k] = moved[change]
        for method, estimate in METHODS.items():
            yield {"outliers": count, "photograph": name, "seed": seed, "method": method,
                   "registration": rms(found, shifts), "psnr": psnr(estimate(seen, found), hr)}  # fmt: skip


def cost() -> Iterator[Row]:
    """Seconds of a MAP estimate over frames and pixels, the fastest of three; the last row is the largest."""
    sizes = [(16, 64), (16, 128), (16, 256), (4, 256), (8, 256), (32, 256), (64, 256), (16, 512)]
    for count, side in sizes:
        scene = torch.rand(1, 1, SCALE * side, SCALE * side)
        seen, shifts = burst(scene, torch.Generator().manual_seed(0), frames=count)
        seconds = []
        for _ in range(3):
            start = time.perf_counter()
            least_squares(seen, shifts)
            seconds.append(time.perf_counter() - start)
        yield {"frames": count, "side": side, "seconds": round(min(seconds), 3), "threads": torch.get_num_threads(),
               "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}  # fmt: skip


EXPERIMENTS = {run.__name__: run for run in (cost, frames, registration, outliers)}


def main() -> None:
    for name in sys.argv[1:] or EXPERIMENTS:
        rows = []
        for row in EXPERIMENTS[name]():
            rows.append(row)
            print(name, *row.values(), flush=True)
        atomic.write_table(RESULTS / f"burst_{name}.csv", rows)


if __name__ == "__main__":
    main()
