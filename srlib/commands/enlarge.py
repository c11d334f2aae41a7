"""One picture of `srlib upscale`: read, enlarged, checked and written."""

import math
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from srlib.commands import pipes
from srlib.commands.batch import Job
from srlib.commands.progress import Bar
from srlib.inference import upscale
from srlib.io import codecs
from srlib.io.codecs import FORMATS, ImageError
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
            photo = self._enlarged(job, codecs.load(file), bar)
            self._write(target, photo)
        finally:
            bar.update(end - bar.n)

    def _size(self, job: Job, height: int, width: int) -> tuple[int, int]:
        height, width = math.ceil(height * self.net.scale), math.ceil(width * self.net.scale)
        if height * width > codecs.MAX_PIXELS:
            raise ImageError(
                f"{job.name}: the result would have {width} x {height} pixels, more than the limit of "
                f"{codecs.MAX_PIXELS // 10**6} megapixels; use a smaller --scale, or cut the picture into parts"
            )
        return height, width

    def _enlarged(self, job: Job, photo: codecs.Photo, bar: Bar) -> codecs.Photo:
        if photo.alpha is not None:
            photo = replace(photo, pixels=fill_hidden(photo.pixels, photo.alpha))
        scale, start, pixels = self.net.scale, bar.n, photo.pixels.shape[-2] * photo.pixels.shape[-1]
        tile = self.tile if scale == int(scale) else None  # tiles meet only at whole pixels

        def progress(done: int, total: int) -> None:
            bar.update(start + pixels * done // total - bar.n)

        lr = photo.pixels.to(self.device)
        sr = upscale(self.net, lr, tile=tile, ensemble=self.ensemble, progress=progress)
        if not _is_finite(sr):
            raise NotFiniteError(
                f"{self.model} gives NaN or infinity for {job.name}; its weights are damaged, or its training diverged"
            )
        alpha = None if photo.alpha is None else resize(photo.alpha, scale)
        return replace(photo, pixels=sr.cpu(), alpha=alpha)

    def _write(self, target: Path | str, photo: codecs.Photo) -> None:
        kind = FORMATS[target.suffix.lower() if isinstance(target, Path) else self.pipe]
        quality = self.quality if kind in LOSSY else None
        if isinstance(target, Path):
            codecs.save(target, photo, quality=quality)
        else:
            pipes.write(target, codecs.encode(kind, photo, quality=quality))


def _is_finite(image: Tensor) -> bool:
    """Whether no value is NaN or infinite; a sum needs no memory, and only a sum that overflows a second look."""
    return bool(image.sum().isfinite()) or bool(image.isfinite().all())
