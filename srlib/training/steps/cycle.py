"""CinCGAN: learn to clean pictures of a camera, and to enlarge them, from two sets without pairs."""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from srlib import images
from srlib.losses.adversarial import LEAST_SQUARES, GANLoss
from srlib.losses.pixel import low_frequency_l1, total_variation
from srlib.losses.weighted import Weighted
from srlib.training.loop import Optimizers, Step
from srlib.training.run import Run, frozen, unwrap

INNER = {"gan": 1.0, "cycle": 10.0, "identity": 5.0, "smooth": 0.5}
BACK = {"gan": 1.0, "identity": 5.0, "smooth": 0.5, "colour": 5.0, "gan_x": 1.0, "back": 10.0}
CELL = 8  # pixels a side, of whose mean the colours are
JOINT = {"gan": 1.0, "cycle": 10.0, "identity": 5.0, "smooth": 2.0}


def inner_cycle(weights: Mapping[str, float] = INNER, *, gan_loss: GANLoss = LEAST_SQUARES) -> Step:
    """Train `g1` to clean pictures x, `g2` to undo it, and `d1` to tell them from y (Yuan et al., CVPRW 2018, eq. 1-5).

    d1 is updated first, on y and on what g1 made; then g1 and g2 together, against the updated d1. A batch is (x, y):
    pictures of the camera and clean ones of the same size, not of the same things.

    With the weights `BACK` the way back is trained, too: `dx` tells what g2 makes of clean pictures from x, and g1
    learns to clean what g2 has made, whose clean picture is known (Zhu et al., ICCV 2017, the backward cycle).

    Args:
        weights: "gan", of the adversarial loss; "cycle", of ‖g2(g1(x)) − x‖; "identity", of ‖g1(y) − y‖; "smooth", of
            the total variation of g1(x); "gan_x", of the adversarial loss of g2(y); "back", of ‖g1(g2(y)) − y‖, which
            moves g1 alone; "colour", of the difference of cell means of g1(x) and x, and of g2(y) and y. One that is 0
            or missing is not computed.

    Differs from the paper: L1 cycles, as in later work, where the paper has L2; total variation is a mean, of |∂|. No
        pool of old pictures. The way back and "colour" are not in the paper.
    """

    def step(nets: dict[str, nn.Module], opts: Optimizers, batch: tuple[Tensor, Tensor], run: Run) -> dict[str, Tensor]:
        x, y = batch[:2]
        with run.autocast():
            clean = nets["g1"](x)
        told = _judge("d1", y, clean, nets, opts, run, weights.get("gan"), gan_loss)
        with run.autocast():
            parts = _parts("d1", clean, nets, weights, gan_loss)
            if weights.get("colour"):
                parts["colour"] = weights["colour"] * low_frequency_l1(clean.float(), x, CELL)
            if weights.get("cycle"):
                parts["cycle"] = weights["cycle"] * F.l1_loss(nets["g2"](clean).float(), x)
            if weights.get("identity"):
                parts["identity"] = weights["identity"] * F.l1_loss(nets["g1"](y).float(), y)
        if weights.get("gan_x"):
            more, back = _way_back(nets, opts, x, y, run, weights, gan_loss)
            told, parts = told | more, parts | back
        loss = sum(parts.values())
        run.minimize(loss, *(opts[name] for name in _used(opts, weights, "g1", g2=("cycle", "gan_x"))))
        return told | {name: part.detach() for name, part in parts.items()} | {"loss": loss.detach()}

    return step


def joint_cycle(
    weights: Mapping[str, float] = JOINT,
    *,
    inner: Mapping[str, float] = INNER | {"cycle": 1.0},
    gan_loss: GANLoss = LEAST_SQUARES,
) -> Step:
    """Train `g1` and `sr` together, `g3` to shrink their result back, and `d2` on large pictures.

    An inner step with the weights `inner`, whose cycle counts less than before, and then one of the outer
    cycle (Yuan et al., CVPRW 2018, sec. 3.3). A batch is (x, y, z): z is a large picture and y its bicubic
    shrinking; x is of something else.

    Args:
        weights: of the adversarial loss of d2, of ‖g3(sr(g1(x))) − x‖, of ‖sr(y) − z‖, without which sr forgets what it
            knew, and of the total variation of sr(g1(x)).
        inner: of the inner step, as for `inner_cycle`.

    Differs from the paper: as `inner_cycle`; the two steps follow each other, each with updates of its own.
    """
    first = inner_cycle(inner, gan_loss=gan_loss)

    def step(nets: dict[str, nn.Module], opts: Optimizers, batch: tuple[Tensor, ...], run: Run) -> dict[str, Tensor]:
        x, y, z = batch
        told = {f"inner_{name}": value for name, value in first(nets, opts, (x, y), run).items()}
        with run.autocast():
            large = nets["sr"](nets["g1"](x))
        told |= _judge("d2", z, large, nets, opts, run, weights.get("gan"), gan_loss)
        with run.autocast():
            parts = _parts("d2", large, nets, weights, gan_loss)
            if weights.get("cycle"):
                parts["cycle"] = weights["cycle"] * F.l1_loss(nets["g3"](large).float(), x)
            if weights.get("identity"):
                parts["identity"] = weights["identity"] * F.l1_loss(nets["sr"](y).float(), z)
        loss = sum(parts.values())
        run.minimize(loss, *(opts[name] for name in _used(opts, weights, "g1", "sr", g3=("cycle",))))
        return told | {name: part.detach() for name, part in parts.items()} | {"loss": loss.detach()}

    return step


def own_pairs(loss: Weighted) -> Step:
    """Train `g1` and `sr` on pairs that the camera `g2`, which stays as it is, makes of clean pictures.

    A batch is (x, y, z); x is not looked at: what is known of the camera is in g2. lr has 8 bits, as x has.

    Source: Maeda (CVPR 2020), pseudo-supervision; there all networks are trained at once.
    """

    def step(nets: dict[str, nn.Module], opts: Optimizers, batch: tuple[Tensor, ...], run: Run) -> dict[str, Tensor]:
        _, y, z = batch
        with run.autocast():
            with torch.no_grad():
                lr = images.quantised(unwrap(nets["g2"])(y).float())
            total, parts = loss(nets["sr"](nets["g1"](lr)), z)
        run.minimize(total, *(opts[name] for name in _used(opts, {}, "g1", "sr")))
        return parts | {"loss": total.detach()}

    return step


def _way_back(
    nets: dict[str, nn.Module],
    opts: Optimizers,
    x: Tensor,
    y: Tensor,
    run: Run,
    weights: Mapping[str, float],
    gan_loss: GANLoss,
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """What is told of the update of dx, and the losses of g2(y) and of what g1 makes of it."""
    with run.autocast():
        taken = nets["g2"](y)
    told = _judge("dx", x, taken, nets, opts, run, weights["gan_x"], gan_loss)
    with run.autocast():
        parts = {"gan_x": weights["gan_x"] * _convincing("dx", taken, nets, gan_loss)}
        if weights.get("back"):
            parts["back"] = weights["back"] * F.l1_loss(nets["g1"](taken.detach()).float(), y)
        if weights.get("colour"):
            parts["colour_x"] = weights["colour"] * low_frequency_l1(taken.float(), y, CELL)
    return told, parts


def _judge(
    name: str,
    real: Tensor,
    fake: Tensor,
    nets: Mapping[str, nn.Module],
    opts: Optimizers,
    run: Run,
    weight: float | None,
    gan_loss: GANLoss,
) -> dict[str, Tensor]:
    """One update of a discriminator, where its word counts."""
    if not weight:
        return {}
    with run.autocast():
        loss = gan_loss.d(*nets[name](torch.cat([real, fake.detach()])).float().chunk(2))
    run.minimize(loss, opts[name])
    return {f"loss_{name}": loss.detach()}


def _parts(
    name: str, made: Tensor, nets: Mapping[str, nn.Module], weights: Mapping[str, float], gan_loss: GANLoss
) -> dict[str, Tensor]:
    """What both cycles ask of a picture itself: that the discriminator take it for real, and that it be smooth."""
    parts = {}
    if weights.get("gan"):
        parts["gan"] = weights["gan"] * _convincing(name, made, nets, gan_loss)
    if weights.get("smooth"):
        parts["smooth"] = weights["smooth"] * total_variation(made.float())
    return parts


def _convincing(name: str, made: Tensor, nets: Mapping[str, nn.Module], gan_loss: GANLoss) -> Tensor:
    """How far a discriminator, which gets no gradient here, is from taking what was made for real."""
    with frozen(unwrap(nets[name])) as d:
        logits = d(made).float()
    return gan_loss.g(logits, logits)


def _used(opts: Optimizers, weights: Mapping[str, float], *always: str, **others: tuple[str, ...]) -> list[str]:
    """The optimizers of the networks that have a gradient, each once: always, or where one of these weights counts."""
    names = [*always, *(name for name, terms in others.items() if any(map(weights.get, terms)))]
    return [name for name in names if name in opts]
