"""The sharp photographs behind our own NIQE, and whether it puts known damages in order.

SRLIB_DATA=<folders with BSDS and General100, BSD100 and Set14> python -m benchmarks.niqe [--fit]

With --fit it writes data/niqe.safetensors, from training pictures. Then it damages pictures that the fit has not seen,
in kinds and strengths that are known, and writes data/results/niqe.csv: mean and standard deviation over the pictures,
and the share of them whose number is higher than before the damage.
"""

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from srlib.data import datasets
from srlib.degradations import JPEG, Blur, Downscale, GaussianNoise, gaussian_kernel
from srlib.evaluation.niqe import FILE, NAME, SMALLEST, fit, niqe
from srlib.io import atomic
from srlib.resample import resize

DATA = Path(__file__).parent.parent / "data"
SETS = ("BSDS", "General100")
EVERY = 4  # of BSD100, every fourth picture


def large_enough(name: str) -> list[tuple[str, Tensor]]:
    return [(file, hr) for file, hr in datasets.images_of(name) if min(hr.shape[-2:]) >= SMALLEST]


def enlarged(scale: int) -> Callable[[Tensor], Tensor]:
    return lambda hr: resize(Downscale(scale)(hr), size=tuple(hr.shape[-2:]))


def noisy(level: int) -> Callable[[Tensor], Tensor]:
    return lambda hr: GaussianNoise(level / 255)(hr, torch.Generator().manual_seed(0))


DAMAGES = [
    ("none", 0, lambda hr: hr),
    *(("blur", sigma, Blur(gaussian_kernel(sigma))) for sigma in (0.5, 1.0, 1.5, 2.0)),
    *(("noise", level, noisy(level)) for level in (2, 5, 15, 30)),
    *(("jpeg", quality, JPEG(quality)) for quality in (80, 50, 30, 10)),
    *(("bicubic", scale, enlarged(scale)) for scale in (2, 3, 4)),
]


def held_out() -> Iterator[tuple[str, list[Tensor]]]:
    yield "photographs", [datasets.photo(name) for name in datasets.EVAL_PHOTOS]
    for name in ("Set14", "BSD100"):
        if datasets.find_in(datasets.search_path(), name):
            pictures = [hr for _, hr in large_enough(name)]
            yield name, pictures[::EVERY] if name == "BSD100" else pictures


def fitted() -> None:
    pictures = [hr for name in SETS for _, hr in large_enough(name)]
    pristine, count = fit(pictures)
    about = {"name": NAME, "data": ", ".join(SETS), "pictures": str(len(pictures)), "patches": str(count)}
    tensors = {"mean": pristine.mean, "covariance": pristine.covariance}
    atomic.write(DATA / FILE, save(tensors, metadata=about))
    print(json.dumps(about))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fit", action="store_true", help="write data/niqe.safetensors first")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.fit:
        fitted()
    rows = []
    for name, pictures in held_out():
        before = None
        for kind, strength, damage in DAMAGES:
            found = torch.cat([niqe(damage(hr)) for hr in pictures])
            before = found if before is None else before
            row = {"set": name, "pictures": len(pictures), "damage": kind, "strength": strength}
            row |= {"niqe": round(found.mean().item(), 3), "sd": round(found.std().item(), 3)}
            rows.append(row | {"worse": round((found > before).double().mean().item(), 3)})
            print(" ".join(f"{value}" for value in rows[-1].values()), flush=True)
    atomic.write_table(DATA / "results" / "niqe.csv", rows)


if __name__ == "__main__":
    main()
