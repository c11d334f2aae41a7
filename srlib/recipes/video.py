"""A video network, grown out of one for single pictures, and the control that it has to be better than."""

from collections.abc import Callable
from functools import partial
from typing import Any

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
RATE = 3e-4
FAST = 4.0  # lr pixels a frame; the search finds 4 between any two frames, and the outer ones are two frames away


def edvr_small(scale: int) -> Recipe:
    """The shipped EDSR-small, which learns to take from four neighbours what its own frame does not show.

    On clips made of stills, whose motion nobody tells it. What is new learns ten times as fast as what it began with.
    In a second phase motion is faster than the search for it reaches: what is found there is wrong, and to be left out.
    """
    phases = (
        _phase("supervised", 4_000, Clips(scale, lr_size=32), _late_first(RATE)),
        _phase("fast", 1_200, Clips(scale, lr_size=24, speed=FAST), _late_first(RATE / 3)),
    )
    return _recipe("edvr_small", scale, *phases)


def edvr_small_alone(scale: int) -> Recipe:
    """The control of `edvr_small`: the shipped EDSR-small goes on with the centre frames alone of the same clips.

    It gets about as much processor time, which is more than twice as many steps.
    """
    clips = Clips(scale, lr_size=32)
    return _recipe("edvr_small_alone", scale, _phase("supervised", 11_000, clips, partial(Muon, lr=RATE)))


def _late_first(rate: float) -> Callable[..., Any]:
    return partial(last_layer_lr, make=Muon, lr=rate, factor=10.0, last=GROWN)


def _phase(name: str, steps: int, clips: Clips, make: Callable[..., Any]) -> Phase:
    return Phase(
        name,
        TrainConfig(steps, batch=4, max_grad_norm=1.0),
        Late(supervised, Late(Weighted, pixel=(1.0, l1))),
        clips,
        {"g": Optim(make, schedule=warm_cosine)},
    )


def _recipe(model: str, scale: int, *phases: Phase) -> Recipe:
    build = partial(checkpoints.build, model, scale)
    return Recipe(f"{model}_x{scale}", {"g": build}, phases, DATA, {"g": "edsr_small"}, evaluate=made_scores)
