"""Peak memory of `upscale` on a 4000 x 6000 RGB picture, beyond the picture and its result.

python benchmarks/upscale_memory.py
"""

import multiprocessing
import resource
import time

import torch
from torch import Tensor, nn

from srlib.inference import upscale
from srlib.models.interpolation import bicubic


class Residual(nn.Module):
    """Eight residual blocks of 32 channels and a pixel shuffle, about the size that trains on a laptop."""

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale
        self.head = nn.Conv2d(3, 32, 3, padding=1)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 32, 3, padding=1)) for _ in range(8)
        )
        self.tail = nn.Sequential(nn.Conv2d(32, 3 * scale**2, 3, padding=1), nn.PixelShuffle(scale))

    def forward(self, lr: Tensor) -> Tensor:
        features = self.head(lr)
        for block in self.blocks:
            features = features + block(features)
        return self.tail(features)


def peak() -> float:
    """Largest resident size of this process so far, GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def measure(name: str) -> None:
    """In a process of its own, since a peak never falls."""
    torch.manual_seed(0)
    net = {"bicubic x2": bicubic(2), "bicubic x4": bicubic(4), "residual x2": Residual(2)}[name]
    lr = torch.rand(1, 3, 4000, 6000)
    before, start = peak(), time.perf_counter()
    sr = upscale(net, lr)
    seconds, result = time.perf_counter() - start, sr.numel() * sr.element_size() / 2**30
    print(f"{name}: {peak() - before - result:.2f} GB beyond picture and result of {result:.2f} GB, {seconds:.0f} s")


def main() -> None:
    for name in ("bicubic x2", "bicubic x4", "residual x2"):
        process = multiprocessing.get_context("spawn").Process(target=measure, args=(name,))
        process.start()
        process.join()


if __name__ == "__main__":
    main()
