"""Frames a second and peak memory of `srlib upscale` on a video of 1,000 frames of 320 x 180, enlarged by 2.

python -m benchmarks.video_upscaling [--model espcn bicubic] [--frames 100 1000]
"""

import argparse
import multiprocessing
import resource
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch

from srlib.cli import main as srlib

HEIGHT, WIDTH, RATE, SCALE = 180, 320, 25, 2


def film(path: Path, count: int) -> None:
    """A view that moves across a random landscape, with noise and a tone."""
    rng = np.random.default_rng(0)
    coarse = torch.from_numpy(rng.random((1, 3, 23, 80), np.float32))
    place = torch.nn.functional.interpolate(coarse, scale_factor=16, mode="bicubic").clamp(0, 1)[0]
    with av.open(str(path), "w") as container:
        video, sound = container.add_stream("libx264", rate=RATE), container.add_stream("aac", rate=48000)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for k in range(count):
            x, y = abs(3 * k % 1600 - 800), abs(k % 200 - 100)
            view = place[:, y : y + HEIGHT, x : x + WIDTH].numpy() * 255 + rng.normal(0, 3, (3, HEIGHT, WIDTH))
            pixels = np.ascontiguousarray(view.clip(0, 255).astype(np.uint8).transpose(1, 2, 0))
            container.mux(video.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")))
        container.mux(video.encode())
        for start in range(0, 48000 * count // RATE, 1024):
            tone = np.sin(np.arange(start, start + 1024, dtype=np.float32) * 0.06)
            voice = av.AudioFrame.from_ndarray(np.tile(tone, (2, 1)), "fltp", "stereo")
            voice.sample_rate, voice.pts, voice.time_base = 48000, start, Fraction(1, 48000)
            container.mux(sound.encode(voice))
        container.mux(sound.encode())


def enlarge(source: str, model: str, count: int) -> None:
    """In a process of its own, since a peak never falls."""
    before, start = peak(), time.perf_counter()
    assert srlib(["upscale", source, f"{source}.out.mp4", "--model", model, "--scale", str(SCALE)]) == 0
    seconds = time.perf_counter() - start
    with av.open(f"{source}.out.mp4") as container:
        assert container.streams.video[0].frames == count
    print(f"{model:12} {count:6} {count / seconds:11.1f} {peak():9.0f} {peak() - before:12.0f}", flush=True)


def peak() -> float:
    """Largest resident size of this process so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", nargs="+", default=["espcn"])
    parser.add_argument("--frames", nargs="+", type=int, default=[100, 1000])
    options = parser.parse_args()
    threads = torch.get_num_threads()
    print(f"{WIDTH} x {HEIGHT} x{SCALE}, torch {torch.__version__}, PyAV {av.__version__}, {threads} threads")
    print(f"{'model':12} {'frames':>6} {'frames/s':>11} {'peak, MB':>9} {'over start':>12}")
    with tempfile.TemporaryDirectory() as folder:
        for count in options.frames:
            source = Path(folder, f"{count}.mp4")
            film(source, count)
            for model in options.model:
                process = multiprocessing.get_context("spawn").Process(target=enlarge, args=(str(source), model, count))
                process.start()
                process.join()


if __name__ == "__main__":
    main()
