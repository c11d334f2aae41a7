"""What neighbours, alignment and attention are worth to a small video network; writes data/results/video_arms.csv.

python -m benchmarks.video_experiments [FIRST LAST] [--steps 600] [--arms flow single ...]
python -m benchmarks.video_experiments [FIRST LAST] --equal-cpu

All arms begin at the shipped EDSR-small ×4 and learn the same clips, made of stills, seed by seed: "single" goes on
with the centre frames alone; "none" sees five frames where they are; "flow" fetches them along a motion that is found
by comparing shifts; "pcd" has EDVR's deformable alignment in its place, "pcd_tsa" its attention as well; "flow_tsa" has
the attention alone. Each is trained for equal steps, and for equal processor time: 200 seconds of one core, by the
costs of a step in STEP_MS, which were measured on a quiet core; the clips, the same for all, are made before.

Scored on made clips of pictures that nobody trained on, and on Vid4 (frames 3 to 8) under the protocol BI; of both
also with copies of the centre frame in place of the neighbours: what is gained there is not had from neighbours.
The lengths were fixed before the first run. The training sets, Set14 and, for the columns of clips that a camera took,
Vid4 must be in $SRLIB_DATA.
"""

from collections.abc import Callable, Sequence
from functools import cache, partial

import torch
from torch import Tensor, nn

from benchmarks.paired import command_line, pictures, scored, table
from srlib import checkpoints, images
from srlib.data import datasets
from srlib.data.sources import Clips
from srlib.evaluation.clips import ClipProtocol, evaluate_clip, made_scores
from srlib.losses.pixel import l1
from srlib.losses.weighted import Weighted
from srlib.metrics import Protocol
from srlib.models.edvr_small import GrownEDSR
from srlib.training.loop import TrainConfig, train
from srlib.training.muon import Muon
from srlib.training.recipe import last_layer_lr
from srlib.training.schedules import warm_cosine
from srlib.training.steps.supervised import supervised
from srlib.training.warm_start import find_start, warm_start

SCALE, LR_SIZE, BATCH, RATE, FRAMES = 4, 32, 4, 3e-4, 5
POOL = 4_000  # clips of a seed, taken in turn
STEP_MS = {"single": 45, "none": 80, "flow": 105, "flow_tsa": 150, "pcd": 620, "pcd_tsa": 660}
SECONDS = 200
VID4 = ("calendar", "city", "foliage", "walk")
PROTOCOL = ClipProtocol(pictures=Protocol("y", 4, 8), first=3, last=9)


class Of(nn.Module):
    """A network of one frame, or one that is shown the centre frame five times, as a network of clips.

    Shapes: clip (N, 5, 3, h, w) -> sr of the centre frame.
    """

    channels, frames, scale = 3, FRAMES, SCALE

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, clip: Tensor) -> Tensor:
        centre = clip[:, FRAMES // 2]
        many = getattr(self.net, "frames", 1) > 1
        return self.net(centre[:, None].expand_as(clip) if many else centre)


def grown(align: str, attention: bool = False) -> nn.Module:
    net = GrownEDSR(scale=SCALE, blocks=8, width=32, tail="light", align=align, attention=attention)
    warm_start(net, find_start("edsr_small", SCALE))
    return net


ARMS: dict[str, Callable[[], nn.Module]] = {
    "single": lambda: Of(checkpoints.load("edsr_small", SCALE).train().requires_grad_()),
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


@cache
def clip_of(name: str) -> list[Tensor]:
    """The frames of a clip of Vid4; none where it is not here."""
    if datasets.find_in(datasets.search_path(), name) is None:
        return []
    return [frame for _, frame in datasets.images_of(name)]


@torch.no_grad()
def measure(net: nn.Module) -> dict[str, str]:
    """PSNR of made clips of Set14 and of the clips of Vid4, and of the same with copies of the centre frame."""
    found = {}
    for suffix, seen in (("", net), ("_copies", Of(net.net if isinstance(net, Of) else net))):
        made = made_scores(seen, {"Set14": scored("Set14")}, [SCALE])[str(SCALE)]
        found[f"made{suffix}"] = made["Set14 in motion"]["psnr"]
        for name in VID4:
            if frames := clip_of(name):
                found[name + suffix] = evaluate_clip(seen, frames, PROTOCOL).psnr
    return {name: f"{value:.4f}" for name, value in found.items()}


if __name__ == "__main__":
    parser = command_line(__doc__, seeds=3, steps=600)
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=ARMS)
    parser.add_argument("--equal-cpu", action="store_true")
    options = parser.parse_args()
    for seed in range(options.first, options.last):
        pool(seed)  # before the clock of an arm starts
        for kind in options.arms:
            steps = round(1000 * SECONDS / STEP_MS[kind] / 50) * 50 if options.equal_cpu else options.steps
            table("video_arms.csv", {kind: partial(arm, kind)}, [(seed, steps)], measure)
        pool.cache_clear()
