"""Short adversarial trainings for the chapter on ESRGAN; writes data/results/esrgan_choices.csv.

python benchmarks/esrgan_choices.py

One generator, `rrdb_psnr_small`, goes on with an adversarial loss: standard or relativistic, features compared before
or after the activation, or neither. Data, order of the patches and first discriminator are the same for one seed. Only
packaged pictures are used, so that anyone can repeat it. All takes about ten minutes on one core.
"""

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from srlib import checkpoints
from srlib.data.datasets import EVAL_PHOTOS, load_training_images, photo
from srlib.data.streams import PatchStream
from srlib.io import atomic
from srlib.losses.adversarial import BCE, RELATIVISTIC
from srlib.losses.perceptual import NAME, FeatureLoss, distance, random_features
from srlib.losses.pixel import l1
from srlib.losses.weighted import Weighted
from srlib.metrics import PAPER
from srlib.models.srgan import Discriminator
from srlib.resample import resize
from srlib.training.loop import TrainConfig, train
from srlib.training.steps.adversarial import adversarial

RESULT = Path(__file__).parent.parent / "data" / "results" / "esrgan_choices.csv"
STEPS, EVERY, BATCH, LR_SIZE, SEEDS = 240, 40, 4, 24, 2
PIXEL, FEATURE, ADVERSARIAL, LEARNING_RATE = 0.3, 0.02, 5e-3, 1e-4
RUNS = {  # name: the game, and the layer whose features are compared
    "standard": (BCE, "conv4_2"),
    "relativistic": (RELATIVISTIC, "conv4_2"),
    "relativistic, after": (RELATIVISTIC, "relu4_2"),
}


def crops() -> list[Tensor]:
    """192 x 192 pixels from the middle of the four evaluation photographs."""
    found = []
    for name in EVAL_PHOTOS:
        hr = photo(name)
        top, left = ((n - 192) // 2 for n in hr.shape[-2:])
        found.append(hr[..., top : top + 192, left : left + 192])
    return found


@torch.no_grad()
def scores(net: nn.Module) -> dict[str, float]:
    """Means over the crops: PSNR, our distance with its own features and with random ones, colour's shift in 1/255."""
    net.eval()
    rows = []
    for hr in crops():
        sr = net(resize(hr, 1 / 4)).clamp(0, 1)
        shift = (sr - hr).mean((-2, -1)).abs().max() * 255
        other = distance(sr, hr, random_features(1))
        rows.append(torch.stack([PAPER.psnr(sr, hr, 4)[0], distance(sr, hr)[0], other[0], shift]))
    names = ("psnr", "distance", "random_distance", "shift")
    return {name: round(float(value), 4) for name, value in zip(names, torch.stack(rows).mean(0), strict=True)}


def content(net: nn.Module, layer: str, stream: PatchStream) -> Weighted:
    """Pixels and features; both layers begin with the same loss, so that only what they see differs."""
    lr, hr = stream.batch(range(8))
    with torch.no_grad():
        sr = net(lr)
        sizes = [FeatureLoss(layers={name: 1.0}, loss=l1)(sr, hr) for name in ("conv4_2", layer)]
    weight = FEATURE * float(sizes[0] / sizes[1])
    return Weighted(pixel=(PIXEL, l1), feature=(weight, FeatureLoss(layers={layer: 1.0}, loss=l1)))


def rows() -> Iterator[dict[str, object]]:
    pictures = load_training_images(["packaged"], 4 * LR_SIZE, lambda reason: None)[0]
    for seed in range(SEEDS):
        stream = PatchStream(pictures, scale=4, lr_size=LR_SIZE, seed=seed)
        for name, (game, layer) in RUNS.items():
            g = checkpoints.load("rrdb_psnr_small", 4)
            torch.manual_seed(seed)
            d = Discriminator(size=None, width=32)
            yield {"run": name, "layer": layer, "seed": seed, "step": 0} | scores(g)
            opts = {
                key: torch.optim.Adam(net.parameters(), LEARNING_RATE, (0.9, 0.99)) for key, net in (("g", g), ("d", d))
            }
            config = TrainConfig(
                STEPS, batch=BATCH, seed=seed, ema_decay=0.95, max_grad_norm=1.0, evaluate_every=EVERY, log_every=EVERY
            )
            step = adversarial(content(g, layer, stream), game, weight=ADVERSARIAL)
            _, history = train(step, {"g": g, "d": d}, opts, stream, config, evaluate=lambda nets: scores(nets["g"]))
            kept = ("pixel", "feature", "adversarial", "loss_d", "psnr", "distance", "random_distance", "shift")
            for row in history:
                values = {key: round(row[key], 5) for key in kept}
                yield {"run": name, "layer": layer, "seed": seed, "step": row["step"]} | values


def main() -> None:
    torch.set_num_threads(1)
    found = []
    for row in rows():
        print(*row.values(), flush=True)
        protocol = f"{PAPER.describe(4)}; {NAME}; four crops of 192 x 192"
        found.append(row | {"protocol": protocol})
        atomic.write_table(RESULT, found, list(dict.fromkeys(key for each in found for key in each)))


if __name__ == "__main__":
    main()
