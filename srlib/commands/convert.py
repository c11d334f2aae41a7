"""`srlib convert`: weights of others, by their published names, as a checkpoint that all commands take."""

import argparse
import hashlib
from pathlib import Path

import torch

from srlib import checkpoints
from srlib.commands.arguments import UsageError, above_zero, positive
from srlib.models import published
from srlib.models.compact import SLOPES
from srlib.models.published import PublishedError
from srlib.models.state import from_file, unwrapped


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command's parser."""
    command = commands.add_parser(
        "convert",
        help="weights of others as a checkpoint: ESRGAN, Real-ESRGAN, Compact, EDSR, MDSR, SRResNet, LapSRN, DRN, EDVR",
        description="Weights of others as a checkpoint for all commands: ESRGAN and Real-ESRGAN (RRDBNet, three "
        "generations of names), Compact (SRVGGNetCompact), EDSR, MDSR, SRResNet, LapSRN, DRN and EDVR. The network and "
        "its sizes are read off names and shapes. Nothing pickled is run.",
    )
    command.add_argument("file", metavar="FILE", type=Path, help="a .safetensors file, or a .pth that torch.save wrote")
    command.add_argument("output", metavar="OUT", type=Path, help="the .safetensors file to write, its card beside it")
    command.add_argument("--name", help="of the network, for the card (default: that of FILE)")
    command.add_argument("--source", metavar="TEXT", help="who made it, and where it is from, for the card")
    command.add_argument("--licence", "--license", metavar="TEXT", help="under which it may be used, for the card")
    command.add_argument("--half", action="store_true", help="store 16 bits a number (default: as in FILE)")
    command.add_argument("--scale", type=positive, help="3, for an ESRGAN for ×3, whose shapes are those of ×2")
    command.add_argument(
        "--residual-scale",
        type=above_zero,
        metavar="FACTOR",
        help="on the residuals of an EDSR (default: 0.1 from 256 feature maps on, else 1)",
    )
    command.add_argument(
        "--activation", choices=tuple(SLOPES), help="of a Compact that was trained without PReLU, and so has no slopes"
    )
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Convert, print what was written, and return the exit status.

    Raises: UsageError for an output that is no .safetensors file, or the file itself; PublishedError for weights that
        no network here holds; ValueError for a file that cannot be read.
    """
    source, target = options.file, options.output
    if target.is_dir():
        target = target / f"{source.stem}.safetensors"
    if target.suffix != ".safetensors":
        raise UsageError(f"{target}: a checkpoint must end in .safetensors")
    if source.exists() and target.exists() and source.samefile(target):
        raise UsageError(f"{target}: is the file that is read; give the checkpoint another name")
    state = from_file(source)
    try:
        found = published.read(
            state, scale=options.scale, residual_scale=options.residual_scale, activation=options.activation
        )
    except PublishedError as error:
        raise PublishedError(f"{source}: {error}") from error
    with source.open("rb") as file:
        origin = {"file": source.name, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}
    card = {
        "model": found.model,
        "scale": found.scale,
        "scales": found.settings.get("scales", [found.scale]),
        "name": options.name or source.stem,
        "source": options.source,
        "licence": options.licence,
        "converted_from": origin,
    }
    checkpoints.save(found.build(), target, card, half=options.half or _is_half(state))
    sizes = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in found.settings.items())
    print(
        f"{target}: {found.model} ×{found.scale}, {checkpoints.read_card(target)['parameters']:,} parameters; {sizes}"
    )
    return 0


def _is_half(state: dict) -> bool:
    """Whether the file has 16 bits a number."""
    return all(value.dtype == torch.float16 for value in unwrapped(state).values() if value.is_floating_point())
