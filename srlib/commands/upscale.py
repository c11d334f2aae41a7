"""`srlib upscale`: enlarge a picture or a folder of pictures."""

import argparse
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from torch import nn

from srlib import images
from srlib.commands import networks
from srlib.commands.arguments import UsageError, complain, device, follow, positive, quiet, scale
from srlib.commands.progress import Bar
from srlib.inference import TILE, upscale
from srlib.io.codecs import FORMATS, ImageError, writable
from srlib.resample import resize
from srlib.transparency import fill_hidden

MODEL = "edsr_small"
MAX_OUTPUT = 1_000_000_000  # pixels; 12 GB as floats


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command's parser."""
    command = commands.add_parser("upscale", help="enlarge a picture or a folder of pictures")
    command.add_argument("input", metavar="IN", help="picture or folder")
    command.add_argument("output", metavar="OUT", help=f"picture ({', '.join(FORMATS)}) or folder")
    command.add_argument(
        "--model", default=MODEL, help="name from `srlib models`, or a file.safetensors (default: %(default)s)"
    )
    command.add_argument(
        "--scale", type=scale, default=None, help="output pixels per input pixel (default: 4, or that of the file)"
    )
    command.add_argument("--tile", type=positive, default=TILE, help="tile side in input pixels (default: %(default)s)")
    command.add_argument(
        "--ensemble", action="store_true", help="self-ensemble: mean over 8 flips and rotations; 8 times the work"
    )
    command.add_argument("--device", type=device, default="cpu", help="cpu, cuda or cuda:N (default: %(default)s)")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Enlarge and return the exit status.

    Raises: UsageError for a folder without pictures, or with a target that cannot hold the results; ImageError for a
        single picture that cannot be read, enlarged or written.
    """
    source, target = Path(options.input), Path(options.output)
    net = networks.find(options.model, options.scale).to(options.device)
    if not source.is_dir():
        if target.is_dir():
            target = target / source.name
        _enlarge(source, target, net, options)
        return 0
    status = 0
    pairs = list(_pairs(source, target))
    target.mkdir(parents=True, exist_ok=True)
    for file, result in Bar(pairs, unit="picture", disable=quiet()):
        try:
            _enlarge(file, result, net, options)
        except ImageError as error:  # one bad file must not stop the others
            status = complain(error)
    return status


def _pairs(source: Path, target: Path) -> Iterator[tuple[Path, Path]]:
    """Every picture of a folder and its output path; a format that cannot be written becomes PNG."""
    if target.exists() and not target.is_dir():
        raise UsageError(f"{source} is a folder, so {target} must be a folder too")
    if source.resolve() == target.resolve():
        raise UsageError(f"{target}: the results would overwrite the input pictures; choose another folder")
    files = sorted(path for path in source.iterdir() if path.is_file() and not path.name.startswith("."))
    results: dict[Path, Path] = {}
    for file in (path for path in files if path.suffix.lower() in {*FORMATS, ".gif", ".ppm", ".pgm", ".avif"}):
        name = file.name if file.suffix.lower() in FORMATS else f"{file.stem}.png"
        if target / name in results:
            raise UsageError(f"{file} and {results[target / name]} would both become {target / name}; rename one")
        results[target / name] = file
    if not results:
        raise UsageError(f"{source}: no pictures in this folder")
    yield from ((file, result) for result, file in results.items())


def _enlarge(source: Path, target: Path, net: nn.Module, options: argparse.Namespace) -> None:
    writable(target)  # report an output that cannot be written before the work, not after
    if source.exists() and target.exists() and source.samefile(target):
        raise ImageError(f"{target}: is the input file; choose another output")
    photo = images.load(source)
    writable(target, bits=photo.bits, alpha=photo.alpha is not None)
    height, width = (math.ceil(n * net.scale) for n in photo.pixels.shape[-2:])
    if height * width > MAX_OUTPUT:
        raise ImageError(f"{source}: the result would have {width} x {height} pixels; use a smaller --scale")
    tile = options.tile if net.scale == int(net.scale) else None  # tiles meet only at whole pixels
    if photo.alpha is not None:
        photo = replace(photo, pixels=fill_hidden(photo.pixels, photo.alpha))
    with Bar(desc=source.name, unit="tile", leave=False, disable=quiet()) as bar:
        sr = upscale(net, photo.pixels.to(options.device), tile=tile, ensemble=options.ensemble, progress=follow(bar))
    alpha = None if photo.alpha is None else resize(photo.alpha, net.scale)
    images.save(target, replace(photo, pixels=sr.cpu(), alpha=alpha))
