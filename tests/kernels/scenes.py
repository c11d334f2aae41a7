"""Pictures with a known blur: random ones that are alike at every scale, and photographs where they are."""

import pytest
import torch
from torch import Tensor

from srlib import images
from srlib.data import datasets
from srlib.degradations import Blur


def scale_invariant(count: int, sides: tuple[int, int], seed: int = 0) -> list[Tensor]:
    """Gaussian pictures whose power falls as the frequency to the -2.2, as that of photographs does."""
    rng = torch.Generator().manual_seed(seed)
    rows, columns = (torch.fft.fftfreq(side) for side in sides)
    radius = torch.hypot(rows[:, None], columns).clamp_min(1 / max(sides))
    found = []
    for _ in range(count):
        wave = torch.fft.fft2(torch.randn(1, 3, *sides, generator=rng).mean(1, keepdim=True).expand(1, 3, *sides))
        picture = torch.fft.ifft2(wave * radius**-1.1).real
        found.append(0.5 + 0.12 * (picture - picture.mean()) / picture.std())
    return found


def photographs(first: int, count: int) -> list[Tensor]:
    """Of the folder BSDS, or skip: 8-bit photographs of 481 x 321 pixels."""
    try:
        files = datasets.image_files(datasets.find("BSDS"))
    except FileNotFoundError as error:
        pytest.skip(str(error))
    return [images.read(file) for file in files[first : first + count]]


def blurred(pictures: list[Tensor], kernel: Tensor | None, noise: float = 0.0, seed: int = 999) -> list[Tensor]:
    """Blurred, with noise of so many 255ths in each channel, and rounded to 8 bits."""
    rng = torch.Generator().manual_seed(seed)
    found = pictures if kernel is None else [Blur(kernel)(picture) for picture in pictures]
    found = [picture + noise / 255 * torch.randn(picture.shape, generator=rng) for picture in found]
    return [images.from_uint8(images.to_uint8(picture)) for picture in found]
