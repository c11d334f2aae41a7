"""`srlib upscale`: enlarge a picture, a folder of pictures, or a video."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from torch import nn

from srlib.commands import arguments, frames, networks, video
from srlib.commands.arguments import UsageError, note, quiet
from srlib.commands.batch import Job, Naming, passed_over, plan
from srlib.commands.enlarge import LOSSY, Enlarger
from srlib.commands.progress import Bar
from srlib.inference import TILE
from srlib.io import codecs
from srlib.io.codecs import FORMATS, ImageError
from srlib.io.video_files import OLDEST

MODEL = "edsr_small"
SURVEYED = 1000  # pictures whose sizes are read beforehand, to know how long all of them will take

VIDEOS = f"""\
A video goes into a video ({", ".join(video.FORMATS)}), with its frames, times,
sound and colours; it needs PyAV (pip install "av>={OLDEST}"). A network of several
frames takes a video, or folders of frames, each a clip in the order frame2,
frame10.

"""
MANY = """\
Several processes or machines can share a folder: give each a --shard. They need
not know of each other. With --skip-existing, the same call again does what is
missing.

  Slurm         --array=1-100, and in the script
                srlib upscale IN OUT --shard $SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT
  GNU parallel  seq 8 | parallel srlib upscale IN OUT --shard {}/8
  torchrun      torchrun --nproc-per-node 4 --no-python sh -c 'srlib upscale IN OUT
                --shard $((RANK+1))/$WORLD_SIZE --device cuda:$LOCAL_RANK'
"""


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command's parser."""
    command = commands.add_parser(
        "upscale",
        help="enlarge a picture, a folder of pictures, or a video",
        epilog=VIDEOS + MANY,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    option = command.add_argument
    option("input", metavar="IN", nargs="+", help="pictures, a folder, a video, or - for standard input")
    option("output", metavar="OUT", help=f"picture ({', '.join(FORMATS)}), folder, video, or - for standard output")
    option("--model", default=MODEL, help="name from `srlib models`, or a file.safetensors (default: %(default)s)")
    option("--scale", type=arguments.scale, help="output pixels per input pixel (default: 4, or that of the file)")
    option("--tile", type=arguments.positive, default=TILE, help="tile side in input pixels (default: %(default)s)")
    option("--ensemble", action="store_true", help="self-ensemble: mean over 8 flips and rotations; 8 times the work")
    option("--device", type=arguments.device, default="cpu", help="cpu, cuda or cuda:N (default: %(default)s)")
    option(
        "--format",
        choices=[extension.removeprefix(".") for extension in FORMATS],
        help="of all results; needed for - (default: that of each name, png where it cannot hold what the picture has)",
    )
    option("--quality", type=arguments.quality, help="of JPEG (default: 95) and WebP (default: lossless), 1 to 100")
    option(
        "--crf", type=video.crf, help=f"constant rate factor of a video; lower: better, larger (default: {video.CRF})"
    )
    option(
        "--cuts",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="find cuts; a network of several frames does not look across them (default: yes)",
    )
    option("--suffix", type=arguments.name_part, help="goes after each name in a folder, such as _x4")
    option("--recursive", action="store_true", help="also the pictures in subfolders")
    option("--skip-existing", action="store_true", help="leave out pictures whose results are there")
    option("--shard", type=arguments.shard, default=(1, 1), metavar="I/N", help="only part I of N: 1/N, ..., N/N")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Enlarge and return the exit status.

    Raises: UsageError for what `plan` refuses, for a --quality or --crf without use, and for one picture where
        a network takes clips; ImageError for a single picture that cannot be read, enlarged or written; NotFiniteError
        for a network that gives NaN or infinity; and as `video.run`.
    """
    if video.is_meant(options.input, options.output):
        return video.run(options)
    if options.crf is not None:
        raise UsageError("--crf is for videos, and here are pictures")
    extension = f".{options.format}" if options.format else None
    naming, notes = Naming(extension, options.suffix or ""), []
    jobs = plan(
        options.input, options.output, naming, recursive=options.recursive, shard=options.shard, say=notes.append
    )
    if options.quality is not None:
        _check_quality(jobs, extension)
    alone = len(options.input) == 1 and not Path(options.input[0]).is_dir()
    net, name = networks.find(options.model, options.scale, clips=True).to(options.device), Path(options.model).name
    clips = _clips(net, name, jobs, alone, options.shard, notes) if getattr(net, "frames", 1) > 1 else None
    for text in notes:  # not before: an error is one line
        note(text)
    todo = [job for job in jobs if not (options.skip_existing and job.done())]
    if len(todo) < len(jobs):
        note(f"skipped: {len(jobs) - len(todo)} of {len(jobs)} pictures, whose results are there")
    for folder in {target.parent for job in todo for target in job.targets if isinstance(target, Path)}:
        folder.mkdir(parents=True, exist_ok=True)
    enlarge = Enlarger(net, options.device, name, options.tile, options.ensemble, options.quality, extension)
    status = 0
    total = None if quiet() else _pixels(todo)
    with Bar(total=total, unit="pixel", unit_scale=True, leave=len(todo) > 1, disable=quiet()) as bar:
        if clips is not None:
            skipped = [job for job in jobs if job not in todo]
            return max([frames.enlarge_clip(clip, skipped, enlarge, bar, options.cuts) for clip in clips], default=0)
        for number, job in enumerate(todo, 1):
            bar.set_description_str(f"{number}/{len(todo)} {' '.join(job.name.split())}", refresh=False)
            try:
                enlarge(job, bar)
            except (ImageError, MemoryError, RuntimeError) as error:
                if alone:
                    raise
                bar.clear()  # one bad file must not stop the others
                status = passed_over(job, error)
    return status


def _clips(
    net: nn.Module, name: str, jobs: Sequence[Job], alone: bool, shard: tuple[int, int], notes: list[str]
) -> list[list[Job]]:
    if alone:
        raise UsageError(
            f"{name} takes clips of {net.frames} frames, and here are pictures: one; choose another model, or give a "
            "folder of frames or a video"
        )
    if shard != (1, 1):
        raise UsageError(f"--shard shares pictures, and {name} takes the frames of a folder together")
    found = frames.clips(jobs)
    short = [clip[0].source for clip in found if len(clip) == 1]
    notes += [f"{source}: is a clip of one frame, which the network sees {net.frames} times" for source in short]
    return found


def _check_quality(jobs: Sequence[Job], extension: str | None) -> None:
    suffixes = {target.suffix if isinstance(target, Path) else extension for job in jobs for target in job.targets}
    kinds = {FORMATS[suffix.lower()] for suffix in suffixes if suffix}
    if kinds and not kinds & {*LOSSY}:
        raise UsageError(f"--quality is for JPEG and WebP; the results are {', '.join(sorted(kinds))}")


def _pixels(jobs: Sequence[Job]) -> int:
    """How many pixels the pictures have, from some of them where there are many."""
    sources = [job.source for job in jobs if isinstance(job.source, Path)]
    sample = sources[:: max(1, len(sources) // SURVEYED)]
    total = 0
    for source in sample:
        try:
            header = codecs.header(source)
        except ImageError:
            continue
        total += header.width * header.height
    return total * len(sources) // max(1, len(sample))
