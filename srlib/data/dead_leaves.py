"""Dead leaves: random disks that occlude each other, an endless source of pictures with natural edges."""

import hashlib
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


def dead_leaves(
    size: int | tuple[int, int],
    rng: torch.Generator,
    colours: Tensor,
    *,
    radius_min: float = 0.5,
    radius_max: float | None = None,
    supersample: int = 4,
) -> Tensor:
    """Draw random disks that occlude each other until they cover the picture (Lee et al., IJCV 2001).

    Radii have density ∝ r⁻³, which makes the picture scale-invariant, as photographs are. Each disk has the colour of a
    random pixel of a photograph (Achddou et al., SSVM 2021).

    Args:
        size: pixels, one number or (height, width).
        rng: the same state gives the same picture.
        colours: the photograph.
        radius_min, radius_max: in pixels of the result. Default maximum: the longer side.
        supersample: the disks are drawn on a grid this many times finer, then averaged; 1 gives hard edges.

    Shapes: colours (1, C, h, w) -> (1, C, H, W), values between those of `colours`.
    Raises: TypeError for integer colours; ValueError for colours that are not one image, a size or supersample below 1,
        and radii other than 0 < radius_min < radius_max.
    Differs from the paper: drawn 4 times finer instead of 5; the smallest radius is 0.5 instead of 0.2 pixels of the
        result; no colour gradients; disks are centred outside the picture too, so that its border looks like its
        middle.
    """
    height, width = (size, size) if isinstance(size, int) else size
    largest = max(height, width) if radius_max is None else radius_max
    if not colours.is_floating_point():
        raise TypeError(f"colours must be a float image in [0, 1], got {colours.dtype}; convert with srlib.images")
    if colours.ndim != 4 or len(colours) != 1:
        raise ValueError(f"colours must be one image (1, C, H, W), got shape {tuple(colours.shape)}")
    if min(height, width, supersample) < 1 or not 0 < radius_min < largest:
        raise ValueError(
            f"need a positive size and 0 < radius_min < radius_max, got size {height}×{width}, "
            f"supersample {supersample}, radii {radius_min} to {largest}"
        )
    fine = height * supersample, width * supersample
    leaf, count = _pile(*fine, radius_min * supersample, largest * supersample, rng)
    pixels = colours[0].detach().cpu().flatten(1).T
    paint = pixels[torch.randint(len(pixels), (count,), generator=rng)].numpy()
    total = np.zeros((height, width, paint.shape[1]), paint.dtype)
    for row in range(supersample):
        for column in range(supersample):
            total += paint[leaf[row::supersample, column::supersample]]
    return torch.from_numpy(total / supersample**2).movedim(-1, 0)[None].contiguous()


class DeadLeaves:
    """An endless sequence of dead-leaves pictures: `stream[i]` depends on `seed` and `i` alone.

    Args:
        photos: images (1, 1 or 3, H, W); every picture takes its colours from one of them. Grey ones are
            repeated to RGB if any is RGB.
        size: pixels, one number or (height, width).
        options: as for `dead_leaves`.

    Shapes: stream[i] -> (1, C, H, W) in [0, 1].
    Raises: ValueError for no photos; as `dead_leaves` for the rest.
    """

    def __init__(self, photos: Sequence[Tensor], size: int | tuple[int, int] = 256, *, seed: int = 0, **options: float):
        if not photos:
            raise ValueError("DeadLeaves needs at least one photograph to take colours from")
        channels = max(photo.shape[1] for photo in photos)
        self.photos = [photo.expand(-1, channels, -1, -1) for photo in photos]
        self.size, self.seed, self.options = size, seed, options

    def __getitem__(self, index: int) -> Tensor:
        rng = generator(self.seed, index)
        photo = self.photos[int(torch.randint(len(self.photos), (), generator=rng))]
        return dead_leaves(self.size, rng, photo, **self.options)

    def __iter__(self) -> Iterator[Tensor]:
        index = 0
        while True:
            yield self[index]
            index += 1


def generator(seed: int, index: int) -> torch.Generator:
    """The random generator of sample `index` of a stream, independent of other samples and of the order of calls."""
    digest = hashlib.sha256(f"{seed}/{index}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:4], "little"))  # torch keeps 32 bits of a seed


def leaf_radii(count: int, rng: torch.Generator, radius_min: float, radius_max: float) -> Tensor:
    """Radii with density ∝ r⁻³ between two bounds, by the inverse of the distribution function.

    Shapes: -> (count,) float64.
    """
    u = torch.rand(count, generator=rng, dtype=torch.float64)
    return 1 / (radius_min**-2 + u * (radius_max**-2 - radius_min**-2)).sqrt()  # exactly rounded on every machine


class _Disks(NamedTuple):
    """Disks from front to back; lengths in samples of the fine grid."""

    x: np.ndarray
    y: np.ndarray
    radius: np.ndarray


def _pile(height: int, width: int, low: float, high: float, rng: torch.Generator) -> tuple[np.ndarray, int]:
    """The number of the disk visible at each sample, (height, width) int32, and the number of disks drawn.

    Layers of disks are drawn from front to back, each only on the samples that are still bare: a row of a disk is a
    span of samples, and so also a span of the list of bare samples. Hidden samples cost nothing.
    """
    density = (low**-2 - high**-2) / (2 * math.pi * math.log(high / low))  # 1 / mean area of a disk
    leaf = np.empty(height * width, np.int32)
    bare = np.arange(height * width)  # in reading order
    count = 0
    while bare.size:
        most = max(bare.size, density * leaf.size)
        cover = min(2.0, 4e6 / most)  # mean number of this layer's disks over a sample; bounds the memory
        disks = _fall(height, width, low, high, cover * density, rng)
        seen = _first(disks, bare, height, width)
        leaf[bare] = seen + count
        bare = bare[seen < 0]
        count += len(disks.x)
    return leaf.reshape(height, width), count


def _fall(height: int, width: int, low: float, high: float, density: float, rng: torch.Generator) -> _Disks:
    """Disks at random places on and around the grid, in random order, with `density` centres per sample."""
    middle = math.sqrt(low * high)
    parts = []
    for a, b in (low, middle), (middle, high):  # small disks only need a narrow margin; large ones are few
        tall, wide = height + 2 * b, width + 2 * b
        expected = density * (a**-2 - b**-2) / (low**-2 - high**-2) * tall * wide
        number = int(expected + torch.rand((), generator=rng, dtype=torch.float64))
        place = torch.rand(2, number, generator=rng, dtype=torch.float64)
        parts.append(torch.stack([place[0] * wide - b, place[1] * tall - b, leaf_radii(number, rng, a, b)]))
    disks = torch.cat(parts, 1)
    order = torch.rand(disks.shape[1], generator=rng, dtype=torch.float64).argsort()
    return _Disks(*disks[:, order].numpy())


def _first(disks: _Disks, bare: np.ndarray, height: int, width: int) -> np.ndarray:
    """For every bare sample the first disk over it, or the lowest int32. Sample j sits at j + 1/2."""
    rank = np.zeros(height * width + 1, np.int32)  # rank[p]: how many bare samples come before position p
    rank[1:][bare] = 1
    np.cumsum(rank, out=rank)
    top = np.clip(np.ceil(disks.y - disks.radius - 0.5), 0, height).astype(np.int64)
    bottom = np.clip(np.floor(disks.y + disks.radius + 0.5), 0, height).astype(np.int64)
    rows = np.maximum(bottom - top, 0)[::-1]
    disk = np.repeat(np.arange(len(rows) - 1, -1, -1, dtype=np.int32), rows)  # backwards: the nearest is drawn last
    y = _ramps(top[::-1], rows)
    half = np.sqrt(np.maximum(disks.radius[disk] ** 2 - (y + 0.5 - disks.y[disk]) ** 2, 0))
    left = np.clip(np.ceil(disks.x[disk] - half - 0.5), 0, width).astype(np.int64)
    right = np.clip(np.floor(disks.x[disk] + half + 0.5), left, width).astype(np.int64)
    start = rank[y * width + left]
    length = rank[y * width + right] - start
    seen = np.full(bare.size, np.iinfo(np.int32).min, np.int32)
    seen[_ramps(start, length)] = np.repeat(disk, length)
    return seen


def _ramps(start: np.ndarray, length: np.ndarray) -> np.ndarray:
    """start[0], start[0] + 1, … (length[0] numbers), then start[1], start[1] + 1, …, and so on."""
    before = np.cumsum(length) - length
    return np.repeat(start - before, length) + np.arange(length.sum())
