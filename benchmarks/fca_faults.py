"""What each fault of a failed reproduction of FCA costs, one at a time; writes data/results/fca_faults.csv.

python -m benchmarks.fca_faults [FIRST LAST] [--arms cured norm_apart ...] [--steps 280]

The source are photographs blurred by σ = 2 and rounded to 8 bits, as in benchmarks/kernel_experiments.py. A comparator
of convolutions learns from them, and a generator learns from the comparator. Arms: "cured"; "norm_together", batch norm
that sees the four kinds of patches in one pass; "norm_apart", one pass for each kind, as in the reproduction; "alike",
whose targets are all +1, with the generated patch on one side; "no_game", where comparator and kernel minimise one sum;
"product", whose generator multiplies the small picture by a map in place of a convolution; "product_held", the same
with a loss that holds the means of 8 x 8 pixels. Columns: order accuracy of 256 held-out pairs at three factors, the σ
of the kernel (1.73 is right), and how far the generator's pictures are from the small ones: in brightness, in levels of
255, and in dB of PSNR; 0 and 30 dB or more would be a blur. BSDS must be in $SRLIB_DATA.
"""

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.kernel_experiments import BATCH, HELD_OUT, KERNEL_STEPS, SCALE, SIZE, pairs, sources
from benchmarks.paired import command_line, planned, table
from srlib.data.rescaled import RescaledStream
from srlib.models.fca import Comparator
from srlib.models.learned_kernels import GaussianKernel, adapted
from srlib.resample import resize
from srlib.training.run import Run
from srlib.training.schedules import cosine
from srlib.training.steps.adaptation import comparing, order_accuracy

KINDS = 4  # of patches in a batch: another crop, a crop, shrunk, enlarged


class Convolved(nn.Module):
    """G(x): shrunk, then blurred by one kernel."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = GaussianKernel(sigma=1.0, round=True)

    def forward(self, large: Tensor) -> Tensor:
        return adapted(large, self.kernel(), SCALE)


class Multiplied(nn.Module):
    """What the reproduction computed: the shrunk picture times a map of its own size, which a network reads off it."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1), nn.LeakyReLU(0.2), nn.Conv2d(width, width, 3, padding=1),
            nn.LeakyReLU(0.2), nn.Conv2d(width, 1, 3, padding=1),
        )  # fmt: skip

    def forward(self, large: Tensor) -> Tensor:
        small = resize(large, 1 / SCALE)
        return small * (1 + self.body(small))


class Trained(nn.Module):
    """What an arm hands over to be measured."""

    def __init__(self, c: nn.Module, g: nn.Module) -> None:
        super().__init__()
        self.c, self.g = c, g


def distance(c: Comparator, a: Tensor, b: Tensor, target: float) -> Tensor:
    """|C(a, b) − target|, of the mean over the batch."""
    return (c(a, b).mean((0, 2, 3)) - target).abs().sum()


def held(made: Tensor, large: Tensor) -> Tensor:
    """How far the means of 8 x 8 pixels are from those of the small picture."""
    return F.l1_loss(F.avg_pool2d(made, 8), F.avg_pool2d(resize(large, 1 / SCALE), 8))


def compared_apart(c: Comparator, batch: tuple[Tensor, ...]) -> Tensor:
    """The comparator's loss with a pass for each kind of patch: batch norm sees one kind at a time."""
    other, plain, shrunk, enlarged = (c.encode(patch).mean((2, 3)) for patch in batch[:KINDS])
    one = torch.ones_like(plain)
    return F.l1_loss(shrunk - plain, one) + (other - plain).abs().mean() + F.l1_loss(enlarged - plain, -one)


def alike(c: Comparator, batch: tuple[Tensor, ...], made: Tensor) -> Tensor:
    """The reproduction's targets: whatever is compared with the generated patch shall be one above it."""
    other, _, shrunk, enlarged = (c.encode(patch).mean((2, 3)) for patch in batch[:KINDS])
    code = c.encode(made).mean((2, 3))
    return sum(F.l1_loss(kind - code, torch.ones_like(kind)) for kind in (other, shrunk, enlarged))


def optimizer(net: nn.Module, rate: float, steps: int) -> tuple[torch.optim.Adam, torch.optim.lr_scheduler.LambdaLR]:
    opt = torch.optim.Adam(net.parameters(), rate, betas=(0.9, 0.99))
    return opt, torch.optim.lr_scheduler.LambdaLR(opt, cosine(steps))


def arm(fault: str, seed: int, steps: int) -> Trained:
    torch.manual_seed(seed)
    pictures, run = sources("round")[:-HELD_OUT], Run("fp32", device="cpu")
    c = Comparator(branch=16, width=24, norm="norm" in fault, high_pass=True)
    g = Multiplied() if "product" in fault else Convolved()
    stream = RescaledStream(pictures, size=SIZE, samples=round(0.7 * steps * BATCH), seed=seed)
    rng = torch.Generator().manual_seed(seed)
    together = fault in ("alike", "no_game")
    count = steps if together else KERNEL_STEPS
    opt_c, schedule_c = optimizer(c, 2e-3, steps)
    opt_g, schedule_g = optimizer(g, 2e-3 if "product" in fault else 0.05, count)
    step = comparing()
    for k in range(steps):
        batch = stream.batch(range(k * BATCH, (k + 1) * BATCH))
        if together:  # one sum, which both minimise
            large, source = pairs(pictures, rng)
            made = g(large)
            loss = alike(c, batch, made) if fault == "alike" else distance(c, made, source, 0.0)
            if fault == "no_game":
                loss = loss + distance(c, made, batch[2], -1.0) + distance(c, made, batch[3], 1.0)
            run.minimize(loss, opt_c, opt_g)
            schedule_g.step()
        elif fault == "norm_apart":
            run.minimize(compared_apart(c, batch), opt_c)
        else:
            step({"c": c}, {"c": opt_c}, batch, run)
        schedule_c.step()
    c.eval().requires_grad_(False)
    for _ in range(0 if together else KERNEL_STEPS):
        large, source = pairs(pictures, rng)
        made = g(large)
        loss = distance(c, made, source, 0.0)
        run.minimize(loss + 100 * held(made, large) if fault == "product_held" else loss, opt_g)
        schedule_g.step()
    return Trained(c, g)


@torch.no_grad()
def measure(net: Trained) -> dict[str, str]:
    pictures, found = sources("round")[-HELD_OUT:], {}
    for factor in (1.2, 1.5, 2.0):
        stream = RescaledStream(pictures, size=SIZE, factors=(factor, factor), seed=10_000)
        found[f"order_{factor:g}"] = f"{order_accuracy(net.c, stream.batch(range(256))):.4f}"
    sigma = net.g.kernel.described()[0] if isinstance(net.g, Convolved) else float("nan")
    large, _ = pairs(pictures, torch.Generator().manual_seed(0))
    made, small = net.g(large), resize(large, 1 / SCALE)
    brightness = 255 * (made - small).mean((1, 2, 3)).abs().mean().item()
    psnr = -10 * F.mse_loss(made.clamp(0, 1), small).log10().item()
    return found | {"sigma": f"{sigma:.3f}", "brightness": f"{brightness:.2f}", "psnr": f"{psnr:.2f}"}


FAULTS = ("cured", "norm_together", "norm_apart", "alike", "no_game", "product", "product_held")

if __name__ == "__main__":
    parser = command_line(__doc__, seeds=3, steps=280)
    parser.add_argument("--arms", nargs="+", default=list(FAULTS), choices=FAULTS)
    options = parser.parse_args()
    table("fca_faults.csv", {name: partial(arm, name) for name in options.arms}, planned(options), measure)
