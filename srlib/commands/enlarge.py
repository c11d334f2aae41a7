"""One picture of `srlib upscale`: read, enlarged, checked and written; one frame of a clip."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor, nn

from srlib.commands import pipes
from srlib.commands.batch import Job
from srlib.commands.progress import Bar
from srlib.inference import receptive_radius, upscale
from srlib.io import codecs
from srlib.io.codecs import FORMATS, ImageError
from srlib.io.photo import MAX_RESULT
from srlib.metrics import NotFiniteError
from srlib.resample import resize
from srlib.transparency import fill_hidden

LOSSY = ("JPEG", "WEBP")  # formats that a quality is for


@dataclass(frozen=True)
class Enlarger:
    """Enlarges pictures one after the other.

    Args:
        net: the upscaler.
        device: where it is.
        model: its name, for messages.
        tile: side in input pixels.
        ensemble: self-ensemble.
        quality: 1 to 100, of `LOSSY` formats; None: their default.
        pipe: the format of what goes into a pipe, such as ".png".

    Raises: when called, ImageError for a picture that cannot be read, enlarged or written; NotFiniteError for a
        network that gives NaN or infinity.
    """

    net: nn.Module
    device: torch.device
    model: str
    tile: int
    ensemble: bool = False
    quality: int | None = None
    pipe: str | None = None

    def __call__(self, job: Job, bar: Bar) -> None:
        """Enlarge a picture; the bar counts its pixels."""
        file = job.source if isinstance(job.source, Path) else pipes.read(job.source)
        header = codecs.header(file)
        end = bar.n + header.width * header.height
        try:
            size = self._size(job, header.height, header.width)
            target = job.target(header, size)
            if isinstance(target, str):
                kind = FORMATS[self.pipe]
                codecs.holds(kind, bits=header.bits, alpha=header.alpha, size=size, name=target)
            if not isinstance(file, Path):
                file.seek(0)
            photo = read(file)
            self._write(target, self._enlarged(job, photo, photo.pixels, bar))
        finally:
            bar.update(end - bar.n)

    def frame(self, job: Job, window: Sequence[codecs.Photo], bar: Bar) -> None:
        """Enlarge and write the middle frame of those that the network sees; the bar counts its pixels.

        Raises: as when called.
        """
        photo, header = window[len(window) // 2], codecs.header(job.source)
        target = job.target(header, self._size(job, header.height, header.width))
        self._write(target, self._enlarged(job, photo, stacked([one.pixels for one in window]), bar))

    def pixels(self, lr: Tensor, name: str, progress: Callable[[int, int], None] | None = None) -> Tensor:
        """What the network makes of lr (1, C, h, w), or of a clip (1, T, C, h, w); not clamped, on the CPU.

        Args:
            name: of the picture, for messages.
            progress: as for `inference.upscale`.

        Raises: NotFiniteError for NaN or infinity.
        """
        tile = self.tile if self.net.scale == int(self.net.scale) else None  # tiles meet only at whole pixels
        overlap = self._overlap if tile and max(lr.shape[-2:]) > tile else None
        lr = lr.to(self.device)
        sr = upscale(self.net, lr, tile=tile, overlap=overlap, ensemble=self.ensemble, progress=progress)
        if not _is_finite(sr):
            raise NotFiniteError(
                f"{self.model} gives NaN or infinity for {name}; its weights are damaged, or its training diverged"
            )
        return sr.cpu()

    @cached_property
    def _overlap(self) -> int:
        """Of tiles, measured once for all pictures."""
        return receptive_radius(self.net, getattr(self.net, "channels", None) or 3, self.device)

    def _size(self, job: Job, height: int, width: int) -> tuple[int, int]:
        height, width = math.ceil(height * self.net.scale), math.ceil(width * self.net.scale)
        if height * width > MAX_RESULT:
            raise ImageError(
                f"{job.name}: the result would have {width} x {height} pixels, more than the limit of "
                f"{MAX_RESULT // 10**6} megapixels; use a smaller --scale, or cut the picture into parts"
            )
        return height, width

    def _enlarged(self, job: Job, photo: codecs.Photo, lr: Tensor, bar: Bar) -> codecs.Photo:
        start, pixels = bar.n, photo.pixels.shape[-2] * photo.pixels.shape[-1]

        def progress(done: int, total: int) -> None:
            bar.update(start + pixels * done // total - bar.n)

        sr = self.pixels(lr, job.name, progress)
        alpha = None if photo.alpha is None else resize(photo.alpha, self.net.scale)
        return replace(photo, pixels=sr, alpha=alpha)

    def _write(self, target: Path | str, photo: codecs.Photo) -> None:
        kind = FORMATS[target.suffix.lower() if isinstance(target, Path) else self.pipe]
        quality = self.quality if kind in LOSSY else None
        if isinstance(target, Path):
            codecs.save(target, photo, quality=quality)
        else:
            pipes.write(target, codecs.encode(kind, photo, quality=quality))


def read(source: Path | BinaryIO) -> codecs.Photo:
    """A picture whose hidden pixels have the colours of those beside them.

    Raises: ImageError as `codecs.load`.
    """
    photo = codecs.load(source)
    return photo if photo.alpha is None else replace(photo, pixels=fill_hidden(photo.pixels, photo.alpha))


def stacked(window: Sequence[Tensor]) -> Tensor:
    """Frames (1, C, h, w) as a clip (1, T, C, h, w); grey ones among those in colour get three channels."""
    channels = max(frame.shape[1] for frame in window)
    return torch.stack([frame.expand(-1, channels, -1, -1) for frame in window], 1)


def _is_finite(image: Tensor) -> bool:
    """Whether no value is NaN or infinite; a sum needs no memory, and only a sum that overflows a second look."""
    return bool(image.sum().isfinite()) or bool(image.isfinite().all())
