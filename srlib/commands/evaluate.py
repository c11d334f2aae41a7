"""`srlib evaluate`: PSNR and SSIM of models on pictures or clips, or of results that are there, with their protocol."""

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path

from torch import Tensor, nn

from srlib import metrics
from srlib.commands import arguments, evaluate_clips, networks, pairs
from srlib.commands.arguments import UsageError, complain, quiet, tell_of_subfolders
from srlib.commands.progress import Bar
from srlib.commands.report import Report, check_files, reason_of, show, write
from srlib.data import clip_folders, datasets
from srlib.evaluation import perceptual
from srlib.io import finder
from srlib.models.outputs import Output, answers
from srlib.self_ensemble import SelfEnsemble


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command's parser."""
    command = commands.add_parser("evaluate", help="PSNR and SSIM of models, or of a folder of results")
    option = command.add_argument
    option("models", metavar="MODEL", nargs="*", help="names from `srlib models`, or files.safetensors")
    option("--on", required=True, metavar="SET", help="Set5, Set14, BSD100, Vid4, … or a folder of pictures or clips")
    option("--results", nargs="+", type=Path, metavar="DIR", help="instead of models: folders with results on SET")
    option("--suffix", type=arguments.name_part, help="what names of results have after those of originals")
    option("--scale", type=arguments.scale, help="default: 4, or that of the file")
    option("--ensemble", action="store_true", help='self-ensemble: mean over 8 flips and rotations, the "+" of papers')
    option("--colour", choices=tuple(metrics.COLOURS), default="y", help="default: y, as in papers")
    option("--border", type=arguments.border, help="pixels cut from each side (default: the scale; of clips 0)")
    option("--outputs", action="store_true", help="also the smaller answers of LapSRN and DRN: ×2 of a network for ×4")
    option("--perceptual", action="store_true", help="also the perceptual distance by our feature network, in colour")
    option("--recursive", action="store_true", help="also the pictures in subfolders")
    option("--json", metavar="FILE", help="also write the scores, with one row per picture; - for standard output")
    option("--csv", metavar="FILE", help="also write the table, with one row per model; - for standard output")
    evaluate_clips.add(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Score, write, print, and return the exit status: 2 where something could not be scored, with all that could.

    Raises: UsageError for RGB scores of a luma network, for a file that cannot be written, and for models together with
        --results; ValueError if nothing could be scored.
    """
    if bool(options.models) == bool(options.results):
        raise UsageError("give either models or --results DIR")
    if options.suffix and not options.results:
        raise UsageError("--suffix is for the names of --results")
    if options.outputs and options.results:
        raise UsageError("--outputs is for models, not for --results")
    if options.ensemble and options.results:
        raise UsageError("--ensemble is for models, not for --results")
    if options.results and (words := evaluate_clips.given(options)):
        raise UsageError(f"{words[0]} is for models, not for --results")
    check_files(options.json, options.csv)
    on, left_out = _existing(options.on), _LeftOut()
    reports = list(_of_results(options, on, left_out) if options.results else _of_models(options, on, left_out))
    if not options.recursive:
        tell_of_subfolders(on)
    if reports:
        write(reports, options.json, options.csv)
        show(reports, aside="-" in (options.json, options.csv))
    return left_out.status


def _existing(on: str) -> Path:
    """What --on names: a folder or a file that is there, or else a set."""
    path = Path(on)
    if not on:
        raise UsageError("--on is empty; is a variable unset?")
    if not path.exists() and (len(path.parts) > 1 or finder.is_picture_name(path)):
        raise UsageError(f"{on}: no such file or folder")
    return path


class _LeftOut:
    """Says once what could not be scored, and why; the exit status is then 2."""

    def __init__(self) -> None:
        self.status, self.said = 0, set()

    def __call__(self, reason: object) -> None:
        if str(reason) not in self.said:
            self.status = complain(f"left out: {reason}")
        self.said.add(str(reason))

    def small(self, reason: str) -> None:
        self(f"{reason}; a smaller --border needs less")


def _of_models(options: argparse.Namespace, on: Path, left_out: _LeftOut) -> Iterator[Report]:
    nets = [(_label(model, options), networks.find(model, options.scale, clips=True)) for model in options.models]
    for name, net in nets:
        if options.colour == "rgb" and getattr(net, "channels", None) == 1:
            raise UsageError(f"{name} predicts luma only; use --colour y or y_full")
    if options.outputs:
        nets = list(_with_smaller(nets))
    nets = [(name, SelfEnsemble(net) if options.ensemble else net) for name, net in nets]
    if clips := evaluate_clips.clips_of(options, on, nets):
        yield from evaluate_clips.reports(options, _set_name(on), clips, nets, left_out)
        return
    protocol = metrics.Protocol(options.colour, options.border)
    for name, net in nets:
        pictures = _bar(_pictures(on, options.recursive, left_out), name)
        try:
            scores, look = metrics.evaluate(net, pictures, protocol, leave_out=left_out.small), None
            if options.perceptual:
                names = _names(scores)
                again = (pair for pair in _pictures(on, options.recursive, left_out) if pair[0] in names)
                look = perceptual.evaluate_perceptual(net, _bar(again, name), leave_out=left_out)
        except ValueError as error:
            reason = f"{name}: {reason_of(error)}"
            if len(nets) == 1:
                raise ValueError(reason) from error
            left_out(reason)
        else:
            yield Report(name, _set_name(on), scores, look)


def _with_smaller(nets: list[tuple[str, nn.Module]]) -> Iterator[tuple[str, nn.Module]]:
    """Each network, and before it the upscalers that its smaller answers are."""
    for name, net in nets:
        smaller = [scale for scale in answers(net) if 1 < scale < net.scale]
        yield from ((f"{name} (of ×{net.scale})", Output(net, scale)) for scale in smaller)
        yield name, net


def _of_results(options: argparse.Namespace, on: Path, left_out: _LeftOut) -> Iterator[Report]:
    if options.scale is not None and options.scale != int(options.scale):
        raise UsageError(f"--results needs a whole --scale, got {options.scale}")
    originals = on if on.exists() else clip_folders.find_in(datasets.search_path(), options.on)
    originals = originals or datasets.find(options.on)
    protocol, scale = metrics.Protocol(options.colour, options.border), options.scale or networks.SCALE
    found = {
        folder: pairs.paired(
            folder, originals, suffix=options.suffix or "", recursive=options.recursive, leave_out=left_out
        )
        for folder in options.results
    }
    for folder, files in found.items():
        pictures = pairs.loaded(files, scale=options.scale, leave_out=left_out)
        scores, look = metrics.compare(_bar(pictures, str(folder), len(files)), protocol, scale, left_out.small), None
        if options.perceptual:
            again, names = pairs.loaded(files, scale=options.scale, leave_out=left_out), _names(scores)
            look = perceptual.compare_perceptual((pair for pair in again if pair[0] in names), leave_out=left_out)
        yield Report(_set_name(folder) if len(found) == 1 else str(folder), _set_name(on), scores, look)


def _pictures(on: Path, recursive: bool, left_out: _LeftOut) -> Iterator[tuple[str, Tensor]]:
    """The pictures of a folder, a file, or the set of that name."""
    if on.exists():
        return datasets.folder(on, recursive=recursive, leave_out=left_out)
    return datasets.images_of(str(on), leave_out=left_out)


def _names(scores: metrics.Scores) -> set[str]:
    return {row["name"] for row in scores.rows}


def _bar(items: Iterator, name: str, total: int | None = None) -> Iterable:
    return Bar(items, desc=name, total=total, unit="picture", leave=False, disable=quiet())


def _label(model: str, options: argparse.Namespace) -> str:
    """The name of a model, or the path of its file where several files have one name."""
    names = [Path(other).name for other in options.models]
    return (Path(model).name if names.count(Path(model).name) == 1 else model) + "+" * options.ensemble


def _set_name(folder: Path) -> str:
    """The name of a folder of pictures: Set5, also for Set5/HR."""
    folder = folder.resolve() if folder.is_dir() else folder
    return folder.parent.name if folder.name == "HR" else folder.name
