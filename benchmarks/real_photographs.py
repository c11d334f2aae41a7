"""Networks on photographs that nobody has the original of; writes data/results/real_photographs.csv.

SRLIB_DATA=<folder with the sets> python -m benchmarks.real_photographs FOLDER [MODEL ...] [--pictures DIR]

Every picture under FOLDER is enlarged by every model (default: bicubic, edsr_small, edsr_small_real). Without hr there
is no PSNR. What is measured instead: our own NIQE; the power of the result in periods from 4 to 2 pixels against that
of bicubic interpolation, which says how sharp or how noisy it is; how far tiles are from the whole picture; and whether
colours stay: the largest difference between the mean of a channel of sr and of lr, of the whole picture and of the
ninths of it. The table's `edsr_small_real_before` is a checkpoint that is not shipped: the recipe without its last
step, 1,312 steps with batches of 16, on a GPU and on packed pictures (`benchmarks/gpu.py pack`).
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from srlib import images
from srlib.commands import networks
from srlib.evaluation.niqe import NAME, SMALLEST, niqe
from srlib.frequency import power_spectrum, radial_profile
from srlib.images import quantised
from srlib.inference import upscale
from srlib.io import atomic, finder

TABLE = Path(__file__).parent.parent / "data" / "results" / "real_photographs.csv"
TILE = 48  # lr pixels: every picture has several
NINTHS = 3


def drift(sr: Tensor, lr: Tensor, parts: int) -> float:
    """Largest difference of a channel's mean, over parts × parts fields of the picture, in steps of 8 bits."""
    means = [torch.nn.functional.adaptive_avg_pool2d(picture, parts) for picture in (sr, lr)]
    return 255 * (means[0] - means[1]).abs().max().item()


def finest(image: Tensor) -> Tensor:
    """Power of luma in periods from 4 to 2 pixels."""
    frequency, profile = radial_profile(power_spectrum(images.to_y(image.expand(-1, 3, -1, -1))))
    return profile[(frequency >= 1 / 4) & (frequency < 1 / 2)].sum()


@torch.no_grad()
def measured(
    enlarge: Callable[[Tensor, int | None], Tensor], lr: Tensor, plain: Tensor
) -> tuple[dict[str, str], Tensor]:
    """The numbers of one result, and the result.

    Args:
        enlarge: (lr, side of the tiles or None) -> sr.
        plain: bicubic interpolation's.
    """
    whole = enlarge(lr, None)
    sr = quantised(whole)
    seams = 255 * (enlarge(lr, TILE) - whole).abs().max().item()
    judged = f"{niqe(sr).item():.2f}" if min(sr.shape[-2:]) >= SMALLEST else ""
    row = {
        NAME: judged,
        "finest_db": f"{10 * (finest(sr) / finest(plain)).log10().item():.2f}",
        "seams": f"{seams:.3f}",
    }
    return row | {"drift": f"{drift(sr, lr, 1):.2f}", "drift_of_ninths": f"{drift(sr, lr, NINTHS):.2f}"}, sr


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("models", nargs="*", metavar="MODEL", default=["bicubic", "edsr_small", "edsr_small_real"])
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="also keep the results")
    options = parser.parse_args()
    torch.set_num_threads(1)
    nets = {Path(model).stem: networks.find(model, 4) for model in options.models}
    bicubic, rows = networks.find("bicubic", 4), []
    for file in finder.pictures(options.folder, recursive=True):
        lr = images.read(file)
        plain = quantised(bicubic(lr))
        for name, net in nets.items():
            row, sr = measured(lambda lr, tile, net=net: upscale(net, lr, tile=tile), lr, plain)
            rows.append({"picture": file.stem, "model": name} | row)
            print(*rows[-1].values(), flush=True)
            if options.pictures:
                options.pictures.mkdir(parents=True, exist_ok=True)
                images.write(options.pictures / f"{file.stem}_{name}.png", sr)
    atomic.write_table(TABLE, rows)


if __name__ == "__main__":
    main()
