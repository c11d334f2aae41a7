"""What a known, a found and a wrong blur are worth to a network; writes data/results/kernel_gap.csv.

python -m benchmarks.kernel_gap [FIRST LAST] [--steps 150] [--scales 2 4] [--arms classical learned ...]

A camera blurs what it sees by σ = 1.2 of its own pixels, and rounds to 8 bits. Nobody tells. BSDS at half its size,
seen by this camera, are its photographs; from them the classical estimate and a comparator find σ. The shipped
`edsr_small` is then tuned on T91, General100 and BSDS, shrunk and blurred by what was found. Arms: "bicubic", no blur;
"oracle", the true one; "classical" and "learned", the found ones; and wrong ones, by their σ. Scores are of Set5 and of
20 pictures of BSD100 as the camera sees them. The sets must be in $SRLIB_DATA; settings were chosen with seed 100.
"""

from functools import cache, partial

import torch
from torch import Tensor, nn

from benchmarks.kernel_experiments import SCALE, compared, teach
from benchmarks.paired import command_line, pictures, planned, scored, table
from srlib import checkpoints, images, metrics
from srlib.data.datasets import load_training_images
from srlib.data.streams import AlignedStream
from srlib.degradations import Blur, gaussian_kernel
from srlib.kernels.gaussian import estimate_gaussian
from srlib.kernels.spectra import collect
from srlib.losses.pixel import l1
from srlib.losses.weighted import Weighted
from srlib.models.learned_kernels import GaussianKernel
from srlib.resample import resize
from srlib.training.loop import TrainConfig, train
from srlib.training.muon import Muon
from srlib.training.schedules import cosine
from srlib.training.steps.supervised import supervised

SIGMA, LR_SIZE, BATCH, RATE = 1.2, 24, 8, 1e-2
WRONG = (0.8, 1.0, 1.4, 1.6)
SIDE, COMPARATOR_STEPS = 48, 280


def seen(hr: Tensor, scale: int, sigma: float) -> Tensor:
    """lr of a camera with this blur, at 8 bits; sides are cut to multiples of the scale."""
    height, width = (n // scale * scale for n in hr.shape[-2:])
    lr = resize(hr[..., :height, :width], 1 / scale)
    return images.quantised(Blur(gaussian_kernel(sigma))(lr) if sigma else lr)


@cache
def photographs() -> list[Tensor]:
    """What the camera took: nobody has these sharp."""
    found = load_training_images(["BSDS"], 2 * SIDE * 3, lambda reason: None)[0]
    return [seen(images.from_uint8(hr), 2, SIGMA) for hr in found]


@cache
def classical() -> float:
    return sum(estimate_gaussian(collect(photographs()[:40]), bootstrap=0).sigma) / 2


@cache
def learned(seed: int) -> float:
    """By a comparator that is trained on the photographs alone, and a Gaussian that is trained against it."""
    torch.manual_seed(seed)
    c, kernel = (
        compared(photographs(), seed, COMPARATOR_STEPS, size=SIDE, factors=(3.0, 1.2)),
        GaussianKernel(round=True),
    )
    teach(kernel, c, photographs(), seed, SIDE)
    return kernel.described()[0] / (1 - 1 / SCALE**2) ** 0.5


def sigma_of(arm: str, seed: int) -> float:
    known = {"bicubic": lambda: 0.0, "oracle": lambda: SIGMA, "classical": classical, "learned": lambda: learned(seed)}
    return known[arm]() if arm in known else float(arm)


class Tuned(nn.Module):
    """What an arm hands over to be measured."""

    def __init__(self, net: nn.Module, sigma: float) -> None:
        super().__init__()
        self.net, self.sigma, self.scale, self.channels = net, sigma, net.scale, net.channels

    def forward(self, lr: Tensor) -> Tensor:
        return self.net(lr)


def arm(name: str, scale: int, seed: int, steps: int) -> Tuned:
    sigma = sigma_of(name, seed)
    hr = [images.from_uint8(each) for each in pictures(scale * LR_SIZE)]
    cut = (each[..., : each.shape[-2] // scale * scale, : each.shape[-1] // scale * scale] for each in hr)
    layers = ((seen(each, scale, sigma), each) for each in cut)
    stream = AlignedStream(layers, size=LR_SIZE, scales=(1, scale), seed=seed)
    net = checkpoints.load("edsr_small", scale).train().requires_grad_()
    config = TrainConfig(steps, batch=BATCH, seed=seed, max_grad_norm=1.0, ema_decay=0.98)
    opts = {"g": Muon(net.parameters(), lr=RATE)}
    step = supervised(Weighted(pixel=(1.0, l1)))
    return Tuned(train(step, {"g": net}, opts, stream, config, schedule=cosine(steps))[0]["g"], sigma)


@torch.no_grad()
def measure(tuned: Tuned) -> dict[str, str]:
    """PSNR on what the camera sees, by set, and the σ that the training was given."""
    found = {"sigma": f"{tuned.sigma:.4f}"}
    for name, every in (("Set5", 1), ("BSD100", 5)):
        values = []
        for _, hr in scored(name)[::every]:
            hr = hr.expand(-1, 3, -1, -1)
            hr = hr[..., : hr.shape[-2] // tuned.scale * tuned.scale, : hr.shape[-1] // tuned.scale * tuned.scale]
            sr = tuned(seen(hr, tuned.scale, SIGMA)).clamp(0, 1)
            values.append(metrics.PAPER.psnr(sr, hr, tuned.scale).item())
        found[name] = f"{sum(values) / len(values):.4f}"
        found[f"pictures_{name}"] = str(len(values))
    return found


if __name__ == "__main__":
    parser = command_line(__doc__, seeds=3, steps=150)
    parser.add_argument("--scales", nargs="+", type=int, default=[2, 4], choices=(2, 4))
    parser.add_argument("--arms", nargs="+", default=["bicubic", "oracle", "classical", "learned", *map(str, WRONG)])
    options = parser.parse_args()
    for scale in options.scales:
        arms = {f"{name} ×{scale}": partial(arm, name, scale) for name in options.arms}
        table("kernel_gap.csv", arms, planned(options), measure)
