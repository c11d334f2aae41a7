"""What the loop does with lr of another camera, without hr; writes data/results/unpaired_adaptation.csv.

python -m benchmarks.unpaired_adaptation [FIRST LAST] [--steps 1000]

The shipped drn_small ×4 knows bicubic pairs. Two other cameras make lr of the BSDS pictures, whose hr is then put
away: "nearest" keeps one pixel of sixteen, "blurred" blurs with σ = 1.6 pixels first. Arms: "start", the shipped
network; "pairs", trained on with the loop on bicubic pairs of T91 and General100 alone; "adapted", the same pairs, and
the loop on foreign lr (`dual_adaptation`); "known", on pairs that this camera has made, as if its hr were there.
Scores are of Set5 and Set14 as the camera sees them, and as bicubic shrinking does. The sets must be in $SRLIB_DATA.
"""

from collections.abc import Callable
from functools import cache, partial

import torch
from torch import Tensor, nn
from torch.optim import Adam

from benchmarks.closed_loop import DUALS, WEIGHT, levels, trained_duals
from benchmarks.paired import SETS, command_line, planned, scored, table
from srlib import checkpoints, images, metrics
from srlib.data.datasets import load_training_images
from srlib.data.sources import Pyramids, Together, UnpairedPatches
from srlib.data.streams import AlignedStream
from srlib.degradations import Blur, gaussian_kernel
from srlib.resample import resize
from srlib.training.loop import TrainConfig, train
from srlib.training.muon import Muon
from srlib.training.schedules import cosine
from srlib.training.steps.dual import dual_adaptation, dual_regression
from srlib.training.steps.supervised import supervised

SCALE, LR_SIZE, BATCH, RATE = 4, 24, 4, 5e-4
BLUR = Blur(gaussian_kernel(1.6))
CAMERAS: dict[str, Callable[[Tensor], Tensor]] = {
    "nearest": partial(resize, scale=1 / SCALE, kernel="nearest"),
    "blurred": lambda hr: resize(BLUR(hr), 1 / SCALE),
}


@cache
def pairs() -> list[Tensor]:
    return load_training_images(["T91", "General100"], SCALE * LR_SIZE, lambda reason: None)[0]


@cache
def seen_by(camera: str) -> tuple[list[Tensor], list[Tensor]]:
    """(lr, hr) of the BSDS pictures, as bytes."""
    hr = load_training_images(["BSDS"], SCALE * LR_SIZE, lambda reason: None)[0]
    hr = [picture[..., : picture.shape[-2] // SCALE * SCALE, : picture.shape[-1] // SCALE * SCALE] for picture in hr]
    return [images.to_uint8(CAMERAS[camera](images.from_uint8(picture))) for picture in hr], hr


class KnownPairs:
    """lr of a camera at ×1, and its hr at ×2 and ×4: what adaptation does not have."""

    def __init__(self, camera: str, seed: int) -> None:
        layers = (
            (lr, images.to_uint8(resize(images.from_uint8(hr), 0.5)), hr)
            for lr, hr in zip(*seen_by(camera), strict=True)
        )
        self.batch = AlignedStream(layers, size=LR_SIZE, scales=(1, 2, 4), seed=seed).batch


def arm(kind: str, camera: str, seed: int, steps: int) -> nn.Module:
    torch.manual_seed(seed)
    nets = {"g": checkpoints.load("drn_small", scale=SCALE)}
    if kind == "start":
        return nets["g"]
    pyramids = Pyramids(SCALE, LR_SIZE)
    nets |= trained_duals(seed, pyramids({"hr": pairs()}, seed=seed + 500, batch=8))
    opts = {"g": Muon(nets["g"].parameters(), lr=RATE)}
    opts |= {name: Adam(nets[name].parameters(), lr=1e-3) for name in DUALS}
    pictures = {"hr": pairs(), "lr": seen_by(camera)[0]}
    if kind == "known":
        step, stream, opts = supervised(levels(1.0), pyramid=True), KnownPairs(camera, seed), {"g": opts["g"]}
    elif kind == "pairs":
        step = dual_regression(levels(1.0), levels(WEIGHT), duals=DUALS)
        stream = pyramids(pictures, seed=seed, batch=BATCH)
    else:
        step = dual_adaptation(levels(1.0), levels(WEIGHT), duals=DUALS)
        stream = Together((pyramids, UnpairedPatches({"lr": LR_SIZE})))(pictures, seed=seed, batch=BATCH)
    config = TrainConfig(steps, batch=BATCH, seed=seed, max_grad_norm=1.0, ema_decay=0.99)
    return train(step, nets, opts, stream, config, schedule=cosine(steps))[0]["g"]


@torch.no_grad()
def measure(camera: str, net: nn.Module) -> dict[str, str]:
    found = {}
    for name in SETS:
        for suffix, degrade in (("", CAMERAS[camera]), ("_bicubic", None)):
            found[name + suffix] = f"{metrics.evaluate(net, scored(name), degrade=degrade).psnr:.4f}"
    return found


if __name__ == "__main__":
    options = command_line(__doc__, seeds=3, steps=1000).parse_args()
    for camera in CAMERAS:
        kinds = ("start", "pairs", "adapted", "known")
        arms = {f"{camera} {kind}": partial(arm, kind, camera) for kind in kinds}
        table("unpaired_adaptation.csv", arms, planned(options), partial(measure, camera))
