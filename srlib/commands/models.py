"""`srlib models`: the available models, with their scores and how long they were trained."""

import argparse
from collections.abc import Iterator

from srlib import checkpoints
from srlib.evaluation.benchmark import read
from srlib.models.catalogue import CATALOGUE
from srlib.models.interpolators import INTERPOLATORS

Scores = dict[str, float]  # set -> PSNR in dB


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command's parser."""
    command = commands.add_parser("models", help="list models: scale, parameters, scores, training")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the table and return the exit status."""
    rows = read()
    benchmark: dict[tuple[str, str], Scores] = {}
    for row in rows:
        benchmark.setdefault((row["model"], row["scale"]), {})[row["set"]] = float(row["psnr"])
    sets = list(dict.fromkeys(row["set"] for row in rows))
    lines = [("model", "scale", "parameters", *(f"{name} dB" for name in sets), "steps", "hours")]
    for (model, scale), scores in benchmark.items():
        if model in INTERPOLATORS:
            lines.append((model, f"×{scale}", "0", *_columns(scores, sets), "–", "–"))
    for name, scale, card in _networks():
        told = {key: value["psnr"] for key, value in card.get("scores", {}).get(scale, {}).items()}
        scores = benchmark.get((name, scale), {}) | told
        lines.append((name, f"×{scale}", f"{card['parameters']:,}", *_columns(scores, sets), *_training(card)))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for first, *others in lines:
        print("  ".join([first.ljust(widths[0]), *(text.rjust(n) for text, n in zip(others, widths[1:], strict=True))]))
    protocols = ", ".join(dict.fromkeys(row["protocol"] for row in rows))
    print(f"PSNR under: {protocols}. Interpolators take any scale.")
    for name in dict.fromkeys(name for name, _, _ in _networks()):
        if tint := CATALOGUE[name].tint:
            print(
                f"{name} tints: flat colours by up to {tint.flat:g}/255, white and black by up to {tint.ends:g}; in a "
                f"grey picture, the channels differ by up to {tint.grey:g}."
            )
    return 0


def _networks() -> Iterator[tuple[str, str, dict]]:
    """(name, scale, card) of every shipped network, once for each of its scales."""
    for path in checkpoints.shipped():
        card = checkpoints.read_card(path)
        for scale in checkpoints.scales_of(card):
            yield checkpoints.name_of(path), str(scale), card


def _columns(scores: Scores, sets: list[str]) -> list[str]:
    return ["–" if scores.get(name) is None else f"{scores[name]:.2f}" for name in sets]


def _training(card: dict) -> tuple[str, str]:
    """Steps and hours; a dash for what the card does not state."""
    steps, seconds = card.get("steps"), card.get("seconds")
    return "–" if steps is None else f"{steps:,}", "–" if seconds is None else f"{seconds / 3600:.1f}"
