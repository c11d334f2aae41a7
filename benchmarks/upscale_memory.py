"""Peak memory and time of `upscale` on 12 megapixels, and of the whole command from file to file.

python benchmarks/upscale_memory.py
"""

import multiprocessing
import resource
import tempfile
import time
from pathlib import Path

import torch

from srlib import checkpoints, images
from srlib.cli import main as srlib
from srlib.inference import upscale
from srlib.models.edsr import edsr_small
from srlib.models.fcn import espcn
from srlib.models.interpolators import bicubic

HEIGHT, WIDTH = 3000, 4000
# Weights are random: they change neither time nor memory.
NETS = {
    "bicubic x2": lambda: bicubic(2),
    "bicubic x4": lambda: bicubic(4),
    "espcn x2": lambda: espcn(2),
    "edsr_small x2": lambda: edsr_small(2),
}


def peak() -> float:
    """Largest resident size of this process so far, GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def measure(name: str) -> None:
    """In a process of its own, since a peak never falls."""
    torch.manual_seed(0)
    net, lr = NETS[name](), torch.rand(1, 3, HEIGHT, WIDTH)
    before, start = peak(), time.perf_counter()
    sr = upscale(net, lr)
    seconds, result = time.perf_counter() - start, sr.numel() * sr.element_size() / 2**30
    print(f"{name}: {peak() - before - result:.2f} GB beyond picture and result of {result:.2f} GB, {seconds:.0f} s")


def command(picture: str, model: str) -> None:
    start = time.perf_counter()
    srlib(["upscale", picture, str(Path(picture).with_name("out.png")), "--model", model])
    print(f"srlib upscale with edsr_small x2: {peak():.2f} GB in all, {time.perf_counter() - start:.0f} s")


def alone(function, *arguments: str) -> None:
    process = multiprocessing.get_context("spawn").Process(target=function, args=arguments)
    process.start()
    process.join()


def main() -> None:
    print(f"{HEIGHT} x {WIDTH} RGB, torch {torch.__version__}, {torch.get_num_threads()} threads")
    for name in NETS:
        alone(measure, name)
    with tempfile.TemporaryDirectory() as folder:
        picture, model = Path(folder, "in.png"), Path(folder, "edsr_small_x2.safetensors")
        images.write(picture, torch.rand(3, HEIGHT, WIDTH))
        checkpoints.save(edsr_small(2), model, {"model": "edsr_small", "scale": 2})
        alone(command, str(picture), str(model))


if __name__ == "__main__":
    main()
