"""What `srlib train` reads: the pictures of each role, given pairs, and those that are scored on the way."""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from torch import Tensor, nn

from srlib.commands.arguments import UsageError, is_number
from srlib.data import datasets
from srlib.data.pairs import load_pairs, read_pairs
from srlib.data.patches import PicturesTooSmall
from srlib.data.sources import with_patches
from srlib.evaluation.benchmark import sets_here
from srlib.training.recipe import Pictures, Recipe

WINDOW = 11  # pixels that SSIM needs within the border


def training_pictures(
    options: argparse.Namespace, recipe: Recipe, net: nn.Module
) -> tuple[dict[str, Sequence[Tensor]], dict[str, list[str]]]:
    """The training pictures of each role, and what they are, in words.

    Raises: UsageError for --lr without --data, an unknown role, a folder that is not there, and pictures that are all
        too small; as `load_pairs` and `load_training_images` for the rest.
    """
    if options.lr:
        if not options.data:
            raise UsageError("--lr holds the lr pictures of given pairs; name the folder of their hr with --data")
        if rates := [word for word in options.lr if not Path(word).is_dir() and is_number(word)]:
            raise UsageError(f"--lr {rates[0]}: no such folder of lr pictures; did you mean --learning-rate?")
        lr_size = recipe.sides["lr"]
        return load_pairs(options.lr, options.data, scale=net.scale, lr_size=lr_size, leave_out=_leave_out)
    pictures, lines = {}, {}
    for role, sources in _sources(options.data, recipe).items():
        try:
            pictures[role], lines[role] = datasets.load_training_images(
                sources, recipe.sides[role], _leave_out, recursive=options.recursive
            )
        except PicturesTooSmall as error:
            raise UsageError(f"{error}{_smaller(error.side, role, recipe, net)}") from error
    return pictures, lines


def validation_pictures(words: list[str] | None, net: nn.Module) -> dict[str, Pictures]:
    """What is scored, during training the first: a folder, a file or a set of that name, then the benchmark sets.

    Args:
        words: one: of hr, from which lr is made; two: of hr and of the lr that belongs to it.

    Raises: UsageError for more words, for pairs where the network has several scales, and for a picture
        too small to be scored; as `datasets.folder` for a folder, `datasets.find` for a set and `read_pairs` for two;
        ImageError for a picture that cannot be read.
    """
    if words is None:
        return sets_here()
    name, *lr = words
    if len(lr) > 1 or (lr and hasattr(net, "scales")):
        raise UsageError("--validate takes a folder of hr, or that and the folder of its lr for a network of one scale")
    if lr:
        pictures = read_pairs(lr[0], name, scale=net.scale)
    else:
        pictures = list(datasets.folder(name) if Path(name).exists() else datasets.images_of(name))
    scale = max(getattr(net, "scales", (net.scale,)))
    side = -(-(WINDOW + 2 * scale) // scale) * scale
    for title, hr, *_ in pictures:
        if min(hr.shape[-2:]) < side:
            size = f"{hr.shape[-1]} x {hr.shape[-2]}"
            raise UsageError(f"--validate {name}: {title} has {size} pixels; at ×{scale} a score needs {side} x {side}")
    return {name: pictures} | {key: found for key, found in sets_here().items() if key != name}


def _smaller(side: int, role: str, recipe: Recipe, net: nn.Module) -> str:
    """What to do about pictures that have no patch, where something can be done."""
    scale = max(getattr(net, "scales", (net.scale,)))
    if side < scale or not all(hasattr(phase.stream, "lr_size") for phase in recipe.phases):
        return ""
    if recipe.with_streams(partial(with_patches, lr_size=side // scale)).sides[role] > side:
        return ""  # what this role needs does not depend on the size of a patch
    return f"; with --patch {side // scale}, in lr pixels, {side // scale * scale} x {side // scale * scale} are enough"


def _sources(words: list[str] | None, recipe: Recipe) -> dict[str, list[str]]:
    """The sources of each role's pictures, from SOURCE or ROLE=SOURCE; by default the recipe's sets."""
    named: dict[str, list[str]] = {}
    for word in words or ():
        role, equals, source = word.partition("=")
        if equals and role.isidentifier() and role not in recipe.sides and not Path(word).exists():
            raise UsageError(f"--data {word}: no role {role!r}; {recipe.name} has {', '.join(recipe.sides)}")
        role, source = (role, source) if equals and role in recipe.sides else (next(iter(recipe.sides)), word)
        if not Path(source).exists() and Path(source).name != source:  # no name that a set could have
            raise UsageError(f"--data {source}: no such folder or picture")
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
