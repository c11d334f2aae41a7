"""Two shapes that many recipes have: one network that learns pairs, and a generator with a discriminator."""

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import nn

from srlib import checkpoints
from srlib.data.flats import WithFlats
from srlib.data.sources import Pairs
from srlib.losses.pixel import Loss, l1
from srlib.losses.weighted import Weighted
from srlib.training.loop import TrainConfig
from srlib.training.recipe import Late, Optim, Phase, Recipe
from srlib.training.schedules import warm_cosine
from srlib.training.steps.held_norms import held_norms
from srlib.training.steps.supervised import supervised

DATA = {"hr": ("T91", "General100", "BSDS")}  # the 91 + 100 + 199 pictures of the early papers


def supervised_recipe(
    model: str,
    scales: tuple[int, ...],
    config: TrainConfig,
    *,
    lr_size: int,
    make: Callable[..., Any],
    loss: Loss = l1,
    channels: int = 3,
    schedule: Callable = warm_cosine,
    data: dict[str, tuple[str, ...]] = DATA,
    start: str | None = None,
    flats: float = 0.0,
    held: bool = False,
) -> Recipe:
    """A recipe of one phase in which one network learns pairs.

    Args:
        model: a row of the catalogue.
        scales: several take turns, batch by batch.
        lr_size: side of a patch in lr pixels.
        make: weights -> optimizer.
        start: the shipped network whose weights it begins with.
        flats: share of the patches that become flat, and of those that become grey, so that colours stay.
        held: batch norm keeps the statistics that it began with (`held_norms`).
    """
    step = Late(supervised, Late(Weighted, pixel=(1.0, loss)), at_scale=len(scales) > 1)
    pairs = Pairs(scales, lr_size, channels)
    phase = Phase(
        "supervised",
        config,
        Late(held_norms, step) if held else step,
        WithFlats(pairs, flats, flats) if flats else pairs,
        {"g": Optim(make, schedule=schedule)},
    )
    return Recipe(
        f"{model}_x{''.join(map(str, scales))}",
        {"g": partial(checkpoints.build, model, scales[-1])},
        (phase,),
        data,
        None if start is None else {"g": start},
    )


def gan_recipe(
    model: str,
    scale: int,
    step: Late,
    config: TrainConfig,
    *,
    lr_size: int,
    discriminator: Callable[[], nn.Module],
    g: Optim,
    d: Optim,
    data: dict[str, tuple[str, ...]] = DATA,
    start: str | None = None,
) -> Recipe:
    """A recipe of one phase in which a generator learns from a discriminator, too.

    Args:
        discriminator: makes it.
        g, d: the optimizers of the two.
        model, lr_size, start: as for `supervised_recipe`.
    """
    return Recipe(
        f"{model}_x{scale}",
        {"g": partial(checkpoints.build, model, scale), "d": discriminator},
        (Phase("adversarial", config, step, Pairs((scale,), lr_size), {"g": g, "d": d}),),
        data,
        None if start is None else {"g": start},
    )
