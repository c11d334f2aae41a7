"""What losses on spectra change, for the chapter on them; writes data/results/frequency_losses.csv.

python -m benchmarks.frequency_losses [FIRST LAST] [--steps 300] [--arms l1 spectral ...]

`edsr_small` ×4 is trained with L1, and with L1 and one more term, from the same start on the same batches, seed by
seed. The weights of the terms: 0.1 for the L1 forms; 10 for the focal loss, which then is twice L1 at the start and a
third of it at the end; 1 for the term as a source of the course computes it, which has no gradient. The training sets,
Set5 and Set14 must be in $SRLIB_DATA. Declared before the first run: an effect within ±0.015 dB on Set5 counts as none.
For the rows of 15,000 steps, T91 and General100 were JPEG of quality 95 (`benchmarks/gpu.py pack`). Eleven of the
twelve come from another machine with torch 2.11; focal, seed 2, was trained here with torch 2.13, so that this one pair
crosses machines. L1, seed 0, trained here with the pictures as they are, had 31.2687 dB on Set5 in place of 31.3050.
"""

from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.paired import SETS, command_line, pictures, planned, psnr, scored, table
from srlib import images
from srlib.data.sources import Pairs
from srlib.evaluation.perceptual import evaluate_perceptual
from srlib.frequency import power_spectrum, radial_profile
from srlib.losses.frequency import amplitude_l1, focal_frequency, spectral_l1
from srlib.losses.pixel import l1
from srlib.losses.weighted import Weighted
from srlib.models.edsr import edsr_small
from srlib.resample import resize
from srlib.training.loop import TrainConfig, train
from srlib.training.muon import Muon
from srlib.training.schedules import warm_cosine
from srlib.training.steps.supervised import supervised

SCALE, LR_SIZE, BATCH, RATE = 4, 24, 4, 3e-3
BANDS = {"power_16_8": (1 / 16, 1 / 8), "power_8_4": (1 / 8, 1 / 4), "power_4_2": (1 / 4, 1 / 2)}  # periods in pixels


def detached_amplitude(sr: Tensor, hr: Tensor) -> Tensor:
    """The spectral term of a source, as its code computes it: through NumPy, hence without a gradient.

    Amplitudes on the scale of 0 to 255, not normalised, divided by the batch's size.

    Shapes: sr, hr (N, C, H, W) in [0, 1] -> scalar that no weight gets a gradient from.
    """
    spectra = [np.abs(np.fft.fft2(255 * x.detach().cpu().numpy())) / len(x) for x in (sr, hr)]
    return torch.tensor(np.abs(spectra[0] - spectra[1]).mean(), dtype=torch.float32)


TERMS = {
    "l1": {},
    "spectral": {"frequency": (0.1, spectral_l1)},
    "amplitude": {"frequency": (0.1, amplitude_l1)},
    "focal": {"frequency": (10.0, focal_frequency)},
    "source": {"frequency": (1.0, detached_amplitude)},
}


def arm(kind: str, seed: int, steps: int) -> nn.Module:
    torch.manual_seed(seed)
    net = edsr_small(SCALE)
    stream = Pairs((SCALE,), LR_SIZE)({"hr": pictures(SCALE * LR_SIZE)}, seed=seed, batch=BATCH)
    step = supervised(Weighted(pixel=(1.0, l1), **TERMS[kind]))
    config = TrainConfig(steps, batch=BATCH, seed=seed, max_grad_norm=1.0, ema_decay=0.99)
    opts = {"g": Muon(net.parameters(), lr=RATE)}
    return train(step, {"g": net}, opts, stream, config, schedule=warm_cosine(steps))[0]["g"]


@torch.no_grad()
def power(net: nn.Module) -> dict[str, str]:
    """Power of sr against that of hr in three bands, in dB, of luma; mean over all pictures."""
    found: dict[str, list[float]] = {name: [] for name in BANDS}
    for _, hr in (pair for name in SETS for pair in scored(name)):
        height, width = (n - n % SCALE for n in hr.shape[-2:])
        hr = hr[..., :height, :width].expand(-1, 3, -1, -1)
        sr = net(resize(hr, 1 / SCALE)).clamp(0, 1)
        profiles = [radial_profile(power_spectrum(images.to_y(x))) for x in (sr, hr)]
        frequency = profiles[0][0]
        for name, (low, high) in BANDS.items():
            band = (frequency >= low) & (frequency < high)
            ratio = profiles[0][1][band].sum() / profiles[1][1][band].sum()
            found[name].append(10 * ratio.log10().item())
    return {name: f"{sum(values) / len(values):.4f}" for name, values in found.items()}


def measure(net: nn.Module) -> dict[str, str]:
    every = [pair for name in SETS for pair in scored(name)]
    return psnr(net) | {"distance": f"{evaluate_perceptual(net, every).distance:.5f}"} | power(net)


if __name__ == "__main__":
    parser = command_line(__doc__, seeds=6, steps=300)
    parser.add_argument("--arms", nargs="+", default=list(TERMS), choices=TERMS)
    options = parser.parse_args()
    arms = {kind: partial(arm, kind) for kind in options.arms}
    table("frequency_losses.csv", arms, planned(options), measure)
