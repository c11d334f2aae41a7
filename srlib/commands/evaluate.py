"""`srlib evaluate`: PSNR and SSIM of a model on a data set, with their protocol."""

import argparse
import json
from collections.abc import Iterable
from pathlib import Path

from torch import Tensor

from srlib import metrics
from srlib.commands import networks
from srlib.commands.arguments import UsageError, border, quiet, scale
from srlib.commands.progress import Bar
from srlib.data import datasets
from srlib.evaluation.perceptual import evaluate_perceptual
from srlib.io import atomic
from srlib.self_ensemble import SelfEnsemble


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command's parser."""
    command = commands.add_parser("evaluate", help="PSNR and SSIM of a model on a data set")
    command.add_argument("model", metavar="MODEL", help="name from `srlib models`, or a file.safetensors")
    command.add_argument("--on", required=True, metavar="SET", help="Set5, Set14, BSD100, … or a folder of pictures")
    command.add_argument("--scale", type=scale, default=None, help="default: 4, or that of the file")
    command.add_argument(
        "--ensemble", action="store_true", help='self-ensemble: mean over 8 flips and rotations, the "+" of papers'
    )
    command.add_argument("--colour", choices=tuple(metrics.COLOURS), default="y", help="default: y, as in papers")
    command.add_argument("--border", type=border, default=None, help="pixels cut from each side (default: the scale)")
    command.add_argument(
        "--perceptual", action="store_true", help="also the perceptual distance by our feature network, in colour"
    )
    command.add_argument("--json", metavar="FILE", help="also write the scores, with one row per picture")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Score, print, and return the exit status.

    Raises: UsageError for RGB scores of a luma network, and for a --json path that cannot be written.
    """
    net = networks.find(options.model, options.scale)
    if options.colour == "rgb" and getattr(net, "channels", None) == 1:
        raise UsageError(f"{options.model} predicts luma only; use --colour y or y_full")
    net = SelfEnsemble(net) if options.ensemble else net
    if options.json:
        _check_json(Path(options.json))
    folder = Path(options.on)
    scores = metrics.evaluate(net, _pictures(folder), metrics.Protocol(options.colour, options.border))
    model, name, count = _model_name(options), _set_name(folder), len(scores.rows)
    print(
        f"{model} ×{net.scale} on {name}: PSNR {scores.psnr:.2f} dB, SSIM {scores.ssim:.4f} "
        f"({scores.protocol}; mean of {count} picture{'s' * (count != 1)})"
    )
    report = {"model": model, "set": name} | scores.as_dict()
    if options.perceptual:
        look = evaluate_perceptual(net, _pictures(folder))
        print(f"perceptual distance {look.distance:.3f} ({look.measure}), colour shift {look.colour_shift:.2f}/255")
        report["perceptual"] = look.as_dict()
    if options.json:
        atomic.write(options.json, json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    return 0


def _pictures(folder: Path) -> Iterable[tuple[str, Tensor]]:
    """The pictures of a folder, or of the set of that name, with a progress bar."""
    pictures = datasets.folder(folder) if folder.is_dir() else datasets.images_of(str(folder))
    return Bar(pictures, unit="picture", leave=False, disable=quiet())


def _model_name(options: argparse.Namespace) -> str:
    return Path(options.model).name + "+" * options.ensemble


def _set_name(folder: Path) -> str:
    """The name of a folder of pictures: Set5, also for Set5/HR."""
    folder = folder.resolve() if folder.is_dir() else folder
    return folder.parent.name if folder.name == "HR" else folder.name


def _check_json(path: Path) -> None:
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise UsageError(f"--json {path}: must be a file in an existing folder")
