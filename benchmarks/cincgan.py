"""What is learned without pairs, beside its rivals; writes data/results/cincgan.csv.

python -m benchmarks.cincgan [FIRST LAST] [--arms back own_pairs ...] [--steps 600]

A camera blurs with σ = 2 of hr's pixels, shrinks by 4, adds noise of 8/255 and rounds to 8 bits. It has taken every
second picture of T91, General100 and BSDS, and their hr is put away (x); the others are clean (y, z). Arms: "bicubic",
"direct", `edsr_small` as it ships; "non_local_means" with the true noise before it; "inner", stage 1 of CinCGAN, then
`edsr_small`; "joint", 120 steps of the outer cycle after it, and "joint_gentle", where d2's word counts a tenth;
"back", an inner cycle in which g2 learns the camera, with noise; "own_pairs", 150 steps on pairs that this g2 makes.
Parts of the inner cycle left out: "no_gan", "no_cycle", "no_identity", "no_smooth", "gan_alone". Rivals: `edsr_small`
tuned for 150 steps on clean pictures with the true noise ("noise"), with the true blur and noise ("known"), with those
that `camera_of` finds in x ("estimated"); and on pairs of x and its hr ("oracle"). Scores are of three sets as this
camera takes them; the sets must be in $SRLIB_DATA. Settings and lengths were fixed before the seeds of the table, with
seeds 100 and 101 and the same three sets: 300 steps were too few for "own_pairs", and 1,000 no better than 600.

python -m benchmarks.cincgan 3 9 --steps 300 --arms inner no_gan no_cycle no_identity no_smooth

What each term is worth: at 600 steps three seeds do not resolve it. Steps and seeds of this were fixed when the rows of
seeds 0 to 2 were there, and before any of its own; seeds 3 to 8 were used for nothing else.

python -m benchmarks.cincgan --pictures OUT writes x to OUT/lr and z to OUT/hr and trains nothing. The shipped
cincgan_small_x4 is of `srlib train cincgan_small --data lr=OUT/lr hr=OUT/hr`.
"""

from collections.abc import Callable
from copy import deepcopy
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from skimage.restoration import denoise_nl_means
from torch import Tensor, nn
from torch.optim import Adam

from benchmarks.paired import TRAINING, command_line, planned, scored, table
from srlib import checkpoints, images, metrics
from srlib.data.cameras import camera_of
from srlib.data.datasets import load_training_images
from srlib.data.streams import AlignedStream, DegradedStream, Unpaired
from srlib.degradations import Blur, gaussian_kernel
from srlib.losses.pixel import l1
from srlib.losses.weighted import Weighted
from srlib.models.cincgan import CleanThenEnlarge, camera_small, detail_discriminator, translator_small
from srlib.models.interpolators import bicubic
from srlib.resample import resize
from srlib.training.loop import TrainConfig, train
from srlib.training.muon import Muon
from srlib.training.schedules import cosine
from srlib.training.steps.cycle import BACK, INNER, JOINT, inner_cycle, joint_cycle, own_pairs
from srlib.training.steps.supervised import supervised

SCALE, LR_SIZE, BATCH, SIGMA, NOISE = 4, 32, 8, 2.0, 8 / 255
JOINT_STEPS, OWN_STEPS, TUNING_STEPS = 120, 150, 150
SETS = ("Set5", "Set14", "BSD100")
BLUR = Blur(gaussian_kernel(SIGMA))
LEFT_OUT = {
    "no_gan": {"gan": 0.0},
    "no_cycle": {"cycle": 0.0},
    "no_identity": {"identity": 0.0},
    "no_smooth": {"smooth": 0.0},
    "gan_alone": {"cycle": 0.0, "identity": 0.0, "smooth": 0.0},
}


def taken(hr: Tensor, number: int, *, blur: bool = True) -> Tensor:
    """lr of the camera; the noise is that of the picture's number."""
    lr = resize(BLUR(hr) if blur else hr, 1 / SCALE)
    grain = torch.randn(lr.shape, generator=torch.Generator().manual_seed(number))
    return images.quantised(lr + NOISE * grain)


def cut(hr: Tensor) -> Tensor:
    """RGB, with sides that are multiples of the scale."""
    height, width = (n - n % SCALE for n in hr.shape[-2:])
    return hr[..., :height, :width].expand(-1, 3, -1, -1)


@cache
def halves() -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """x, its hr, and the clean large pictures."""
    found = load_training_images(TRAINING, SCALE * LR_SIZE, lambda reason: None)[0]
    found = [cut(images.from_uint8(picture)) for picture in found]
    return [taken(hr, number) for number, hr in enumerate(found[::2])], found[::2], found[1::2]


def written(folder: Path) -> None:
    """x and z as files."""
    x, _, clean = halves()
    for name, pictures in (("lr", x), ("hr", clean)):
        (folder / name).mkdir(parents=True)
        for number, picture in enumerate(pictures):
            images.write(folder / name / f"{number:03}.png", picture)


@cache
def unpaired(seed: int) -> Unpaired:
    """(x, y, z)."""
    x, _, clean = halves()
    pairs = ((resize(z, 1 / SCALE), z) for z in clean)
    return Unpaired(
        AlignedStream(((each,) for each in x), size=LR_SIZE, seed=seed),
        AlignedStream(pairs, size=LR_SIZE, scales=(1, SCALE), seed=seed + 1000),
    )


def edsr() -> nn.Module:
    return checkpoints.load("edsr_small", SCALE)


def optimizers(nets: dict[str, nn.Module], rate: float) -> dict[str, Adam]:
    """One for each network but those of a stage that is over."""
    return {name: Adam(net.parameters(), rate, betas=(0.5, 0.999)) for name, net in nets.items()}


def settings(seed: int, steps: int, *averaged: str, batch: int = BATCH) -> TrainConfig:
    return TrainConfig(steps, batch=batch, seed=seed, max_grad_norm=1.0, ema=averaged, ema_decay=0.98)


@cache
def cycles(seed: int, steps: int, *weights: tuple[str, float]) -> dict[str, nn.Module]:
    """The networks after the inner cycle with these weights."""
    torch.manual_seed(seed)
    back = dict(weights).get("gan_x")
    nets = {
        "g1": translator_small(),
        "g2": camera_small() if back else translator_small(),
        "d1": detail_discriminator(),
    }
    nets |= {"dx": detail_discriminator()} if back else {}
    config = settings(seed, steps, "g1", "g2")
    return train(
        inner_cycle(dict(weights)), nets, optimizers(nets, 1e-3), unpaired(seed), config, schedule=cosine(steps)
    )[0]


def inner(seed: int, steps: int, **changed: float) -> nn.Module:
    """Stage 1, with some of its weights changed."""
    return CleanThenEnlarge(cycles(seed, steps, *(INNER | changed).items())["g1"], edsr())


def joint(seed: int, steps: int, gan: float = 1.0) -> nn.Module:
    """Stages 1 to 3; the weight of the large pictures' discriminator."""
    nets = deepcopy(cycles(seed, steps, *INNER.items()))
    nets |= {"sr": edsr(), "g3": translator_small(SCALE), "d2": detail_discriminator(SCALE)}
    for net in nets.values():
        net.train().requires_grad_()
    config = settings(seed, JOINT_STEPS, "g1", "sr", batch=4)
    opts = optimizers(nets, 1e-4)
    found = train(
        joint_cycle(JOINT | {"gan": gan}), nets, opts, unpaired(seed + 1), config, schedule=cosine(JOINT_STEPS)
    )[0]
    return CleanThenEnlarge(found["g1"], found["sr"])


def back(seed: int, steps: int) -> nn.Module:
    return CleanThenEnlarge(cycles(seed, steps, *BACK.items())["g1"], edsr())


def with_own_pairs(seed: int, steps: int) -> nn.Module:
    found = deepcopy(cycles(seed, steps, *BACK.items()))
    nets = {"g1": found["g1"], "g2": found["g2"], "sr": edsr()}
    for net in nets.values():
        net.train().requires_grad_()
    opts = optimizers({name: nets[name] for name in ("g1", "sr")}, 3e-4)
    config = settings(seed, OWN_STEPS, "g1", "sr")
    step = own_pairs(Weighted(pixel=(1.0, l1)))
    found = train(step, nets, opts, unpaired(seed + 1), config, schedule=cosine(OWN_STEPS), frozen_nets=("g2",))[0]
    return CleanThenEnlarge(found["g1"], found["sr"])


def tuned(kind: str, seed: int, steps: int) -> nn.Module:
    """`edsr_small`, trained on with pairs."""
    x, hr, clean = halves()
    size = LR_SIZE * SCALE
    if kind == "oracle":
        stream = AlignedStream(zip(x, hr, strict=True), size=LR_SIZE, scales=(1, SCALE), seed=seed)
    elif kind == "estimated":
        stream = DegradedStream(clean, size=size, degrade=camera_of(x, SCALE), seed=seed)
    else:
        lr = (taken(z, 10_000 + number, blur=kind == "known") for number, z in enumerate(clean))
        stream = AlignedStream(zip(lr, clean, strict=True), size=LR_SIZE, scales=(1, SCALE), seed=seed)
    net = edsr().train().requires_grad_()
    config, step = settings(seed, TUNING_STEPS, "g"), supervised(Weighted(pixel=(1.0, l1)))
    opts = {"g": Muon(net.parameters(), lr=5e-3)}
    return train(step, {"g": net}, opts, stream, config, schedule=cosine(TUNING_STEPS))[0]["g"]


class Denoised(nn.Module):
    """Non-local means, told the noise, before a network."""

    channels, scale = 3, SCALE

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, lr: Tensor) -> Tensor:
        picture = lr[0].permute(1, 2, 0).double().numpy()
        clean = denoise_nl_means(
            picture, h=0.8 * NOISE, sigma=NOISE, patch_size=5, patch_distance=6, fast_mode=True, channel_axis=-1
        )
        return self.net(torch.from_numpy(np.asarray(clean)).permute(2, 0, 1)[None].to(lr))


@torch.no_grad()
def measure(net: nn.Module) -> dict[str, str]:
    """PSNR and SSIM by set, of what the camera sees, and of bicubic lr."""
    found = {}
    for name in SETS:
        pairs = [(taken(cut(hr), 50_000 + number), cut(hr)) for number, (_, hr) in enumerate(scored(name))]
        answers = [(net(lr).clamp(0, 1), hr) for lr, hr in pairs]
        for key, measured in (("psnr", metrics.PAPER.psnr), ("ssim", metrics.PAPER.ssim)):
            values = [measured(sr, hr, SCALE).item() for sr, hr in answers]
            found[f"{name}_{key}"] = f"{sum(values) / len(values):.{4 + (key == 'ssim')}f}"
    return found | {"clean_Set5_psnr": f"{metrics.evaluate(net, scored('Set5')).psnr:.4f}"}


def untrained(make: Callable[[], nn.Module], seed: int, steps: int) -> nn.Module:
    return make()


FIXED = {
    "bicubic": partial(untrained, partial(bicubic, SCALE)),
    "direct": partial(untrained, edsr),
    "non_local_means": partial(untrained, lambda: Denoised(edsr())),
}
ARMS = {"inner": inner, "joint": joint, "joint_gentle": partial(joint, gan=0.1), "back": back}
ARMS |= {"own_pairs": with_own_pairs}
ARMS |= {name: partial(inner, **changed) for name, changed in LEFT_OUT.items()}
ARMS |= {kind: partial(tuned, kind) for kind in ("noise", "known", "estimated", "oracle")}

if __name__ == "__main__":
    parser = command_line(__doc__, seeds=3, steps=600)
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=ARMS)
    parser.add_argument("--pictures", type=Path, metavar="OUT")
    options = parser.parse_args()
    if options.pictures:
        written(options.pictures)
        raise SystemExit
    table("cincgan.csv", FIXED, [(0, 0)], measure)
    table("cincgan.csv", {name: ARMS[name] for name in options.arms}, planned(options), measure)
