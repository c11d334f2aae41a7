"""`srlib upscale` with a network that sees several frames: the pictures of each folder are one clip."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from srlib.commands.arguments import UsageError
from srlib.commands.batch import Job, passed_over
from srlib.commands.enlarge import Enlarger, read
from srlib.commands.progress import Bar
from srlib.io import codecs
from srlib.io.codecs import ImageError
from srlib.io.photo import Photo
from srlib.video.clips import scenes, windows


def clips(jobs: Sequence[Job]) -> list[list[Job]]:
    """The jobs of each folder in the order of their frames, frame2 before frame10.

    Raises: UsageError for what comes through a pipe, and for frames of several sizes; ImageError for a frame that is
        no picture.
    """
    folders: dict[Path, list[Job]] = {}
    for job in jobs:
        if not isinstance(job.source, Path):
            raise UsageError("a clip is a folder of frames, or a video; one picture comes through a pipe")
        folders.setdefault(job.source.parent, []).append(job)
    found = [sorted(clip, key=lambda job: natural(job.name)) for clip in folders.values()]
    for clip in found:
        _check_sizes(clip)
    return found


def natural(name: str) -> tuple:
    """Sort key for names with numbers: frame2 comes before frame10."""
    words = re.split(r"([0-9]+)", name)
    return tuple((int(word), "") if k % 2 else (-1, word) for k, word in enumerate(words)), name


def _check_sizes(clip: Sequence[Job]) -> None:
    first = None
    for job in clip:
        header = codecs.header(job.source)
        size = header.width, header.height
        first = first or size
        if size != first:
            raise UsageError(
                f"{job.source}: has {size[0]} x {size[1]} pixels, and {clip[0].name} has {first[0]} x {first[1]}; the "
                "frames of a clip have one size"
            )


def enlarge_clip(clip: Sequence[Job], done: Sequence[Job], enlarge: Enlarger, bar: Bar, cuts: bool) -> int:
    """Enlarge the frames of a clip, each seen among its neighbours; the exit status.

    Args:
        done: of them, those that stay as they are.
        cuts: whether a network may not look across a cut from scene to scene.

    Raises: as `passed_over`.
    """
    done = set(done)
    if done.issuperset(clip):
        return 0
    found = windows(_photos(clip), enlarge.net.frames, cuts=_scenes if cuts else None)
    for job in clip:
        bar.set_description_str(" ".join(job.name.split()), refresh=False)
        try:
            window = next(found)
            if job not in done:
                enlarge.frame(job, window, bar)
        except (ImageError, MemoryError, RuntimeError) as error:
            bar.clear()
            return passed_over(job, error)  # what comes after would lack a frame
    return 0


def _photos(clip: Sequence[Job]) -> Iterator[Photo]:
    for job in clip:
        yield read(job.source)


def _scenes(photos: Iterator[Photo]) -> Iterator[tuple[Photo, bool]]:
    return scenes(photos, lambda photo: photo.pixels)
