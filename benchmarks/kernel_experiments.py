"""What a learned comparator finds of a blur, seed by seed; writes data/results/kernel_estimates.csv.

python -m benchmarks.kernel_experiments [FIRST LAST] [--arms scalar_2 ...] [--steps 280]

Photographs are blurred by a known Gaussian and rounded to 8 bits, and play the source. A comparator learns from crops
of them, shrunk and enlarged by 3.5 at first and by 1.2 at last; frozen, it teaches a Gaussian kernel. The right kernel
is known: σ √(1 − 1/2²) in the source's pixels. Arms with "wavelet" have a wavelet discriminator beside the comparator,
with the paper's weight, or in its place. The order accuracy is of 256 crops of pictures that no network has seen;
beside it stands what the classical estimate finds of the first 40 pictures. BSDS must be in $SRLIB_DATA. The settings
were chosen with seeds from 100 on, which are not in the table.
"""

import time
from functools import cache, partial
from itertools import islice

import torch
from torch import Tensor, nn

from benchmarks.paired import command_line, planned, table
from srlib import images
from srlib.data import datasets
from srlib.data.rescaled import RescaledStream
from srlib.degradations import Blur, anisotropic_gaussian
from srlib.kernels.gaussian import estimate_gaussian
from srlib.kernels.spectra import collect
from srlib.models.fca import WaveletDiscriminator, comparator_small
from srlib.models.learned_kernels import GaussianKernel
from srlib.training.run import Run
from srlib.training.schedules import cosine
from srlib.training.steps.adaptation import adapting, comparing, order_accuracy

SCALE, SIZE, BATCH, HELD_OUT, KERNEL_STEPS = 2, 64, 8, 40, 120
BLURS = {
    "round": (2.0, 2.0, 0.0),
    "flat": (2.4, 1.0, 0.0),
    "oblique": (2.4, 1.0, 30.0),
}


@cache
def sources(blur: str) -> list[Tensor]:
    """BSDS, blurred and in 8 bits; the last pictures are held out."""
    kernel = Blur(anisotropic_gaussian(*BLURS[blur]))
    files = datasets.image_files(datasets.find("BSDS"))
    return [images.from_uint8(images.to_uint8(kernel(images.read(file)))) for file in files]


class Learned(nn.Module):
    """What an arm hands over to be measured."""

    def __init__(self, c: nn.Module, kernel: GaussianKernel, blur: str, seconds: tuple[float, float]) -> None:
        super().__init__()
        self.c, self.kernel, self.blur, self.seconds = c, kernel, blur, seconds


def crops(pictures: list[Tensor], rng: torch.Generator, side: int) -> Tensor:
    """A batch of crops at random places."""
    found = []
    for _ in range(BATCH):
        picture = pictures[int(torch.randint(len(pictures), (), generator=rng))]
        top, left = (int(torch.randint(n - side + 1, (), generator=rng)) for n in picture.shape[-2:])
        found.append(picture[0, :, top : top + side, left : left + side])
    return torch.stack(found)


def pairs(pictures: list[Tensor], rng: torch.Generator, size: int = SIZE) -> tuple[Tensor, Tensor]:
    """Large crops, and a patch of each at its own size: what is in them is the same."""
    large = crops(pictures, rng, SCALE * size)
    places = torch.randint((SCALE - 1) * size + 1, (BATCH, 2), generator=rng).tolist()
    patches = [x[:, top : top + size, left : left + size] for x, (top, left) in zip(large, places, strict=True)]
    return large, torch.stack(patches)


def compared(
    pictures: list[Tensor], seed: int, steps: int, *, outputs: int = 1, **settings: int | tuple[float, float]
) -> nn.Module:
    """A comparator that has learned from the pictures alone; the settings are those of `RescaledStream`."""
    c, run, step = comparator_small(outputs), Run("fp32", device="cpu"), comparing()
    opt = torch.optim.Adam(c.parameters(), 5e-3, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.LambdaLR(opt, cosine(steps))
    directions = {"directional": outputs > 1, "turn": outputs > 1}
    stream = RescaledStream(pictures, samples=round(0.7 * steps * BATCH), seed=seed, **directions, **settings)
    for k in range(steps):
        step({"c": c}, {"c": opt}, stream.batch(range(k * BATCH, (k + 1) * BATCH)), run)
        schedule.step()
    return c.eval()


def teach(
    kernel: nn.Module,
    c: nn.Module,
    pictures: list[Tensor],
    seed: int,
    size: int,
    wavelet: float = 0.0,
    density: float = 1.0,
) -> None:
    """Train a kernel against the frozen comparator, a wavelet discriminator, or both, by the weights of their words."""
    rng, run = torch.Generator().manual_seed(seed), Run("fp32", device="cpu")
    nets, opts = {"c": c, "k": kernel}, {"k": torch.optim.Adam(kernel.parameters(), 0.05)}
    if wavelet:
        nets["d"] = WaveletDiscriminator(width=16)
        opts["d"] = torch.optim.Adam(nets["d"].parameters(), 1e-3, betas=(0.5, 0.999))
    schedule = torch.optim.lr_scheduler.LambdaLR(opts["k"], cosine(KERNEL_STEPS))
    step = adapting(scale=SCALE, wavelet=wavelet, density=density, turn=c.outputs > 1)
    for _ in range(KERNEL_STEPS):
        step(nets, opts, pairs(pictures, rng, size), run)
        schedule.step()


def arm(blur: str, outputs: int, wavelet: float, density: float, seed: int, steps: int) -> nn.Module:
    torch.manual_seed(seed)
    pictures, started = sources(blur)[:-HELD_OUT], time.process_time()
    c, trained = compared(pictures, seed, steps, outputs=outputs, size=SIZE), time.process_time()
    kernel = GaussianKernel(sigma=1.0, round=blur == "round")
    teach(kernel, c, pictures, seed, SIZE, wavelet, density)
    return Learned(c, kernel, blur, (trained - started, time.process_time() - trained))


def measure(net: Learned) -> dict[str, str]:
    """Order accuracy at three factors, the kernel, and what the classical estimate says of the same pictures."""
    found, held = {}, sources(net.blur)[-HELD_OUT:]
    for factor in (1.2, 1.5, 2.0):
        stream = RescaledStream(held, size=SIZE, factors=(factor, factor), directional=net.c.outputs > 1, seed=10_000)
        found[f"order_{factor:g}"] = f"{order_accuracy(net.c, stream.batch(range(256))):.4f}"
    share = (1 - 1 / SCALE**2) ** 0.5
    truth = BLURS[net.blur]
    values = dict(zip(("sigma_1", "sigma_2", "angle"), net.kernel.described(), strict=True))
    values |= {"true_1": truth[0] * share, "true_2": truth[1] * share, "true_angle": truth[2]}
    classical = estimate_gaussian(collect(islice(sources(net.blur), 40)), bootstrap=0)
    values |= dict(zip(("classical_1", "classical_2"), classical.at_scale(SCALE), strict=True))
    values |= {"classical_angle": classical.angle, "comparator_s": net.seconds[0], "kernel_s": net.seconds[1]}
    return found | {name: f"{value:.3f}" for name, value in values.items()}


ARMS = {
    "scalar_round": partial(arm, "round", 1, 0.0, 1.0),
    "wavelet_round": partial(arm, "round", 1, 1e-3, 1.0),
    "wavelet_alone_round": partial(arm, "round", 1, 1.0, 0.0),
    "scalar_flat": partial(arm, "flat", 1, 0.0, 1.0),
    "directional_flat": partial(arm, "flat", 2, 0.0, 1.0),
    "directional_oblique": partial(arm, "oblique", 2, 0.0, 1.0),
}

if __name__ == "__main__":
    parser = command_line(__doc__, seeds=3, steps=280)
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=ARMS)
    options = parser.parse_args()
    table("kernel_estimates.csv", {name: ARMS[name] for name in options.arms}, planned(options), measure)
