"""Training speed: steps and images a second, what bf16 with channels_last gains, how long the loop waits for data.

    python benchmarks/throughput.py [--network edsr_small] [--device cuda] [--seconds 20]

On a GPU also the share of the card's bf16 peak: multiply-adds counted by torch over the time they took.
"""

import argparse
import copy
import statistics
import time

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from srlib import checkpoints
from srlib.data import datasets
from srlib.data.streams import PatchStream
from srlib.losses.weighted import Weighted
from srlib.recipes.table import RECIPES
from srlib.training.loop import TrainConfig, train
from srlib.training.recipe import Recipe
from srlib.training.run import Run
from srlib.training.steps.supervised import supervised

PEAK = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "L4": 121e12, "T4": 65e12}  # dense bf16 (T4: fp16), vendor's


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def step_time(
    net: nn.Module, lr: torch.Tensor, hr: torch.Tensor, recipe: Recipe, precision: str, layout, seconds: float
) -> float:
    """Median seconds of one update, batch already there."""
    net = copy.deepcopy(net).to(lr.device, memory_format=layout)
    lr, hr = (image.contiguous(memory_format=layout) for image in (lr, hr))
    run, opt = Run(precision, device=lr.device), recipe.optimizer(net)
    step = supervised(Weighted(pixel=(1.0, recipe.loss)))
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 8:
        start = time.perf_counter()
        step({"g": net}, {"g": opt}, (lr, hr), run)
        wait(lr.device)
        times.append(time.perf_counter() - start)
    return statistics.median(times[3:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", default="edsr_small", choices=list(checkpoints.NETWORKS))
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--seconds", type=float, default=15, help="of each measurement")
    parser.add_argument("--batch", type=int, help="default: the recipe's")
    options = parser.parse_args()
    device = torch.device(options.device)
    recipe = RECIPES[options.network](4)
    batch = options.batch or recipe.config.batch
    net = recipe.network()
    pictures = [datasets.photo(name) for name in datasets.TRAIN_PHOTOS]
    side = recipe.lr_size * 4
    pictures = [picture for picture in pictures if min(picture.shape[-2:]) >= side]
    stream = PatchStream(pictures, scale=4, lr_size=recipe.lr_size, channels=net.channels)
    lr, hr = stream.batch(range(batch), device)
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    print(f"{recipe.name}, batch {batch} of {recipe.lr_size}² lr pixels, {where}, torch {torch.__version__}")

    settings = {
        "fp32, contiguous": ("fp32", torch.contiguous_format),
        "fp32, channels_last": ("fp32", torch.channels_last),
        "bf16, channels_last": ("bf16", torch.channels_last),
    }
    times = {name: step_time(net, lr, hr, recipe, *setting, options.seconds) for name, setting in settings.items()}
    for name, seconds in times.items():
        gain = times["fp32, contiguous"] / seconds
        print(f"  {name:<22} {seconds * 1e3:8.2f} ms a step   {1 / seconds:7.1f} steps/s   {gain:5.2f} x fp32")

    steps = max(100, int(options.seconds / times["bf16, channels_last"]))
    cfg = TrainConfig(steps=steps, batch=batch, log_every=steps // 2)
    opt = recipe.optimizer(net)
    loss = Weighted(pixel=(1.0, recipe.loss))
    _, history = train(supervised(loss), {"g": net}, {"g": opt}, stream, cfg, device=device)
    row = history[-1]
    images, waiting = row["images_per_second"], f"{100 * row['data_time']:.1f} % of the time waiting for data"
    print(f"  the whole loop         {images:8.1f} images/s, {images / batch:.1f} steps/s; {waiting}")
    with FlopCounterMode(display=False) as counter:
        net(lr).mean().backward()
    rate = counter.get_total_flops() * images / batch
    peak = next((value for key, value in PEAK.items() if key in where), None)
    share = f", {100 * rate / peak:.1f} % of the card's bf16 peak of {peak / 1e12:.0f}" if peak else ""
    print(f"  arithmetic             {rate / 1e12:8.3f} TFLOP/s{share}")


if __name__ == "__main__":
    main()
