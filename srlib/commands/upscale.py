"""`srlib upscale`: enlarge a picture or a folder of pictures."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from srlib.commands import arguments, networks
from srlib.commands.arguments import UsageError, note, quiet
from srlib.commands.batch import Job, Naming, passed_over, plan
from srlib.commands.enlarge import LOSSY, Enlarger
from srlib.commands.progress import Bar
from srlib.inference import TILE
from srlib.io import codecs
from srlib.io.codecs import FORMATS, ImageError

MODEL = "edsr_small"
SURVEYED = 1000  # pictures whose sizes are read beforehand, to know how long all of them will take

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
        help="enlarge a picture or a folder of pictures",
        epilog=MANY,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    option = command.add_argument
    option("input", metavar="IN", nargs="+", help="pictures, a folder, or - for standard input")
    option("output", metavar="OUT", help=f"picture ({', '.join(FORMATS)}), folder, or - for standard output")
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
    option("--suffix", type=arguments.name_part, help="goes after each name in a folder, such as _x4")
    option("--recursive", action="store_true", help="also the pictures in subfolders")
    option("--skip-existing", action="store_true", help="leave out pictures whose results are there")
    option("--shard", type=arguments.shard, default=(1, 1), metavar="I/N", help="only part I of N: 1/N, ..., N/N")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Enlarge and return the exit status.

    Raises: UsageError for what `plan` refuses, and for a --quality without use; ImageError for a single picture that
        cannot be read, enlarged or written; NotFiniteError for a network that gives NaN or infinity.
    """
    extension = f".{options.format}" if options.format else None
    naming, notes = Naming(extension, options.suffix or ""), []
    jobs = plan(
        options.input, options.output, naming, recursive=options.recursive, shard=options.shard, say=notes.append
    )
    if options.quality is not None:
        _check_quality(jobs, extension)
    net, name = networks.find(options.model, options.scale).to(options.device), Path(options.model).name
    for text in notes:  # not before: an error is one line
        note(text)
    todo = [job for job in jobs if not (options.skip_existing and job.done())]
    if len(todo) < len(jobs):
        note(f"skipped: {len(jobs) - len(todo)} of {len(jobs)} pictures, whose results are there")
    for folder in {target.parent for job in todo for target in job.targets if isinstance(target, Path)}:
        folder.mkdir(parents=True, exist_ok=True)
    enlarge = Enlarger(net, options.device, name, options.tile, options.ensemble, options.quality, extension)
    alone = len(options.input) == 1 and not Path(options.input[0]).is_dir()
    status = 0
    total = None if quiet() else _pixels(todo)
    with Bar(total=total, unit="pixel", unit_scale=True, leave=len(todo) > 1, disable=quiet()) as bar:
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
