"""The command line: `srlib upscale`, `evaluate`, `fetch`, `models`. Errors are one line and exit status 2."""

import argparse
import csv
import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import torch
from torch import nn
from tqdm import tqdm

from srlib import datasets, fetching, images, metrics
from srlib.inference import upscale
from srlib.models import interpolation
from srlib.photo import FORMATS, ImageError, writable
from srlib.resample import resize

INTERPOLATORS = {
    "nearest": interpolation.nearest,
    "bilinear": interpolation.bilinear,
    "bicubic": interpolation.bicubic,
    "lanczos": interpolation.lanczos,
}
MAX_OUTPUT = 1_000_000_000  # pixels; 12 GB as floats


class UsageError(ValueError):
    """The command's words are off."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status."""
    options = _parser().parse_args(arguments)
    try:
        return options.run(options)
    except (UsageError, ImageError, fetching.FetchError, ValueError, OSError) as error:
        return _complain(error)
    except MemoryError:
        return _complain("not enough memory; try a smaller --tile or picture")
    except KeyboardInterrupt:
        _complain("interrupted")
        return 130


def _complain(error: object) -> int:
    print(f"srlib: {' '.join(str(error).split())}", file=sys.stderr)
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="srlib", description="Image super-resolution with numbers you can compare.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    command = commands.add_parser("upscale", help="enlarge a picture or a folder of pictures")
    command.add_argument("input", metavar="IN", help="picture or folder")
    command.add_argument("output", metavar="OUT", help=f"picture ({', '.join(FORMATS)}) or folder")
    command.add_argument("--model", default="bicubic", help="name from `srlib models` (default: %(default)s)")
    command.add_argument("--scale", type=_scale, default=4, help="output pixels per input pixel (default: %(default)s)")
    command.add_argument("--tile", type=_positive, default=256, help="tile side in input pixels (default: %(default)s)")
    command.add_argument("--ensemble", action="store_true", help="mean over 8 flips and turns; 8 times the work")
    command.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N (default: %(default)s)")
    command.set_defaults(run=_upscale)

    command = commands.add_parser("evaluate", help="PSNR and SSIM of a model on a set")
    command.add_argument("model", metavar="MODEL", help="name from `srlib models`")
    command.add_argument("--on", required=True, metavar="SET", help="Set5, Set14, BSD100, … or a folder of pictures")
    command.add_argument("--scale", type=_scale, default=4, help="default: %(default)s")
    command.add_argument("--colour", choices=tuple(metrics.COLOURS), default="y", help="default: y, as the papers")
    command.add_argument("--border", type=_border, default=None, help="pixels cut from each side (default: the scale)")
    command.add_argument("--json", metavar="FILE", help="also write the scores, with one row for each picture")
    command.set_defaults(run=_evaluate)

    command = commands.add_parser("fetch", help="download data sets, checked and resumable")
    command.add_argument("names", metavar="SET", nargs="+", help="such as Set5, Set14, BSD100, DIV2K_train_HR")
    command.set_defaults(run=_fetch)

    command = commands.add_parser("models", help="what there is: scale, parameters, scores")
    command.set_defaults(run=_models)
    return parser


def _scale(text: str) -> float:
    value = float(text) if _is_number(text) else math.nan
    if not 0 < value <= 16:
        raise argparse.ArgumentTypeError(f"{text!r} is not a scale between 0 and 16")
    return int(value) if value == int(value) else value


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive integer")
    return int(text)


def _border(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of pixels")
    return int(text)


def _model(name: str, scale: float) -> nn.Module:
    if name not in INTERPOLATORS:
        raise UsageError(f"no model {name!r}; there are {', '.join(INTERPOLATORS)}")
    return INTERPOLATORS[name](scale)


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"device {name!r} cannot be used here; try --device cpu") from error
    return device


def _upscale(options: argparse.Namespace) -> int:
    source, target = Path(options.input), Path(options.output)
    net, device = _model(options.model, options.scale), _device(options.device)
    net.to(device)
    if not source.is_dir():
        if target.is_dir():
            target = target / source.name
        _enlarge(source, target, net, device, options)
        return 0
    status = 0
    pairs = list(_pairs(source, target))
    target.mkdir(parents=True, exist_ok=True)
    for file, result in tqdm(pairs, unit="picture", disable=not sys.stderr.isatty()):
        try:
            _enlarge(file, result, net, device, options)
        except ImageError as error:  # one bad file must not cost the others
            status = _complain(error)
    return status


def _pairs(source: Path, target: Path) -> Iterator[tuple[Path, Path]]:
    """Every picture of a folder and where its result goes; formats that are only read become PNG."""
    if target.exists() and not target.is_dir():
        raise UsageError(f"{source} is a folder, so {target} must be one")
    if source.resolve() == target.resolve():
        raise UsageError(f"{target}: the results would replace the pictures they are made from; choose another folder")
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


def _enlarge(source: Path, target: Path, net: nn.Module, device: torch.device, options: argparse.Namespace) -> None:
    writable(target)  # an output that cannot be written is said before the work, not after
    if source.exists() and target.exists() and source.samefile(target):
        raise ImageError(f"{target}: is the input itself; choose another output")
    photo = images.load(source)
    writable(target, bits=photo.bits, alpha=photo.alpha is not None)
    height, width = (math.ceil(n * options.scale) for n in photo.pixels.shape[-2:])
    if height * width > MAX_OUTPUT:
        raise ImageError(f"{source}: the result would have {width} x {height} pixels; use a smaller --scale")
    tile = options.tile if options.scale == int(options.scale) else None  # tiles meet only at whole pixels
    with tqdm(desc=source.name, unit="tile", leave=False, disable=not sys.stderr.isatty()) as bar:
        sr = upscale(net, photo.pixels.to(device), tile=tile, ensemble=options.ensemble, progress=_follow(bar))
    alpha = None if photo.alpha is None else resize(photo.alpha, options.scale)
    images.save(target, replace(photo, pixels=sr.cpu(), alpha=alpha))


def _follow(bar: tqdm) -> Callable[[int, int | None], None]:
    def progress(done: int, total: int | None) -> None:
        bar.total = total
        bar.update(done - bar.n)

    return progress


def _evaluate(options: argparse.Namespace) -> int:
    net = _model(options.model, options.scale)
    if options.json:
        _check_json(Path(options.json))
    folder = Path(options.on)
    pictures: Iterable = datasets.folder(folder) if folder.is_dir() else datasets.images_of(options.on)
    pictures = tqdm(pictures, unit="picture", leave=False, disable=not sys.stderr.isatty())
    scores = metrics.evaluate(net, pictures, metrics.Protocol(options.colour, options.border))
    count, name = len(scores.rows), _set_name(folder)
    print(
        f"{options.model} ×{options.scale} on {name}: PSNR {scores.psnr:.2f} dB, SSIM {scores.ssim:.4f} "
        f"({scores.protocol}; mean of {count} picture{'s' * (count != 1)})"
    )
    if options.json:
        report = {"model": options.model, "set": name} | scores.as_dict()
        _write_text(Path(options.json), json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    return 0


def _set_name(folder: Path) -> str:
    """What a folder of pictures is called: Set5, also for Set5/HR."""
    folder = folder.resolve() if folder.is_dir() else folder
    return folder.parent.name if folder.name == "HR" else folder.name


def _check_json(path: Path) -> None:
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise UsageError(f"--json {path}: not a file in an existing folder")


def _write_text(path: Path, text: str) -> None:
    """Whole or not at all."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _fetch(options: argparse.Namespace) -> int:
    known = datasets.manifest()
    unknown = [name for name in options.names if name not in known]
    if unknown:
        raise UsageError(f"no data set {', '.join(unknown)}; there are {', '.join(known)}")
    for name in options.names:
        with tqdm(desc=name, unit="B", unit_scale=True, leave=False, disable=not sys.stderr.isatty()) as bar:
            print(fetching.fetch(name, progress=_follow(bar)))
    return 0


def _models(options: argparse.Namespace) -> int:
    with datasets.data_file("results/benchmark.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    sets = list(dict.fromkeys(row["set"] for row in rows))
    print(f"{'model':<16}{'scale':>6}{'parameters':>12}" + "".join(f"{name + ' dB':>12}" for name in sets))
    for model, scale in dict.fromkeys((row["model"], row["scale"]) for row in rows):
        mine = [row for row in rows if (row["model"], row["scale"]) == (model, scale)]
        scored = {row["set"]: f"{float(row['psnr']):.2f}" for row in mine}
        parameters = sum(p.numel() for p in _model(model, int(scale)).parameters())
        print(f"{model:<16}{'×' + scale:>6}{parameters:>12,}" + "".join(f"{scored.get(n, '–'):>12}" for n in sets))
    protocols = ", ".join(dict.fromkeys(row["protocol"] for row in rows))
    print(f"PSNR under: {protocols}. Interpolators take any scale.")
    return 0
