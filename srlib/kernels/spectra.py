"""Spectra of pictures beside those of the same pictures at half size: what an estimate of their blur starts from."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from srlib.frequency import hann
from srlib.images import grey
from srlib.resample import resize

SIZES = (96, 64, 48, 32)  # sides of the windows, in pixels of the halved picture
MAX_REGIONS = 64  # of one picture: more of a huge photo would only outvote the others
_FLAT = 1e-7  # mean power of a region that holds one colour


class KernelError(ValueError):
    """Pictures that say nothing about their blur."""


@dataclass(frozen=True)
class Grid:
    """The half plane of frequencies of `torch.fft.rfft2` on n² pixels.

    Args:
        right, up: cycles per pixel.
        used: which entries count: one of each conjugate pair, without the lowest, which the window smears.
        response: power response of bicubic halving at the frequencies of the small picture.
        noise: power of white noise of variance one after halving.
    """

    right: Tensor
    up: Tensor
    used: Tensor
    response: Tensor
    noise: Tensor

    @property
    def radius(self) -> Tensor:
        """Distance from frequency zero, in cycles per pixel."""
        return torch.hypot(self.right, self.up)


@dataclass(frozen=True)
class Spectra:
    """Mean power of each region at full size (four windows) and at half size (one window of the same content).

    Args:
        full, half: (R, n, n // 2 + 1) float64, of luma.
        picture: (R,) which picture a region is of.
        skipped: pictures too small for a window.
        flat: pictures without any detail.
    """

    full: Tensor
    half: Tensor
    picture: Tensor
    skipped: int = 0
    flat: int = 0

    @property
    def size(self) -> int:
        """Side of the windows."""
        return self.full.shape[-2]

    @property
    def pictures(self) -> int:
        """How many pictures have a region."""
        return len(self.picture.unique())

    def mean(self, regions: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Spectra at full and at half size, averaged over regions that count by their contrast's inverse.

        A few strong edges would otherwise decide alone. Both spectra have the same weights, and white noise in all
        regions keeps its power.

        Args:
            regions: indices, with repetitions; default: all.

        Shapes: -> (n, n // 2 + 1) twice.
        """
        power = self.half.mean((1, 2))
        weight = 1 / (power + power.median())
        full, half = self.full, self.half
        if regions is not None:
            full, half, weight = full[regions], half[regions], weight[regions]
        weight = (weight / weight.sum())[:, None, None]
        return (full * weight).sum(0), (half * weight).sum(0)


def collect(pictures: Iterable[Tensor]) -> Spectra:
    """Window and transform every picture and its bicubic half.

    The window is the largest of `SIZES` that fits at least half of all pixels. A region of 2n x 2n pixels gives four
    windows of n x n at full size and one at half size, so that both show the same things.

    Shapes: pictures (1, 1 or 3, H, W) in [0, 1], of any sizes.
    Raises: KernelError for no pictures, for pictures that are all too small, and for pictures without any detail;
        ValueError for other than 1 or 3 channels.
    """
    planes = [grey(picture)[0, 0] for picture in pictures]
    if not planes:
        raise KernelError("no pictures to estimate a blur from")
    size = _window(planes)
    full, half, owner, skipped, flat = [], [], [], 0, 0
    for number, plane in enumerate(planes):
        if min(plane.shape) < 2 * size:
            skipped += 1
            continue
        found = [region for region in _regions(plane, size) if region[1].mean() > _FLAT]
        flat += not found
        full += [region[0] for region in found]
        half += [region[1] for region in found]
        owner += [number] * len(found)
    if not full:
        raise KernelError("the pictures are flat: without detail nothing shows how blurred they are")
    return Spectra(torch.stack(full).double(), torch.stack(half).double(), torch.tensor(owner), skipped, flat)


def _window(planes: list[Tensor]) -> int:
    area = sum(plane.numel() for plane in planes)
    for size in SIZES:
        if 2 * sum(plane.numel() for plane in planes if min(plane.shape) >= 2 * size) >= area:
            return size
    longest = max(min(plane.shape) for plane in planes)
    if longest >= 2 * SIZES[-1]:
        return SIZES[-1]
    raise KernelError(f"a blur is estimated from pictures of at least {2 * SIZES[-1]} pixels a side, not {longest}")


def _regions(plane: Tensor, size: int) -> list[tuple[Tensor, Tensor]]:
    """(mean power of the four windows, power of the window of the half), for regions that overlap by half."""
    plane = plane[: plane.shape[0] // 2 * 2, : plane.shape[1] // 2 * 2]
    small = resize(plane[None, None], 0.5)[0, 0]
    tops, lefts = (_starts(length, size) for length in small.shape)
    corners = [(top, left) for top in tops for left in lefts]
    step = math.ceil(len(corners) / MAX_REGIONS)
    window = hann(size, size).to(plane)
    found = []
    for top, left in corners[::step]:
        large = plane[2 * top : 2 * (top + size), 2 * left : 2 * (left + size)]
        large = large.unflatten(1, (2, size)).unflatten(0, (2, size)).permute(0, 2, 1, 3).flatten(0, 1)
        crops = torch.cat([large, small[None, top : top + size, left : left + size]])
        crops = (crops - crops.mean((-2, -1), keepdim=True)) * window
        power = torch.fft.rfft2(crops, norm="ortho").abs().square()
        found.append((power[:4].mean(0), power[4]))
    return found


def _starts(length: int, size: int) -> list[int]:
    """Evenly spread places for windows that overlap by about a half."""
    count = 1 + round(2 * (length - size) / size)
    return torch.linspace(0, length - size, count).round().long().unique().tolist()


@lru_cache(maxsize=len(SIZES))
def grid(size: int) -> Grid:
    """The frequencies of windows of `size`² pixels, and what halving does to signal and noise there."""
    rows = torch.fft.fftfreq(size, dtype=torch.float64)
    columns = rows[: size // 2 + 1].abs()
    up, right = -rows[:, None].expand(-1, len(columns)), columns.expand(size, -1)
    signal, alias = (_halving(rows / 2 + shift) for shift in (0, 0.5))
    noise = (signal + alias) / 2
    used = (torch.hypot(up, right) > 0.03).clone()
    used[size // 2 + 1 :, 0] = used[size // 2] = False
    used[:, -1] = False
    cut = len(columns)
    return Grid(right, up, used, signal[:, None] * signal[:cut], noise[:, None] * noise[:cut])


def _halving(frequency: Tensor) -> Tensor:
    """Power response of bicubic halving along one axis, at frequencies of the full picture."""
    length = 32
    impulses = torch.eye(length, dtype=torch.float64)[None, None]
    taps = resize(impulses, size=(length, length // 2))[0, 0, :, length // 4]
    waves = torch.exp(-2j * math.pi * frequency[:, None] * torch.arange(length))
    return (waves * taps).sum(1).abs().square()
