"""What a recipe says of its data: objects that make a phase's stream from the pictures of each role."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from srlib.data.flats import WithFlats
from srlib.data.moving_layers import MovingLayers, side
from srlib.data.patches import as_hr
from srlib.data.streams import AlignedStream, Degrade, DegradedStream, PatchStream, RoundRobin, Unpaired, patches
from srlib.resample import resize

Pictures = Mapping[str, Sequence[Tensor]]


@dataclass(frozen=True)
class Pairs:
    """Pairs by bicubic downscaling of the role "hr"; several scales take turns, batch by batch.

    Args:
        lr_size: side of a patch in lr pixels.
        channels: 3 for RGB, 1 for luma.
    """

    scales: tuple[int, ...]
    lr_size: int
    channels: int = 3

    @property
    def sides(self) -> dict[str, int]:
        return {"hr": self.lr_size * max(self.scales)}

    def __call__(self, pictures: Pictures, *, seed: int, batch: int) -> PatchStream | RoundRobin:
        streams = [
            PatchStream(pictures["hr"], scale=scale, lr_size=self.lr_size, channels=self.channels, seed=seed)
            for scale in self.scales
        ]
        return streams[0] if len(streams) == 1 else RoundRobin(streams, batch=batch)


@dataclass(frozen=True)
class GivenPairs:
    """Pairs that exist, such as photographs of a scene with two lenses: the k-th of "lr" belongs to the k-th of "hr".

    Args:
        lr_size: side of a patch in lr pixels.
        channels: 3 for RGB, 1 for luma.
        symmetries: turn and flip patches at random; the blur of a camera has a direction, and so has a shift that was
            left between the two.
    """

    scale: int
    lr_size: int
    channels: int = 3
    symmetries: bool = False

    @property
    def sides(self) -> dict[str, int]:
        return {"hr": self.lr_size * self.scale, "lr": self.lr_size}

    def __call__(self, pictures: Pictures, *, seed: int, batch: int) -> AlignedStream:
        layers = zip(pictures["lr"], pictures["hr"], strict=True)
        return AlignedStream(
            ((as_hr(lr, self.channels), as_hr(hr, self.channels)) for lr, hr in layers),
            size=self.lr_size,
            scales=(1, self.scale),
            seed=seed,
            symmetries=self.symmetries,
        )


def with_patches(source: Any, lr_size: int) -> Any:
    """The same source with patches of another side, in lr pixels; of several side by side, all of them.

    Raises: ValueError for a source whose patches are not counted in lr pixels.
    """
    if isinstance(source, WithFlats):
        return replace(source, source=with_patches(source.source, lr_size))
    if isinstance(source, Together):
        return replace(source, sources=tuple(with_patches(one, lr_size) for one in source.sources))
    if isinstance(source, UnpairedPatches) and set(source.sizes) == {"lr"}:
        return replace(source, sizes={"lr": lr_size})
    if isinstance(source, DegradedPairs) and hasattr(source.degrade, "scale"):
        return replace(source, size=lr_size * source.degrade.scale)
    if not hasattr(source, "lr_size"):
        raise ValueError("the patches of this recipe have no side in lr pixels that could be changed")
    return replace(source, lr_size=lr_size)


def given(source: Any) -> GivenPairs:
    """In place of pairs that are made by downscaling, pairs that exist; flat colours among them stay away.

    Raises: ValueError for a source of something else, and for pairs of several scales.
    """
    source = source.source if isinstance(source, WithFlats) else source
    if not isinstance(source, Pairs):
        raise ValueError("this recipe makes lr itself; lr of your own is for one that learns bicubic pairs, edsr_small")
    if len(source.scales) > 1:
        scales = ", ×".join(map(str, source.scales))
        raise ValueError(f"given pairs have one scale, and this network learns ×{scales} together; take another recipe")
    return GivenPairs(source.scales[0], source.lr_size, source.channels)


@dataclass(frozen=True)
class Pyramids:
    """lr and hr at every power of two between, all by bicubic downscaling of the role "hr": ×4 gives lr, ×2 and ×4.

    Args:
        scale: 2, 4 or 8.
        lr_size: side of a patch in lr pixels.
    """

    scale: int
    lr_size: int
    channels: int = 3

    @property
    def sides(self) -> dict[str, int]:
        return {"hr": self.lr_size * self.scale}

    def __call__(self, pictures: Pictures, *, seed: int, batch: int) -> AlignedStream:
        scales = [2**k for k in range(self.scale.bit_length())]
        layers = (self._levels(as_hr(picture, self.channels), scales) for picture in pictures["hr"])
        return AlignedStream(layers, size=self.lr_size, scales=scales, seed=seed)

    def _levels(self, hr: Tensor, scales: list[int]) -> list[Tensor]:
        height, width = (n - n % self.scale for n in hr.shape[-2:])
        hr = hr[..., :height, :width]
        return [*(resize(hr, scale / self.scale) for scale in scales[:-1]), hr]


@dataclass(frozen=True)
class DegradedPairs:
    """Pairs whose lr is made of each hr patch anew, on the device that trains (`DegradedStream`).

    Args:
        size: side of a patch in hr pixels.
        degrade: hr patches and a generator for each -> lr, such as those of `srlib.random_degradations`.
        symmetries: turn and flip patches at random.
    """

    size: int
    degrade: Degrade
    channels: int = 3
    symmetries: bool = True

    @property
    def sides(self) -> dict[str, int]:
        return {"hr": self.size}

    def __call__(self, pictures: Pictures, *, seed: int, batch: int) -> DegradedStream:
        return DegradedStream(
            pictures["hr"],
            size=self.size,
            degrade=self.degrade,
            channels=self.channels,
            seed=seed,
            symmetries=self.symmetries,
        )


@dataclass(frozen=True)
class Clips:
    """Clips made of the role "hr", and the centre frame they belong to (`MovingLayers`).

    Args:
        lr_size: side of a frame in lr pixels.
        frames: of a clip, odd.
        speed: fastest motion of a layer, in lr pixels a frame.
        changes: of exposure and sharpness between frames.
    """

    scale: int
    lr_size: int
    frames: int = 5
    speed: float = 2.0
    changes: float = 0.0

    @property
    def sides(self) -> dict[str, int]:
        return {"hr": side(self.lr_size, self.scale, self.frames, self.speed)}

    def __call__(self, pictures: Pictures, *, seed: int, batch: int) -> MovingLayers:
        return MovingLayers(
            pictures["hr"],
            scale=self.scale,
            lr_size=self.lr_size,
            frames=self.frames,
            speed=self.speed,
            changes=self.changes,
            seed=seed,
        )


@dataclass(frozen=True)
class UnpairedPatches:
    """Patches of each role, such as lr photographs and hr pictures, that have nothing to do with each other.

    Args:
        sizes: role -> side of its patches in its own pixels; a batch has them in this order.
        symmetries: turn and flip patches at random.
    """

    sizes: Mapping[str, int]
    channels: int = 3
    symmetries: bool = True

    @property
    def sides(self) -> dict[str, int]:
        return dict(self.sizes)

    def __call__(self, pictures: Pictures, *, seed: int, batch: int) -> Unpaired:
        return Unpaired(
            *(
                patches(pictures[role], size=size, channels=self.channels, seed=seed + k, symmetries=self.symmetries)
                for k, (role, size) in enumerate(self.sizes.items())
            )
        )


@dataclass(frozen=True)
class Together:
    """Batches of several sources side by side: pairs, and lr that nobody has an hr of.

    Args:
        sources: each has its own roles, or shares some; a batch has their pictures in this order.
    """

    sources: tuple[Any, ...]

    @property
    def sides(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for source in self.sources:
            found |= {role: max(side, found.get(role, 0)) for role, side in source.sides.items()}
        return found

    def __call__(self, pictures: Pictures, *, seed: int, batch: int) -> Unpaired:
        # far apart: a source of several roles counts on from its seed
        made = [source(pictures, seed=seed + 1000 * k, batch=batch) for k, source in enumerate(self.sources)]
        return Unpaired(*made)
