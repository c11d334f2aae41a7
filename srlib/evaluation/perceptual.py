"""Perceptual evaluation: the perceptual distance of an upscaler's pictures to the true ones, and their colour shift."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from srlib.inference import upscale
from srlib.losses import perceptual
from srlib.metrics import LeaveOut, Protocol
from srlib.resample import resize
from srlib.scores import SetScores

PROTOCOL = Protocol("rgb", 0, 8)
Measure = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class PerceptualScores(SetScores):
    """The perceptual distance and the colour shift of one upscaler on a set.

    Args:
        measure: the name of the distance; quote it with every number.
        rows: name, distance, and colour_shift: the largest change of a channel's mean, in 8-bit levels.
    """

    measure: str

    @property
    def distance(self) -> float:
        """Mean distance over the pictures."""
        return self.mean("distance")

    @property
    def colour_shift(self) -> float:
        """Mean colour shift over the pictures."""
        return self.mean("colour_shift")

    @property
    def worst_colour_shift(self) -> float:
        """Largest colour shift of any picture."""
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
    leave_out: LeaveOut | None = None,
) -> PerceptualScores:
    """Degrade each hr, enlarge it with `net`, and compare sr with hr: in colour, at 8 bits, without cropping a border.

    For a luma network, chroma is enlarged as in `inference.upscale`.

    Args:
        images: pairs (name, hr (1, C, H, W)), cropped here to a multiple of the scale.
        measure: (sr, hr) -> (N,), such as `lpips.LPIPS()`.
        name: of the measure.
        degrade: hr -> lr, rounded to 8 bits afterwards; default bicubic `resize` by 1/scale.
        leave_out: called with "name: reason" for a picture that the measure rejects, which is then passed over.

    Raises: ValueError for an empty set, and for a picture that the measure rejects, with its name.
    """
    degrade = degrade or (lambda hr: resize(hr, 1 / net.scale))
    return compare_perceptual(_results(net, images, degrade), measure=measure, name=name, leave_out=leave_out)


def _results(net: Callable, images: Iterable, degrade: Callable) -> Iterator[tuple[str, Tensor, Tensor]]:
    for name, hr in images:
        height, width = (int(n - n % net.scale) for n in hr.shape[-2:])
        hr = PROTOCOL.convert(hr[..., :height, :width])
        yield name, upscale(net, PROTOCOL.convert(degrade(hr)), tile=None)[..., :height, :width].to(hr), hr


@torch.no_grad()
def compare_perceptual(
    pairs: Iterable[tuple[str, Tensor, Tensor]],
    *,
    measure: Measure = perceptual.distance,
    name: str = perceptual.NAME,
    leave_out: LeaveOut | None = None,
) -> PerceptualScores:
    """As `evaluate_perceptual`, for results that are there already: (name, sr, hr), both (1, C, H, W).

    Raises: ValueError as `evaluate_perceptual`.
    """
    rows = []
    for picture, sr, hr in pairs:
        sr, hr = PROTOCOL.convert(sr), PROTOCOL.convert(hr)
        try:
            distance = measure(sr, hr).item()
        except ValueError as error:
            if leave_out is None:
                raise ValueError(f"{picture}: {error}") from error
            leave_out(f"{picture}: {error}")
            continue
        colour_shift = (sr - hr).mean((-2, -1)).abs().max().item() * 255
        rows.append({"name": picture, "distance": distance, "colour_shift": colour_shift})
    if not rows:
        raise ValueError("evaluate_perceptual got no pictures")
    return PerceptualScores(str(PROTOCOL), tuple(rows), name)
