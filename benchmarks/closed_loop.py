"""What the closed loop of DRN changes, for the chapter on it; writes data/results/closed_loop.csv.

python -m benchmarks.closed_loop [FIRST LAST] [--steps 5000]

Four arms with the same start and the same batches, seed by seed: only the last answer is trained; all of them; all, and
the dual networks with weight 0.1; all, and bicubic interpolation in place of the dual networks. Seeds FIRST to LAST - 1
(default: 0 to 8); what the table has is not trained again. The training sets and Set5 and Set14 must be in $SRLIB_DATA.
Declared before the first run: an effect within ±0.03 dB on Set5 counts as none.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.optim import Adam

from benchmarks.paired import command_line, pictures, planned, psnr, scored, table
from srlib import images, metrics
from srlib.consistency import back_project, inconsistency, nearest_consistent
from srlib.data.sources import Pyramids
from srlib.losses.pixel import l1
from srlib.losses.weighted import Levels, Weighted
from srlib.models.drn import BicubicDual, drn_small, dual
from srlib.resample import resize
from srlib.training.loop import Stream, TrainConfig, train
from srlib.training.muon import Muon
from srlib.training.schedules import cosine, warm_cosine
from srlib.training.steps.dual import dual_pretraining, dual_regression
from srlib.training.steps.supervised import supervised

SCALE, LR_SIZE, BATCH, RATE, WEIGHT = 4, 24, 4, 3e-3, 0.1
DUALS = ("d1", "d2")


def stream(seed: int):
    return Pyramids(SCALE, LR_SIZE)({"hr": pictures(SCALE * LR_SIZE)}, seed=seed, batch=BATCH)


def levels(*weights: float) -> Levels:
    return Levels(*(Weighted(pixel=(weight, l1)) for weight in weights))


def trained_duals(seed: int, patches: Stream) -> dict[str, nn.Module]:
    """Dual networks that shrink true pictures, before the loop is closed."""
    torch.manual_seed(1000 + seed)
    nets = {name: dual(8) for name in DUALS}
    opt = Adam([weight for net in nets.values() for weight in net.parameters()], lr=1e-2)
    config = TrainConfig(800, batch=8, seed=seed, precision="fp32", ema=(), ema_decay=0)
    step = dual_pretraining(levels(1.0), duals=DUALS)
    return train(step, nets, {"d": opt}, patches, config, schedule=cosine(800))[0]


def arm(kind: str, seed: int, steps: int) -> nn.Module:
    torch.manual_seed(seed)
    nets, fixed = {"g": drn_small(SCALE)}, ()
    opts = {"g": Muon(nets["g"].parameters(), lr=RATE)}
    if kind == "dual":
        nets |= trained_duals(seed, stream(seed + 500))
        opts |= {name: Adam(nets[name].parameters(), lr=1e-3) for name in DUALS}
    if kind == "bicubic":
        nets |= {name: BicubicDual() for name in DUALS}
        fixed = DUALS
    if kind in ("dual", "bicubic"):
        step = dual_regression(levels(1.0), levels(WEIGHT), duals=DUALS)
    else:
        step = supervised(levels(0.0, 0.0, 1.0) if kind == "last" else levels(1.0), pyramid=True)
    config = TrainConfig(steps, batch=BATCH, seed=seed, max_grad_norm=1.0, ema_decay=0.99)
    return train(step, nets, opts, stream(seed), config, schedule=warm_cosine(steps), frozen_nets=fixed)[0]["g"]


class Then(nn.Module):
    """A network, and what makes its answer agree with lr."""

    def __init__(self, net: nn.Module, after: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.net, self.after = net, after
        self.scale, self.channels = net.scale, net.channels

    def forward(self, lr: Tensor) -> Tensor:
        return self.after(self.net(lr), lr)


AFTER = {
    "": lambda sr, lr: sr,
    "_1_step": back_project,
    "_10_steps": partial(back_project, steps=10),
    "_nearest": nearest_consistent,
}


@torch.no_grad()
def measure(net: nn.Module) -> dict[str, str]:
    """Scores, and with Set5 the L1 between lr and the shrunk sr in steps of 8 bits: as it is, and made to agree."""
    found = psnr(net)
    for name, after in AFTER.items():
        agreeing = Then(net, after)
        errors = []
        for _, hr in scored("Set5"):
            height, width = (n - n % SCALE for n in hr.shape[-2:])
            lr = resize(hr[..., :height, :width].expand(-1, 3, -1, -1), 1 / SCALE)
            lr = images.quantised(lr)
            errors.append(255 * inconsistency(agreeing(lr), lr).item())
        found[f"consistency{name}"] = f"{sum(errors) / len(errors):.4f}"
        if name:
            found[f"Set5{name}"] = f"{metrics.evaluate(agreeing, scored('Set5')).psnr:.4f}"
    return found


if __name__ == "__main__":
    options = command_line(__doc__, seeds=8, steps=5000).parse_args()
    arms = {kind: partial(arm, kind) for kind in ("last", "all", "dual", "bicubic")}
    table("closed_loop.csv", arms, planned(options), measure)
