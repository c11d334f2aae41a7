"""Carrying out a recipe: from settings and pictures to a checkpoint with its card."""

import math
import os
import platform
import subprocess
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

import srlib
from srlib import checkpoints, metrics
from srlib.training import note
from srlib.training.loop import train
from srlib.training.recipe import Pictures, Recipe, Scores, describe
from srlib.training.run import choose_device, process_group
from srlib.training.warm_start import find_start, warm_start


def fit(
    recipe: Recipe,
    pictures: Mapping[str, Sequence[Tensor]],
    folder: str | os.PathLike,
    *,
    data: Mapping[str, Sequence[str]] | None = None,
    start: Mapping[str, str | os.PathLike] | None = None,
    evaluate_on: Mapping[str, Pictures] | None = None,
    log: Callable[[dict[str, float]], None] | None = None,
    until: Callable[[], bool] | None = None,
    resume: bool = False,
    device: torch.device | str | None = None,
) -> Path:
    """Train by a recipe; the checkpoint, `folder`/`recipe.name`.safetensors, with its card.

    A recipe of several phases gives each a folder of its own, with its state and its log. A run that `until` has
    stopped leaves a checkpoint too, of the weights so far; its card's steps are those done, fewer than the recipe's.

    Args:
        pictures: role -> training images (1, C, H, W).
        data: role -> what the pictures are, in words, for the card.
        start: network -> a checkpoint, as `find_start` takes it, whose weights are taken over where they fit by name
            and shape. Default: the recipe's.
        evaluate_on: {set: pictures}; the first is also scored during training.
        log, until, resume, device: as for `train`.

    Raises: TrainingError for a folder that holds another run, as for `train`; CheckpointError for a bad `start`;
        ValueError for a role without pictures.
    """
    folder = Path(folder)
    if missing := [role for role in recipe.sides if not pictures.get(role)]:
        raise ValueError(f"{recipe.name} needs pictures for {', '.join(missing)}, got {', '.join(pictures) or 'none'}")
    nets = recipe.build()
    begun = {name: _begin(nets[name], model) for name, model in (start or recipe.start or {}).items()}
    sets = {name: list(images) for name, images in (evaluate_on or {}).items()}
    first = dict(list(sets.items())[:1])
    known = {"recipe": describe(recipe), "data": dict(data or {}), "start": begun or None}
    main = int(os.environ.get("RANK", 0)) == 0  # of the processes that torchrun starts, the one that writes
    if main:
        digests = {role: note.digest(pictures[role]) for role in recipe.sides}
        note.claim(folder, known | {"pictures": digests}, resume)
    with process_group(choose_device(device)):  # one for all phases
        call = partial(train, log=log, until=until, resume=resume, device=device)
        trained, done = _phases(call, recipe, nets, pictures, folder, first)
    path = folder / f"{recipe.name}.safetensors"
    if not main:
        return path
    best = recipe.deploy(trained)
    where = next(best.parameters()).device
    scales = list(getattr(best, "scales", (best.scale,)))
    scores = rounded_scores(recipe.evaluate(best, sets, scales))  # where it was trained: a processor would take minutes
    best = best.cpu()
    card = {"model": checkpoints.name_of(recipe.name), "scale": best.scale, "scales": scales, **known}
    card |= done
    card |= {"device": device_name(where), "commit": commit(), "torch": torch.__version__.partition("+")[0]}
    card |= {"protocol": str(metrics.PAPER), "scores": scores}
    return checkpoints.save(best, path, card)


def _phases(
    call: Callable[..., tuple[dict[str, nn.Module], list[dict[str, float]]]],
    recipe: Recipe,
    nets: dict[str, nn.Module],
    pictures: Mapping[str, Sequence[Tensor]],
    folder: Path,
    first: dict[str, Pictures],
) -> tuple[dict[str, nn.Module], dict[str, int]]:
    """Train phase after phase, as far as `until` allows; the networks of the last, and steps and seconds of all."""
    steps, seconds = 0, 0.0
    for phase in recipe.phases:
        trained, history = call(
            phase.step(),
            nets,
            {name: optim.build(nets) for name, optim in phase.optims.items()},
            phase.stream(pictures, seed=phase.config.seed, batch=phase.config.batch),
            phase.config,
            schedule=phase.schedules,
            frozen_nets=phase.frozen,
            evaluate=(lambda nets: _row(recipe, recipe.deploy(nets), first)) if first else None,
            folder=folder / phase.name if len(recipe.phases) > 1 else folder,
        )
        steps += history[-1]["step"]
        seconds += history[-1]["seconds"]
        if history[-1]["step"] < phase.config.steps:
            break
        for name, net in trained.items():  # the next phase begins with what this one gives
            nets[name].load_state_dict(net.state_dict())
    return trained, {"steps": steps, "seconds": round(seconds)}


def _row(recipe: Recipe, net: nn.Module, first: dict[str, Pictures]) -> dict[str, float]:
    """For the log: the scores on one set at the network's present scale."""
    scores = recipe.evaluate(net, first, (net.scale,))
    return next((row for sets in scores.values() for row in sets.values()), {})


def rounded_scores(scores: Scores) -> Scores:
    """For the card: a dB has four digits behind the point, SSIM five; None for what is infinite, as JSON has it."""

    def rounded(key: str, value: float) -> float | None:
        return round(value, 4 + (key == "ssim")) if math.isfinite(value) else None

    return {
        scale: {name: {key: rounded(key, value) for key, value in row.items()} for name, row in sets.items()}
        for scale, sets in scores.items()
    }


def planned_steps(card: dict) -> int:
    """The steps of the recipe on a card; 0 on cards that are older than phases."""
    return sum(phase["config"]["steps"] for phase in card["recipe"].get("phases", ()))


def _begin(net: nn.Module, model: str | os.PathLike) -> dict:
    """Take over weights; what was taken, for the card."""
    path = find_start(model, getattr(net, "scale", None))
    copied, fresh = warm_start(net, path)
    card = checkpoints.read_card(path)
    kept = ("model", "scale", "scales", "steps", "seconds", "device", "data", "sha256", "start")
    kept += ("name", "source", "licence", "converted_from")  # of weights of others, whose licence goes along
    return {key: card[key] for key in kept if key in card} | {"copied": len(copied), "fresh": fresh}


def device_name(device: torch.device) -> str:
    """What trained, for the card."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU ({platform.machine()}), {torch.get_num_threads()} threads"


def commit() -> str | None:
    """The commit of the clone that runs, with a mark if it was changed; None for an installed package."""
    root = Path(srlib.__file__).parents[1]
    ask = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
