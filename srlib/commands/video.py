"""`srlib upscale` on a video: frame by frame into another, with its times, colours and sound."""

import argparse
import math
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from srlib.commands import networks, pipes
from srlib.commands.arguments import UsageError, is_number, note, quiet
from srlib.commands.enlarge import Enlarger, stacked
from srlib.commands.progress import Bar
from srlib.io.video import Reader
from srlib.io.video_files import SUFFIXES, library
from srlib.io.video_writer import CRF, FORMATS, writing
from srlib.video.clips import scenes, windows


def crf(text: str) -> float:
    """Type of `--crf`: 0 to 51.

    Raises: ArgumentTypeError for anything else.
    """
    if not is_number(text) or not 0 <= float(text) <= 51:
        raise argparse.ArgumentTypeError(f"{text!r} is not a constant rate factor between 0 and 51")
    return float(text)


def is_meant(inputs: Sequence[str], output: str) -> bool:
    """Whether the words of a command line name a video that goes in, or one that comes out."""
    names = [name for name in inputs if not Path(name).is_dir()]
    into = Path(output).suffix.lower() in FORMATS and not Path(output).is_dir() and not _is_folder_name(output)
    return into or any(Path(name).suffix.lower() in SUFFIXES for name in names)


def run(options: argparse.Namespace) -> int:
    """Enlarge a video and return the exit status.

    Raises: UsageError for what only pictures have; VideoError for a video that cannot be read or written;
        NotFiniteError for a network that gives NaN or infinity.
    """
    source, target = _places(options)
    library()
    if options.skip_existing and target.is_file() and target.stat().st_size:
        note(f"skipped: {target}, which is there")
        return 0
    with Reader(source) as reader:
        header = reader.header
        net = networks.find(options.model, options.scale, clips=True).to(options.device)
        if target.parent != Path(options.output).parent:  # OUT is a folder, perhaps a new one
            target.parent.mkdir(parents=True, exist_ok=True)
        enlarge = Enlarger(net, options.device, Path(options.model).name, options.tile, options.ensemble)
        size = math.ceil(header.height * net.scale), math.ceil(header.width * net.scale)
        frames = getattr(net, "frames", 1)
        cuts = partial(scenes, pixels=lambda frame: frame.pixels) if options.cuts and frames > 1 else None
        with writing(target, size, reader, crf=CRF if options.crf is None else options.crf) as writer:
            for text in (*header.notes, *writer.notes):
                note(f"{source.name}: {text}")
            bar = Bar(total=header.frames, unit="frame", desc=" ".join(source.name.split()), disable=quiet())
            with bar:
                for window in windows(reader.frames(writer.copy), frames, cuts=cuts):
                    frame = window[frames // 2]
                    lr = frame.pixels if frames == 1 else stacked([one.pixels for one in window])
                    writer.write(enlarge.pixels(lr, source.name), frame.pts, frame.duration)
                    bar.update(1)
        if reader.patched:
            note(f"{source.name}: {reader.patched} of its frames are damaged; FFmpeg has patched them")
    return 0


def _is_folder_name(word: str) -> bool:
    return word.endswith(("/", os.sep))


def _places(options: argparse.Namespace) -> tuple[Path, Path]:
    """The video and where it goes.

    A folder takes it under its own name; under .mkv, which holds any sound, where that kind is not written.
    """
    for name in ("format", "quality", "suffix"):
        if getattr(options, name) is not None:
            raise UsageError(f"--{name} is for pictures; a video has --crf, and the kind that the name of OUT says")
    if options.recursive or options.shard != (1, 1):
        raise UsageError("--recursive and --shard are for folders of pictures; there is one video")
    if len(options.input) > 1:
        raise UsageError(f"one video at a time; there are {len(options.input)} inputs")
    (word,), output = options.input, options.output
    if "" in (word, output):
        raise UsageError("a name is empty; is a variable unset?")
    if pipes.is_pipe(word) or pipes.is_pipe(output):
        raise UsageError("a video is not read from or written into a pipe; name two files")
    source, target = Path(word), Path(output)
    if source.is_dir():
        raise UsageError(
            f"{word} is a folder, and {output} a video; frames go into a folder, since nothing says how fast they are"
        )
    if target.is_dir() or _is_folder_name(output):
        target = target / (source.name if source.suffix.lower() in FORMATS else f"{source.stem}.mkv")
    elif target.suffix.lower() not in FORMATS:
        raise UsageError(f"{word} is a video, and {output} is not the name of one; use {', '.join(FORMATS)}")
    if source.exists() and target.exists() and source.samefile(target):
        raise UsageError(f"{target}: is the input file; choose another output")
    return source, target
