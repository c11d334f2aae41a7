"""The assignment on perception: a feature distance, relativistic losses, R1, a mixture, and trained weights."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from srlib.consistency import back_project, inconsistency
from srlib.data.dead_leaves import dead_leaves
from srlib.degradations import Blur, gaussian_kernel
from srlib.grading.questions import Assignment, FunctionQuestion, MeasuredQuestion, Mistake, ValueQuestion
from srlib.images import quantised
from srlib.losses.perceptual import distance
from srlib.metrics import PAPER
from srlib.models.compact import Compact
from srlib.resample import resize

_UNITS: dict[str, tuple[int, ...]] = {"channels": (1,), "places": (2, 3)}
_ENDS: dict[str, Callable[[Tensor], Tensor]] = {
    "right": lambda squares: squares.sum(1).mean((1, 2)),
    "mean": lambda squares: squares.mean((1, 2, 3)),
    "sum": lambda squares: squares.sum((1, 2, 3)),
    "root": lambda squares: squares.sum(1).sqrt().mean((1, 2)),
}


def _feature_distance(
    colours: bool = True, unit: str = "channels", end: str = "right", over: Callable = torch.mean
) -> Callable:
    """The distance without normalised colours, with other unit vectors, sums, or another way over the layers."""

    @torch.no_grad()
    def measured(net: nn.Sequential, layers: Sequence[int], mean: Tensor, std: Tensor, a: Tensor, b: Tensor) -> Tensor:
        found, x = [], torch.cat([a, b])
        x = (x - mean.view(3, 1, 1)) / std.view(3, 1, 1) if colours else x
        for index, layer in enumerate(net):
            x = layer(x)
            if index in layers:
                length = x.norm(dim=_UNITS[unit], keepdim=True) + 1e-10 if unit in _UNITS else 1
                one, other = (x / length).chunk(2)
                found.append(_ENDS[end]((one - other).square()))
        return over(torch.stack(found), 0)

    return measured


def _pictures(generator: Generator) -> Sequence[tuple]:
    bent = nn.LeakyReLU(0.2)
    with torch.random.fork_rng(devices=[]):  # layers draw from torch's own generator as they are built
        one = nn.Sequential(nn.Conv2d(3, 5, 3, padding=1), bent, nn.Conv2d(5, 8, 3, 2, 1), bent)
        two = nn.Sequential(nn.Conv2d(3, 4, 3), bent, nn.Conv2d(4, 6, 3, 2), bent, nn.Conv2d(6, 5, 1))
    probes = []
    for net, layers, shape in (one, [1, 3], (2, 3, 9, 12)), (two, [0, 2], (1, 3, 13, 11)), (one, [3], (3, 3, 7, 7)):
        mean, std = 0.3 + 0.3 * torch.rand(3, generator=generator), 0.2 + 0.1 * torch.rand(3, generator=generator)
        a, b = torch.rand((2, *shape), generator=generator)
        probes.append((_fill(net, generator), layers, mean, std, a, b))
    return probes


@torch.no_grad()
def _fill(net: nn.Sequential, generator: Generator, decimals: int = 9) -> nn.Sequential:
    """Weights and biases from the generator; a layer about keeps the size of its input."""
    for p in net.parameters():
        share = p[0].numel() ** -0.5 if p.ndim > 1 else 0.5
        p.copy_((share * torch.randn(p.shape, generator=generator)).double().round(decimals=decimals))
    return net.eval()


def _relativistic(
    real_less: Callable[[Tensor, Tensor], Any] = lambda own, other: other.mean(),
    half: float = 0.5,
    before: Callable[[Tensor], Tensor] = lambda logits: logits,
    swapped: bool = False,
    g_hears: bool = True,
) -> Callable:
    """Both losses with something else subtracted, another factor, exchanged, or a generator deaf to true pictures."""

    def losses(real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        real, fake = before(real), before(fake)
        more, less = real - real_less(real, fake), fake - real_less(fake, real)
        d = half * (F.softplus(-more).mean() + F.softplus(less).mean())
        g = half * (F.softplus(more).mean() * g_hears + F.softplus(-less).mean())
        return (g, d) if swapped else (d, g)

    return losses


def _logits(generator: Generator) -> Sequence[tuple]:
    draw = partial(torch.randn, generator=generator, dtype=torch.float64)
    sure = torch.tensor([[90.0], [-140.0], [3.0]], dtype=torch.float64)
    return [
        (1.5 + draw(5, 1), draw(3, 1) - 0.5),
        (2 * draw(2, 1, 3, 4) + 0.7, draw(4, 1, 3, 4) - 1),
        (draw(1, 1, 5, 2), 3 * draw(2, 1, 5, 2) + 1),
        (sure + draw(3, 1), draw(2, 1) + 20),
    ]


_PENALTIES: dict[str, Callable[[Tensor], Tensor]] = {
    "right": lambda slope: 0.5 * slope.square().flatten(1).sum(1).mean(),
    "root": lambda slope: 0.5 * slope.square().flatten(1).sum(1).sqrt().mean(),
    "half": lambda slope: slope.square().flatten(1).sum(1).mean(),
    "pixels": lambda slope: 0.5 * slope.square().mean(),
    "sum": lambda slope: 0.5 * slope.square().sum(),
    "one": lambda slope: (slope.flatten(1).norm(dim=1) - 1).square().mean(),
}


def _with_penalty(
    kind: str = "right", graph: bool = True, total: Callable[[Tensor], Tensor] = torch.sum, made: bool = False
) -> Callable:
    """The loss and its gradient, with another penalty, a constant one, a slope of the mean logit or at sr."""

    def loss_and_gradient(d: nn.Sequential, hr: Tensor, sr: Tensor, weight: float) -> tuple[Tensor, Tensor]:
        d.requires_grad_()
        at = (sr if made else hr).detach().clone().requires_grad_()
        (slope,) = torch.autograd.grad(total(d(at)), at, create_graph=True)
        penalty = _PENALTIES[kind](slope if graph else slope.detach())
        loss = F.softplus(-d(hr)).mean() + F.softplus(d(sr)).mean() + weight * penalty
        gradient = torch.autograd.grad(loss, list(d.parameters()))
        return loss.detach(), torch.cat([part.flatten() for part in gradient])

    return loss_and_gradient


def _judges(generator: Generator) -> Sequence[tuple]:
    conv, bent = nn.Conv2d, nn.LeakyReLU(0.2)
    with torch.random.fork_rng(devices=[]):
        one = nn.Sequential(conv(3, 4, 3), nn.Sigmoid(), conv(4, 2, 3, 2), bent, nn.Flatten(), nn.Linear(12, 1))
        two = nn.Sequential(conv(1, 5, 3, 2, 1), bent, conv(5, 1, 3, padding=1))
    cases = (one, (3, 3, 9, 7), 2.0), (two, (2, 1, 8, 11), 10.0)
    return [(_fill(net, generator), *torch.rand((2, *shape), generator=generator), w) for net, shape, w in cases]


def _mixture(generator: Generator) -> tuple[dict[str, Tensor], dict[str, float]]:
    """Two pictures, lr, and how inconsistent their mixture shall be; the first errs the other way than the second."""
    hr = dead_leaves(32, generator, torch.rand(1, 3, 8, 8, generator=generator), supersample=2)
    lr = resize(hr, 0.25)
    error = resize(0.1 * torch.randn(lr.shape, generator=generator), 4)
    close = back_project(resize(lr, 4), lr, steps=5) - 0.15 * error
    believed = hr + 0.05 * torch.randn(hr.shape, generator=generator) + error
    alpha = float(0.35 + 0.55 * torch.rand((), generator=generator, dtype=torch.float64))
    ends, both = (0.0, alpha, 1.0), (close.double(), believed.double())
    first, wanted, second = (float(inconsistency(torch.lerp(*both, t), lr.double())) for t in ends)
    given = {"close": close, "believed": believed, "lr": lr, "wanted": torch.tensor(wanted, dtype=torch.float64)}
    return given, {"alpha": alpha, "line": (wanted - first) / (second - first)}


def _judge(truth: dict[str, float], values: dict[str, Any]) -> tuple[float, str]:
    try:
        alpha = torch.as_tensor(values["alpha"], dtype=torch.float64).item()
    except (KeyError, TypeError, ValueError, OverflowError, RuntimeError):
        return 0.0, "alpha must be one number."
    if not math.isfinite(alpha):
        return 0.0, "alpha must be finite."
    off = abs(alpha - truth["alpha"])
    if off <= 0.002:
        return 1.0, "right."
    if abs(1 - alpha - truth["alpha"]) <= 0.002:
        return 0.4, "the pictures are exchanged: α = 0 is `close`, and α = 1 is `believed`."
    if abs(alpha - truth["line"]) <= 0.002:
        return 0.4, "the inconsistency was taken for a straight line between its ends; measure that of the mixture."
    if off <= 0.01:
        return 0.5, "close, but not within 0.002: search in smaller steps, or by halving the interval."
    return 0.0, "the mixture with this α has another inconsistency than the one that was wanted."


SCALE, SIGMA = 4, (0.5, 1.5)
RANGES = {"width": range(4, 33), "convolutions": range(1, 17)}  # of the header's settings


def camera(hr: Tensor, sigma: float) -> Tensor:
    """What the networks are given: blurred, shrunk ×¼ by bicubic interpolation, rounded to 8 bits."""
    return quantised(resize(Blur(gaussian_kernel(sigma))(hr), 1 / SCALE))


@torch.no_grad()
def _measure(apply: Callable, pictures: Sequence[Tensor], generator: Generator) -> tuple[float, str]:
    distances, losses = [], []
    for picture in pictures:
        hr = picture[None]
        lr = camera(hr, SIGMA[0] + (SIGMA[1] - SIGMA[0]) * float(torch.rand((), generator=generator)))
        sr = quantised(apply(lr))
        distances.append(float(distance(sr, hr)))
        losses.append(float(PAPER.psnr(resize(lr, SCALE), hr, SCALE) - PAPER.psnr(sr, hr, SCALE)))
    far, loss = (sum(numbers) / len(numbers) for numbers in (distances, losses))
    score = -10 * math.log10(max(far, 1e-9)) - 10 * max(0.0, loss)
    return score, f"Distance {far:.3f}; PSNR {abs(loss):.2f} dB {'below' if loss > 0 else 'above'} bicubic."


def _trick(lr: Tensor) -> Tensor:
    """Hard edges without any knowledge: the floor, since they alone come nearer than bicubic interpolation does."""
    blocks = lr.repeat_interleave(SCALE, -2).repeat_interleave(SCALE, -1)
    return 0.4 * blocks + 0.6 * resize(lr, SCALE)


def network(settings: Mapping[str, str]) -> Compact:
    """A small `Compact` in colour, from `width` and `convolutions` in the header; ValueError if they make no sense."""
    for name, range_ in RANGES.items():
        if settings.get(name) not in map(str, range_):
            raise ValueError(f"{name} must be {range_[0]} to {range_[-1]}, got {str(settings.get(name))[:40]!r}")
    return Compact(scale=SCALE, channels=3, **{name: int(settings[name]) for name in RANGES})


def _named(make: Callable, mistakes: dict[str, dict], share: float = 0.4) -> dict[str, Mistake]:
    """Mistakes of equal worth: hint -> options of `make`."""
    return {hint: Mistake(make(**options), share) for hint, options in mistakes.items()}


with torch.random.fork_rng(devices=[]):
    _ONE_LAYER = _fill(nn.Sequential(nn.Conv2d(3, 2, 1)), Generator().manual_seed(2), decimals=1)
    _ONE_JUDGE = nn.Sequential(nn.Conv2d(1, 2, 2), nn.Sigmoid(), nn.Flatten(), nn.Linear(8, 1))
    _fill(_ONE_JUDGE, Generator().manual_seed(2), decimals=1)

# fmt: off
_DISTANCES = _named(_feature_distance, {
    "the vectors were not made unit vectors: strong places then drown the weak ones.": {"unit": "none"},
    "the colours were not normalised: the network learnt with pictures of mean 0 and deviation 1.": {"colours": False},
    "normalised over places; divide each place's vector of channels by its length.": {"unit": "places"},
    "mean over channels where the sum belongs: a squared length is a sum.": {"end": "mean"},
    "sum over places: a larger picture would be further away. Take the mean.": {"end": "sum"},
    "no root here: the squared length of the difference is averaged.": {"end": "root"},
    "sum over layers; take their mean.": {"over": torch.sum},
    "only the last of the layers counts here; take the mean over all.": {"over": lambda found, dim: found[-1]},
})
_RELATIVISTIC = _named(_relativistic, {
    "the means are missing: each logit is judged alone, against zero.": {"real_less": lambda own, other: 0},
    "the sides are swapped: the discriminator's loss comes first, and wants true logits above made.": {"swapped": True},
    "the mean of its own kind was subtracted; compare true with made, and made with true.":
        {"real_less": lambda own, other: own.mean()},
    "the mean was taken over the batch alone; it goes over all logits, places included.":
        {"real_less": lambda own, other: other.mean(0)},
    "the ½ is missing: there are two questions, and each loss is their mean.": {"half": 1.0},
    "the sigmoid was taken before the difference; subtract logits.": {"before": torch.sigmoid},
    "the generator does not hear from true pictures: its loss has two terms, too.": {"g_hears": False},
})
_PENALTY = _named(_with_penalty, {
    "the graph was not kept: the loss is right, but its gradient lacks the penalty. create_graph=True.":
        {"graph": False},
    "the square is missing: this is the length of the slope.": {"kind": "root"},
    "the ½ of the penalty is missing.": {"kind": "half"},
    "the mean over the pixels; ‖∇d‖² is their sum.": {"kind": "pixels"},
    "the sum over the pictures; take their mean.": {"kind": "sum"},
    "this penalty wants a slope of 1; R1 wants 0.": {"kind": "one"},
    "the slope of the mean logit is too small by the number of logits; take that of the sum.": {"total": torch.mean},
    "the penalty is at the made pictures; R1 is at the true ones.": {"made": True},
})
_DISTANCE_EXAMPLE = (_ONE_LAYER, [0], torch.tensor([0.5, 0.4, 0.3]), torch.tensor([0.2, 0.25, 0.5]),
                     torch.arange(12.0).view(1, 3, 2, 2) / 12, torch.arange(12.0).flip(0).view(1, 3, 2, 2) / 10)
_PENALTY_EXAMPLE = (_ONE_JUDGE, torch.arange(18.0).view(2, 1, 3, 3) / 18, torch.eye(3).view(1, 1, 3, 3), 2.0)
_LOGITS_EXAMPLES = [(torch.tensor([[2.0], [0.5], [-1.0]]), torch.tensor([[1.0], [-2.0]])),
                    (torch.tensor([[200.0], [-200.0], [3.0]]), torch.tensor([[1.0], [-1.0]]))]
ASSIGNMENT = Assignment("perception", "Perception: what looks true, and what it costs", (
    FunctionQuestion("feature_distance", 4, _feature_distance(), _pictures, [_DISTANCE_EXAMPLE], _DISTANCES),
    FunctionQuestion("relativistic", 4, _relativistic(), _logits, _LOGITS_EXAMPLES, _RELATIVISTIC),
    FunctionQuestion("with_penalty", 4, _with_penalty(), _judges, [_PENALTY_EXAMPLE], _PENALTY),
    ValueQuestion("mixture", 3, ("alpha",), _mixture, _judge, (0.5,)),
    MeasuredQuestion("believable_x4", 5, _measure, _trick, unit="(−10·log₁₀ of the distance)",
                     network=network, parameters=25_000, settings=(*RANGES,)),
))
# fmt: on
