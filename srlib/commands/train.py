"""`srlib train`: train a network by a recipe, on your own pictures or the recipe's sets."""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from torch import Tensor

from srlib.commands.arguments import UsageError, above_zero, device, positive, quiet
from srlib.commands.progress import Bar
from srlib.commands.training_data import training_pictures, validation_pictures
from srlib.data.sources import given, with_patches
from srlib.recipes.table import RECIPES, find
from srlib.training.fit import fit
from srlib.training.note import check_free
from srlib.training.recipe import Recipe
from srlib.training.run import PRECISIONS, Run
from srlib.training.start_size import sized_as
from srlib.training.warm_start import find_start, warm_start


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
    command.add_argument("--recursive", action="store_true", help="take the pictures in subfolders of --data, too")
    command.add_argument(
        "--lr",
        nargs="+",
        metavar="DIR",
        help="own pairs, as from real cameras: folders with the lr of the pictures in --data, under the same names",
    )
    command.add_argument(
        "--patch", type=positive, metavar="N", help="side of a patch in lr pixels (default: the recipe's)"
    )
    command.add_argument(
        "--validate",
        nargs="+",
        metavar="DIR",
        help="folder or set to score during training, and the folder of its lr if it has one (default: Set5, if here)",
    )
    command.add_argument("--out", metavar="DIR", type=Path, help="run folder (default: runs/RECIPE_xSCALE)")
    command.add_argument(
        "--resume",
        action="store_true",
        help="continue the run in that folder, bit for bit; more --steps: from there at the rate of the longer run",
    )
    command.add_argument(
        "--start", metavar="MODEL", help="shipped network or checkpoint to take initial weights from, where they fit"
    )
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
    """Train and return the exit status. What is wrong with the words is said before any work, and leaves nothing.

    Raises: UsageError for patches that do not suit the recipe; as `fit`, `training_pictures` and `validation_pictures`
        for the rest.
    """
    deadline = Deadline(options.minutes) if options.minutes else None
    recipe = _recipe(options)
    folder = options.out or Path("runs", recipe.name)
    check_free(folder, options.resume)
    start = {recipe.main: options.start} if options.start else dict(recipe.start or {})
    nets = recipe.build()  # report a wrong scale, a bad start and missing weights before reading any pictures
    begun = {name: find_start(model, getattr(nets[name], "scale", None)) for name, model in start.items()}
    sized = dict(recipe.nets) | {name: sized_as(recipe.nets[name], path) for name, path in begun.items()}
    if sized != dict(recipe.nets):
        recipe = replace(recipe, nets=sized)
        nets = recipe.build()
    for name, path in begun.items():
        warm_start(nets[name], path)
    for phase in recipe.phases:
        phase.step()
    net = recipe.deploy(nets)
    sets = validation_pictures(options.validate, net)
    pictures, lines = training_pictures(options, recipe, net)
    if options.patch:
        _try(recipe, pictures, options)
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
    if options.patch:
        recipe = recipe.with_streams(partial(with_patches, lr_size=options.patch))
    if options.lr:
        recipe = recipe.with_streams(given)
    changed = ("steps", "batch", "precision", "max_grad_norm")
    recipe = recipe.with_config(**{key: getattr(options, key) for key in changed if getattr(options, key) is not None})
    every = options.every or max(1, recipe.phases[-1].config.steps // 20)
    recipe = recipe.with_config(evaluate_every=every)
    return recipe if options.learning_rate is None else recipe.with_lr(options.learning_rate)


def _try(recipe: Recipe, pictures: dict[str, Sequence[Tensor]], options: argparse.Namespace) -> None:
    """One update of each phase, on a batch of two from one picture of each role: do patches of this size go through?"""
    few = {role: found[:1] for role, found in pictures.items()}
    for phase in recipe.phases:
        run = Run(phase.config.precision, phase.config.max_grad_norm, options.device)
        nets = {name: run.place(net) for name, net in recipe.build().items()}
        opts = {name: optim.build(nets) for name, optim in phase.optims.items()}
        batch = phase.stream(few, seed=0, batch=2).batch(range(2), run.device)
        try:
            phase.step()(nets, opts, batch, run)
        except (ValueError, RuntimeError) as error:  # of a layer or a loss that is wider than the patch
            raise UsageError(f"--patch {options.patch} does not suit {recipe.name}: {error}") from error


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
