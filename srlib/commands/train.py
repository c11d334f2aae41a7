"""`srlib train`: train a network by a recipe, on your own pictures or the recipe's sets."""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from srlib import checkpoints
from srlib.commands.arguments import above_zero, device, positive, quiet
from srlib.commands.progress import Bar
from srlib.data import datasets
from srlib.evaluation.benchmark import sets_here
from srlib.recipes.table import RECIPES, find
from srlib.training.fit import fit
from srlib.training.recipe import Recipe
from srlib.training.run import PRECISIONS
from srlib.training.start_size import sized_as
from srlib.training.warm_start import warm_start


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command's parser."""
    command = commands.add_parser("train", help="train a network by a recipe")
    command.add_argument("recipe", metavar="RECIPE", help=f"one of {', '.join(RECIPES)}")
    command.add_argument("--scale", type=positive, default=4, help="sr pixels per lr pixel (default: %(default)s)")
    command.add_argument("--steps", type=positive, help="optimizer steps (default: the recipe's)")
    command.add_argument(
        "--seed", type=int, default=0, help="of the initial weights and the patches (default: %(default)s)"
    )
    command.add_argument(
        "--data",
        nargs="+",
        metavar="DIR",
        help="folders, sets, or 'packaged'; ROLE=DIR where a recipe has several (default: the recipe's sets)",
    )
    command.add_argument("--out", metavar="DIR", type=Path, help="run folder (default: runs/RECIPE_xSCALE)")
    command.add_argument("--resume", action="store_true", help="continue the run in that folder, bit for bit")
    command.add_argument("--start", metavar="MODEL", help="checkpoint to take initial weights from, where they fit")
    command.add_argument("--minutes", type=above_zero, help="stop after so long, with everything saved for --resume")
    command.add_argument("--batch", type=positive, help="samples in a batch (default: the recipe's)")
    command.add_argument("--precision", choices=PRECISIONS, help="of the matrix products (default: the recipe's)")
    command.add_argument("--learning-rate", type=above_zero, help="at its peak (default: the recipe's)")
    command.add_argument(
        "--max-grad-norm", type=above_zero, help="gradient clipping: largest norm (default: the recipe's)"
    )
    command.add_argument("--every", type=positive, help="steps between evaluations (default: a twentieth of the steps)")
    command.add_argument("--device", type=device, help="cpu, cuda or cuda:N (default: cuda if available)")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Train and return the exit status."""
    deadline = Deadline(options.minutes) if options.minutes else None
    recipe = _recipe(options)
    start = {"g": options.start} if options.start else dict(recipe.start or {})
    sized = {name: sized_as(recipe.nets[name], checkpoints.locate(model)) for name, model in start.items()}
    recipe = replace(recipe, nets=dict(recipe.nets) | sized)
    nets = recipe.build()  # report a wrong scale, a bad start and missing weights before reading any pictures
    for name, model in start.items():
        warm_start(nets[name], checkpoints.locate(model))
    for phase in recipe.phases:
        phase.step()
    folder = options.out or Path("runs", recipe.name)
    pictures, lines = {}, {}
    for role, sources in _sources(options.data, recipe).items():
        pictures[role], lines[role] = datasets.load_training_images(sources, recipe.sides[role], _leave_out)
    sets = sets_here()
    told = "; ".join(line for role in lines.values() for line in role)
    print(f"{recipe.name} on {told}, scored on {next(iter(sets))}, in {folder}")
    with Bar(total=recipe.steps, unit="step", disable=quiet()) as bar:
        path = fit(
            recipe,
            pictures,
            folder,
            data=lines,
            start=start,
            evaluate_on=sets,
            log=_follow(bar, next(iter(sets))),
            until=deadline,
            resume=options.resume,
            device=options.device,
        )
    print(path)
    if deadline and deadline.over:
        print(f"stopped after {options.minutes:g} minutes; to go on, give the same words and --resume")
    return 0


class Deadline:
    """Called, it says whether the minutes since it was made are over."""

    def __init__(self, minutes: float) -> None:
        self.end, self.over = time.monotonic() + 60 * minutes, False

    def __call__(self) -> bool:
        self.over = time.monotonic() >= self.end
        return self.over


def _recipe(options: argparse.Namespace) -> Recipe:
    """The recipe, with the changes from the command line."""
    recipe = find(options.recipe, options.scale).with_config(seed=options.seed)
    changed = ("steps", "batch", "precision", "max_grad_norm")
    recipe = recipe.with_config(**{key: getattr(options, key) for key in changed if getattr(options, key) is not None})
    every = options.every or max(1, recipe.phases[-1].config.steps // 20)
    recipe = recipe.with_config(evaluate_every=every)
    return recipe if options.learning_rate is None else recipe.with_lr(options.learning_rate)


def _sources(words: list[str] | None, recipe: Recipe) -> dict[str, list[str]]:
    """The sources of each role's pictures, from SOURCE or ROLE=SOURCE; by default the recipe's sets."""
    named: dict[str, list[str]] = {}
    for word in words or ():
        role, equals, source = word.partition("=")
        role, source = (role, source) if equals and role in recipe.sides else (next(iter(recipe.sides)), word)
        named.setdefault(role, []).append(source)
    return {role: named.get(role) or _present(recipe.data.get(role, ())) for role in recipe.sides}


def _present(names: tuple[str, ...]) -> list[str]:
    """The sets of a recipe that are on this machine, or else the packaged pictures."""
    present = [name for name in names if datasets.find_in(datasets.search_path(), name)]
    missing = [name for name in names if name not in present]
    if missing:
        print(
            f"not on this machine: {', '.join(missing)}; using {', '.join(present) or 'the packaged pictures'}",
            file=sys.stderr,
        )
    return present or [datasets.PACKAGED]


def _leave_out(reason: str) -> None:
    print(f"left out: {reason}", file=sys.stderr)


def _follow(bar: Bar, name: str) -> Callable[[dict[str, float]], None]:
    """A log function that moves the bar and prints a line for each evaluation."""
    before = last = 0  # steps of the phases that are done, and of the present one so far

    def log(row: dict[str, float]) -> None:
        nonlocal before, last
        if row["step"] <= last:  # a phase counts its own steps
            before += last
        last = int(row["step"])
        bar.update(before + last - bar.n)
        bar.set_postfix(loss=f"{row['loss']:.5f}")
        if "psnr" in row:
            bar.write(
                f"step {row['step']:>7}  {row['seconds']:7.1f} s  loss {row['loss']:.5f}  {name} {row['psnr']:.2f} dB"
            )

    return log
