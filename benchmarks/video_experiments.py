"""What neighbours, alignment and attention are worth to a small video network; writes data/results/video_arms.csv.

python -m benchmarks.video_experiments [FIRST LAST] [--steps 600] [--arms flow single ...]

All arms begin at the shipped EDSR-small ×4 and learn the same clips, made of stills, seed by seed: "single" goes on
with the centre frames alone; "none" sees five frames where they are; "flow" fetches them along a motion that is found
by comparing shifts, and "flow_tsa" adds EDVR's attention; "pcd" has EDVR's deformable alignment in place of the search,
"pcd_tsa" the attention as well. Each is trained for equal steps, and for about equal processor time: 100 seconds of one
core, by the costs of a step in STEP_MS, measured over 600 steps, or 25 for the last three arms; core_seconds tells what
it was in the end. The clips, the same for all, are made before.

Scored on made clips of pictures that nobody trained on, and also with copies of the centre frame in place of the
neighbours: what is gained there is not had from neighbours. Lengths and scores were fixed before the first run. The
training sets and Set14 must be in $SRLIB_DATA.
"""

from collections.abc import Callable, Sequence
from functools import cache, partial

import torch
from torch import Tensor, nn

from benchmarks.paired import command_line, pictures, scored, table
from srlib import checkpoints, images
from srlib.data.sources import Clips
from srlib.evaluation.clips import CentreCopies, made_scores
from srlib.losses.pixel import l1
from srlib.losses.weighted import Weighted
from srlib.models.edvr_small import GrownEDSR, edvr_small_alone
from srlib.training.loop import TrainConfig, train
from srlib.training.muon import Muon
from srlib.training.recipe import last_layer_lr
from srlib.training.schedules import warm_cosine
from srlib.training.steps.supervised import supervised
from srlib.training.warm_start import find_start, warm_start

SCALE, LR_SIZE, BATCH, RATE = 4, 32, 4, 3e-4
POOL = 3_000  # clips of a seed, taken in turn
STEP_MS = {"single": 33, "none": 68, "flow": 98, "flow_tsa": 140, "pcd": 620, "pcd_tsa": 660}
SECONDS = 100


def grown(align: str, attention: bool = False) -> nn.Module:
    net = GrownEDSR(scale=SCALE, blocks=8, width=32, tail="light", align=align, attention=attention)
    warm_start(net, find_start("edsr_small", SCALE))
    return net


def alone() -> nn.Module:
    net = edvr_small_alone(SCALE)
    warm_start(net, find_start("edsr_small", SCALE))
    return net


ARMS: dict[str, Callable[[], nn.Module]] = {
    "single": alone,
    "none": partial(grown, "none"),
    "flow": partial(grown, "flow"),
    "flow_tsa": partial(grown, "flow", True),
    "pcd": partial(grown, "pcd"),
    "pcd_tsa": partial(grown, "pcd", True),
}


class Pool:
    """The first clips of a seed, kept as bytes."""

    def __init__(self, seed: int) -> None:
        stream = Clips(SCALE, LR_SIZE)
        made = stream({"hr": pictures(stream.sides["hr"])}, seed=seed, batch=BATCH)
        parts = [[images.to_uint8(x) for x in made.batch(range(k, k + 8))] for k in range(0, POOL, 8)]
        self.layers = [torch.cat(layer) for layer in zip(*parts, strict=True)]

    def batch(self, indices: Sequence[int], device: torch.device) -> tuple[Tensor, ...]:
        places = torch.tensor([i % POOL for i in indices])
        found = (layer[places] for layer in self.layers)
        return tuple(images.from_uint8(x.flatten(0, -4)).view(x.shape).to(device) for x in found)


@cache
def pool(seed: int) -> Pool:
    return Pool(seed)


def arm(kind: str, seed: int, steps: int) -> nn.Module:
    torch.manual_seed(seed)
    net = ARMS[kind]()
    weights = list(net.parameters())
    new = len(weights) - len(list(checkpoints.build("edsr_small", SCALE).parameters()))
    optimizer = (
        Muon(weights, lr=RATE) if kind == "single" else last_layer_lr(weights, make=Muon, lr=RATE, factor=10, last=new)
    )
    config = TrainConfig(steps, batch=BATCH, seed=seed, max_grad_norm=1.0, ema_decay=0.995)
    step = supervised(Weighted(pixel=(1.0, l1)))
    return train(step, {"g": net}, {"g": optimizer}, pool(seed), config, schedule=warm_cosine(steps))[0]["g"]


@torch.no_grad()
def measure(net: nn.Module) -> dict[str, str]:
    """PSNR of made clips of Set14, and of the same with copies of the centre frame."""
    found = {}
    for column, seen in (("made", net), ("made_copies", CentreCopies(net))):
        made = made_scores(seen, {"Set14": scored("Set14")}, [SCALE])[str(SCALE)]
        found[column] = f"{made['Set14 in motion']['psnr']:.4f}"
    return found


if __name__ == "__main__":
    parser = command_line(__doc__, seeds=3, steps=600)
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=ARMS)
    options = parser.parse_args()
    for seed in range(options.first, options.last):
        pool(seed)  # before the clock of an arm starts
        for kind in options.arms:
            equal = round(1000 * SECONDS / STEP_MS[kind] / 50) * 50
            table("video_arms.csv", {kind: partial(arm, kind)}, [(seed, options.steps), (seed, equal)], measure)
        pool.cache_clear()
