"""Put every ×4 model on the perception–distortion plane; writes data/results/perception.csv.

SRLIB_DATA=<folder with Set5 and BSD100> python benchmarks/perception.py [--only NAME ...] [--other FILE]

A row holds, for one model and one set: PSNR and SSIM under the papers' protocol, and on whole colour pictures of 8 bits
the distance that is named, its standard deviation over the pictures, and by how much of 1/255 the channel that moved
most has moved: the mean over the pictures, and the worst picture. Between the two small RRDBNets lie the networks of
mixed weights ("a..b") and the mixed pictures of both ("pictures a..b"), alpha parts of the second.

Our GANs were trained with features of the network that the distance sees with. Two more rows hold their teacher to
account: the distance through features that were never trained, and, with --other, through a network that
benchmarks/train_features.py has trained from another seed.
"""

import argparse
import csv
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from srlib import checkpoints
from srlib.data.datasets import EVAL_PHOTOS, images_of, photo
from srlib.evaluation.perceptual import Measure, evaluate_perceptual
from srlib.io import atomic
from srlib.losses.perceptual import NAME, distance, freeze, random_features
from srlib.metrics import PAPER, evaluate
from srlib.models.catalogue import CATALOGUE
from srlib.models.features import FeatureNet
from srlib.models.interpolators import bicubic
from srlib.network_interpolation import interpolate_networks

RESULT = Path(__file__).parent.parent / "data" / "results" / "perception.csv"
SCALE = 4
PAIR = ("rrdb_psnr_small", "esrgan_small")
ALPHAS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
OTHER, RANDOM = "srlib features, another seed", "random features"
COLUMNS = ("model", "alpha", "set", "protocol", "psnr", "ssim", "distance", "value", "spread", "pictures", "shift")
COLUMNS += ("worst_shift",)
ORDER = ["bicubic", *CATALOGUE, "..".join(PAIR), "pictures " + "..".join(PAIR)]


class Mixed(nn.Module):
    """(1 − α) times the picture of a and α times that of b."""

    scale, channels = SCALE, 3

    def __init__(self, a: nn.Module, b: nn.Module, alpha: float) -> None:
        super().__init__()
        self.a, self.b, self.alpha = a, b, alpha

    def forward(self, lr: Tensor) -> Tensor:
        return self.a(lr).clamp(0, 1).lerp(self.b(lr).clamp(0, 1), self.alpha)


class Remembering(nn.Module):
    """A network that is asked once for each picture; the scores and the distances need the same answers."""

    def __init__(self, net: Callable) -> None:
        super().__init__()
        self.net, self.scale, self.channels = net, net.scale, getattr(net, "channels", None)
        self.known: dict[bytes, Tensor] = {}
        self.eval()

    def forward(self, lr: Tensor) -> Tensor:
        key = lr.numpy().tobytes()
        if key not in self.known:
            self.known[key] = self.net(lr)
        return self.known[key]


def models() -> Iterator[tuple[str, str, Callable]]:
    """Name, alpha, upscaler."""
    yield "bicubic", "", bicubic(SCALE)
    for path in checkpoints.of_pictures():
        if SCALE in checkpoints.scales_of(checkpoints.read_card(path)):
            yield checkpoints.name_of(path), "", checkpoints.load(path, SCALE)
    if set(PAIR) <= set(checkpoints.names()):
        a, b = (checkpoints.load(name, SCALE) for name in PAIR)
        for alpha in ALPHAS:
            yield "..".join(PAIR), f"{alpha:g}", interpolate_networks(a, b, alpha)
            yield "pictures " + "..".join(PAIR), f"{alpha:g}", Mixed(a, b, alpha)


def measures(other: Path | None) -> dict[str, Measure]:
    found: dict[str, Measure] = {NAME: distance}
    if other is not None:
        net = FeatureNet()
        net.load_state_dict(checkpoints.weights_of("features_v1", other))
        found[OTHER] = partial(distance, net=freeze(net))
    return found | {RANDOM: partial(distance, net=random_features())}


def sets() -> dict[str, list[tuple[str, Tensor]]]:
    photographs = [(name, photo(name)) for name in EVAL_PHOTOS]
    return {"evaluation photographs": photographs} | {name: list(images_of(name)) for name in ("Set5", "BSD100")}


def rows(name: str, alpha: str, net: Callable, pictures: dict, seen: dict[str, Measure]) -> Iterator[dict[str, str]]:
    for set_name, images in pictures.items():
        scores = evaluate(net, images, PAPER)
        for distance_name, measure in seen.items():
            look = evaluate_perceptual(net, images, measure=measure, name=distance_name)
            values = (f"{scores.psnr:.4f}", f"{scores.ssim:.4f}", look.measure, f"{look.distance:.5f}")
            values += (
                f"{look.spread('distance'):.5f}",
                str(len(images)),
                f"{look.colour_shift:.3f}",
                f"{look.worst_colour_shift:.3f}",
            )
            print(name, alpha, set_name, *values, flush=True)
            yield dict(zip(COLUMNS, (name, alpha, set_name, str(PAPER), *values), strict=True))


def place(row: dict[str, str]) -> tuple[int, int, str, int]:
    """Our distance first; then interpolation, networks by their age, and what lies between two."""
    distances, set_names = (NAME, OTHER, RANDOM), ("evaluation photographs", "Set5", "BSD100")
    order = distances.index(row["distance"]), ORDER.index(row["model"])
    return *order, row["alpha"], set_names.index(row["set"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="keep the rows of all others as they are")
    parser.add_argument("--other", type=Path, help="features.safetensors of another seed")
    options = parser.parse_args()
    torch.set_grad_enabled(False)
    pictures, seen = sets(), measures(options.other)
    known: list[dict[str, str]] = []
    for name, alpha, net in models():
        if not options.only or name in options.only:
            known += rows(name, alpha, Remembering(net), pictures, seen)
    if options.only and RESULT.exists():
        with RESULT.open(newline="", encoding="utf-8") as file:
            known += [row for row in csv.DictReader(file) if row["model"] not in options.only]
    atomic.write_table(RESULT, sorted(known, key=place), COLUMNS)


if __name__ == "__main__":
    main()
