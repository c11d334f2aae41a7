"""Patches of the same pictures at other scales, for a network that learns to compare frequency densities."""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from srlib import images
from srlib.resample import resize
from srlib.warp import turned


class RescaledStream:
    """(x′, x, x_D, x_U, direction): two crops of the source, one shrunk, one enlarged (Ji et al., AAAI 2021, fig. 4).

    The curriculum is part of the stream: over `samples` samples the factor falls from `factors[0]` to `factors[1]`,
    evenly in its logarithm, and stays there. `stream[i]` depends on `seed` and `i` alone. Patches have 8 bits, as those
    of a file: without the noise of rounding, an enlarged one could be told by its absence.

    Args:
        pictures: of the source, (1, 3, H, W), float in [0, 1]; the four patches of a sample are of one of them, since
            pictures differ in their contents by more than a small factor changes.
        size: side of every patch.
        samples: after how many the factor has reached its end.
        factors: at the beginning and at the end.
        directional: rescale along the rows (direction 0) or along the columns (1) only; else along both, and the
            direction is 0.
        turn: take every second sample from a picture that is turned by 45°, so that four directions are learned by
            two answers. A kernel has a direction, so patches are turned in no other way.

    Shapes: batch -> four times (N, 3, size, size), and direction (N,) int64.
    Raises: ValueError for no pictures, for one too small for a patch before it is shrunk, and for factors not above 1.
    """

    def __init__(
        self,
        pictures: Iterable[Tensor],
        *,
        size: int = 64,
        samples: int = 1,
        factors: tuple[float, float] = (3.5, 1.2),
        directional: bool = False,
        turn: bool = False,
        seed: int = 0,
    ) -> None:
        if min(factors) <= 1:
            raise ValueError(f"factors must be above 1, got {factors}")
        self.pictures, self.size, self.samples = list(pictures), size, samples
        self.factors, self.directional, self.seed = factors, directional, seed
        if not self.pictures:
            raise ValueError("RescaledStream got no pictures")
        largest = round(size * max(factors))
        for picture in self.pictures:
            if picture.ndim != 4 or len(picture) != 1 or picture.shape[1] != 3:
                raise ValueError(f"pictures must be (1, 3, H, W), got {tuple(picture.shape)}")
            if min(picture.shape[-2:]) < largest:
                sides = f"{picture.shape[-1]} x {picture.shape[-2]}"
                raise ValueError(f"a picture of {sides} pixels has no patch of {largest}, which shrinks to {size}")
        self.turned = [turned(picture) for picture in self.pictures] if turn else []
        if self.turned and (side := min(picture.shape[-1] for picture in self.turned)) < largest:
            raise ValueError(f"a picture turned by 45° leaves {side} pixels, and no patch of {largest}")

    def factor(self, index: int) -> float:
        """By how much the patches of this sample are shrunk and enlarged."""
        first, last = self.factors
        return float(first * (last / first) ** min(1.0, index / max(1, self.samples)))

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        rng = np.random.Generator(np.random.Philox(key=[self.seed, index]))
        factor, direction = self.factor(index), int(rng.integers(2)) if self.directional else 0
        scaled = [(1.0, 1.0), (1.0, 1.0), self._scales(factor, direction), self._scales(1 / factor, direction)]
        pictures = self.turned if self.turned and rng.integers(2) else self.pictures
        picture = pictures[rng.integers(len(pictures))]
        patches = [self._patch(picture, rng, scales) for scales in scaled]
        return (*patches, torch.tensor(direction))

    def batch(self, indices: Sequence[int], device: torch.device | str = "cpu") -> tuple[Tensor, ...]:
        """The samples of these indices, stacked, on a device.

        Shapes: -> as the class says.
        """
        return tuple(torch.stack(parts).to(device) for parts in zip(*(self[i] for i in indices), strict=True))

    def _scales(self, factor: float, direction: int) -> tuple[float, float]:
        if not self.directional:
            return factor, factor
        return (1.0, factor) if direction == 0 else (factor, 1.0)  # direction 0 is along the rows

    def _patch(self, picture: Tensor, rng: np.random.Generator, scales: tuple[float, float]) -> Tensor:
        """A crop of the sides that become `size` when divided by `scales`, and are."""
        height, width = (max(2, round(self.size * scale)) for scale in scales)
        top, left = (int(rng.integers(n - m + 1)) for n, m in zip(picture.shape[-2:], (height, width), strict=True))
        crop = picture[..., top : top + height, left : left + width]
        return images.quantised(crop if scales == (1.0, 1.0) else resize(crop, size=(self.size, self.size)))[0]
