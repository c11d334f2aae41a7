"""The pretext task: patches rotated, downscaled and degraded at random, labelled with what was done."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from srlib.degradations import JPEG, Blur, gaussian_kernel
from srlib.images import from_uint8, to_uint8
from srlib.resample import resize

DOWNSCALES = (1.0, 1.5, 2.0, 3.0)
Degrade = Callable[[Tensor, float, torch.Generator], Tensor]


def blurred(image: Tensor, strength: float, rng: torch.Generator) -> Tensor:
    """Gaussian blur of σ from 0.6 to 3 pixels."""
    return Blur(gaussian_kernel(_between(0.6, 3.0, strength)))(image)


def noisy(image: Tensor, strength: float, rng: torch.Generator) -> Tensor:
    """Gaussian noise of σ from 4/255 to 40/255."""
    return image + _between(4 / 255, 40 / 255, strength) * torch.randn(image.shape, generator=rng)


def compressed(image: Tensor, strength: float, rng: torch.Generator) -> Tensor:
    """JPEG of quality 60 down to 8."""
    return JPEG(round(_between(60, 8, strength)))(image)


def enlarged(image: Tensor, strength: float, rng: torch.Generator) -> Tensor:
    """Shrunk 1.5 to 4 times and enlarged again, both bicubic."""
    size = tuple(image.shape[-2:])
    scale = 1 / _between(1.5, 4, strength)
    return resize(resize(image, size=tuple(max(1, round(n * scale)) for n in size)), size=size)


def sharpened(image: Tensor, strength: float, rng: torch.Generator) -> Tensor:
    """Unsharp masking with a Gaussian of σ = 1.5 pixels, by a factor of 0.5 to 3: halos along edges."""
    return image + _between(0.5, 3, strength) * (image - Blur(gaussian_kernel(1.5))(image))


DEGRADATIONS: tuple[Degrade, ...] = (blurred, noisy, compressed, enlarged, sharpened)
TYPES = ("none", *(degrade.__name__ for degrade in DEGRADATIONS))


class PretextStream:
    """An endless stream of patches with automatic labels: `stream[i]` depends only on seed and i.

    A patch is cut from a picture downscaled by one of `DOWNSCALES`, randomly mirrored, rotated by a multiple of 90°
    (Gidaris et al., ICLR 2018), degraded by one of `TYPES` at a strength from 0 to 1, and rounded to 8 bits.

    Args:
        pictures: (1, 1 or 3, H, W), float in [0, 1] or uint8; grey is repeated to RGB. A picture that is smaller than a
            patch at some downscale is skipped there.
        size: side of a patch in pixels.

    Shapes: stream[i] -> patch (3, size, size), labels (4,): rotation, downscale, type, strength.
    Raises: ValueError if no picture is large enough for the largest downscale.
    """

    def __init__(self, pictures: Sequence[Tensor], *, size: int = 64, seed: int = 0):
        self.size, self.seed = size, seed
        self.pictures = [
            [small for hr in pictures if min((small := _downscaled(hr, s)).shape[-2:]) >= size] for s in DOWNSCALES
        ]
        if not all(self.pictures):
            side = round(size * DOWNSCALES[-1])
            raise ValueError(f"PretextStream needs a picture of at least {side} x {side} pixels, got none")
        self._areas = [np.cumsum([p.shape[-2] * p.shape[-1] for p in level]) for level in self.pictures]

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        rng = np.random.Generator(np.random.Philox(key=[self.seed, index]))
        downscale, rotation, kind, mirror = (int(rng.integers(n)) for n in (len(DOWNSCALES), 4, len(TYPES), 2))
        areas = self._areas[downscale]
        picture = self.pictures[downscale][np.searchsorted(areas, rng.integers(areas[-1]), side="right")]
        top, left = (int(rng.integers(n - self.size + 1)) for n in picture.shape[-2:])
        patch = from_uint8(picture[..., top : top + self.size, left : left + self.size])
        patch = torch.rot90(patch.flip(-1) if mirror else patch, rotation, (-2, -1))
        strength = float(rng.random()) if kind else 0.0
        if kind:
            noise = torch.Generator().manual_seed(int(rng.integers(2**31)))
            patch = DEGRADATIONS[kind - 1](patch, strength, noise)
        return from_uint8(to_uint8(patch))[0], torch.tensor([rotation, downscale, kind, strength])

    def batch(self, indices: Sequence[int], device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
        """The samples at these indices, stacked, on a device.

        Shapes: -> patches (N, 3, size, size), channels last; labels (N, 4).
        """
        patches, labels = zip(*(self[i] for i in indices), strict=True)
        patches = torch.stack(patches).contiguous(memory_format=torch.channels_last)
        return patches.to(device), torch.stack(labels).to(device)


def _between(weak: float, strong: float, strength: float) -> float:
    """Geometric interpolation from weak at 0 to strong at 1."""
    return weak * (strong / weak) ** strength


def _downscaled(picture: Tensor, downscale: float) -> Tensor:
    """(1, 1 or 3, H, W) float or uint8 -> (1, 3, h, w) uint8."""
    picture = from_uint8(picture) if picture.dtype == torch.uint8 else picture
    small = resize(picture, 1 / downscale) if downscale > 1 else picture
    return to_uint8(small).expand(-1, 3, -1, -1)
