"""`srlib train`: a network by a recipe, on the pictures one has."""

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from srlib import checkpoints, datasets, recipes
from srlib.commands.arguments import UsageError, above_zero, device, positive, quiet
from srlib.fitting import Recipe, fit
from srlib.run import PRECISIONS

EVALUATION = ("Set5", "Set14", "BSD100")


def add(commands: argparse._SubParsersAction) -> None:
    """The parser of the command."""
    command = commands.add_parser("train", help="train a network by a recipe")
    command.add_argument("recipe", metavar="RECIPE", help=f"one of {', '.join(recipes.RECIPES)}")
    command.add_argument("--scale", type=positive, default=4, help="sr pixels per lr pixel (default: %(default)s)")
    command.add_argument("--steps", type=positive, help="updates (default: the recipe's)")
    command.add_argument("--seed", type=int, default=0, help="of the weights and the patches (default: %(default)s)")
    command.add_argument(
        "--data", nargs="+", metavar="DIR", help="folders, sets, or 'packaged' (default: the recipe's sets)"
    )
    command.add_argument("--out", metavar="DIR", type=Path, help="folder of the run (default: runs/RECIPE_xSCALE)")
    command.add_argument("--resume", action="store_true", help="go on with the run in that folder, to the bit")
    command.add_argument("--start", metavar="MODEL", help="checkpoint whose weights are taken over where they fit")
    command.add_argument("--precision", choices=PRECISIONS, help="of the matrix products (default: the recipe's)")
    command.add_argument("--learning-rate", type=above_zero, help="at its peak (default: the recipe's)")
    command.add_argument("--clip", type=above_zero, help="longest gradient (default: the recipe's)")
    command.add_argument("--every", type=positive, help="steps between evaluations (default: a twentieth of all)")
    command.add_argument("--device", type=device, help="cpu, cuda or cuda:N (default: cuda where it is there)")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Train; the exit status."""
    recipe = _recipe(options)
    if start := options.start or recipe.start:
        checkpoints.warm_start(recipe.network(), checkpoints.locate(start))  # errors before pictures are read
    folder = options.out or Path("runs", recipe.name)
    pictures, lines = datasets.gather(
        options.data or _present(recipe.data), recipe.lr_size * max(recipe.scales), _leave_out
    )
    sets = {name: list(datasets.images_of(name)) for name in EVALUATION if datasets.find_in(datasets.places(), name)}
    if not sets:
        sets = {"evaluation photographs": [(name, datasets.photo(name)) for name in datasets.EVAL_PHOTOS]}
    print(f"{recipe.name} on {'; '.join(lines)}, scored on {next(iter(sets))}, in {folder}")
    with tqdm(total=recipe.config.steps, unit="step", disable=quiet()) as bar:
        path = fit(
            recipe,
            pictures,
            folder,
            data=lines,
            start=options.start,
            evaluate_on=sets,
            log=_follow(bar, next(iter(sets))),
            resume=options.resume,
            device=options.device,
        )
    print(path)
    return 0


def _recipe(options: argparse.Namespace) -> Recipe:
    """The recipe, with what the command line changes."""
    if options.recipe not in recipes.RECIPES:
        raise UsageError(f"no recipe {options.recipe!r}; there are {', '.join(recipes.RECIPES)}")
    recipe = recipes.RECIPES[options.recipe](options.scale)
    checkpoints.build(recipe.model, recipe.scales[-1])  # a wrong scale is said now, not after reading the pictures
    config = {key: getattr(options, key) for key in ("steps", "precision", "clip") if getattr(options, key) is not None}
    recipe = replace(recipe, config=replace(recipe.config, seed=options.seed, **config))
    every = options.every or max(1, recipe.config.steps // 20)
    recipe = replace(recipe, config=replace(recipe.config, evaluate_every=every))
    return recipe if options.learning_rate is None else replace(recipe, learning_rate=options.learning_rate)


def _present(names: tuple[str, ...]) -> list[str]:
    """The sets of a recipe that are on this machine; without any, what is packaged."""
    present = [name for name in names if datasets.find_in(datasets.places(), name)]
    missing = [name for name in names if name not in present]
    if missing:
        print(
            f"not on this machine: {', '.join(missing)}; using {', '.join(present) or 'the packaged pictures'}",
            file=sys.stderr,
        )
    return present or [datasets.PACKAGED]


def _leave_out(reason: str) -> None:
    print(f"left out: {reason}", file=sys.stderr)


def _follow(bar: tqdm, name: str) -> Callable[[dict[str, float]], None]:
    """Move the bar, and print a line for each evaluation."""

    def log(row: dict[str, float]) -> None:
        bar.update(int(row["step"]) - bar.n)
        bar.set_postfix(loss=f"{row['loss']:.5f}")
        if "psnr" in row:
            bar.write(
                f"step {row['step']:>7}  {row['seconds']:7.1f} s  loss {row['loss']:.5f}  {name} {row['psnr']:.2f} dB"
            )

    return log
