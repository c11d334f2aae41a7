"""Training data: aligned patches, cut from pictures that stay in memory, each a pure function of (seed, index)."""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from srlib import images
from srlib.resample import resize


class PatchStream:
    """An endless stream of pairs (lr, hr): `stream[i]` depends on `seed` and `i` alone.

    The pictures are kept as bytes, hr and lr, each in one long table of pixels. A patch is a set of rows of the
    table: place, flip and transposition are arithmetic on indices, so that a whole batch is cut by one gather on the
    device that trains, and nobody waits for a decoder. Every place in every picture is equally likely.

    Args:
        pictures: hr images (1, 1 or 3, H, W), float in [0, 1] or uint8; a grey one counts as RGB with equal channels.
        lr_size: side of a patch in lr pixels.
        channels: 3 for RGB, 1 for the luma that networks on Y are trained on.

    Shapes: stream[i] -> lr (C, lr_size, lr_size), hr (C, scale·lr_size, scale·lr_size), float32 in [0, 1].
    Raises: ValueError for no pictures, for one smaller than a patch, and for impossible settings.
    """

    def __init__(self, pictures: Iterable[Tensor], *, scale: int, lr_size: int = 32, channels: int = 3, seed: int = 0):
        if channels not in (1, 3):
            raise ValueError(f"channels must be 1 (luma) or 3 (RGB), got {channels}")
        if scale < 1 or lr_size < 1:
            raise ValueError(f"scale and lr_size must be at least 1, got {scale} and {lr_size}")
        self.scale, self.lr_size, self.channels, self.seed = scale, lr_size, channels, seed
        lr_tables, hr_tables, sizes = [], [], []
        for picture in pictures:
            lr, hr = self._pair(picture)
            sizes.append(lr.shape[-2:])
            lr_tables.append(_pack(lr))
            hr_tables.append(_pack(hr))
        if not sizes:
            raise ValueError("PatchStream got no pictures")
        self._lr, self._hr = torch.cat(lr_tables), torch.cat(hr_tables)
        self.sizes = np.array(sizes)  # of the lr pictures
        pixels, places = self.sizes.prod(1), (self.sizes - lr_size + 1).prod(1)
        self._first_pixel = pixels.cumsum() - pixels
        self._places = places.cumsum()

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        lr, hr = self.batch([index])
        return lr[0], hr[0]

    def batch(self, indices: Sequence[int], device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
        """The samples of these indices, stacked, on a device.

        Shapes: -> lr (N, C, lr_size, lr_size), hr (N, C, scale·lr_size, scale·lr_size), channels last.
        """
        place, symmetry = self._draw(indices)
        picture = np.searchsorted(self._places, place, side="right")
        place = place - np.concatenate([[0], self._places])[picture]
        width = self.sizes[picture, 1]
        row, column = np.divmod(place, width - self.lr_size + 1)
        first = self._first_pixel[picture]
        lr = first + row * width + column
        hr = first * self.scale**2 + row * self.scale * width * self.scale + column * self.scale
        self.to(device)
        return (
            _cut(self._lr, lr, width, self.lr_size, symmetry),
            _cut(self._hr, hr, width * self.scale, self.lr_size * self.scale, symmetry),
        )

    def to(self, device: torch.device | str) -> "PatchStream":
        """Keep the pictures on this device from now on."""
        self._lr, self._hr = self._lr.to(device), self._hr.to(device)
        return self

    @property
    def nbytes(self) -> int:
        """Memory of the pictures, in bytes."""
        return self._lr.nbytes + self._hr.nbytes

    def _draw(self, indices: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """For each index a place among all, and one of the eight symmetries."""
        drawn = []
        for index in indices:
            rng = np.random.Generator(np.random.Philox(key=[self.seed, index]))
            drawn.append((rng.integers(self._places[-1]), rng.integers(8)))
        return tuple(np.array(drawn).T)

    def _pair(self, hr: Tensor) -> tuple[Tensor, Tensor]:
        if hr.dtype == torch.uint8 and hr.ndim == 4:
            hr = images.from_uint8(hr)
        if not hr.is_floating_point() or hr.ndim != 4 or hr.shape[0] != 1 or hr.shape[1] not in (1, 3):
            raise ValueError(
                f"a picture must be a float or uint8 image (1, 1 or 3, H, W), got {hr.dtype} {tuple(hr.shape)}"
            )
        height, width = (n - n % self.scale for n in hr.shape[-2:])
        if min(height, width) < self.scale * self.lr_size:
            side = self.scale * self.lr_size
            raise ValueError(f"a picture of {hr.shape[-1]} x {hr.shape[-2]} pixels has no patch of {side} x {side}")
        hr = hr[..., :height, :width]
        if self.channels == 1:
            hr = images.to_y(hr) if hr.shape[1] == 3 else hr
        else:
            hr = hr.expand(-1, 3, -1, -1)
        return resize(hr, 1 / self.scale), hr


class TakingTurns:
    """Streams that take turns, batch by batch, for a network of several scales (Lim et al., CVPRW 2017, sec. 3.2).

    Args:
        batch: as the training's; batch k comes from stream k mod n, whole.

    Differs from the paper: the scales take turns, where the paper draws one at random.
    """

    def __init__(self, streams: Sequence[PatchStream], *, batch: int):
        if not streams:
            raise ValueError("TakingTurns got no streams")
        self.streams, self.size = streams, batch

    def batch(self, indices: Sequence[int], device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
        """As `PatchStream.batch`, of the stream whose turn it is."""
        return self.streams[indices[0] // self.size % len(self.streams)].batch(indices, device)


def _pack(image: Tensor) -> Tensor:
    """(1, C, h, w) -> (h·w,): a byte a pixel for luma; for RGB four bytes that travel as one number."""
    pixels = (image[0].clamp(0, 1) * 255).round().to(torch.uint8).movedim(0, -1).flatten(0, 1)  # (h·w, C)
    if pixels.shape[1] == 1:
        return pixels[:, 0].contiguous()
    return torch.cat([pixels, torch.zeros_like(pixels[:, :1])], 1).view(torch.int32)[:, 0].contiguous()


def _cut(table: Tensor, first: np.ndarray, width: np.ndarray, size: int, symmetry: np.ndarray) -> Tensor:
    """Patches whose upper left pixels are `first`, flipped and transposed as `warp.dihedral` does.

    Shapes: table (pixels,), first, width, symmetry (N,) -> (N, C, size, size) float32 in [0, 1].
    """
    flip_columns, flip_rows, transpose = symmetry & 1, symmetry >> 1 & 1, symmetry >> 2 & 1
    down, right = np.where(flip_rows, -width, width), np.where(flip_columns, -1, 1)
    first = first + (flip_rows * width + flip_columns) * (size - 1)
    down, right = np.where(transpose, right, down), np.where(transpose, down, right)
    first, down, right = torch.from_numpy(np.stack([first, down, right])).to(table.device)[..., None, None]
    step = torch.arange(size, device=table.device)
    pixels = table.take(first + down * step[:, None] + right * step)  # (N, size, size)
    pixels = pixels[..., None].view(torch.uint8)[..., :3] if table.dtype == torch.int32 else pixels[..., None]
    return pixels.movedim(-1, 1).float().div_(255)
