"""The assignment on closed loops: a dual loss, an adjoint, a loss of spectra, a question of luck, a network."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from torch.nn.utils import skip_init

from srlib.consistency import shrink
from srlib.degradations import Blur, gaussian_kernel
from srlib.evaluation.statistics import t_interval
from srlib.grading.questions import Assignment, FunctionQuestion, MeasuredQuestion, Mistake, ValueQuestion
from srlib.metrics import psnr
from srlib.resample import resize


def _joined(
    levels: Callable = sum,
    total: Callable = lambda primal, loop, weight: primal + weight * loop,
    distance: Callable = torch.abs,
    seen: Callable = lambda answers, targets: answers,
) -> Callable:
    """The loss of dual regression; parts of it can be exchanged."""

    @torch.no_grad()
    def dual_loss(answers: list[Tensor], targets: list[Tensor], duals: list[nn.Module], weight: float) -> Tensor:
        primal = [distance(a - t).mean() for a, t in zip(answers, targets, strict=True)]
        down = zip(duals, seen(answers, targets)[1:], targets[:-1], strict=True)
        loop = [distance(d(a) - t).mean() for d, a, t in down]
        return total(levels(primal), levels(loop), weight)

    return dual_loss


def _conv(rng: Generator, channels: int) -> nn.Sequential:
    layer = skip_init(nn.Conv2d, channels, channels, 3, stride=2, padding=1)
    for parameter in layer.parameters():
        parameter.data.copy_(torch.randn(parameter.shape, generator=rng) / 3)
    return nn.Sequential(layer, nn.LeakyReLU(0.1))


def _dual_probe(rng: Generator, batch: int, channels: int, height: int, width: int, levels: int) -> tuple:
    sizes = [(batch, channels, height * 2**k, width * 2**k) for k in range(levels + 1)]
    answers, targets = ([torch.rand(size, generator=rng) for size in sizes] for _ in range(2))
    duals = [_conv(rng, channels) for _ in range(levels)]
    return answers, [(k + 1) * target for k, target in enumerate(targets)], duals, 0.1 + 0.3 * levels


def _dual_probes(rng: Generator) -> list[tuple]:
    return [_dual_probe(rng, *sizes) for sizes in ((2, 3, 3, 5, 2), (1, 1, 4, 3, 1), (3, 1, 2, 3, 3))]


def adjoint(
    y: Tensor, kernel: Tensor, scale: int, first: int, repeat: bool = False, wrap: bool = True, gain: int = 0
) -> Tensor:
    """Bᵀ Dᵀ y for a blur B with wrap-around, and D = [first::scale]."""
    x = y.repeat_interleave(scale, 1).repeat_interleave(scale, 2)
    if not repeat:
        x = torch.zeros_like(x)
        x[:, first::scale, first::scale] = y
    down, right = (n // 2 for n in kernel.shape)
    padded = F.pad(x[None], (right, right, down, down), mode="circular" if wrap else "constant")[0]
    return F.conv2d(padded[:, None], kernel[None, None])[:, 0] * scale**gain


def _adjoint_probes(rng: Generator) -> list[tuple]:
    sizes = [((2, 4, 5), (3, 5), 2, 1), ((1, 3, 4), (5, 3), 3, 0), ((3, 5, 3), (3, 3), 3, 2), ((1, 5, 6), (5, 5), 4, 1)]
    draw = partial(torch.rand, generator=rng, dtype=torch.float64)
    return [(draw(y), draw(k) / (k[0] * k[1] / 2), scale, first) for y, k, scale, first in sizes]


def _apart(x: Tensor, y: Tensor) -> Tensor:
    return (x.abs() - y.abs()).abs()


def frequency_loss(
    sr: Tensor, hr: Tensor, power: float, norm: str = "ortho", distance: Callable = _apart, half: bool = False
) -> float:
    """Mean difference of the amplitudes, weighted by a power of the frequency, 1 where one direction is at its end."""
    x, y = (torch.fft.fft2(image.double(), norm=norm) for image in (sr, hr))
    u, v = (torch.fft.fftfreq(side, dtype=torch.float64) for side in sr.shape[-2:])
    values = (2 * torch.hypot(u[:, None], v)) ** power * distance(x, y)
    return (values[..., : sr.shape[-1] // 2 + 1] if half else values).mean().item()


def _frequency_probes(rng: Generator) -> list[tuple]:
    draw = partial(torch.rand, generator=rng, dtype=torch.float64)
    sizes = ((2, 3, 6, 9), 1.0), ((1, 1, 7, 8), 2.0), ((3, 1, 5, 5), 0.5)
    return [(0.3 + 0.4 * draw(shape), draw(shape), power) for shape, power in sizes]


def luck_data(rng: Generator) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Three treatments and a control, trained from the same seeds; one effect is none and one is open."""
    band = 0.01 + 0.02 * torch.rand((), generator=rng).item()
    seeds, pictures = 5 + int(torch.randint(4, (), generator=rng)), 6
    draw = partial(torch.randn, generator=rng, dtype=torch.float64)
    control = 30 + 2 * draw(1, pictures) + 0.1 * draw(seeds, 1) + 0.02 * draw(seeds, pictures)
    kinds = ["none", "open", "higher" if torch.rand((), generator=rng) < 0.5 else "lower"]
    treated, effects, verdicts = [], [], [kinds[k] for k in torch.randperm(3, generator=rng)]
    for verdict in verdicts:
        u, v = torch.rand(2, generator=rng).tolist()
        half = band * ({"none": 0.2, "open": 1.2}.get(verdict, 0.6) + 0.2 * u)
        away = 1.2 * half + band * (0.5 + 0.5 * v)
        small = math.copysign(1.2 * half, v - 0.5)  # without zero, and all of it inside the band
        mean = {"higher": away, "lower": -away, "none": small}.get(verdict, (v - 0.5) * half)
        luck, spread = draw(seeds), draw(seeds, pictures)
        luck = (luck - luck.mean()) * half / t_interval(luck.tolist()).half_width
        treated.append(control + mean + luck[:, None] + 2 * band * (spread - spread.mean(1, keepdim=True)))
        effects.append({"mean": mean, "half": half} | _luckless(treated[-1], control, half))
    given = {"treated": torch.stack(treated), "control": control, "band": torch.tensor(band, dtype=torch.float64)}
    return given, {"effects": effects, "verdicts": verdicts}


def _luckless(treated: Tensor, control: Tensor, half: float) -> dict[str, float]:
    """Half widths of usual mistakes, under their hints."""
    gains, n = treated - control, len(control)
    student = half * n**0.5 / gains.mean(1).std().item()
    apart = (treated.mean(1).var() + control.mean(1).var()).item()
    return {
        "the pictures were taken for the unit, and it is the seed": t_interval(gains.flatten().tolist()).half_width,
        "the pairs are lost: take the differences of equal seeds first": student * (apart / n) ** 0.5,
        "1.96 is for many seeds; for so few take Student's t with n − 1": half * 1.96 / student,
    }


def _three(values: Any) -> list[float]:
    try:
        values = torch.as_tensor(values, dtype=torch.float64).flatten().tolist()
    except Exception:  # a student's value may be anything
        values = []
    return values if len(values) == 3 else 3 * [math.nan]


def luck_judge(truth: dict[str, Any], values: dict[str, Any]) -> tuple[float, str]:
    """Of each treatment: a fifth for the mean, two for the half width, and if both are right two for the verdict."""
    means, halves, said = _three(values.get("means")), _three(values.get("half_widths")), values.get("verdicts")
    said = said if isinstance(said, list | tuple) and len(said) == 3 else 3 * [None]
    share, hints = 0.0, []
    for number, effect in enumerate(truth["effects"]):
        near = 0.01 * effect["half"]
        mean, half = (abs(v[number] - effect[n]) <= near for v, n in ((means, "mean"), (halves, "half")))
        verdict = isinstance(said[number], str) and said[number].strip().lower() == truth["verdicts"][number]
        share += 0.2 * mean + 0.4 * half + 0.4 * (mean and half and verdict)
        wrong = [hint for hint, value in list(effect.items())[2:] if abs(halves[number] - value) <= near]
        if not mean:
            hints.append(f"treatment {number}: the mean is wrong")
        elif not half:
            hints.append(": ".join([f"treatment {number}: the half width is wrong", *wrong]))
        elif not verdict:
            hints.append(f"treatment {number}: the verdict is wrong; it follows from the interval and the band")
    return share / 3 if hints else 1.0, "; ".join(hints or ["right"]) + "."


class Network(nn.Module):
    """Bicubic doubling, and what some convolutions add to it."""

    def __init__(self, features: int, blocks: int) -> None:
        super().__init__()
        self.head = nn.Conv2d(3, features, 3, padding=1)
        self.body = nn.ModuleList(nn.Conv2d(features, features, 3, padding=1) for _ in range(blocks))
        self.tail = nn.Conv2d(features, 12, 3, padding=1)

    def forward(self, lr: Tensor) -> Tensor:
        x = F.relu(self.head(lr))
        for layer in self.body:
            x = x + F.relu(layer(x))
        return resize(lr, 2) + F.pixel_shuffle(self.tail(x), 2)


RANGES = {"features": range(4, 33), "blocks": range(1, 9)}  # of the header's settings


def network(settings: Mapping[str, str]) -> Network:
    """The network that a file's header asks for; ValueError for settings that are missing or out of range."""
    for name, allowed in RANGES.items():
        if settings.get(name) not in map(str, allowed):
            raise ValueError(f"{name} must be {allowed[0]} to {allowed[-1]}, got {settings.get(name)!r}")
    return Network(*(int(settings[name]) for name in RANGES))


def twice_score(apply: Callable, pictures: Sequence[Tensor], rng: Generator) -> tuple[float, str]:
    """0.8 · PSNR of sr + 0.2 · PSNR of the shrunk sr, at most 50 dB; RGB, not rounded, without 4 pixels of border."""
    right, closed = [], []
    for picture in pictures:
        hr, blur = picture[None].float(), Blur(gaussian_kernel(0.6 + 0.8 * torch.rand((), generator=rng).item()))
        lr = shrink(blur(hr), 2)
        with torch.no_grad():
            sr = apply(lr)
        right.append(psnr(sr.clamp(0, 1)[..., 4:-4, 4:-4], hr[..., 4:-4, 4:-4]).item())
        closed.append(min(50.0, psnr(shrink(blur(sr), 2), lr).item()))
    db, loop = (sum(values) / len(values) for values in (right, closed))
    return 0.8 * db + 0.2 * loop, f"PSNR of sr {db:.2f} dB, of the shrunk sr {loop:.2f} dB."


def _worth(share: float, wrong: dict[str, Callable]) -> dict[str, Mistake]:
    return {hint: Mistake(function, share) for hint, function in wrong.items()}


_DUAL = {
    "the weight was put on both sums. It belongs to the loop alone.": _joined(total=lambda p, q, w: w * (p + q)),
    "the weight is missing: it multiplies the sum of the loop.": _joined(total=lambda p, q, w: p + q),
    "means over the levels: every level has a weight of its own, so add them up.": _joined(
        lambda parts: sum(parts) / len(parts)
    ),
    "errors were squared: both sums are of absolute errors.": _joined(distance=torch.square),
    "the dual networks got the targets, and they are to shrink the answers.": _joined(
        seen=lambda answers, targets: targets
    ),
}
_ADJOINT = {
    "the kernel was used the way it blurs. The transpose uses it turned by 180°.": (
        lambda y, kernel, scale, first: adjoint(y, kernel.flip(0, 1), scale, first)
    ),
    "pixels repeated: the transpose of D puts zeros on the others.": partial(adjoint, repeat=True),
    "multiplied by scale²: an inverse keeps the brightness, a transpose does not.": partial(adjoint, gain=2),
    "the values belong on pixel `first` of each block, the one that was kept.": (
        lambda y, kernel, scale, first: adjoint(y, kernel, scale, 0)
    ),
    "zeros around the picture: this blur wraps around at the border.": partial(adjoint, wrap=False),
}
_FREQUENCY = {
    "no absolute value around the difference: errors cancel out.": (
        partial(frequency_loss, distance=lambda x, y: x.abs() - y.abs())
    ),
    "the norm: a plain sum grows with the picture. Divide by the root of H · W, norm='ortho'.": (
        partial(frequency_loss, norm="backward")
    ),
    "the norm: divided by H · W, where the root of it belongs.": partial(frequency_loss, norm="forward"),
    "|X̂ − X| also sees phases. Take the moduli first, then their difference.": (
        partial(frequency_loss, distance=lambda x, y: (x - y).abs())
    ),
    "the mean of half a spectrum: most of its columns stand for two.": partial(frequency_loss, half=True),
}

_Y, _K = (torch.arange(n, dtype=torch.float64) for n in (6, 9))
_SR = ((7 * torch.arange(12) % 12).view(1, 1, 3, 4) / 12).double()
_PAIR = _dual_probe(Generator().manual_seed(1), 1, 1, 2, 2, 1)
_SEEN = (_Y.view(1, 2, 3), _K.view(3, 3), 2, 1)
_LIKE = (torch.zeros(3), torch.zeros(3), ["none", "open", "lower"])

ASSIGNMENT = Assignment(
    part="loops",
    title="Closed loops",
    questions=(
        FunctionQuestion("dual_loss", 4, _joined(), _dual_probes, [_PAIR], _worth(0.5, _DUAL)),
        FunctionQuestion("adjoint", 4, adjoint, _adjoint_probes, [_SEEN], _worth(0.4, _ADJOINT)),
        FunctionQuestion(
            "frequency_loss", 4, frequency_loss, _frequency_probes, [(_SR, 1 - _SR**2, 1.0)], _worth(0.5, _FREQUENCY)
        ),
        ValueQuestion("luck", 3, ("means", "half_widths", "verdicts"), luck_data, luck_judge, _LIKE),
        MeasuredQuestion(
            "twice", 5, twice_score, lambda lr: resize(lr, 2), network=network, parameters=25_000, settings=(*RANGES,)
        ),
    ),
)
