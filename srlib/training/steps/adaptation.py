"""Frequency consistent adaptation: train the comparator on the source alone, then a kernel against it."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from srlib import images
from srlib.losses.adversarial import LEAST_SQUARES
from srlib.models.learned_kernels import adapted, centre_of_mass
from srlib.training.loop import Optimizers, Step
from srlib.training.run import Run, frozen, unwrap
from srlib.warp import turned

Batch = tuple[Tensor, ...]


def comparing() -> Step:
    """Train the comparator `c` to order patches by how they were scaled (Ji et al., AAAI 2021, sec. 3.2).

    Shrunk against plain is +1, plain against plain 0, enlarged against plain −1. With two outputs the one along which
    the patch was scaled has the target, and the other has 0. A batch is that of `RescaledStream`.

    Differs from the paper: absolute error, which the paper does not name; one pass with all four kinds of patches, so
        that a norm, where there is one, sees them together.
    """

    def step(nets: dict[str, nn.Module], opts: Optimizers, batch: Batch, run: Run) -> dict[str, Tensor]:
        *patches, direction = batch
        with run.autocast():
            codes = unwrap(nets["c"]).encode(torch.cat(patches)).float().mean((2, 3))
        other, plain, shrunk, enlarged = codes.chunk(4)
        target = F.one_hot(direction, codes.shape[1]).to(codes)
        parts = {
            "shrunk": F.l1_loss(shrunk - plain, target),
            "plain": F.l1_loss(other - plain, torch.zeros_like(target)),
            "enlarged": F.l1_loss(enlarged - plain, -target),
        }
        loss = sum(parts.values())
        run.minimize(loss, opts["c"])
        return {name: part.detach() for name, part in parts.items()} | {"loss": loss.detach()}

    return step


def order_accuracy(c: nn.Module, batch: Batch) -> float:
    """The share of samples of a `RescaledStream` whose shrunk patch is denser than the enlarged one, in the comparator.

    0.5 for a comparator that sees nothing.
    """
    _, _, shrunk, enlarged, direction = batch
    with torch.no_grad():
        ordered = c(shrunk, enlarged).mean((2, 3))
    return (ordered.gather(1, direction[:, None]) > 0).float().mean().item()


def adapting(
    *,
    scale: int,
    wavelet: float = 0.0,
    centre: float = 1.0,
    anchors: bool = False,
    turn: bool = False,
    density: float = 1.0,
) -> Step:
    """Train the kernel `k` until shrunk and blurred pictures are as dense as the source (Ji et al., AAAI 2021, eq. 5).

    The comparator `c` is not trained here: a comparator that minimises what the kernel minimises has no reason to tell
    the truth. Where `wavelet` is above 0, a `WaveletDiscriminator` `d` is trained in turn, with least squares.

    A batch is (large, x) or (large, x, x_D, x_U): `large` has `scale` times the sides of the others.

    Args:
        wavelet: weight of d's word; 0.001 in the paper.
        density: weight of the comparator's.
        centre: of the squared distance of the centre of mass from the middle tap.
        turn: also compare after a turn by 45°: along two directions alone, a blur at 30° and one at −30° are alike.
        anchors: also ask that the result lie as far below x_D and above x_U as x does.

    Differs from the paper: the comparator's answers are averaged over the batch, since patches differ in their content
        by more than the kernel changes; the result is rounded to 8 bits, as the source is; the paper has the anchors,
        and no term for the centre.
    """

    def step(nets: dict[str, nn.Module], opts: Optimizers, batch: Batch, run: Run) -> dict[str, Tensor]:
        large, source, *scaled = batch
        kernel = taps_of(nets["k"], large)
        made = _rounded(adapted(large, kernel, scale))
        parts: dict[str, Tensor] = {}
        with run.autocast(), frozen(unwrap(nets["c"])) as c:
            parts["density"] = density * _distance(c, made, source, 0.0)
            if turn:
                parts["turned"] = density * _distance(c, turned(made, 8), turned(source, 8), 0.0)
            if anchors:
                parts["anchors"] = density * sum(
                    _distance(c, made, other, target) for other, target in zip(scaled, (-1.0, 1.0), strict=True)
                )
        parts["centre"] = centre * centre_of_mass(kernel).square().sum(-1).mean()
        if wavelet:
            real, fake = nets["d"](source).float(), nets["d"](made.detach()).float()
            loss_d = LEAST_SQUARES.d(real, fake)
            run.minimize(loss_d, opts["d"])
            with frozen(unwrap(nets["d"])) as d:
                fooled = d(made).float()
                parts["wavelet"] = wavelet * LEAST_SQUARES.g(fooled, fooled)
        loss = sum(parts.values())
        run.minimize(loss, opts["k"])
        told = {name: part.detach() for name, part in parts.items()} | {"loss": loss.detach()}
        return told | ({"loss_d": loss_d.detach()} if wavelet else {})

    return step


def taps_of(net: nn.Module, pictures: Tensor) -> Tensor:
    """The kernel of a network that reads it off the pictures, or of one that has it.

    Shapes: (k, k), or (N, k, k) from pictures (N, 3, H, W).
    """
    reads: Callable = unwrap(net)
    return net(pictures) if hasattr(reads, "tail") else net()


def _rounded(made: Tensor) -> Tensor:
    """To the levels of 8 bits; the gradient is that of no rounding."""
    return made + (images.quantised(made) - made).detach()


def _distance(c: nn.Module, made: Tensor, other: Tensor, target: float) -> Tensor:
    """|C(made, other) − target| of the mean over the batch, summed over the comparator's outputs."""
    return (c(made, other).float().mean((0, 2, 3)) - target).abs().sum()
