"""Training speed: steps and images a second, what bf16 with channels_last gains, how long the loop waits for data.

    python benchmarks/throughput.py [--recipe edsr_small] [--scale 4] [--device cuda] [--seconds 15] [--json FILE]

A recipe's first phase, with its own networks, optimizers and losses, on pictures of noise. On a GPU also the share of
the card's bf16 peak: multiply-adds counted by torch, without those of the optimizer, over the time they took.
"""

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # in a clone that nobody has installed

import torch  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from srlib.io import atomic  # noqa: E402
from srlib.recipes.table import RECIPES  # noqa: E402
from srlib.training.fit import device_name  # noqa: E402
from srlib.training.loop import train  # noqa: E402
from srlib.training.recipe import Recipe  # noqa: E402
from srlib.training.run import Run  # noqa: E402

# Dense bf16 (T4: fp16) by the vendors' data sheets; the first whose name is in the card's counts.
PEAK = {
    "H100 PCIe": 756e12,
    "H100": 989e12,
    "H200": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
    "L4": 121e12,
    "T4": 65e12,
}
SETTINGS = {
    "fp32, contiguous": ("fp32", torch.contiguous_format),
    "fp32, channels_last": ("fp32", torch.channels_last),
    "bf16, channels_last": ("bf16", torch.channels_last),
}
SIDE = 512  # pixels, of the pictures of noise


class BackwardOnly(Run):
    """Gradients without updates: the arithmetic that is the networks'."""

    def minimize(self, loss: Tensor, *opts: torch.optim.Optimizer) -> None:
        loss.backward()


def measure(
    recipe: Recipe,
    device: torch.device,
    seconds: float = 15,
    note: Callable[[dict[str, Any]], None] = lambda found: None,
) -> dict[str, Any]:
    """Time a recipe's first phase.

    Args:
        seconds: of each of the four measurements; four steps take longer where they must.
        note: called after each with all that is known so far.

    Returns: numbers and words for a JSON file; milliseconds by setting, and those of the whole loop.
    """
    phase, where = recipe.phases[0], device_name(device)
    rng = torch.Generator().manual_seed(0)
    sides = {role: max(SIDE, side) for role, side in recipe.sides.items()}
    pictures = {role: [torch.rand(1, 3, side, side, generator=rng) for _ in range(4)] for role, side in sides.items()}
    stream = phase.stream(pictures, seed=0, batch=phase.config.batch)
    batch = stream.batch(range(phase.config.batch), device)
    found = {"recipe": recipe.name, "batch": phase.config.batch, "shapes": [list(layer.shape) for layer in batch]}
    found |= {"device": where, "torch": torch.__version__, "python": platform.python_version()}
    found["milliseconds"] = times = {}
    for name, setting in SETTINGS.items():
        times[name] = 1e3 * step_time(recipe, batch, *setting, seconds)
        note(found)
    steps = max(4, int(1e3 * seconds / times["bf16, channels_last"]))
    row = loop(recipe.with_config(steps=steps, precision="bf16", log_every=steps // 2, save_every=0), stream, device)
    found |= {"images_per_second": row["images_per_second"], "data_time": row["data_time"]}
    note(found)
    rate = arithmetic(recipe, batch) * row["images_per_second"] / phase.config.batch
    peak = next((value for name, value in PEAK.items() if name in where), None)
    return found | {"flops_per_second": rate, "peak": peak, "share_of_peak": rate / peak if peak else None}


def step_time(
    recipe: Recipe, batch: Sequence[Tensor], precision: str, layout: torch.memory_format, seconds: float
) -> float:
    """Median seconds of one update, batch already there, without the first quarter of the updates."""
    device = batch[0].device
    run, phase = Run(precision, device=device), recipe.phases[0]
    nets = {name: lay_out(run.place(net), layout) for name, net in recipe.build().items()}
    opts = {name: optim.build(nets) for name, optim in phase.optims.items()}
    batch = [layer.contiguous(memory_format=layout) if layer.ndim == 4 else layer for layer in batch]
    step, times, end = phase.step(), [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 4:
        start = time.perf_counter()
        step(nets, opts, tuple(batch), run)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - start)
    return statistics.median(times[len(times) // 4 :])


def lay_out(net: nn.Module, layout: torch.memory_format) -> nn.Module:
    """The network with its kernels in a layout, where all have four dimensions or fewer."""
    return net if any(value.ndim == 5 for value in net.state_dict().values()) else net.to(memory_format=layout)


def loop(recipe: Recipe, stream: Any, device: torch.device) -> dict[str, float]:
    """The last row of a run's log: its second half, when everything is warm."""
    phase, nets = recipe.phases[0], recipe.build()
    for net in nets.values():
        net.to(device)
    opts = {name: optim.build(nets) for name, optim in phase.optims.items()}
    _, history = train(phase.step(), nets, opts, stream, phase.config, frozen_nets=phase.frozen, device=device)
    return history[-1]


def arithmetic(recipe: Recipe, batch: Sequence[Tensor]) -> int:
    """Operations of one step, forward and backward; a multiply-add is two."""
    run, phase = BackwardOnly("fp32", device=batch[0].device), recipe.phases[0]
    nets = {name: run.place(net) for name, net in recipe.build().items()}
    opts = {name: optim.build(nets) for name, optim in phase.optims.items()}
    with FlopCounterMode(display=False) as counter:
        phase.step()(nets, opts, tuple(batch), run)
    return counter.get_total_flops()


def report(found: dict[str, Any]) -> str:
    """What was measured, in a few lines."""
    shapes = ", ".join("x".join(map(str, shape)) for shape in found["shapes"])
    lines = [f"{found['recipe']}, batch {shapes}, {found['device']}, torch {found['torch']}"]
    for name, passed in found["milliseconds"].items():
        gain = found["milliseconds"]["fp32, contiguous"] / passed
        lines.append(f"  {name:<22} {passed:8.2f} ms a step   {1e3 / passed:7.1f} steps/s   {gain:5.2f} x fp32")
    images, waiting = found["images_per_second"], 100 * found["data_time"]
    speed = f"{images:8.1f} images/s, {images / found['batch']:.1f} steps/s"
    lines.append(f"  the whole loop         {speed}; {waiting:.1f} % of the time waiting for data")
    share, peak = found["share_of_peak"], found["peak"]
    told = f", {100 * share:.1f} % of the card's bf16 peak of {peak / 1e12:.0f}" if peak else ""
    lines.append(f"  arithmetic             {found['flops_per_second'] / 1e12:8.3f} TFLOP/s{told}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", default="edsr_small", choices=list(RECIPES))
    parser.add_argument("--scale", type=int, default=4)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--seconds", type=float, default=15, help="of each measurement")
    parser.add_argument("--batch", type=int, help="default: the recipe's")
    parser.add_argument("--json", metavar="FILE", type=Path, help="also write the numbers")
    options = parser.parse_args()
    recipe = RECIPES[options.recipe](options.scale)
    recipe = recipe.with_config(batch=options.batch) if options.batch else recipe

    def note(found: dict[str, Any]) -> None:
        if options.json:
            atomic.write(options.json, json.dumps(found, indent=1) + "\n")

    found = measure(recipe, torch.device(options.device), options.seconds, note)
    note(found)
    print(report(found))


if __name__ == "__main__":
    main()
