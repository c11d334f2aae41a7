"""Four short games for the chapter on SRGAN, one in balance and three that fail; writes data/results/gan_failures.csv.

python benchmarks/gan_failures.py

EDSR-small ×4 with its shipped weights plays against a small discriminator on the packaged pictures. Curves of the
training and scores on crops of the four evaluation photographs; about two minutes on one core.
"""

from pathlib import Path

import torch
from torch import nn

from srlib import checkpoints
from srlib.data.datasets import TRAIN_PHOTOS, photo
from srlib.data.streams import PatchStream
from srlib.io import atomic
from srlib.losses.adversarial import BCE
from srlib.losses.perceptual import FeatureLoss, distance
from srlib.losses.pixel import l1
from srlib.losses.weighted import Weighted
from srlib.metrics import PAPER
from srlib.models.srgan import Discriminator
from srlib.resample import resize
from srlib.training.loop import Nets, TrainConfig, train
from srlib.training.steps.adversarial import adversarial

RESULTS = Path(__file__).parent.parent / "data" / "results" / "gan_failures.csv"
CORNERS = {"astronaut": (0, 120), "chelsea": (60, 160), "coffee": (100, 200), "rocket": (100, 250)}
COLUMNS = ("step", "pixel", "feature", "adversarial", "loss_d", "real", "fake", "psnr", "distance", "shift")
STEPS, EVERY = 160, 10
# pixel, feature and adversarial weight; learning rate of the generator and of the discriminator
RUNS = {
    "balanced": (1.0, 0.1, 1e-2, 3e-5, 3e-4),
    "the discriminator wins": (1.0, 0.1, 1e-3, 3e-4, 1e-3),
    "too much weight": (1.0, 0.1, 1.0, 3e-4, 3e-4),
    "no content loss": (0.0, 0.0, 1e-2, 3e-4, 3e-4),
}


@torch.no_grad()
def scores(net: nn.Module) -> dict[str, float]:
    """Means over crops of 192² of the evaluation photographs."""
    rows = []
    for name, (top, left) in CORNERS.items():
        hr = photo(name)[..., top : top + 192, left : left + 192]
        sr = net(resize(hr, 1 / 4)).clamp(0, 1)
        shift = 255 * (sr - hr).mean((0, 2, 3)).abs().max()
        rows.append([PAPER.psnr(sr, hr, 4), distance(sr, hr).mean(), shift])
    return dict(zip(("psnr", "distance", "shift"), torch.tensor(rows).mean(0).tolist(), strict=True))


def play(name: str) -> list[dict[str, float]]:
    pixel, feature, weight, rate_g, rate_d = RUNS[name]
    torch.manual_seed(0)
    nets = {"g": checkpoints.load("edsr_small", 4), "d": Discriminator(size=None, width=16)}
    opts = {
        key: torch.optim.Adam(nets[key].parameters(), rate, (0.9, 0.99)) for key, rate in (("g", rate_g), ("d", rate_d))
    }
    content = Weighted(pixel=(pixel, l1), feature=(feature, FeatureLoss(layers={"relu4_2": 1.0}, loss=l1)))
    stream = PatchStream([photo(name) for name in TRAIN_PHOTOS], scale=4, lr_size=16, seed=1)
    config = TrainConfig(
        STEPS,
        batch=8,
        precision="fp32",
        ema_decay=0,
        max_grad_norm=1.0,
        log_every=EVERY,
        evaluate_every=EVERY,
        save_every=0,
    )

    def evaluate(kept: Nets) -> dict[str, float]:
        return scores(kept["g"])

    history = train(adversarial(content, BCE, weight=weight), nets, opts, stream, config, evaluate=evaluate)[1]
    start = {"step": 0, **scores(checkpoints.load("edsr_small", 4))}
    return [start, *({**row, "adversarial": row["adversarial"] / weight} for row in history)]


if __name__ == "__main__":
    torch.set_num_threads(1)
    rows = []
    for run in RUNS:
        for row in play(run):
            rows.append({"run": run, **{key: float(f"{value:.5g}") for key, value in row.items() if key in COLUMNS}})
            print(rows[-1], flush=True)
    atomic.write_table(RESULTS, rows, ("run", *COLUMNS))
