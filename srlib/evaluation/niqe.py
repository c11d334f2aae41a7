"""Our own NIQE: how far a picture's statistics are from those of sharp photographs, without a reference.

Its number is "srlib NIQE v1". Patches, pictures and fit are ours, so no published NIQE is comparable with it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from srlib.data.datasets import data_file
from srlib.degradations import Blur, gaussian_kernel
from srlib.images import grey
from srlib.resample import resize

NAME = "srlib NIQE v1"
FILE = "niqe.safetensors"
PATCH, STRIDE = 96, 48  # pixels; of the half-sized picture half as many
SMALLEST = PATCH + STRIDE  # both sides: two patches by two
FEATURES = 36
_SHARP = 0.75  # of the sharpest patch of a picture: what counts as pristine
_TINY = 1e-12  # widths below it are those of a flat patch
_WINDOW = Blur(gaussian_kernel(7 / 6, 7))


@dataclass(frozen=True)
class Pristine:
    """The statistics of sharp patches: a Gaussian in 36 dimensions.

    Shapes: mean (36,), covariance (36, 36), float64.
    """

    mean: Tensor
    covariance: Tensor


@torch.no_grad()
def niqe(image: Tensor, pristine: Pristine | None = None) -> Tensor:
    """How unlike sharp photographs each picture is, lower is better (Mittal et al., SPL 2013).

    The luma, at 8 bits, is normalised by its local mean and deviation. Of a photograph the result is nearly the same
    Gaussian everywhere; blur, noise and blocks change its shape and that of the products of neighbours. 36 numbers say
    so of each patch, at full and at half size. The distance is that between the mean and covariance of the picture's
    patches and those of sharp photographs, √((μ₁ − μ₂)ᵀ ((Σ₁ + Σ₂) / 2)⁻¹ (μ₁ − μ₂)).

    It puts strong damages in order and light ones not: the effect of a blur of σ 0.5 or of JPEG at quality 80 is
    smaller than the spread between pictures, and on old scans it lowers the number (`data/results/niqe.csv`).

    Args:
        pristine: default: ours, from `data/niqe.safetensors`.

    Shapes: (N, 1 or 3, H, W) in [0, 1] -> (N,).
    Raises: TypeError for integer images; ValueError for another shape, for pictures smaller than 144 x 144, and where
        fewer than four patches have any texture.
    Differs from the paper: sharp patches are those of our training pictures; patches overlap by half, so that small
        pictures have some; patches without any texture are passed over; the coefficients are fitted with two widths, as
        in the authors' code. Compare only with numbers of the same name.
    """
    pristine = pristine or _shipped()
    return torch.stack([_distance(patch_features(one[None])[0], pristine) for one in _checked(image)]).to(image.device)


@torch.no_grad()
def fit(images: Iterable[Tensor]) -> tuple[Pristine, int]:
    """The statistics of the sharp patches of photographs, and how many patches they are of.

    Sharp is a patch whose mean local deviation is above 0.75 of the largest in its picture (Mittal et al., SPL 2013).

    Shapes: each (1, 1 or 3, H, W) in [0, 1].
    Raises: as `niqe`, for a picture; ValueError for too few patches to tell the 36 numbers apart.
    Differs from the paper: as `niqe`.
    """
    kept = []
    for image in images:
        features, sharpness = patch_features(image)
        kept.append(features[sharpness > _SHARP * sharpness.max()])
    features = torch.cat(kept) if kept else torch.empty(0, FEATURES)
    if len(features) <= FEATURES:
        raise ValueError(f"{len(features)} sharp patches are too few for the statistics of {FEATURES} numbers")
    return Pristine(features.mean(0), features.T.cov()), len(features)


def read(path: Path) -> Pristine:
    """What `fit` found, from a file.

    Raises: OSError for a file that is not there.
    """
    found = load_file(path)
    return Pristine(found["mean"], found["covariance"])


def patch_features(image: Tensor) -> tuple[Tensor, Tensor]:
    """The 36 numbers of each patch with texture, and its sharpness: the mean local deviation in 8-bit levels.

    Shapes: (1, 1 or 3, H, W) in [0, 1] -> (patches, 36), (patches,), float64.
    Raises: as `niqe`; ValueError for more than one picture.
    """
    if len(image) != 1:
        raise ValueError(f"patches are those of one picture (1, C, H, W), got shape {tuple(image.shape)}")
    luma = grey((_checked(image).cpu().double().clamp(0, 1) * 255).round())
    planes = [mscn(luma), mscn(resize(luma, 0.5))]
    found, across = [], (luma.shape[-1] - PATCH) // STRIDE + 1
    for row in range((luma.shape[-2] - PATCH) // STRIDE + 1):  # all rows together would take four times the picture
        levels = [_patches(*plane, row, level) for level, plane in zip((1, 2), planes, strict=True)]
        values, textured = zip(*(_statistics(patches[:across]) for patches, _ in levels), strict=True)
        found.append((torch.cat(values, 1), levels[0][1][:across], textured[0] & textured[1]))
    features, sharpness, textured = (torch.cat(parts) for parts in zip(*found, strict=True))
    if textured.sum() < 4:
        raise ValueError(
            f"{NAME} needs texture; all but {int(textured.sum())} of this picture's {len(textured)} patches are flat"
        )
    return features[textured], sharpness[textured]


def _patches(normalised: Tensor, deviation: Tensor, row: int, level: int) -> tuple[Tensor, Tensor]:
    """One row of patches (P, n, n) of a level, 1 or 2, and their mean local deviations (P,)."""
    size, stride = PATCH // level, STRIDE // level
    strips = (plane[0, 0, row * stride : row * stride + size] for plane in (normalised, deviation))
    patches, local = (strip.unfold(1, size, stride).movedim(1, 0) for strip in strips)
    return patches, local.mean((-2, -1))


def mscn(luma: Tensor) -> tuple[Tensor, Tensor]:
    """Mean-subtracted, contrast-normalised coefficients (I − μ) / (σ + 1), and σ (Mittal et al., SPL 2013).

    Mean and deviation are those under a Gaussian window of 7 × 7 pixels and σ = 7/6.

    Shapes: (N, 1, H, W) in 8-bit levels -> twice (N, 1, H, W).
    Differs from the paper: mirrored borders.
    """
    mean = _WINDOW(luma)
    deviation = (_WINDOW(luma.square()) - mean.square()).clamp_min(0).sqrt()
    return (luma - mean) / (deviation + 1), deviation


def asymmetric_gaussian(values: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Fit generalised Gaussians with two widths by their moments (Mittal et al., SPL 2013): α, both β, and the mean.

    The density is proportional to exp(−(|x| / β)^α), with one β below zero and another above.

    Shapes: (patches, values) -> four times (patches,).
    Differs from the paper: α is the nearest of a table from 0.2 to 10 in steps of 0.001.
    """
    negative, positive = values.clamp_max(0), values.clamp_min(0)
    left = (negative.square().sum(1) / (values < 0).sum(1).clamp_min(1)).sqrt()
    right = (positive.square().sum(1) / (values > 0).sum(1).clamp_min(1)).sqrt()
    ratio = left / right.clamp_min(_TINY)
    found = values.abs().mean(1).square() / values.square().mean(1).clamp_min(_TINY)
    found = found * (ratio**3 + 1) * (ratio + 1) / (ratio**2 + 1).square()
    alphas, ratios = _table()
    place = torch.searchsorted(ratios, found.contiguous()).clamp(1, len(ratios) - 1)
    place = place - (found - ratios[place - 1] < ratios[place] - found).long()
    alpha = alphas[place]
    one, two, three = (torch.lgamma(k / alpha) for k in (1, 2, 3))
    width = ((one - three) / 2).exp()
    left, right = left * width, right * width
    return alpha, left, right, (right - left) * (two - one).exp()


@lru_cache
def _table() -> tuple[Tensor, Tensor]:
    """α and Γ(2/α)² / (Γ(1/α) Γ(3/α)), which grows with it."""
    alphas = torch.arange(200, 10_001, dtype=torch.float64) / 1000
    one, two, three = (torch.lgamma(k / alphas) for k in (1, 2, 3))
    return alphas, (2 * two - one - three).exp()


def _statistics(patches: Tensor) -> tuple[Tensor, Tensor]:
    """18 numbers of each patch (P, n, n), and whether it has values on both sides of zero to take them of."""
    alpha, left, right, _ = asymmetric_gaussian(patches.flatten(1))
    columns, well = [alpha, (left + right) / 2], (left > _TINY) & (right > _TINY)
    here = patches[:, :-1, 1:-1]
    for other in (patches[:, :-1, 2:], patches[:, 1:, 1:-1], patches[:, 1:, 2:], patches[:, 1:, :-2]):
        alpha, left, right, mean = asymmetric_gaussian((here * other).flatten(1))
        columns += [alpha, mean, left, right]
        well = well & (left > _TINY) & (right > _TINY)
    return torch.stack(columns, 1), well


def _distance(features: Tensor, pristine: Pristine) -> Tensor:
    between = features.mean(0) - pristine.mean
    covariance = (features.T.cov() + pristine.covariance) / 2
    return (between @ torch.linalg.pinv(covariance, hermitian=True) @ between).clamp_min(0).sqrt().float()


def _checked(image: Tensor) -> Tensor:
    if not image.is_floating_point():
        raise TypeError(f"{NAME} needs a float image in [0, 1], got {image.dtype}; convert with srlib.images")
    if image.ndim != 4 or image.shape[1] not in (1, 3):
        raise ValueError(f"{NAME} needs images (N, 1 or 3, H, W), got shape {tuple(image.shape)}")
    if min(image.shape[-2:]) < SMALLEST:
        raise ValueError(
            f"{NAME} needs at least {SMALLEST} x {SMALLEST} pixels, got {image.shape[-1]} x {image.shape[-2]}"
        )
    return image


@lru_cache
def _shipped() -> Pristine:
    return read(data_file(FILE))
