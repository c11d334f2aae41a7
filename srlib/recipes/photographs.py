"""Networks for real photographs, whose damages no formula gives."""

from dataclasses import replace
from functools import partial

from srlib.data.cameras import LikePhotographs
from srlib.data.flats import WithFlats
from srlib.data.sources import DegradedPairs
from srlib.random_degradations.two_stage import TwoStage
from srlib.recipes.common import DATA, supervised_recipe
from srlib.training.loop import TrainConfig
from srlib.training.muon import Muon
from srlib.training.recipe import Recipe
from srlib.training.schedules import cosine


def edsr_small_real(scale: int) -> Recipe:
    """The shipped EDSR-small, which goes on with the random degradations of Real-ESRGAN in place of bicubic lr.

    It learns to take noise and blocks away before it enlarges, and pays for that on clean pictures. Flat colours
    without noise are among the patches: noise that is cut off at white teaches a network to brighten (`TwoStage`).
    """
    lr_size = 32
    recipe = supervised_recipe(
        "edsr_small_real",
        (scale,),
        TrainConfig(20_000, batch=8, max_grad_norm=1.0),
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
