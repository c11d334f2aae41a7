"""Perceptual evaluation: how an upscaler's pictures look beside the true ones, and whether their colours have moved."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from srlib.inference import upscale
from srlib.losses import perceptual
from srlib.metrics import Protocol, SetScores
from srlib.resample import resize

PROTOCOL = Protocol("rgb", 0, 8)
Measure = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class PerceptualScores(SetScores):
    """The perceptual distance and the shift of colour of one upscaler on a set.

    Args:
        measure: the name of the distance; without it its numbers mean nothing.
        rows: name, distance, and colour_shift: by how much the mean of that channel moved that moved most, 1 for a
            step of 8 bits.
    """

    measure: str

    @property
    def distance(self) -> float:
        """Mean of the pictures' distances."""
        return self.mean("distance")

    @property
    def colour_shift(self) -> float:
        """Mean of the pictures' shifts of colour."""
        return self.mean("colour_shift")

    @property
    def worst_colour_shift(self) -> float:
        """Of the picture whose colours moved most."""
        return max(row["colour_shift"] for row in self.rows)

    def as_dict(self) -> dict:
        """As `SetScores.as_dict`, with the measure."""
        return {"measure": self.measure} | super().as_dict()


@torch.no_grad()
def evaluate_perceptual(
    net: Callable[[Tensor], Tensor],
    images: Iterable[tuple[str, Tensor]],
    *,
    measure: Measure = perceptual.distance,
    name: str = perceptual.NAME,
    degrade: Callable[[Tensor], Tensor] | None = None,
) -> PerceptualScores:
    """Degrade each hr to 8 bits, let `net` enlarge it, and compare the two pictures in colour, rounded, border and all.

    A network for luma gets its chroma as in `inference.upscale`.

    Args:
        images: pairs (name, hr (1, C, H, W)), cut here to a multiple of the scale.
        measure: (sr, hr) -> (N,), such as `lpips.LPIPS()`.
        name: that of the measure.
        degrade: hr -> lr; default bicubic `resize` by 1/scale.

    Raises: ValueError for an empty set, and as the measure for pictures too small for it, with the picture's name.
    """
    degrade = degrade or (lambda hr: resize(hr, 1 / net.scale))
    rows = tuple(_rows(net, images, measure, degrade))
    if not rows:
        raise ValueError("evaluate_perceptual got no pictures")
    return PerceptualScores(str(PROTOCOL), rows, name)


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
        colour_shift = (sr - hr).mean((-2, -1)).abs().max().item() * 255
        yield {"name": name, "distance": distance, "colour_shift": colour_shift}
