"""`srlib models`: the available models, with their scores and how long they were trained; video networks apart."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from srlib import checkpoints
from srlib.evaluation.benchmark import read
from srlib.models.catalogue import CATALOGUE
from srlib.models.interpolators import INTERPOLATORS

Scores = dict[str, float | None]  # set -> PSNR in dB


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command's parser."""
    command = commands.add_parser("models", help="list models: scale, parameters, scores, training")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the tables and return the exit status."""
    rows = read()
    benchmark: dict[tuple[str, str], Scores] = {}
    for row in rows:
        benchmark.setdefault((row["model"], row["scale"]), {})[row["set"]] = float(row["psnr"])
    sets = list(dict.fromkeys(row["set"] for row in rows))
    lines = [("model", "scale", "parameters", *(f"{name} dB" for name in sets), "steps", "hours")]
    for (model, scale), scores in benchmark.items():
        if model in INTERPOLATORS:
            lines.append((model, f"×{scale}", "0", *_columns(scores, sets), "–", "–"))
    for name, scale, card in _networks(checkpoints.of_pictures()):
        told = {key: value["psnr"] for key, value in card.get("scores", {}).get(scale, {}).items()}
        scores = benchmark.get((name, scale), {}) | told
        lines.append((name, f"×{scale}", f"{card['parameters']:,}", *_columns(scores, sets), *_training(card)))
    print(*_table(lines), sep="\n")
    protocols = ", ".join(dict.fromkeys(row["protocol"] for row in rows))
    print(f"PSNR under: {protocols}. Interpolators take any scale.")
    if video := sorted({*checkpoints.shipped()} - {*checkpoints.of_pictures()}):
        print("", *_of_clips(video), sep="\n")
    for name in dict.fromkeys(map(checkpoints.name_of, checkpoints.shipped())):
        if tint := CATALOGUE[name].tint:
            print(
                f"{name} tints: flat colours by up to {tint.flat:g}/255, white and black by up to {tint.ends:g}; in a "
                f"grey picture, the channels differ by up to {tint.grey:g}."
            )
    return 0


def _networks(paths: Sequence[Path]) -> Iterator[tuple[str, str, dict]]:
    """(name, scale, card) of shipped networks, once for each of their scales."""
    for path in paths:
        card = checkpoints.read_card(path)
        for scale in checkpoints.scales_of(card):
            yield checkpoints.name_of(path), str(scale), card


def _of_clips(paths: Sequence[Path]) -> Iterator[str]:
    """The table of video networks, and their scores beside those of copies of the centre frame."""
    lines = [("video network", "scale", "frames", "parameters", "steps", "hours")]
    scores = [("PSNR of clips", "dB", "copies dB")]
    for name, scale, card in _networks(paths):
        frames = card.get("network", {}).get("frames", CATALOGUE[name].frames)
        lines.append((name, f"×{scale}", f"{frames}", f"{card['parameters']:,}", *_training(card)))
        copies = card.get("copies", {}).get(scale, {})
        for clips, found in card.get("scores", {}).get(scale, {}).items():
            both = {"dB": found["psnr"], "copies": copies.get(clips, {}).get("psnr")}
            scores.append((f"{name} ×{scale}: {clips}", *_columns(both, [*both])))
    yield from _table(lines)
    yield from _table(scores)
    yield (
        'Copies: it is shown its centre frame in place of the others; what it has more, it has from neighbours. "In '
        'motion" are clips made of these stills: BI, Y (BT.601 studio), border scale, 8-bit.'
    )


def _table(lines: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns of equal width, the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for first, *others in lines:
        yield "  ".join([first.ljust(widths[0]), *(text.rjust(n) for text, n in zip(others, widths[1:], strict=True))])


def _columns(scores: Scores, sets: list[str]) -> list[str]:
    return ["–" if scores.get(name) is None else f"{scores[name]:.2f}" for name in sets]


def _training(card: dict) -> tuple[str, str]:
    """Steps and hours; a dash for what the card does not state."""
    steps, seconds = card.get("steps"), card.get("seconds")
    return "–" if steps is None else f"{steps:,}", "–" if seconds is None else f"{seconds / 3600:.1f}"
