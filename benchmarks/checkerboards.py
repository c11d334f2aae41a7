"""Last layers under one small network, and ICNR under edsr_small, trained alike; writes data/results/checkerboards.csv.

python benchmarks/checkerboards.py
"""

import math
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from srlib.data.datasets import EVAL_PHOTOS, TRAIN_PHOTOS, photo
from srlib.data.streams import PatchStream
from srlib.frequency import power_spectrum
from srlib.io import atomic
from srlib.losses.pixel import l1
from srlib.losses.weighted import Weighted
from srlib.metrics import PAPER
from srlib.models.blocks import he_
from srlib.models.edsr import edsr_small
from srlib.models.upsampling import NearestConv, PixelShuffleConv, TransposedConv, icnr_
from srlib.resample import resize
from srlib.training.loop import TrainConfig, train
from srlib.training.schedules import cosine
from srlib.training.steps.supervised import supervised

RESULT = Path(__file__).parent.parent / "data" / "results" / "checkerboards.csv"
SCALE, WIDTH = 4, 32
COLUMNS = ("network", "layer", "seed", "step", "psnr", "flat", "texture", "protocol")
PROTOCOL = f"mean of 256 x 256 pixels of {', '.join(EVAL_PHOTOS)}; {PAPER.describe(SCALE)}"
SHUFFLE, ICNR = "shuffle", "shuffle, ICNR"
MAPS = {"scale": SCALE, "channels_in": WIDTH, "channels_out": 1}
LAYERS: dict[str, Callable[[], nn.Module]] = {
    SHUFFLE: lambda: PixelShuffleConv(**MAPS),
    ICNR: lambda: PixelShuffleConv(**MAPS),
    "repeat, convolve": lambda: NearestConv(**MAPS),
    "stamps, 6 wide": lambda: TransposedConv(**MAPS, kernel=6),
}
# network -> channels, last layers, starts, steps
RUNS = {"small": (1, tuple(LAYERS), 4, 1500), "edsr_small": (3, (SHUFFLE, ICNR), 2, 1000)}


def network(kind: str, layer: str, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    if kind == "edsr_small":
        net = edsr_small(SCALE)
        last = net.tail[0]
    else:
        body = nn.Conv2d(1, WIDTH, 5, padding=2), nn.ReLU(), nn.Conv2d(WIDTH, WIDTH, 3, padding=1), nn.ReLU()
        net = nn.Sequential(*body, LAYERS[layer]())
        he_(net)
        net.scale, net.channels, last = SCALE, 1, net[-1].conv
    if layer == ICNR:  # as wide as the layer's own start, so that equal phases are all that changes
        icnr_(last.weight, SCALE, lambda phase: phase.copy_(last.weight[:: SCALE**2]))
    return net


def squares(channels: int) -> tuple[Tensor, Tensor]:
    """256 × 256 pixels of each photograph that no network is trained on."""
    hr = torch.cat([photo(name)[..., 20:276, 120:376] for name in EVAL_PHOTOS])
    hr = hr if channels == 3 else PAPER.convert(hr)
    return resize(hr, 1 / SCALE), hr


@torch.no_grad()
def flat(net: nn.Module) -> float:
    """What is drawn on flat grey pictures, far from the border: root mean square about the mean, in 255ths."""
    size, edge = 48, 20 * SCALE
    grey = torch.linspace(0.1, 0.9, 9)[:, None, None, None].expand(-1, net.channels, size, size)
    inside = net(grey)[..., edge:-edge, edge:-edge].mean(1, keepdim=True)
    places = inside.unflatten(-1, (-1, SCALE)).unflatten(-3, (-1, SCALE)).mean((-4, -2))
    return 255 * float(places.var((-2, -1), correction=0).mean().sqrt())


def texture(sr: Tensor, hr: Tensor) -> float:
    """Energy of the error around the multiples of 1/scale, in decibels of what the photographs have there."""
    height, width = hr.shape[-2:]
    nearest = []
    for n in (height, width):
        frequency = torch.fft.fftshift(torch.fft.fftfreq(n)) * SCALE
        nearest.append((frequency.round(), (frequency - frequency.round()).abs() <= 1 / 4))
    (down, near_down), (across, near_across) = nearest
    around = (near_down[:, None] & near_across) & ((down != 0)[:, None] | (across != 0))
    false, there = (power_spectrum(picture)[..., around].sum() for picture in (sr - hr, hr))
    return 10 * math.log10(false / there)


def trained(kind: str, layer: str, seed: int, stream: PatchStream, steps: int) -> list[tuple]:
    net = network(kind, layer, seed)
    lr, hr = squares(net.channels)
    y = PAPER.convert(hr)

    @torch.no_grad()
    def scores(nets: dict[str, nn.Module]) -> dict[str, float]:
        sr = nets["g"](lr)
        psnr = float(PAPER.psnr(sr, hr, SCALE).mean())
        return {"psnr": psnr, "flat": flat(nets["g"]), "texture": texture(PAPER.convert(sr), y)}

    opt = torch.optim.Adam(net.parameters(), 3e-3)
    cfg = TrainConfig(steps, batch=8, seed=seed, max_grad_norm=1.0, log_every=100, evaluate_every=100)
    step = supervised(Weighted(pixel=(1.0, l1)))
    schedule = cosine(steps, warmup=10)
    _, history = train(step, {"g": net}, {"g": opt}, stream, cfg, schedule=schedule, evaluate=scores)
    kept = [row for row in history if row["step"] in (100, 200, 500, 1000, 1500)]
    return [
        (kind, layer, seed, row["step"], *(f"{row[key]:.3f}" for key in ("psnr", "flat", "texture")), PROTOCOL)
        for row in kept
    ]


def main() -> None:
    rows = []
    for kind, (channels, layers, starts, steps) in RUNS.items():
        stream = PatchStream([photo(name) for name in TRAIN_PHOTOS], scale=SCALE, lr_size=20, channels=channels)
        for seed in range(starts):
            for layer in layers:
                rows += trained(kind, layer, seed, stream, steps)
                print(*rows[-1][:-1], flush=True)
    atomic.write_table(RESULT, [dict(zip(COLUMNS, row, strict=True)) for row in rows])


if __name__ == "__main__":
    main()
