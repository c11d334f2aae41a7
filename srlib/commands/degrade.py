"""`srlib degrade`: small pictures made poor as photographs are, each by random numbers of its own."""

import argparse
import hashlib
import math
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from srlib.commands import arguments, pipes
from srlib.commands.arguments import UsageError, note, quiet
from srlib.commands.batch import Job, Naming, passed_over, plan
from srlib.commands.photographs import photographs
from srlib.commands.progress import Bar
from srlib.data.cameras import camera_of
from srlib.io import codecs
from srlib.io.codecs import FORMATS, ImageError
from srlib.random_degradations.presets import PRESETS, RandomDegradation
from srlib.resample import resize
from srlib.transparency import fill_hidden

ABOUT = """\
What a picture suffers is drawn from the seed and the name of its file. So the
same call makes the same pictures, alone or in a folder, and another seed makes
others. Results have 8 bits and are PNG, unless --format or the name of the result
says otherwise: a further JPEG would add to what was drawn.

  real     two rounds of blur, resizing, noise and JPEG, then a sharp filter:
           pictures from anywhere (Real-ESRGAN)
  mild     the same at about a third of the strength
  classic  Gaussian blur, bicubic shrinking, Gaussian noise

With --like, blur and noise are those of the photographs in a folder, the same for
all pictures: lr as that camera would have taken it (see srlib kernel).
"""


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command's parser."""
    command = commands.add_parser(
        "degrade",
        help="make poor pictures of good ones, to test or train with",
        epilog=ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    option = command.add_argument
    option("input", metavar="IN", nargs="+", help="pictures, or a folder")
    option("output", metavar="OUT", help=f"picture ({', '.join(FORMATS)}), or folder")
    kind = command.add_mutually_exclusive_group()
    kind.add_argument(
        "--preset", choices=[*PRESETS], default="real", help="what happens to them (default: %(default)s)"
    )
    kind.add_argument("--like", metavar="DIR", type=Path, help="blur and noise as in the photographs of this folder")
    option("--seed", type=seed, default=0, help="of the random numbers, 0, 1, ... (default: %(default)s)")
    option("--scale", type=arguments.scale, default=4, help="how much smaller, a whole number (default: %(default)s)")
    option("--format", choices=[extension.removeprefix(".") for extension in FORMATS], help="of all results")
    option("--suffix", type=arguments.name_part, help="goes after each name in a folder, such as _x4")
    option("--recursive", action="store_true", help="also the pictures in subfolders")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Degrade and return the exit status.

    Raises: UsageError for what `plan` and `photographs` refuse, for pipes, and for a scale that is not whole;
        KernelError for photographs that show no blur; ImageError for a single picture that cannot be read, degraded
        or written.
    """
    if options.scale != int(options.scale):
        raise UsageError(f"--scale must be whole here, got {options.scale:g}")
    for word in (*options.input, options.output):
        if pipes.is_pipe(word):
            raise UsageError(f"{word}: a pipe has no name to draw numbers for; give files or folders")
    to_one_place = len(options.input) == 1 and not Path(options.input[0]).is_dir() and Path(options.output).suffix
    extension = f".{options.format}" if options.format else None if to_one_place else ".png"
    notes: list[str] = []
    naming = Naming(extension, options.suffix or "")
    jobs = plan(options.input, options.output, naming, recursive=options.recursive, say=notes.append)
    for text in notes:  # not before: an error is one line
        note(text)
    degradation, status = _degradation(options)
    for folder in {target.parent for job in jobs for target in job.targets}:
        folder.mkdir(parents=True, exist_ok=True)
    degrade = Degrader(degradation, options.scale, options.seed)
    alone = len(options.input) == 1 and not Path(options.input[0]).is_dir()
    for job in Bar(jobs, unit="picture", leave=len(jobs) > 1, disable=quiet()):
        try:
            degrade(job)
        except (ImageError, MemoryError, RuntimeError) as error:
            if alone:
                raise
            status = passed_over(job, error)
    return status


def _degradation(options: argparse.Namespace) -> tuple[RandomDegradation, int]:
    """What happens to the pictures, and the exit status: 2 where a photograph of the camera could not be read."""
    scale = int(options.scale)
    if options.like is None:
        return PRESETS[options.preset](scale), 0
    taken, status = photographs(options.like, recursive=options.recursive)
    camera = camera_of(taken, scale)
    note(f"like {options.like}: {camera.told}")
    return camera, status


@dataclass(frozen=True)
class Degrader:
    """Degrades pictures one after the other.

    Args:
        degradation: as a stream has it, (hr, generators) -> lr.
        scale: how much smaller it makes them.
        seed: with the name of a picture, it gives the random numbers.

    Raises: when called, ImageError for a picture that cannot be read, degraded or written.
    """

    degradation: RandomDegradation
    scale: int
    seed: int

    def __call__(self, job: Job) -> None:
        header = replace(codecs.header(job.source), bits=8)
        size = tuple(math.ceil(n / self.scale) for n in (header.height, header.width))
        target = job.target(header, size)
        photo = codecs.load(job.source)
        hr, alpha = photo.pixels, photo.alpha
        if alpha is not None:
            hr, alpha = fill_hidden(hr, alpha), resize(alpha, 1 / self.scale)
        try:
            lr = self.degradation(hr, [generator(self.seed, job.name)])
        except ValueError as error:
            raise ImageError(f"{job.name}: {error}") from error
        codecs.save(target, replace(photo, pixels=lr, alpha=alpha, bits=8))


def seed(text: str) -> int:
    """Type of `--seed`: 0, 1, ...

    Raises: ArgumentTypeError for anything else.
    """
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a seed; give a whole number, 0, 1, ...")
    return int(text)


def generator(seed: int, name: str) -> torch.Generator:
    """The random numbers of a picture: those of the seed and the name of its file."""
    digest = hashlib.sha256(f"{seed} {name}".encode("utf-8", "surrogateescape")).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
