"""How each network is trained: our settings for two CPU cores, and the papers' own for a GPU."""

from collections.abc import Callable

from srlib.fitting import Recipe
from srlib.training import TrainConfig

# Ours: small batches of small patches and a high learning rate go furthest in a given time on two cores; the average
# of the weights takes the noise out again. Measured in the chapter on residual networks.


def srcnn(scale: int) -> Recipe:
    """SRCNN 9-5-5 on Y."""
    return Recipe("srcnn", (scale,), TrainConfig(30_000, batch=16, clip=1.0), 48 // scale, 1e-3)


def fsrcnn(scale: int) -> Recipe:
    """FSRCNN(56, 12, 4) on Y."""
    return Recipe("fsrcnn", (scale,), TrainConfig(60_000, batch=16, clip=1.0), 96 // scale, 3e-3)


def espcn(scale: int) -> Recipe:
    """ESPCN on Y."""
    return Recipe("espcn", (scale,), TrainConfig(60_000, batch=16, clip=1.0), 96 // scale, 2e-3)


def vdsr(scale: int) -> Recipe:
    """VDSR with 20 layers on Y."""
    return Recipe("vdsr", (scale,), TrainConfig(12_000, batch=8, clip=1.0), 64 // scale, 3e-4)


def srresnet(scale: int) -> Recipe:
    """SRResNet, with L1."""
    return Recipe("srresnet", (scale,), TrainConfig(15_000, batch=4, clip=1.0), 96 // scale, 5e-4)


def edsr_small(scale: int) -> Recipe:
    """Eight blocks of 32: past SRCNN's 30.48 dB on Set5 ×4 within a minute or two on two cores."""
    return Recipe("edsr_small", (scale,), TrainConfig(30_000, batch=8, clip=1.0), 128 // scale, 1.5e-3)


def edsr_baseline(scale: int) -> Recipe:
    """Sixteen blocks of 64."""
    return Recipe("edsr_baseline", (scale,), TrainConfig(25_000, batch=4, clip=1.0), 128 // scale, 5e-4)


def mdsr(scale: int = 4) -> Recipe:
    """MDSR-baseline; ×2, ×3 and ×4 take turns."""
    return Recipe("mdsr", (2, 3, 4), TrainConfig(25_000, batch=4, clip=1.0), 32, 5e-4)


RECIPES: dict[str, Callable[[int], Recipe]] = {
    recipe.__name__: recipe for recipe in (srcnn, fsrcnn, espcn, vdsr, srresnet, edsr_small, edsr_baseline, mdsr)
}
