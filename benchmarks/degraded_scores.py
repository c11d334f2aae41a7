"""Networks on pictures that the two-stage random degradation made, and beside it on clean ones.

SRLIB_DATA=<folder with the sets> python -m benchmarks.degraded_scores MODEL ... [--on BSD100] [--every N] [--niqe]

A model is bicubic, the name of a shipped network, or a checkpoint. Every picture has the same lr for all of them, in
colour and at 8 bits; PSNR and SSIM are those of luma. Writes data/results/degraded_scores.csv with --write.
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor, nn

from srlib.commands import networks
from srlib.data import datasets
from srlib.evaluation.niqe import NAME, niqe
from srlib.images import quantised
from srlib.inference import upscale
from srlib.io import atomic
from srlib.metrics import PAPER, compare
from srlib.random_degradations.presets import PRESETS
from srlib.resample import resize

TABLE = Path(__file__).parent.parent / "data" / "results" / "degraded_scores.csv"
SEED = 1000  # of the first picture; the next has the next


def degraded(hr: Tensor, preset: str, scale: int, seed: int) -> Tensor:
    """lr at 8 bits; "clean" is bicubic."""
    if preset == "clean":
        return quantised(resize(hr, 1 / scale))
    return PRESETS[preset](scale)(hr, [torch.Generator().manual_seed(seed)])


@torch.no_grad()
def scored(net: nn.Module, pictures: list[tuple[str, Tensor]], preset: str, scale: int, with_niqe: bool) -> dict:
    """Mean scores over the pictures."""
    triples = []
    for k, (name, hr) in enumerate(pictures):
        height, width = (n - n % scale for n in hr.shape[-2:])
        hr = hr[..., :height, :width].expand(-1, 3, -1, -1)
        triples.append((name, upscale(net, degraded(hr, preset, scale, SEED + k), tile=None), hr))
    found = compare(triples, PAPER, scale)
    row = {"psnr": round(found.psnr, 3), "ssim": round(found.ssim, 4)}
    return row | ({NAME: round(torch.cat([niqe(sr) for _, sr, _ in triples]).mean().item(), 2)} if with_niqe else {})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--on", default="BSD100", help="set of pictures (default: %(default)s)")
    parser.add_argument("--every", type=int, default=1, help="only every N-th of them")
    parser.add_argument("--scale", type=int, default=4)
    parser.add_argument("--niqe", action="store_true", help="our own NIQE of the results, too")
    parser.add_argument("--write", action="store_true", help="write the table")
    options = parser.parse_args()
    torch.set_num_threads(1)
    pictures, rows = list(datasets.images_of(options.on))[:: options.every], []
    for preset in ("clean", "mild", "real"):
        for model in options.models:
            net = networks.find(model, options.scale)
            row = {"set": options.on, "pictures": len(pictures), "lr": preset, "model": Path(model).stem}
            rows.append(row | scored(net, pictures, preset, options.scale, options.niqe))
            print(*rows[-1].values(), flush=True)
    if options.write:
        atomic.write_table(TABLE, rows)


if __name__ == "__main__":
    main()
