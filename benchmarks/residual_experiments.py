"""Small trainings for the chapter on residual networks; writes data/results/residual_*.csv.

python benchmarks/residual_experiments.py [depth batch_norm scaling warm_start patches optimizers]

Everything is trained on the packaged pictures and scored on the four evaluation photographs, so that anyone can repeat
it. All takes about half an hour on one core. `core_seconds` is processor time, which a busy machine stretches less.
"""

import itertools
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn

from srlib import metrics
from srlib.data.datasets import EVAL_PHOTOS, load_training_images, photo
from srlib.data.streams import PatchStream
from srlib.io import atomic
from srlib.losses.pixel import l1
from srlib.losses.weighted import Weighted
from srlib.metrics import PAPER
from srlib.models.blocks import ResidualBlock, he_
from srlib.models.edsr import EDSR
from srlib.resample import resize
from srlib.training.loop import TrainConfig, train
from srlib.training.muon import Muon
from srlib.training.run import TrainingError
from srlib.training.schedules import cosine
from srlib.training.steps.supervised import supervised

RESULTS = Path(__file__).parent.parent / "data" / "results"
PIXELS = 16 * 16**2  # lr pixels in a batch, where nothing else is said
Row = dict[str, object]


@cache
def pictures() -> list[Tensor]:
    return load_training_images(["packaged"], 192, lambda reason: None)[0]


@cache
def stream(scale: int, lr_size: int, seed: int) -> PatchStream:
    return PatchStream(pictures(), scale=scale, lr_size=lr_size, seed=seed)


@cache
def photographs() -> list[tuple[str, Tensor]]:
    return [(name, photo(name)) for name in EVAL_PHOTOS]


def score(net: nn.Module) -> dict[str, float]:
    """PSNR and SSIM of the evaluation photographs under the papers' protocol."""
    scores = metrics.evaluate(net, photographs())
    return {"psnr": scores.psnr, "ssim": scores.ssim}


def fit(
    net: nn.Module,
    *,
    steps: int,
    seed: int,
    learning_rate: float = 3e-3,
    make: Callable[..., torch.optim.Optimizer] = torch.optim.Adam,
    lr_size: int = 16,
    batch: int = 16,
    every: int = 0,
    clip: float | None = 1.0,
    log_every: int = 50,
    evaluate: Callable[[nn.Module], dict[str, float]] | None = lambda net: score(net),
) -> list[dict[str, float]]:
    """Train by L1, the rate along a cosine; the log, its times in seconds of one core."""
    opt = make(net.parameters(), learning_rate)
    config = TrainConfig(
        steps, batch=batch, seed=seed, ema_decay=0, max_grad_norm=clip, evaluate_every=every, log_every=log_every
    )
    start = time.process_time()
    history = train(
        supervised(Weighted(pixel=(1.0, l1))),
        {"g": net},
        {"g": opt},
        stream(net.scale, lr_size, seed),
        config,
        schedule=cosine(steps, warmup=min(100, steps // 10)),
        evaluate=None if evaluate is None else lambda nets: evaluate(nets["g"]),
    )[1]
    history[-1]["core_seconds"] = round(time.process_time() - start, 1)
    return history


def small(scale: int, seed: int, *, blocks: int = 8, width: int = 32, residual_scale: float = 1.0) -> EDSR:
    """An EDSR with the light tail, the same for the same seed."""
    torch.manual_seed(seed)
    return EDSR(scale=scale, blocks=blocks, width=width, residual_scale=residual_scale, tail="light")


def with_norm(net: EDSR, width: int = 32) -> EDSR:
    """The same network with batch norm put back into its blocks, as in SRResNet."""
    for i in range(len(net.body) - 1):
        net.body[i] = ResidualBlock(width=width, norm=True)
    return net


@torch.no_grad()
def in_training_mode(net: EDSR) -> dict[str, float]:
    """Scores with each picture normalised by its own mean and deviation, and none of the running ones touched."""
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.track_running_stats, layer.running_mean, layer.running_var = False, None, None
    return score(net.eval())


def batch_norm() -> Iterator[Row]:
    """Equal steps with and without."""
    for norm, rate, seed in itertools.product((False, True), (1e-3, 3e-3), range(3)):
        net = small(4, seed)
        net = with_norm(net) if norm else net
        history = fit(net, steps=800, seed=seed, learning_rate=rate, every=100)
        own = in_training_mode(net)["psnr"]
        for row in history:
            if "psnr" in row:
                last = row is history[-1]
                yield {
                    "norm": int(norm), "learning_rate": rate, "seed": seed, "step": row["step"],
                    "psnr": round(row["psnr"], 3), "psnr_training_mode": round(own, 3) if last else "",
                    "core_seconds": row["core_seconds"] if last else "",
                }  # fmt: skip


def warm_start() -> Iterator[Row]:
    """×4 from scratch, and from the head and body of a ×2 network."""
    for seed in range(3):
        two = small(2, seed)
        first = fit(two, steps=2000, seed=seed)[-1]
        yield {"start": "x2", "seed": seed, "step": 2000, "psnr": round(first["psnr"], 3)}
        for start in ("scratch", "from_x2"):
            net = small(4, 10 + seed)
            if start == "from_x2":
                net.head.load_state_dict(two.head.state_dict())
                net.body.load_state_dict(two.body.state_dict())
            yield {"start": start, "seed": seed, "step": 0, "psnr": round(score(net.eval())["psnr"], 3)}
            for row in fit(net, steps=1200, seed=seed, every=100):
                if "psnr" in row:
                    yield {"start": start, "seed": seed, "step": row["step"], "psnr": round(row["psnr"], 3)}


def patches() -> Iterator[Row]:
    """Equal pixels, cut up in different ways; and one way at several learning rates."""
    ways = [(8, 64), (16, 4), (16, 16), (32, 4), (32, 8), (48, 16)]
    plans = [(size, batch, 3e-3) for size, batch in ways] + [(16, 16, rate) for rate in (1e-4, 1e-3, 1e-2)]
    for seed, (size, batch, rate) in itertools.product(range(2), plans):
        steps = round(400 * PIXELS / (size**2 * batch))
        last = fit(small(4, seed, blocks=4), steps=steps, seed=seed, learning_rate=rate, lr_size=size, batch=batch)[-1]
        yield {
            "lr_size": size, "batch": batch, "learning_rate": rate, "seed": seed, "steps": steps,
            "psnr": round(last["psnr"], 3), "core_seconds": last["core_seconds"],
        }  # fmt: skip


def optimizers() -> Iterator[Row]:
    """Adam and Muon, each at several rates; at the end also how many hidden maps are zero everywhere."""
    plans = [(torch.optim.Adam, rate) for rate in (3e-4, 1e-3, 3e-3, 1e-2)]
    plans += [(Muon, rate) for rate in (1e-3, 3e-3, 1e-2, 3e-2)]
    for seed, (make, rate) in itertools.product(range(2), plans):
        net = small(4, seed)
        setting = {"optimizer": make.__name__, "learning_rate": rate, "seed": seed}
        history = fit(net, steps=600, seed=seed, make=make, learning_rate=rate, every=100)
        for row in history:
            if "psnr" in row:
                last = row is history[-1]
                extra = {"dead": dead(net), "core_seconds": row["core_seconds"]} if last else {}
                yield setting | {"step": row["step"], "psnr": round(row["psnr"], 3)} | extra


@torch.no_grad()
def dead(net: EDSR) -> int:
    """Maps between the two convolutions of a block that no pixel of the four photographs makes positive."""
    blocks = list(net.body)[:-1]
    alive = torch.zeros(len(blocks), blocks[0].conv1.out_channels, dtype=torch.bool)

    def look(i: int, maps: Tensor) -> None:
        alive[i] |= (maps[0] > 0).flatten(1).any(1)

    hooks = [
        block.conv1.register_forward_hook(lambda _, __, maps, i=i: look(i, maps)) for i, block in enumerate(blocks)
    ]
    for _, hr in photographs():
        net(resize(hr, 1 / net.scale))
    for hook in hooks:
        hook.remove()
    return int((~alive).sum())


def scaling() -> Iterator[Row]:
    """The first steps of a wide and of a narrow network, with and without the factor on the residuals."""
    for width, rate, factor, seed in itertools.product((32, 256), (1e-4, 1e-3, 3e-3), (1.0, 0.1), range(2)):
        net = small(4, seed, width=width, residual_scale=factor)
        setting = {"width": width, "learning_rate": rate, "residual_scale": factor, "seed": seed}
        try:
            history = fit(
                net,
                steps=40,
                seed=seed,
                learning_rate=rate,
                lr_size=8,
                batch=4,
                max_grad_norm=None,
                log_every=5,
                evaluate=None,
            )
        except TrainingError:  # a loss that is not finite is a result here
            yield setting | {"step": 40, "loss": "inf"}
            continue
        for row in history:
            yield setting | {"step": row["step"], "loss": round(row["loss"], 5)}


class PlainBlock(nn.Module):
    """What is left of a residual block without its skip."""

    def __init__(self, width: int) -> None:
        super().__init__()
        pair = [nn.Conv2d(width, width, 3, padding=1), nn.ReLU()]
        self.layers = nn.Sequential(*pair, nn.Conv2d(width, width, 3, padding=1), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class Plain(nn.Module):
    """EDSR's layers, one after the other, without any skip."""

    def __init__(self, net: EDSR, width: int) -> None:
        super().__init__()
        self.scale, self.channels = net.scale, net.channels
        body = [PlainBlock(width) for _ in range(len(net.body) - 1)]
        self.layers = nn.Sequential(net.head, *body, nn.Conv2d(width, width, 3, padding=1), net.tail)
        self.register_buffer("mean", net.mean)

    def forward(self, lr: Tensor) -> Tensor:
        return self.layers(lr - self.mean) + self.mean


def depth() -> Iterator[Row]:
    """More blocks, with skips and without; without them also from He's initial weights."""
    for blocks, kind, seed in itertools.product((1, 4, 8, 16), ("residual", "plain", "plain_he"), range(2)):
        net = small(4, seed, blocks=blocks, width=16)
        if kind != "residual":
            net = Plain(net, 16)
        if kind == "plain_he":
            he_(net)
        last = fit(net, steps=300, seed=seed, learning_rate=1e-3)[-1]
        yield {"blocks": blocks, "kind": kind, "seed": seed, "steps": 300, "psnr": round(last["psnr"], 3)}


EXPERIMENTS = {run.__name__: run for run in (depth, batch_norm, scaling, warm_start, patches, optimizers)}


def write(name: str, rows: list[Row]) -> None:
    """The rows so far, whole or not at all."""
    rows = [row | {"protocol": str(PAPER) if "psnr" in row else "L1 of RGB"} for row in rows]
    names = dict.fromkeys(key for row in rows for key in row if key != "protocol")
    atomic.write_table(RESULTS / f"residual_{name}.csv", rows, [*names, "protocol"])


def main() -> None:
    torch.set_num_threads(1)
    for name in sys.argv[1:] or EXPERIMENTS:
        rows = []
        for row in EXPERIMENTS[name]():
            rows.append(row)
            write(name, rows)
            print(name, *row.values(), flush=True)


if __name__ == "__main__":
    main()
