"""Vid4 under several protocols; writes data/results/vid4.csv, a row for each upscaler, protocol and clip.

SRLIB_DATA=<folder with Vid4> python -m benchmarks.vid4

"BI" is bicubic ×4, Y, a border of 4 left out, frames 3 to 8, with the warping error and that of hr beside it. "BI
whole" has all frames and no border. "BD" and "BD aligned", frames 4 to 7, no border, are for bicubic enlargement on the
usual grid, and put where BD frames were sampled. "copies" of a video network sees the centre frame five times.
"""

from functools import partial

import torch
from torch import nn

from benchmarks.paired import RESULTS
from srlib import checkpoints
from srlib.data import clip_folders, datasets
from srlib.evaluation.clip_degradations import aligned, blurred_down
from srlib.evaluation.clips import CentreCopies, ClipProtocol, evaluate_clip
from srlib.evaluation.flicker import motions, warping_error
from srlib.io import atomic
from srlib.metrics import PAPER
from srlib.models.interpolators import bicubic

SCALE = 4
BLURRED = partial(blurred_down, scale=SCALE)
BI = ClipProtocol(pictures=PAPER, first=3, last=9)
OTHERS = {
    "BI whole": ClipProtocol(),
    "BD": ClipProtocol(BLURRED, "BD", first=4, last=8),
    "BD aligned": ClipProtocol(BLURRED, "BD-aligned", first=4, last=8),
}


def members() -> dict[str, nn.Module]:
    """By the name in the table."""
    shipped = {name: checkpoints.load(name, SCALE) for name in ("edsr_small", "edvr_small_alone", "edvr_small")}
    return {"bicubic": bicubic(SCALE)} | shipped | {"edvr_small copies": CentreCopies(shipped["edvr_small"])}


@torch.no_grad()
def main() -> None:
    torch.set_num_threads(1)
    place = clip_folders.find_in(datasets.search_path(), "Vid4")
    if place is None:
        raise SystemExit("Vid4 is in no folder of $SRLIB_DATA")
    rows, nets = [], members()
    for clip, folder in clip_folders.clips_in(place).items():
        hr = clip_folders.frames_of(folder)
        along = motions(hr[BI.first : BI.last])
        for model, net in nets.items():
            shown: list[tuple] = []
            found = evaluate_clip(net, hr, BI, each=lambda sr, hr, shown=shown: shown.append((sr, hr)))
            sr, true = ([PAPER.convert(each) for each in frames] for frames in zip(*shown, strict=True))
            row = {
                "model": model,
                "protocol": "BI",
                "clip": clip,
                "psnr": f"{found.psnr:.4f}",
                "ssim": f"{found.ssim:.5f}",
            }
            rows.append(
                row | {"warping": f"{warping_error(sr, along):.3f}", "warping_hr": f"{warping_error(true, along):.3f}"}
            )
            print(rows[-1], flush=True)
        for name, protocol in OTHERS.items():
            net = aligned(nets["bicubic"]) if name == "BD aligned" else nets["bicubic"]
            found = evaluate_clip(net, hr, protocol)
            row = {
                "model": "bicubic",
                "protocol": name,
                "clip": clip,
                "psnr": f"{found.psnr:.4f}",
                "ssim": f"{found.ssim:.5f}",
            }
            rows.append(row | {"warping": "", "warping_hr": ""})
            print(rows[-1], flush=True)
    atomic.write_table(RESULTS / "vid4.csv", rows)


if __name__ == "__main__":
    main()
