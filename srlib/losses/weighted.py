"""Combining losses: a weighted sum that returns its parts for the log."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from srlib.losses.pixel import Loss


class Weighted:
    """A weighted sum of losses that also returns its parts.

    `total, parts = Weighted(pixel=(1.0, l1), tv=(1e-4, total_variation))(sr, hr)`

    Args:
        terms: name=(weight, loss); any function (sr, hr) -> scalar is a loss.

    Shapes: sr, hr (N, C, H, W) -> scalar, and {name: weighted scalar without gradient} for the log.
    Raises: ValueError for no term, or a weight that is not a finite number.
    """

    def __init__(self, **terms: tuple[float, Loss]):
        if not terms:
            raise ValueError("Weighted needs at least one term, such as pixel=(1.0, l1)")
        for name, (weight, _) in terms.items():
            if not math.isfinite(weight):
                raise ValueError(f"the weight of {name!r} must be a finite number, got {weight}")
        self.terms = terms

    def __call__(self, sr: Tensor, hr: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        # Half precision has 8 to 11 bits, too few for small differences between pixels near 1.
        parts = {name: weight * loss(sr.float(), hr.float()) for name, (weight, loss) in self.terms.items()}
        return sum(parts.values()), {name: part.detach() for name, part in parts.items()}


class Levels:
    """A loss for a network with several outputs, such as the levels of a pyramid: the sum over all of them.

    `total, parts = Levels(Weighted(pixel=(1.0, charbonnier)))([sr2, sr4], [hr2, hr4])`

    Args:
        losses: one for all outputs, or one for each.

    Shapes: srs, hrs: lists of (N, C, H, W), equal in number -> scalar, and {name_k: scalar without gradient}, k from 1.
    Raises: ValueError for no loss, and for lists that differ in length from each other or from the losses.
    """

    def __init__(self, *losses: Weighted) -> None:
        if not losses:
            raise ValueError("Levels needs at least one loss, such as Weighted(pixel=(1.0, l1))")
        self.losses = losses

    def __call__(self, srs: Sequence[Tensor], hrs: Sequence[Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        losses = self.losses * len(srs) if len(self.losses) == 1 else self.losses
        if not len(srs) == len(hrs) == len(losses):
            raise ValueError(
                f"Levels needs equal numbers, got {len(srs)} outputs, {len(hrs)} targets, {len(losses)} losses"
            )
        parts, total = {}, torch.zeros((), device=srs[0].device)
        for k, (sr, hr, loss) in enumerate(zip(srs, hrs, losses, strict=True), 1):
            level, found = loss(sr, hr)
            total = total + level
            parts |= {f"{name}_{k}": part for name, part in found.items()}
        return total, parts
