"""Every deconvolution on four photographs under three draws of noise; writes data/results/deconvolution.csv.

python benchmarks/deconvolution.py

Grey, blur of a Gaussian of 1.6 pixels whose surroundings were seen too, noise of 2/255, rounded to 8 bits. PSNR over
all pixels that are left, result clamped and not rounded. About eight minutes on one core.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from srlib.data.datasets import EVAL_PHOTOS, photo
from srlib.deconvolution.fourier import naive_inverse, tikhonov, wiener
from srlib.deconvolution.iterative import richardson_lucy, tv_deconvolution
from srlib.degradations import Blur, gaussian_kernel
from srlib.images import from_uint8, grey, to_uint8
from srlib.io import atomic
from srlib.metrics import psnr

RESULTS = Path(__file__).parent.parent / "data" / "results"
KERNEL = gaussian_kernel(1.6)
SIGMA = 2 / 255
MARGIN = 24  # pixels of the photograph that the blur sees and the observer does not
PROTOCOL = "grey in [0, 1], whole frame, result clamped, not rounded"
METHODS: dict[str, Callable[[Tensor], Tensor]] = {
    "blurred": lambda y: y,
    "naive": lambda y: naive_inverse(y, KERNEL),
    "tikhonov": lambda y: tikhonov(y, KERNEL, 5e-3),
    "wiener": lambda y: wiener(y, KERNEL),
    "richardson_lucy": lambda y: richardson_lucy(y, KERNEL),
} | {
    f"total_variation_{steps}": partial(tv_deconvolution, kernel=KERNEL, weight=4e-4, steps=steps)
    for steps in (10, 30, 100, 300)
}


def pair(name: str, seed: int) -> tuple[Tensor, Tensor]:
    """The observed picture and the sharp one."""
    sharp = grey(photo(name)).double()
    blurred = Blur(KERNEL)(sharp)
    inside = (..., slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))
    rng = torch.Generator().manual_seed(seed)
    noise = torch.randn(blurred[inside].shape, generator=rng, dtype=blurred.dtype)
    return from_uint8(to_uint8(blurred[inside] + SIGMA * noise)), sharp[inside]


def rows() -> Iterator[dict[str, object]]:
    for name in EVAL_PHOTOS:
        for seed in range(3):
            y, sharp = pair(name, seed)
            for method, restore in METHODS.items():
                score = psnr(restore(y).double().clamp(0, 1), sharp).item()
                yield {"method": method, "photo": name, "seed": seed, "psnr": round(score, 3), "protocol": PROTOCOL}


if __name__ == "__main__":
    atomic.write_table(RESULTS / "deconvolution.csv", rows())
