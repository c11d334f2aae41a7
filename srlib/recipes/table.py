"""Every recipe by its name: ours for two cores, the papers' for a GPU."""

from collections.abc import Callable

from srlib.recipes.loops import drn_s_paper, drn_small, drn_small_dual, drn_small_unpaired, lapsrn, lapsrn_paper
from srlib.recipes.ours import (
    compact,
    edsr_baseline,
    edsr_small,
    espcn,
    esrgan_small,
    fsrcnn,
    johnson,
    johnson_pixel,
    johnson_pixel_settled,
    mdsr,
    rrdb_psnr_small,
    srcnn,
    srgan,
    srresnet,
    vdsr,
)
from srlib.recipes.papers import (
    edsr_baseline_paper,
    edsr_paper,
    espcn_paper,
    esrgan_paper,
    fsrcnn_paper,
    mdsr_paper,
    rrdb_psnr_paper,
    srcnn_paper,
    srgan_paper,
    srresnet_paper,
    vdsr_paper,
)
from srlib.recipes.photographs import cincgan_small, edsr_small_like, edsr_small_real
from srlib.recipes.video import edvr_small, edvr_small_alone
from srlib.training.recipe import Recipe

RECIPES: dict[str, Callable[..., Recipe]] = {
    recipe.__name__: recipe
    for recipe in (
        *(srcnn, fsrcnn, espcn, vdsr, srresnet, edsr_small, edsr_baseline, mdsr, rrdb_psnr_small),
        *(lapsrn, drn_small, drn_small_dual, drn_small_unpaired),
        *(edsr_small_real, edsr_small_like, cincgan_small, edvr_small, edvr_small_alone),
        *(johnson_pixel, johnson_pixel_settled, johnson, srgan, esrgan_small),
        *(srcnn_paper, fsrcnn_paper, espcn_paper, vdsr_paper, srresnet_paper),
        *(edsr_baseline_paper, edsr_paper, mdsr_paper, lapsrn_paper, drn_s_paper),
        *(srgan_paper, rrdb_psnr_paper, esrgan_paper),
        compact,  # mostly for going on from weights of others
    )
}


def find(name: str, scale: int) -> Recipe:
    """A recipe by its name.

    Raises: ValueError for a name that is not there.
    """
    if name not in RECIPES:
        raise ValueError(f"no recipe {name!r}; there are {', '.join(RECIPES)}")
    return RECIPES[name](scale)
