"""Which runtimes read which exported network, and compute what torch computes: writes data/results/runtimes.csv.

    python benchmarks/runtimes.py [PYTHON ...]

Each PYTHON is an interpreter with NumPy and onnxruntime, OpenCV, or both, in any version; this one is always asked. A
file is opened in a process of its own, since some runtimes end it. Every network is tried twice: as one file for two
sizes of picture, and as one file for each size (`srlib export --size`). What the table says of a runtime and a network:

any size    one file computes what torch computes, at both sizes
one size    files for one size do; a file for any size is refused, or wrong at the second size
wrong, …    it computes something else, by so much at most
refused, …  it does not read the file, and says why
crashed     its process ended
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn

from srlib import checkpoints, onnx_export
from srlib.io import atomic
from srlib.models.catalogue import CATALOGUE
from srlib.models.esrgan import RRDBNet
from srlib.models.interpolators import bicubic

RESULT = Path(__file__).resolve().parents[1] / "data" / "results" / "runtimes.csv"
SIZES = (24, 32), (17, 40)
TOLERANCE = 1e-3  # of a range of 1
VERSIONS = """
import importlib.util as u
for name, label in (("onnxruntime", "onnxruntime"), ("cv2", "OpenCV")):
    if u.find_spec(name):
        print(label, __import__(name).__version__)
"""
ASK = """
import json, sys
import numpy as np
label, file, *pictures = sys.argv[1:]
if label == "OpenCV":
    import cv2
    net = cv2.dnn.readNetFromONNX(file)
    def run(lr):
        net.setInput(lr)
        return net.forward()
else:
    import onnxruntime
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    def run(lr):
        return session.run(None, {"lr": lr})[0]
worst = 0.0
for picture in pictures:
    with np.load(picture) as held:
        sr = run(held["lr"])
        worst = max(worst, float(abs(sr - held["sr"]).max())) if sr.shape == held["sr"].shape else float("inf")
print(json.dumps(worst if worst == worst else float("inf")))
"""


def networks() -> Iterator[tuple[str, nn.Module]]:
    """One of each architecture at its largest scale: as it ships, or else a small untrained one."""
    yield "bicubic", bicubic(4)
    seen, shipped = set(), checkpoints.names()
    for name, entry in sorted(CATALOGUE.items(), key=lambda row: row[0] not in shipped):
        if entry.small not in seen and entry.frames == 1 and entry.kind != "kernel":
            seen.add(entry.small)
            torch.manual_seed(0)
            yield name, checkpoints.load(name, 4) if name in shipped else entry.small(4).eval()
    yield "rrdbnet, folded by 2", RRDBNet(scale=2, blocks=1, width=16, growth=8, fold=2).eval()


def runtimes(pythons: list[str]) -> Iterator[tuple[str, str, str]]:
    """(interpreter, kind, kind and version) of every runtime that they have."""
    for python in pythons:
        done = subprocess.run([python, "-c", VERSIONS], capture_output=True, text=True, check=True)
        for line in done.stdout.splitlines():
            yield python, line.split()[0], line


def asked(python: str, label: str, file: Path, pictures: list[Path]) -> float | str:
    """How far a runtime is from torch at most; or what became of it, in words."""
    done = subprocess.run([python, "-c", ASK, label, file, *pictures], capture_output=True, text=True)
    if done.returncode < 0:
        return "crashed"
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or [""]
        told = next((line for line in reversed(lines) if "rror" in line), lines[-1])
        return f"refused, {' '.join(told.split())[-120:]}"
    return json.loads(done.stdout.splitlines()[-1])


def answer(python: str, label: str, free: Path, fixed: list[Path], pictures: list[Path]) -> str:
    """What the table says."""
    whole = asked(python, label, free, pictures)
    if isinstance(whole, float) and whole <= TOLERANCE:
        return "any size"
    parts = [asked(python, label, file, [picture]) for file, picture in zip(fixed, pictures, strict=True)]
    if all(isinstance(part, float) and part <= TOLERANCE for part in parts):
        return "one size"
    worst = next((part for part in parts if isinstance(part, str)), None)
    return worst or f"wrong, by {max(parts):.2g}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pythons", nargs="*", metavar="PYTHON")
    options = parser.parse_args()
    found = list(runtimes([sys.executable, *options.pythons]))
    rows, rng = [], torch.Generator().manual_seed(0)
    with tempfile.TemporaryDirectory() as place:
        for name, net in networks():
            channels = getattr(net, "channels", 3)
            free, fixed, pictures = Path(place, f"{name}.onnx"), [], []
            onnx_export.export(net, free, name=name)
            for k, size in enumerate(SIZES):
                fixed.append(Path(place, f"{name}_{k}.onnx"))
                onnx_export.export(net, fixed[-1], name=name, size=size)
                pictures.append(Path(place, f"{name}_{k}.npz"))
                lr = torch.rand(1, channels, *size, generator=rng)
                with torch.no_grad():
                    np.savez(pictures[-1], lr=lr.numpy(), sr=net(lr).numpy())
            row = {"network": f"{name} ×{net.scale}"}
            for python, label, version in found:
                row[version] = answer(python, label, free, fixed, pictures)
            print(*row.values(), sep=" | ", flush=True)
            rows.append(row)
    atomic.write_table(RESULT, rows)


if __name__ == "__main__":
    main()
