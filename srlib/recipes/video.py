"""A video network, grown out of one for single pictures."""

from functools import partial

from srlib import checkpoints
from srlib.data.sources import Clips
from srlib.evaluation.clips import made_scores
from srlib.losses.pixel import l1
from srlib.losses.weighted import Weighted
from srlib.recipes.common import DATA
from srlib.training.loop import TrainConfig
from srlib.training.muon import Muon
from srlib.training.recipe import Late, Optim, Phase, Recipe, last_layer_lr
from srlib.training.schedules import warm_cosine
from srlib.training.steps.supervised import supervised

GROWN = 6  # weights and biases that the shipped network does not have, the last ones


def edvr_small(scale: int) -> Recipe:
    """The shipped EDSR-small, which learns to take from four neighbours what its own frame does not show.

    On clips made of stills, whose motion nobody tells it. What is new learns ten times as fast as what it began with.
    """
    rates = partial(last_layer_lr, make=Muon, lr=3e-4, factor=10.0, last=GROWN)
    phase = Phase(
        "supervised",
        TrainConfig(4_000, batch=4, max_grad_norm=1.0),
        Late(supervised, Late(Weighted, pixel=(1.0, l1))),
        Clips(scale, lr_size=32),
        {"g": Optim(rates, schedule=warm_cosine)},
    )
    return Recipe(
        f"edvr_small_x{scale}",
        {"g": partial(checkpoints.build, "edvr_small", scale)},
        (phase,),
        DATA,
        {"g": "edsr_small"},
        evaluate=made_scores,
    )
