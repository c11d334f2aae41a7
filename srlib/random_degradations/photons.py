"""Poisson numbers for pictures in steps of 8 bits: only 256 means occur, so most draws are one look into a table."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

PHOTONS = 256  # of white
_BITS = 12  # of a draw, which choose the cell of the table
_PART = 1 << 18  # pixels at a time, since a draw takes eight times the memory of its pixel
_LARGEST = 512  # photons; more than 16 σ above white


def photons(levels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.int16]:
    """A Poisson number of mean 256 · level / 255 for each pixel, by inversion of the distribution function.

    The first bits of a uniform number of 32 bits choose a cell of a table. Where all numbers of that cell lead to the
    same count, it is there; elsewhere the count is sought from the least that it can be.

    Shapes: any -> the same.
    Source: http://luc.devroye.org/rnbookindex.html, chapter III.2.4, the method of guide tables.
    """
    pixels = levels.reshape(-1)
    parts = (_counts(pixels[first : first + _PART], rng) for first in range(0, max(1, pixels.size), _PART))
    return np.concatenate([*parts]).reshape(levels.shape)


def _counts(levels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.int16]:
    least, sure, distribution = _tables()
    uniform = rng.integers(2**32, size=levels.size, dtype=np.uint32)
    level = levels.astype(np.int64)
    cell = (level << _BITS) + (uniform >> (32 - _BITS))
    counts = least[cell]
    open_ones = np.flatnonzero(~sure[cell])
    place, level = uniform[open_ones].astype(np.float64) + 0.5, level[open_ones]
    while open_ones.size:
        more = place > distribution[level, counts[open_ones]]
        open_ones, place, level = open_ones[more], place[more], level[more]
        counts[open_ones] += 1
    return counts


@lru_cache
def _tables() -> tuple[NDArray[np.int16], NDArray[np.bool_], NDArray[np.float64]]:
    """The least count of each cell, whether it is the only one, and the distribution functions times 2³²."""
    from scipy.special import pdtr  # here: it would take a tenth of every command's start

    means = np.arange(256) * (PHOTONS / 255)
    distribution = pdtr(np.arange(_LARGEST), means[:, None]) * 2.0**32
    distribution[:, -1] = np.inf
    edges = np.arange(2**_BITS + 1) * 2.0 ** (32 - _BITS)
    found = np.stack([np.searchsorted(row, edges) for row in distribution])
    return found[:, :-1].astype(np.int16).ravel(), (found[:, :-1] == found[:, 1:]).ravel(), distribution
