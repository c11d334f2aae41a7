"""Flat colours and grey pictures among the training patches: what photographs hardly show, and users enlarge."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor


class Batches(Protocol):
    """Samples by their number, as `srlib.data.streams` has them."""

    def batch(self, indices: Sequence[int], device: torch.device | str = "cpu") -> tuple[Tensor, ...]:
        """The samples of these indices, stacked, on a device."""


class Source(Protocol):
    """As the sources of `srlib.data.sources`."""

    sides: Mapping[str, int]

    def __call__(self, pictures: Mapping[str, Sequence[Tensor]], *, seed: int, batch: int) -> Batches: ...


class FlatStream:
    """A stream whose samples are in part of one colour, and in part grey, in all their layers.

    Of the flat ones a third has any colour, a third is grey, and a third is a corner of the cube of colours: black,
    white, and the six that are full. Which sample becomes what depends on `seed` and its number alone.

    Args:
        stream: of layers (C, h, w) in [0, 1].
        flat: share of the samples that become flat.
        grey: share of the others whose channels become their mean.

    Raises: ValueError for shares that are not from 0 to 1.
    """

    def __init__(self, stream: Batches, *, flat: float, grey: float, seed: int) -> None:
        if not (0 <= flat <= 1 and 0 <= grey <= 1):
            raise ValueError(f"shares must be from 0 to 1, got {flat} and {grey}")
        self.stream, self.flat, self.grey, self.seed = stream, flat, grey, seed

    def batch(self, indices: Sequence[int], device: torch.device | str = "cpu") -> tuple[Tensor, ...]:
        """The samples of these indices, stacked, on a device."""
        layers = tuple(layer.clone() for layer in self.stream.batch(indices, device))
        for place, index in enumerate(indices):
            rng = np.random.Generator(np.random.Philox(key=[self.seed, index]).jumped(2))
            if rng.random() < self.flat:
                colour = torch.from_numpy(_colour(rng, layers[0].shape[1])).to(layers[0])
                for layer in layers:
                    layer[place] = colour.view(-1, 1, 1)
            elif rng.random() < self.grey:
                for layer in layers:
                    layer[place] = layer[place].mean(0, keepdim=True)
        return layers


def _colour(rng: np.random.Generator, channels: int) -> np.ndarray:
    """In steps of 8 bits."""
    kind = rng.integers(3)
    if kind == 0:
        return rng.integers(256, size=channels) / 255
    if kind == 1:
        return np.full(channels, rng.integers(256) / 255)
    return rng.integers(2, size=channels).astype(float)


@dataclass(frozen=True)
class WithFlats:
    """What another source gives, with a share of flat colours and of grey pictures among it: see `FlatStream`.

    Args:
        source: whose pictures and patches they are.
    """

    source: Source
    flat: float = 0.1
    grey: float = 0.1

    @property
    def sides(self) -> Mapping[str, int]:
        return self.source.sides

    @property
    def lr_size(self) -> int:
        return self.source.lr_size

    def __call__(self, pictures: Mapping[str, Sequence[Tensor]], *, seed: int, batch: int) -> FlatStream:
        return FlatStream(self.source(pictures, seed=seed, batch=batch), flat=self.flat, grey=self.grey, seed=seed)
