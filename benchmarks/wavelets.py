"""Haar by slices against pytorch_wavelets and a grouped convolution, there and back: python -m benchmarks.wavelets

Processor time on one thread, best of several runs, for a batch of 8 RGB patches of 128².
"""

import time
import warnings
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from srlib.wavelets import haar

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of pkg_resources
    from pytorch_wavelets import DWTForward

REPEATS = 15
FILTERS = torch.tensor([[[1, 1], [1, 1]], [[1, 1], [-1, -1]], [[1, -1], [1, -1]], [[1, -1], [-1, 1]]]) / 2


def convolved(image: Tensor) -> tuple[Tensor, Tensor]:
    """The same as `haar` for even sizes, by one grouped convolution of stride 2."""
    channels = image.shape[1]
    bands = F.conv2d(image, FILTERS[:, None].repeat(channels, 1, 1, 1), stride=2, groups=channels)
    bands = bands.unflatten(1, (channels, 4))
    return bands[:, :, 0], bands[:, :, 1:]


def best(transform: Callable[[Tensor], tuple[Tensor, Tensor]], image: Tensor) -> float:
    """Milliseconds of processor time for the coefficients and the gradient of their squares."""
    times = []
    for _ in range(REPEATS):
        image.grad = None
        start = time.process_time()
        low, details = transform(image)
        (low.square().sum() + details.square().sum()).backward()
        times.append(time.process_time() - start)
    return 1000 * min(times)


def main() -> None:
    torch.set_num_threads(1)
    image = torch.rand(8, 3, 128, 128, requires_grad=True)
    module = DWTForward(J=1, wave="haar", mode="symmetric")
    ways = {
        "slices": haar,
        "grouped convolution": convolved,
        "pytorch_wavelets": lambda x: (lambda low, high: (low, high[0]))(*module(x)),
    }
    reference = haar(image)
    print(f"torch {torch.__version__}, one thread, best of {REPEATS}")
    for name, transform in ways.items():
        for ours, theirs in zip(reference, transform(image), strict=True):
            torch.testing.assert_close(ours, theirs)
        print(f"{name:20} {best(transform, image):6.1f} ms")


if __name__ == "__main__":
    main()
