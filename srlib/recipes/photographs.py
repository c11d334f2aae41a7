"""Networks for real photographs, whose damages no formula gives."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from torch import nn
from torch.optim import Adam

from srlib import checkpoints
from srlib.data.cameras import LikePhotographs
from srlib.data.flats import WithFlats
from srlib.data.sources import DegradedPairs, Pairs, Together, UnpairedPatches
from srlib.losses.pixel import l1
from srlib.losses.weighted import Weighted
from srlib.models.cincgan import CleanThenEnlarge, camera_small, detail_discriminator, translator_small
from srlib.random_degradations.two_stage import TwoStage
from srlib.recipes.common import DATA, supervised_recipe
from srlib.training.loop import TrainConfig
from srlib.training.muon import Muon
from srlib.training.recipe import Late, Optim, Phase, Recipe
from srlib.training.schedules import cosine
from srlib.training.steps.cycle import BACK, inner_cycle, own_pairs


def edsr_small_real(scale: int) -> Recipe:
    """The shipped EDSR-small, which goes on with the random degradations of Real-ESRGAN in place of bicubic lr.

    It learns to take noise and blocks away before it enlarges, and pays for that on clean pictures. Flat colours
    without noise are among the patches: noise that is cut off at white teaches a network to brighten (`TwoStage`). A
    last step keeps the colours of lr (`models.anchored`).
    """
    lr_size = 32
    recipe = supervised_recipe(
        "edsr_small_real",
        (scale,),
        TrainConfig(12_000, batch=8, max_grad_norm=1.0),
        lr_size=lr_size,
        make=partial(Muon, lr=1e-3),
        start="edsr_small",
    )
    source = WithFlats(DegradedPairs(scale * lr_size, TwoStage(scale=scale)), flat=0.15, grey=0.15)
    return recipe.with_streams(lambda pairs: source)


def edsr_small_like(scale: int) -> Recipe:
    """The shipped EDSR-small, tuned to the camera that took a folder of photographs: `--data like=FOLDER`.

    Blur and noise are estimated from the photographs (`srlib kernel` prints them); nobody needs them sharp. It takes
    less than a minute, and what comes out is for pictures of this camera. Scores on bicubic lr fall, as they should.
    """
    recipe = supervised_recipe(
        "edsr_small",
        (scale,),
        TrainConfig(300, batch=8, max_grad_norm=1.0, ema_decay=0.98),
        lr_size=24,
        make=partial(Muon, lr=1e-2),
        schedule=cosine,
        data=DATA | {"like": ("BSDS",)},
        start="edsr_small",
    )
    source = LikePhotographs(scale, 24)
    return replace(recipe.with_streams(lambda pairs: source), name=f"edsr_small_like_x{scale}")


def cincgan_small(scale: int) -> Recipe:
    """A small CinCGAN (Yuan et al., CVPRW 2018): `--data lr=FOLDER hr=FOLDER`, photographs and sharp pictures.

    There are no pairs. Four networks first learn to clean lr and to make lr of clean pictures; then the shipped
    EDSR-small goes on with pairs that they make. Two minutes on two cores. It is for pictures of this camera: scores on
    bicubic lr fall.

    Differs from the paper: its second and third stage are replaced by the own pairs, see `benchmarks/cincgan.py` for
        what each is worth; G2 has noise; the networks are small.
    """
    adam = partial(Adam, betas=(0.5, 0.999))

    def optims(rate: float, *names: str) -> dict[str, Optim]:
        return {name: Optim(partial(adam, lr=rate), (name,), cosine) for name in names}

    stream = Together((UnpairedPatches({"lr": 32}), Pairs((scale,), 32)))
    settings = {"batch": 8, "max_grad_norm": 1.0, "ema_decay": 0.98}
    cycles = Phase(
        "cycles",
        TrainConfig(600, ema=("g1", "g2"), **settings),
        Late(inner_cycle, BACK),
        stream,
        optims(1e-3, "g1", "g2", "d1", "dx"),
        frozen=("sr",),
    )
    pairs = Phase(
        "own pairs",
        TrainConfig(150, ema=("g1", "sr"), **settings),
        Late(own_pairs, Late(Weighted, pixel=(1.0, l1))),
        stream,
        optims(3e-4, "g1", "sr"),
        frozen=("g2", "d1", "dx"),
    )
    nets = {"g1": translator_small, "g2": camera_small, "d1": detail_discriminator, "dx": detail_discriminator}
    return Recipe(
        f"cincgan_small_x{scale}",
        nets | {"sr": partial(checkpoints.build, "edsr_small", scale)},
        (cycles, pairs),
        DATA | {"lr": ("BSDS",)},
        {"sr": "edsr_small"},
        deploy=clean_then_enlarge,
    )


def clean_then_enlarge(nets: Mapping[str, nn.Module]) -> CleanThenEnlarge:
    """The two of CinCGAN's networks that are deployed."""
    return CleanThenEnlarge(nets["g1"], nets["sr"])
