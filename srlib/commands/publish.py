"""`srlib publish`: a finished run into data/checkpoints, with its card and its rows in the table of scores."""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

from torch import nn

import srlib
from srlib import checkpoints, onnx_export
from srlib.checkpoints import CheckpointError
from srlib.commands import publish_scores
from srlib.commands.arguments import UsageError
from srlib.data import datasets
from srlib.evaluation import benchmark
from srlib.evaluation.clips import CentreCopies
from srlib.io import atomic
from srlib.models.catalogue import CATALOGUE
from srlib.training.fit import planned_steps, rounded_scores
from srlib.training.recipe import Scores

TOLD = ("recipe", "data", "steps", "seconds")  # what a reader must find on a card: how the network was made


def add(commands: argparse._SubParsersAction) -> None:
    """The parser of the command."""
    command = commands.add_parser("publish", help="a finished run into data/checkpoints, after every check")
    command.add_argument("source", metavar="RUN", type=Path, help="folder of a finished `srlib train`, or its file")
    command.add_argument("--force", action="store_true", help="replace a network that has better scores")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Round, compare, score and export; then write all files or none; return the exit status.

    Raises: UsageError for a run that cannot be published; CheckpointError and ExportError for a file that is damaged.
    """
    data = _clone()
    source = _checkpoint(options.source)
    card = _finished_card(source)
    name = f"{card['model']}_x{''.join(map(str, checkpoints.scales_of(card)))}"
    path = data / "checkpoints" / f"{name}.safetensors"
    _refuse_overlap(path, card)
    with TemporaryDirectory() as place:
        files, lines = _made(source, card, path, Path(place, path.name), options.force)
    changed = {file: content for file, content in files.items() if not file.is_file() or file.read_bytes() != content}
    atomic.write_all(changed)
    print(f"{name}: {checkpoints.read_card(path)['parameters']:,} parameters, {len(files[path]):,} bytes")
    print(*lines, sep="\n")
    print(*(f"written: {file}" for file in changed) if changed else ("already published, nothing changed",), sep="\n")
    return 0


def _made(source: Path, card: dict, path: Path, half: Path, force: bool) -> tuple[dict[Path, bytes], list[str]]:
    """Everything that `path` stands for in the data folder, by place, and what is to be said of it, line by line.

    What ships is what `half`, a file of 16 bits a number, gives back when it is read: that is compared and scored.
    """
    full = checkpoints.load(source)
    checkpoints.save(full, half, card, half=True)
    sha256, before = checkpoints.read_card(half)["sha256"], _shipped_card(path)
    same = before.get("sha256") == sha256
    clips = CATALOGUE[card["model"]].kind == "video"
    judge = publish_scores.of_clips(full) if clips else publish_scores.of_pictures()
    lines, scores = judge.compared(path.stem, full, checkpoints.load(half))
    if not same and not force:
        publish_scores.refuse_worse(path.stem, rounded_scores(scores), before.get("scores", {}))
    told = judge.told(scores, before if same else {})
    if clips:
        copies = judge.score(CentreCopies(checkpoints.load(half)), judge.sets)
        told |= {"copies": judge.told(copies, before if same else {}, "copies")["copies"]}
    if not clips and [*judge.sets] == [benchmark.PHOTOGRAPHS]:
        lines.append(f"no row in {benchmark.FILE}: {', '.join(benchmark.SETS)} are not on this machine")
    lines += publish_scores.lines(told)
    if clips:
        lines.append(f"clips have no rows in {benchmark.FILE}, no ONNX file and no place in the playground")
    else:
        lines += [_exported(checkpoints.load(half, int(scale)), card["model"], sha256) for scale in scores]
    checkpoints.save(full, half, card | {"protocol": judge.protocol} | told, half=True)
    files = {path: half.read_bytes(), path.with_suffix(".json"): half.with_suffix(".json").read_bytes()}
    if clips:
        return files, lines
    table = path.parents[1] / benchmark.FILE
    content, gone = _table(table.read_bytes().decode(), card["model"], scores, same)
    return files | {table: content.encode()}, lines + gone


def _clone() -> Path:
    """The data folder of a clone; an installed package is nothing to publish in."""
    data = datasets.data_folder()
    if data.parent == Path(srlib.__file__).parent:
        raise UsageError(
            f"publishing needs a clone of the repository; this srlib is installed, with its data in {data}"
        )
    return data


def _checkpoint(source: Path) -> Path:
    """The file of a run."""
    if not source.is_dir():
        if source.suffix != ".safetensors":
            raise UsageError(f"{source}: neither the folder of a run nor a .safetensors file")
        return source
    found = sorted(path for path in source.glob("*.safetensors") if not path.name.startswith("."))
    if not found:
        raise UsageError(
            f"{source}: no checkpoint in it, the run has not finished; go on with it as it was begun and --resume: "
            f"srlib train RECIPE --out {source} --resume"
        )
    if len(found) > 1:
        raise UsageError(f"{source}: holds {', '.join(path.name for path in found)}; name one of these files")
    return found[0]


def _finished_card(source: Path) -> dict:
    """The card of a run, if it tells how the network was made."""
    card = checkpoints.read_card(source)
    if missing := [key for key in TOLD if key not in card]:
        raise CheckpointError(f"{source}: its card lacks {', '.join(missing)}; publish what `srlib train` has made")
    if card["steps"] < planned_steps(card):
        raise UsageError(f"{source}: stopped at step {card['steps']} of {planned_steps(card)}; go on with --resume")
    return card


def _refuse_overlap(path: Path, card: dict) -> None:
    """One name and scale is one network, or nobody could load it by its name."""
    for other in checkpoints.shipped():
        if other.name != path.name and checkpoints.name_of(other) == card["model"]:
            if both := set(checkpoints.scales_of(checkpoints.read_card(other))) & set(checkpoints.scales_of(card)):
                raise UsageError(f"{path.stem}: {card['model']} ×{min(both)} ships already, in {other.name}")


def _shipped_card(path: Path) -> dict:
    """Of the network that this one replaces; empty where there is none, or only one of its two files."""
    whole = path.is_file() and path.with_suffix(".json").is_file()
    return checkpoints.read_card(path) if whole else {}


def _exported(net: nn.Module, name: str, sha256: str) -> str:
    """Export as the playground does; a line on how far it is from torch."""
    if not onnx_export.is_available():
        return f"export ×{net.scale}: not compared, onnx and onnxscript are not installed"
    difference = onnx_export.convert(net, name=name, sha256=sha256).difference
    if difference is None:
        return f"export ×{net.scale}: not compared, onnxruntime is not installed"
    return f"export ×{net.scale}: at most {difference:.1e} off torch"


def _table(old: str, model: str, scores: Scores, same: bool) -> tuple[str, list[str]]:
    """The table of scores with the rows of this network; a line for each that went without a successor.

    A row of another file's weights may not stay; one of the same file, on a set that is not here, does.
    """
    rows = [
        benchmark.row(model, scale, name, **row)
        for scale, sets in scores.items()
        for name, row in sets.items()
        if name in benchmark.SETS
    ]
    places = {(row["scale"], row["set"]) for row in rows}
    gone = []

    def stale(row: benchmark.Row) -> bool:
        if row["model"] != model or row["scale"] not in scores:
            return False
        replaced = (row["scale"], row["set"]) in places
        if not replaced and not same:
            gone.append(f"taken out of {benchmark.FILE}: {model} ×{row['scale']} on {row['set']}, of other weights")
        return replaced or not same

    return benchmark.merged(old, rows, stale), gone
