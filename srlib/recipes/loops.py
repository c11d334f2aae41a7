"""Pyramids and closed loops: LapSRN and DRN, ours for two cores and the papers' for a GPU."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from torch.optim import Adam

from srlib import checkpoints
from srlib.data.sources import Pyramids, Together, UnpairedPatches
from srlib.losses.pixel import charbonnier, l1
from srlib.losses.weighted import Levels, Weighted
from srlib.models.drn import PHASES, dual
from srlib.recipes.common import DATA
from srlib.training.loop import TrainConfig
from srlib.training.muon import Muon
from srlib.training.recipe import Late, Optim, Phase, Recipe
from srlib.training.schedules import cosine, multistep_at, warm_cosine
from srlib.training.steps.dual import dual_adaptation, dual_pretraining, dual_regression
from srlib.training.steps.supervised import supervised

DF2K = {"hr": ("DIV2K_train_HR", "Flickr2K")}
DUAL_WEIGHT = 0.1  # λ of the paper


def _levels(loss: Callable, *weights: float) -> Late:
    """Of one weight for all answers, or of one for each."""
    return Late(Levels, *(Late(Weighted, pixel=(weight, loss)) for weight in weights))


def _mostly_last(scale: int) -> tuple[float, ...]:
    """Weights of DRN's answers: at this size, as much weight on the small ones costs the last one 0.1 dB."""
    return (0.1,) * PHASES[scale] + (1.0,)


def _pyramid(
    model: str, scale: int, config: TrainConfig, make: Callable[..., Any], *, lr_size: int, loss: Callable,
    weights: tuple[float, ...] = (1.0,), channels: int = 3, schedule: Callable = warm_cosine,
) -> Recipe:  # fmt: skip
    """One network of several outputs that learns all of them."""
    step = Late(supervised, _levels(loss, *weights), pyramid=True)
    stream = Pyramids(scale, lr_size, channels)
    phase = Phase("pyramid", config, step, stream, {"g": Optim(make, schedule=schedule)})
    return Recipe(f"{model}_x{scale}", {"g": partial(checkpoints.build, model, scale)}, (phase,), DATA)


def lapsrn(scale: int) -> Recipe:
    """LapSRN with 32 maps and 5 layers a level on RGB; patches of at most 128 hr pixels, as small pictures have."""
    config = TrainConfig(30_000, batch=4, max_grad_norm=1.0)
    return _pyramid("lapsrn", scale, config, partial(Muon, lr=3e-3), lr_size=min(32, 128 // scale), loss=charbonnier)


def drn_small(scale: int) -> Recipe:
    """DRN with 2 blocks of width 8, all answers trained, the small ones with a tenth of the weight; the loop open."""
    config = TrainConfig(20_000, batch=8, max_grad_norm=1.0)
    return _pyramid(
        "drn_small", scale, config, partial(Muon, lr=3e-3), lr_size=32, loss=l1, weights=_mostly_last(scale)
    )  # fmt: skip


def _duals(scale: int, width: int) -> dict[str, Callable]:
    """Of the smallest step first: d1 shrinks ×2 to lr."""
    return {f"d{k}": partial(dual, width) for k in range(1, PHASES[scale] + 1)}


def _closed(
    model: str, scale: int, config: TrainConfig, make: Callable[..., Any], *, lr_size: int, width: int, dual_lr: float,
    schedule: Callable, name: str, weights: tuple[float, ...] = (1.0,),
) -> Recipe:  # fmt: skip
    duals = _duals(scale, width)
    names, stream = tuple(duals), Pyramids(scale, lr_size)
    # a few seconds on true pairs, at a high rate and in full precision: the dual networks are small
    first = TrainConfig(800, batch=8, precision="fp32", ema=())
    pretraining = Phase(
        "duals",
        first,
        Late(dual_pretraining, _levels(l1, 1.0), duals=names),
        stream,
        {"d": Optim(partial(Adam, lr=1e-2), names, cosine)},
        frozen=("g",),
    )
    own = {each: Optim(partial(Adam, lr=dual_lr, fused=True), (each,), schedule) for each in names}
    closed = Phase(
        "dual regression",
        config,
        Late(dual_regression, _levels(l1, *weights), _levels(l1, DUAL_WEIGHT), duals=names),
        stream,
        {"g": Optim(make, schedule=schedule), **own},
    )
    nets = {"g": partial(checkpoints.build, model, scale), **duals}
    return Recipe(f"{name}_x{scale}", nets, (pretraining, closed), DATA)


def drn_small_dual(scale: int) -> Recipe:
    """The same DRN with the loop closed: dual networks of width 8, trained on true pairs first."""
    config = TrainConfig(20_000, batch=8, max_grad_norm=1.0)
    return _closed(
        "drn_small", scale, config, partial(Muon, lr=3e-3), lr_size=32, width=8, dual_lr=1e-3, schedule=warm_cosine,
        name="drn_small_dual", weights=_mostly_last(scale),
    )  # fmt: skip


def drn_small_unpaired(scale: int) -> Recipe:
    """The shipped drn_small, adapted to lr of another camera that nobody has hr of: `--data lr=FOLDER hr=...`.

    As in Guo et al. (CVPR 2020, algorithm 1), where the adaptation begins with a trained network, too.

    Differs from the paper: dual networks are trained on true pairs first; it is done after a thousand steps.
    """
    config = TrainConfig(1_000, batch=8, max_grad_norm=1.0, ema_decay=0.99)
    make, name = partial(Muon, lr=5e-4), "drn_small_unpaired"
    recipe = _closed(
        "drn_small", scale, config, make, lr_size=32, width=8, dual_lr=1e-3, schedule=cosine, name=name,
        weights=_mostly_last(scale),
    )  # fmt: skip
    pretraining, closed = recipe.phases
    stream = Together((closed.stream, UnpairedPatches({"lr": 32})))
    step = Late(dual_adaptation, *closed.step.args, **closed.step.keywords)
    adaptation = replace(closed, name="adaptation", step=step, stream=stream)
    return replace(recipe, phases=(pretraining, adaptation), data=DATA | {"lr": ("BSDS",)}, start={"g": "drn_small"})


def lapsrn_paper(scale: int) -> Recipe:
    """LapSRN as in Lai et al. (CVPR 2017): Charbonnier's loss at each level, patches of 128 hr pixels, batches of 64.

    Differs from the paper: Adam in place of gradient descent with a gradient clipped to a hundredth; flips and turns in
    place of shrinking; the 390 pictures of T91, General100 and BSDS in place of the paper's 291.
    """
    config = TrainConfig(1_000_000, batch=64, ema_decay=0.0)
    make = partial(Adam, lr=1e-4, fused=True)
    schedule = partial(multistep_at, fractions=(0.25, 0.5, 0.75))
    return _pyramid(
        "lapsrn_paper", scale, config, make, lr_size=128 // scale, loss=charbonnier, channels=1, schedule=schedule
    )


def drn_s_paper(scale: int) -> Recipe:
    """DRN-S as in Guo et al. (CVPR 2020): Adam from 1e-4 to 1e-7 in a million steps, batches of 32 of 384 hr pixels.

    Differs from the paper: dual networks are trained on true pairs first; targets between lr and hr are made here, by
    the same bicubic interpolation.
    """
    config = TrainConfig(1_000_000, batch=32, ema_decay=0.0)
    make, schedule = partial(Adam, lr=1e-4, fused=True), partial(cosine, end=1e-3)
    recipe = _closed(
        "drn_s", scale, config, make, lr_size=384 // scale, width={4: 16, 8: 8}[scale], dual_lr=1e-4,
        schedule=schedule, name="drn_s",
    )  # fmt: skip
    return replace(recipe, data=DF2K)
