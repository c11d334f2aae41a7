"""Training data: aligned patches, cut from pictures that stay in memory, each a pure function of (seed, index)."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from srlib.data.patches import as_hr, gather, pack
from srlib.resample import resize

Degrade = Callable[[Tensor, Sequence[torch.Generator]], Tensor]


class AlignedStream:
    """An endless stream of the same patch of several aligned images: `stream[i]` depends on `seed` and `i` alone.

    The layers may be a pair (lr, hr), the levels of a pyramid, or the frames of a clip and what they shall become. They
    are kept as bytes, each in one long table of pixels. A patch is a set of rows of the table: place, flip and
    transposition are arithmetic on indices, so that a whole batch is cut by one gather a layer on the device that
    trains, and nobody waits for a decoder. Every place in every picture is equally likely.

    Args:
        pictures: the layers of each, (1, 1 or 3, H, W), float in [0, 1] or uint8; the k-th has scales[k] times the
            sides of the first, whose scale is 1.
        size: side of a patch in pixels of the first layer.
        symmetries: turn and flip patches at random; not for what depends on the direction, such as a camera's blur.

    Shapes: stream[i] -> for each layer (C, scale·size, scale·size), float32 in [0, 1].
    Raises: ValueError for no pictures, for layers that do not fit each other, for a picture smaller than a patch, and
        for impossible settings.
    """

    def __init__(
        self,
        pictures: Iterable[Sequence[Tensor]],
        *,
        size: int,
        scales: Sequence[int] = (1,),
        seed: int = 0,
        symmetries: bool = True,
    ) -> None:
        if size < 1 or not scales or scales[0] != 1 or min(scales) < 1:
            raise ValueError(f"size must be at least 1 and scales begin with 1, got {size} and {tuple(scales)}")
        self.size, self.scales, self.seed, self.symmetries = size, tuple(scales), seed, symmetries
        tables: list[list[Tensor]] = [[] for _ in self.scales]
        sizes = []
        for layers in pictures:
            sizes.append(self._checked(layers))
            for table, layer in zip(tables, layers, strict=True):
                table.append(pack(layer))
        if not sizes:
            raise ValueError(f"{type(self).__name__} got no pictures")
        self._tables = [torch.cat(table) for table in tables]
        self.sizes = np.array(sizes)  # of the first layers
        pixels, places = self.sizes.prod(1), (self.sizes - size + 1).prod(1)
        self._first_pixel = pixels.cumsum() - pixels
        self._places = places.cumsum()

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        return tuple(layer[0] for layer in self.batch([index]))

    def batch(self, indices: Sequence[int], device: torch.device | str = "cpu") -> tuple[Tensor, ...]:
        """The samples of these indices, stacked, on a device.

        Shapes: -> for each layer (N, C, scale·size, scale·size), channels last.
        """
        place, symmetry = self._draw(indices)
        picture = np.searchsorted(self._places, place, side="right")
        place = place - np.concatenate([[0], self._places])[picture]
        width = self.sizes[picture, 1]
        row, column = np.divmod(place, width - self.size + 1)
        self.to(device)
        found = []
        for table, scale in zip(self._tables, self.scales, strict=True):
            first = self._first_pixel[picture] * scale**2 + row * scale * width * scale + column * scale
            found.append(gather(table, first, width * scale, self.size * scale, symmetry))
        return tuple(found)

    def to(self, device: torch.device | str) -> "AlignedStream":
        """Keep the pictures on this device from now on."""
        self._tables = [table.to(device) for table in self._tables]
        return self

    @property
    def nbytes(self) -> int:
        """Memory of the pictures, in bytes."""
        return sum(table.nbytes for table in self._tables)

    def _draw(self, indices: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """For each index a place among all, and one of the eight symmetries."""
        drawn = []
        for index in indices:
            rng = np.random.Generator(np.random.Philox(key=[self.seed, index]))
            drawn.append((rng.integers(self._places[-1]), rng.integers(8) if self.symmetries else 0))
        return tuple(np.array(drawn).T)

    def _checked(self, layers: Sequence[Tensor]) -> tuple[int, int]:
        """Height and width of the first layer, if all fit."""
        height, width = layers[0].shape[-2:]
        shapes = [tuple(layer.shape) for layer in layers]
        wanted = [(height * scale, width * scale) for scale in self.scales]
        if [shape[-2:] for shape in shapes] != wanted or any(shape[:-3] != (1,) for shape in shapes):
            raise ValueError(f"layers must be images (1, C, H, W) at scales {self.scales}, got shapes {shapes}")
        if min(height, width) < self.size:
            sides = f"{width * self.scales[-1]} x {height * self.scales[-1]}"
            side = self.size * self.scales[-1]
            raise ValueError(f"a picture of {sides} pixels has no patch of {side} x {side}")
        return height, width


class PatchStream(AlignedStream):
    """Pairs (lr, hr), lr by bicubic downscaling of the whole picture: `stream[i]` depends on `seed` and `i` alone.

    Args:
        pictures: hr images (1, 1 or 3, H, W), float in [0, 1] or uint8; a grey one counts as RGB with equal channels.
        lr_size: side of a patch in lr pixels.
        channels: 3 for RGB, 1 for the luma that networks on Y are trained on.

    Shapes: stream[i] -> lr (C, lr_size, lr_size), hr (C, scale·lr_size, scale·lr_size), float32 in [0, 1].
    Raises: ValueError as `AlignedStream`, and for what is no picture.
    """

    def __init__(
        self, pictures: Iterable[Tensor], *, scale: int, lr_size: int = 32, channels: int = 3, seed: int = 0
    ) -> None:
        if scale < 1 or lr_size < 1:
            raise ValueError(f"scale and lr_size must be at least 1, got {scale} and {lr_size}")
        self.scale, self.lr_size, self.channels = scale, lr_size, channels
        pairs = (self._pair(as_hr(picture, channels)) for picture in pictures)
        super().__init__(pairs, size=lr_size, scales=(1, scale), seed=seed)

    def _pair(self, hr: Tensor) -> tuple[Tensor, Tensor]:
        height, width = (n - n % self.scale for n in hr.shape[-2:])
        if min(height, width) < self.scale * self.lr_size:
            side = self.scale * self.lr_size
            raise ValueError(f"a picture of {hr.shape[-1]} x {hr.shape[-2]} pixels has no patch of {side} x {side}")
        hr = hr[..., :height, :width]
        return resize(hr, 1 / self.scale), hr


class DegradedStream:
    """Pairs (lr, hr) whose lr is made of the hr patch when the batch is cut, on the device that trains.

    Args:
        pictures: hr images as for `PatchStream`.
        size: side of a patch in hr pixels.
        degrade: (hr (N, C, size, size), a generator for each sample, on the device of hr) -> lr; what it draws for a
            sample, it draws from the generator of that sample.

    Shapes: stream[i] -> lr as `degrade` makes it, hr (C, size, size), float32 in [0, 1].
    Raises: ValueError as `PatchStream`.
    """

    def __init__(
        self,
        pictures: Iterable[Tensor],
        *,
        size: int,
        degrade: Degrade,
        channels: int = 3,
        seed: int = 0,
        symmetries: bool = True,
    ) -> None:
        self.degrade, self.seed = degrade, seed
        self.hr = patches(pictures, size=size, channels=channels, seed=seed, symmetries=symmetries)

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        return tuple(layer[0] for layer in self.batch([index]))

    def batch(self, indices: Sequence[int], device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
        """As `AlignedStream.batch`."""
        (hr,) = self.hr.batch(indices, device)
        return self.degrade(hr, [sample_generator(self.seed, index, device) for index in indices]), hr


class Unpaired:
    """Samples of several streams side by side that have nothing to do with each other: lr of one camera, hr of another.

    Raises: ValueError for streams of one seed, which would cut the same places at the same time.
    """

    def __init__(self, *streams: "AlignedStream | DegradedStream | Unpaired") -> None:
        self.streams = streams
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"unpaired streams need seeds of their own, got {self.seeds}")

    @property
    def seeds(self) -> list[int]:
        """Those of all streams, also of those inside others."""
        found = [stream.seeds if isinstance(stream, Unpaired) else [stream.seed] for stream in self.streams]
        return [seed for seeds in found for seed in seeds]

    def batch(self, indices: Sequence[int], device: torch.device | str = "cpu") -> tuple[Tensor, ...]:
        """The batches of all streams, one after the other."""
        return tuple(layer for stream in self.streams for layer in stream.batch(indices, device))


class RoundRobin:
    """Streams that take turns, batch by batch, for a network of several scales (Lim et al., CVPRW 2017, sec. 3.2).

    Args:
        batch: as the training's; batch k comes from stream k mod n, whole.

    Raises: ValueError for no streams.
    Differs from the paper: the scales take turns, where the paper draws one at random.
    """

    def __init__(self, streams: Sequence[AlignedStream], *, batch: int) -> None:
        if not streams:
            raise ValueError("RoundRobin got no streams")
        self.streams, self.size = streams, batch

    def batch(self, indices: Sequence[int], device: torch.device | str = "cpu") -> tuple[Tensor, ...]:
        """As `AlignedStream.batch`, of the stream whose turn it is."""
        return self.streams[indices[0] // self.size % len(self.streams)].batch(indices, device)


def sample_generator(seed: int, index: int, device: torch.device | str = "cpu") -> torch.Generator:
    """The random numbers of one sample: those of (seed, index), on every kind of device its own."""
    drawn = np.random.Philox(key=[seed, index]).jumped().random_raw()
    return torch.Generator(device).manual_seed(int(drawn >> 1))


def patches(
    pictures: Iterable[Tensor], *, size: int, channels: int = 3, seed: int = 0, symmetries: bool = True
) -> AlignedStream:
    """A stream of patches of one kind of image, without a partner: batches are tuples of one tensor.

    Args:
        pictures: as for `PatchStream`.
        size: side of a patch in pixels.

    Raises: ValueError as `PatchStream`.
    """
    layers = ((as_hr(picture, channels),) for picture in pictures)
    return AlignedStream(layers, size=size, seed=seed, symmetries=symmetries)
