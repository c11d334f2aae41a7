"""Random degradations by name: how strong, and for which scale."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import torch
from torch import Tensor

from srlib.random_degradations.blur_noise import RandomBlurNoise
from srlib.random_degradations.two_stage import FIRST, SECOND, TwoStage

RandomDegradation = Callable[[Tensor, Sequence[torch.Generator]], Tensor]


def real(scale: int) -> TwoStage:
    """The two stages at their published strengths: pictures from anywhere, many of them bad (Wang et al., ICCVW 2021).

    Raises: as `TwoStage`.
    """
    return TwoStage(scale=scale)


def mild(scale: int) -> TwoStage:
    """Two stages of about a third of the strength, ours: photographs that were saved and shrunk with some care.

    Raises: as `TwoStage`.
    """
    first = replace(
        FIRST,
        kernels=replace(FIRST.kernels, sigma=(0.2, 1.2)),
        factor=(0.5, 1.2),
        sigma=(0.0, 10 / 255),
        poisson=(0.05, 1.0),
        quality=(70, 95),
    )
    second = replace(
        SECOND,
        blur=0.4,
        kernels=replace(SECOND.kernels, sigma=(0.2, 0.8)),
        factor=(0.8, 1.2),
        sigma=(0.0, 5 / 255),
        poisson=(0.05, 0.5),
        quality=(70, 95),
    )
    return TwoStage(scale=scale, first=first, second=second, sinc=0.4)


def classic(scale: int) -> RandomBlurNoise:
    """A Gaussian blur, bicubic shrinking and Gaussian noise, each of random strength: no compression."""
    return RandomBlurNoise(scale=scale)


PRESETS: Mapping[str, Callable[[int], RandomDegradation]] = MappingProxyType(
    {"real": real, "mild": mild, "classic": classic}
)
