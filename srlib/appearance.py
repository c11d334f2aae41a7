"""How an upscaler's pictures look beside the true ones: the perceptual distance, and whether the colours have moved."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from srlib import perceptual
from srlib.inference import upscale
from srlib.metrics import Protocol
from srlib.resample import resize

PROTOCOL = Protocol("rgb", 0, 8)
Measure = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Appearance:
    """The perceptual distance and the shift of colour of one upscaler on a set, a row for each picture.

    Args:
        measure: the name of the distance; without it its numbers mean nothing.
        rows: name, distance, and shift: by how much the mean of that channel moved that moved most, 1 for a step of 8
            bits.
    """

    measure: str
    protocol: str
    rows: tuple[dict, ...]

    @property
    def distance(self) -> float:
        return sum(row["distance"] for row in self.rows) / len(self.rows)

    @property
    def spread(self) -> float:
        """The pictures' standard deviation about the mean distance; 0 for a single one."""
        excess = sum((row["distance"] - self.distance) ** 2 for row in self.rows)
        return (excess / max(1, len(self.rows) - 1)) ** 0.5

    @property
    def shift(self) -> float:
        return sum(row["shift"] for row in self.rows) / len(self.rows)

    @property
    def worst_shift(self) -> float:
        return max(row["shift"] for row in self.rows)

    def as_dict(self) -> dict:
        """For a file."""
        found = {"measure": self.measure, "protocol": self.protocol, "distance": self.distance, "shift": self.shift}
        return found | {"images": [dict(row) for row in self.rows]}


@torch.no_grad()
def appearance(
    net: Callable[[Tensor], Tensor],
    images: Iterable[tuple[str, Tensor]],
    *,
    measure: Measure = perceptual.distance,
    name: str = perceptual.NAME,
    degrade: Callable[[Tensor], Tensor] | None = None,
) -> Appearance:
    """Degrade each hr to 8 bits, let `net` enlarge it, and compare the two pictures in colour, rounded, border and all.

    A network for luma gets its chroma as in `inference.upscale`.

    Args:
        images: pairs (name, hr (1, C, H, W)), cut here to a multiple of the scale.
        measure: (sr, hr) -> (N,), such as `perceptual.LPIPS()`.
        name: that of the measure.
        degrade: hr -> lr; default bicubic `resize` by 1/scale.

    Raises: ValueError for an empty set, and as the measure for pictures too small for it, with the picture's name.
    """
    degrade = degrade or (lambda hr: resize(hr, 1 / net.scale))
    rows = tuple(_rows(net, images, measure, degrade))
    if not rows:
        raise ValueError("appearance got no pictures")
    return Appearance(name, str(PROTOCOL), rows)


def _rows(net: Callable, images: Iterable, measure: Measure, degrade: Callable) -> Iterator[dict]:
    for name, hr in images:
        height, width = (int(n - n % net.scale) for n in hr.shape[-2:])
        hr = PROTOCOL.convert(hr[..., :height, :width])
        sr = upscale(net, PROTOCOL.convert(degrade(hr)), tile=None)[..., :height, :width]
        sr = PROTOCOL.convert(sr.to(hr))
        try:
            distance = measure(sr, hr).item()
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
        shift = (sr - hr).mean((-2, -1)).abs().max().item() * 255
        yield {"name": name, "distance": distance, "shift": shift}
