"""A method of five networks that does what coming methods will: two phases, three optimizers, unpaired pictures.

Phase one trains features f and a camera b. Phase two holds f, and trains a and c (lr -> sr), b (sr -> lr) and a
discriminator d: one backward for two optimizers, a second update of the same optimizer, an update of d.

`python -m tests.training.toy_method FOLDER` carries it out, also under torchrun.
"""

import sys
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from srlib.data.sources import UnpairedPatches
from srlib.losses.adversarial import LEAST_SQUARES
from srlib.losses.pixel import l1
from srlib.models.fcn import ESPCN
from srlib.training.fit import fit
from srlib.training.loop import TrainConfig
from srlib.training.muon import Muon
from srlib.training.recipe import Late, Optim, Phase, Recipe
from srlib.training.run import frozen, unwrap
from srlib.training.schedules import constant, multistep_at, warm_cosine


class Refine(nn.Module):
    """x plus what a convolution makes of it; twice as an output on request."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x, *, pyramid=False):
        y = x + 0.1 * self.conv(x)
        return [F.avg_pool2d(y, 2), y] if pyramid else y


class Enlarge(nn.Module):
    """What is deployed: the two networks that make sr of lr."""

    def __init__(self, a, c):
        super().__init__()
        self.a, self.c, self.scale, self.channels = a, c, a.scale, 3

    def forward(self, lr):
        return self.c(self.a(lr))


def first():
    """f learns to keep a picture, b to shrink it."""

    def step(nets, opts, batch, run):
        _, hr = batch
        with run.autocast():
            kept = l1(nets["f"](hr)[:, :3].float(), hr)
            small = l1(nets["b"](hr).float(), F.avg_pool2d(hr, 2))
        run.minimize(kept, opts["f"])
        run.minimize(small, opts["dual"])
        return {"loss": (kept + small).detach()}

    return step


def second(weight):
    def step(nets, opts, batch, run):
        lr, hr = batch
        with run.autocast():
            half, sr = nets["c"](nets["a"](lr), pyramid=True)
            with frozen(unwrap(nets["d"])) as d:
                fooled = LEAST_SQUARES.g(None, d(sr).float())
            seen, wanted = (nets["f"](image).float().mean((2, 3)) for image in (sr, hr))
            loss = (
                l1(nets["b"](sr).float(), lr)
                + l1(half.float(), lr)
                + l1(seen[..., None, None], wanted[..., None, None])
            )
            loss = loss + weight * fooled
        run.minimize(loss, opts["g"], opts["dual"])
        with run.autocast():
            again = l1(F.avg_pool2d(nets["a"](lr), 2).float(), lr)
        run.minimize(again, opts["g"])
        with run.autocast():
            loss_d = LEAST_SQUARES.d(nets["d"](hr).float(), nets["d"](sr.detach()).float())
        run.minimize(loss_d, opts["d"])
        return {"loss": loss.detach(), "loss_d": loss_d.detach()}

    return step


def recipe(*, steps=40, precision="fp32"):
    config = TrainConfig(
        steps, batch=4, precision=precision, ema=("a", "c"), ema_decay=0.9, max_grad_norm=1.0, log_every=2, save_every=3
    )
    stream = UnpairedPatches({"lr": 8, "hr": 16})
    dual = Optim(partial(torch.optim.SGD, lr=0.05, momentum=0.9), ("b",), warm_cosine)
    return Recipe(
        "toy_x2",
        {
            "a": partial(ESPCN, scale=2, channels=3, width=8),
            "b": partial(nn.Conv2d, 3, 3, 4, stride=2, padding=1),
            "c": Refine,
            "d": partial(nn.Conv2d, 3, 1, 4, stride=2),
            "f": partial(nn.Conv2d, 3, 5, 3, padding=1),
        },
        (
            Phase(
                "first",
                config,
                Late(first),
                stream,
                {"f": Optim(partial(torch.optim.Adam, lr=1e-2, eps=1e-2), ("f",)), "dual": dual},
            ),
            Phase(
                "second",
                config,
                Late(second, weight=0.1),
                stream,
                {
                    "g": Optim(partial(Muon, lr=3e-3), ("a", "c"), constant),
                    "dual": dual,
                    "d": Optim(
                        partial(torch.optim.Adam, lr=1e-2, eps=1e-2),
                        ("d",),
                        partial(multistep_at, fractions=(1 / 2,), gamma=0.1),
                    ),
                },
                frozen=("f",),
            ),
        ),
        {"lr": ("Set5",), "hr": ("Set14",)},
        deploy=deployed,
        evaluate=no_scores,
    )


def deployed(nets):
    return Enlarge(nets["a"], nets["c"])


def no_scores(net, sets, scales):
    return {}


def run(folder, **settings):
    """Train in a folder, or go on with the run in it."""
    torch.set_num_threads(1)
    pictures = {
        role: [torch.rand(1, 3, 30 + k, 41, generator=torch.Generator().manual_seed(k))]
        for k, role in enumerate(("lr", "hr"))
    }
    how = {name: settings.pop(name) for name in ("log", "until", "device") if name in settings}
    return fit(recipe(**settings), pictures, folder, resume=True, **how)


if __name__ == "__main__":
    run(Path(sys.argv[1]), steps=20)
