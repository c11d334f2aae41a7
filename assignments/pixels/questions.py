"""The assignment on pixels: a kernel, an enlargement, the papers' score, a blur and a shift, and a restoration."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from srlib.data.dead_leaves import dead_leaves
from srlib.deconvolution.boundary import radial_frequency
from srlib.degradations import Blur, anisotropic_gaussian, motion_kernel
from srlib.grading.questions import AnswerError, Assignment, FunctionQuestion, MeasuredQuestion, Mistake, ValueQuestion
from srlib.images import grey, quantised, to_y
from srlib.metrics import PAPER, Protocol, psnr
from srlib.resample import cubic, mirrored


def kernel(t: Tensor, b: float, c: float, ends: bool = True, sixth: bool = True) -> Tensor:
    """The cubic family of Mitchell and Netravali; the switches leave out one thing each."""
    near = (12 - 9 * b - 6 * c) * t**3 + (-18 + 12 * b + 6 * c) * t**2 + (6 - 2 * b)
    far = (-b - 6 * c) * t**3 + (6 * b + 30 * c) * t**2 + (-12 * b - 48 * c) * t + (8 * b + 24 * c)
    far = torch.where(t < 2, far, 0.0) if ends else far
    return torch.where(t < 1, near, far) / (6 if sixth else 1)


def _even(t: Tensor, b: float, c: float, **leave_out: bool) -> Tensor:
    return kernel(t.abs(), b, c, **leave_out)


def _kernel_probes(rng: Generator) -> list[tuple]:
    probes = []
    for shape, sign in ((11,), 1), ((5, 7), -1), ((1,), 1):
        b, step = (torch.rand(2, generator=rng) / 4).tolist()
        t = 5.4 * torch.rand(shape, generator=rng, dtype=torch.float64) - 2.7
        probes.append((t, 0.4 + b, 0.4 + b + sign * (0.1 + step)))
    always = torch.tensor([-2.5, -2.0, -1.4, -1.0, -0.6, 0.0, 0.3, 1.0, 1.7, 2.0, 2.6, 3.0], dtype=torch.float64)
    return [*probes, (always, 0.3, 0.5), (always.view(3, 4), 0.0, 0.75)]


def enlarge(image: Tensor, scale: int, middle: float = 0.5, border: str = "mirror", a: float = -0.5) -> Tensor:
    """Bicubic enlargement; `middle` is where in its pixel a sample lies, `border` what stands beyond the picture."""
    rows, columns = (_weights(n, scale, middle, border, a) for n in image.shape[-2:])
    return rows @ image.double() @ columns.T


def _weights(n: int, scale: int, middle: float, border: str, a: float) -> Tensor:
    u = (torch.arange(n * scale, dtype=torch.float64) + middle) / scale - middle
    index = u.floor().long()[:, None] + torch.arange(-1, 3)
    weight = cubic(a).function(u[:, None] - index)
    inside = (index >= 0) & (index < n)
    if border in ("black", "cut"):
        weight = weight * inside
    if border == "cut":
        weight = weight / weight.sum(1, keepdim=True)
    around = n - 1 - (n - 1 - index.abs()).abs() if border == "reflect" else mirrored(index, n)
    source = around if border in ("mirror", "reflect") else index.clamp(0, n - 1)
    return torch.zeros(n * scale, n, dtype=torch.float64).scatter_add_(1, source, weight)


def _enlarge_probes(rng: Generator) -> list[tuple]:
    shapes = [(1, 5, 8, 2), (3, 7, 4, 3), (2, 3, 6, 4), (1, 4, 3, 5)]
    probes = [(torch.rand(shape[:3], generator=rng, dtype=torch.float64), shape[3]) for shape in shapes]
    return [*probes, (torch.rand(1, 6, 5, generator=rng, dtype=torch.float64), 1)]


def _scored(protocol: Protocol, change: Callable[[Tensor], Tensor] = lambda image: image) -> Callable:
    def score(sr: Tensor, hr: Tensor, scale: int) -> float:
        return protocol.psnr(change(sr[None]), change(hr[None]), scale).item()

    return score


score = _scored(PAPER)


def _converted(convert: Callable[[Tensor], Tensor]) -> Callable:
    """The border and the PSNR of another conversion."""

    def wrong(sr: Tensor, hr: Tensor, scale: int) -> float:
        cut = (..., slice(scale, -scale), slice(scale, -scale))
        return psnr(*(convert(image[None])[cut] for image in (sr, hr))).item()

    return wrong


def _score_pair(rng: Generator, channels: int, height: int, width: int, scale: int, error: float) -> tuple:
    """sr and hr, float64; no colour and no luma is halfway between two levels; sr leaves [0, 1]."""
    coarse = torch.rand(1, channels, height // 4 + 2, width // 4 + 2, generator=rng, dtype=torch.float64)
    smooth = -12 + 279 * F.interpolate(coarse, (height, width), mode="bilinear")[0]
    growing = torch.linspace(0.2, 1.8, width, dtype=torch.float64)
    noise = error * growing * torch.randn(smooth.shape, generator=rng, dtype=torch.float64)
    noise[..., 0, :] += 9 * error  # what the border hides
    images = []
    for levels, low, high in ((smooth + noise, -12, 267), (smooth, 0, 255)):
        levels = levels.round().clamp(low, high)
        levels[..., height // 2, width // 2 :][..., :2] = torch.tensor([low, high]).double()
        for luma in 8 * (to_y, grey):
            y = 255 * luma(levels[None].clamp(0, 255) / 255)[0]
            close = (y - y.floor() - 0.5).abs() < 2e-3
            levels[-1:] = torch.where(close, (levels[-1:] - 1) % 256, levels[-1:])
        part = 0.8 * torch.rand(levels.shape, generator=rng, dtype=torch.float64) - 0.4
        images.append((levels + part) / 255)
    return images[0], images[1].clamp(0, 1), scale


def _score_probes(rng: Generator) -> list[tuple]:
    sizes = (3, 17, 20, 2, 1.0), (3, 22, 15, 3, 2.0), (3, 19, 24, 4, 5.0), (1, 14, 11, 2, 1.5)
    return [_score_pair(rng, *size) for size in sizes]


SIDE = 64


def _seen(sharp: Tensor, sigma: float, down: float, right: float) -> Tensor:
    """Blurred by a Gaussian and moved, both with wrap-around."""
    turn = torch.fft.fftfreq(SIDE, dtype=torch.float64)[:, None] * down
    turn = turn + torch.fft.rfftfreq(SIDE, dtype=torch.float64) * right
    gain = torch.exp(-2 * (math.pi * sigma * radial_frequency((SIDE, SIDE))) ** 2 - 2j * math.pi * turn)
    return torch.fft.irfft2(torch.fft.rfft2(sharp.double()) * gain, s=(SIDE, SIDE))


def pair_data(rng: Generator) -> tuple[dict[str, Tensor], dict[str, float]]:
    """A sharp picture and a blurred, moved and noisy one; no shift is whole, none is small."""
    colours = torch.rand(1, 1, 8, 8, generator=rng)
    sharp = dead_leaves(SIDE, rng, colours, radius_min=1.0)[0, 0]
    width, *moves = torch.rand(3, generator=rng).tolist()
    signs = (2 * torch.randint(0, 2, (2,), generator=rng) - 1).tolist()
    whole = torch.randperm(5, generator=rng)[:2].tolist()  # down and right differ
    down, right = (s * (n + 1.2 + 0.6 * m) for s, n, m in zip(signs, whole, moves, strict=True))
    truth = {"sigma": 0.8 + 1.2 * width, "down": down, "right": right}
    noise = torch.randn(SIDE, SIDE, generator=rng, dtype=torch.float64) / 255
    return {"sharp": sharp, "moved": (_seen(sharp, **truth) + noise).float()}, truth


def _number(value: Any) -> float:
    """The one number that a value is, or NaN."""
    try:
        value = torch.as_tensor(value, dtype=torch.float64).flatten()
        return value.item() if len(value) == 1 else math.nan
    except Exception:  # a student's value may be anything
        return math.nan


def pair_judge(truth: dict[str, float], values: dict[str, Any]) -> tuple[float, str]:
    """Half for σ, half for the shift; each whole within 2 %, half of it within 10 %."""
    sigma, down, right = (_number(values.get(name)) for name in ("sigma", "down", "right"))

    def off(d: float, r: float) -> float:
        return math.hypot(d - truth["down"], r - truth["right"]) / math.hypot(truth["down"], truth["right"])

    errors = {"sigma": abs(sigma / truth["sigma"] - 1), "the shift": off(down, right)}
    share = sum(0.5 if error <= 0.02 else 0.25 if error <= 0.1 else 0.0 for error in errors.values())
    hints = [f"{n} is off by {100 * min(e, 99):.1f} %" for n, e in errors.items() if not e <= 0.02]
    if off(-down, -right) <= 0.1:
        hints.append("the sign is turned: the shift says where the content of sharp went")
    elif off(right, down) <= 0.1:
        hints.append("down and right are exchanged: down counts rows")
    return share, "; ".join(hints or ["right"]) + "."


MARGIN = 10


def _blur(k: int, rng: Generator) -> Tensor:
    a, b, turn = torch.rand(3, generator=rng).tolist()
    if k % 2:
        return motion_kernel(4 + 4 * a, 180 * turn)
    return anisotropic_gaussian(1.2 + 0.8 * a, 1.2 + 0.8 * b, 180 * turn, 13)


def restore_score(apply: Callable, pictures: Sequence[Tensor], rng: Generator) -> tuple[float, str]:
    """Mean PSNR in dB of restored pictures: RGB, clamped, not rounded, without a border of 10 pixels."""
    scores = []
    for k, picture in enumerate(pictures):
        taps, noise = _blur(k, rng), (0.5 + 1.5 * torch.rand((), generator=rng).item()) / 255
        y = Blur(taps)(picture[None].float())[0]
        y = y + noise * torch.randn(y.shape, generator=rng)
        restored = torch.as_tensor(apply(y, taps, noise)).to(y)
        if restored.shape != y.shape:
            raise AnswerError(f"your result has the shape {tuple(restored.shape)}, expected {tuple(y.shape)}.")
        inside = (None, ..., slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))
        scores.append(psnr(restored.clamp(0, 1)[inside], picture.float()[inside]).item())
    return sum(scores) / len(scores), "PSNR of each picture: " + ", ".join(f"{value:.2f}" for value in scores) + " dB."


def _worth(share: float, wrong: dict[str, Callable]) -> dict[str, Mistake]:
    return {hint: Mistake(function, share) for hint, function in wrong.items()}


_EVEN = "the kernel is even, but yours {} for negative distances: take |t| first."
_KERNEL = {
    "b is ignored: with c alone this is the cubic with slope −c. The terms with b make it softer.": (
        lambda t, b, c: _even(t, 0.0, c)
    ),
    _EVEN.format("goes on along the near piece"): kernel,
    _EVEN.format("is 0"): lambda t, b, c: torch.where(t >= 0, _even(t, b, c), 0.0),
    "b and c are exchanged: b comes first.": lambda t, b, c: _even(t, c, b),
    "six times too large: divide both pieces by 6, or a flat picture gets brighter.": partial(_even, sixth=False),
    "your far piece continues beyond 2: a kernel must end, so return 0 for |t| ≥ 2.": partial(_even, ends=False),
}
_ENLARGE = {
    "half-pixel shift: you read at u = i/s, but a sample lies in the middle of its pixel: u = (i + ½)/s − ½.": (
        partial(enlarge, middle=0.0)
    ),
    "the kernel was cut off at the border, and the rest made to sum to one; mirror the picture there.": (
        partial(enlarge, border="cut")
    ),
    "the border is dark, since zeros stand beyond it; mirror the picture there.": partial(enlarge, border="black"),
    "beyond the border the outer pixel is repeated. A mirror shows its neighbour too: 1 0 | 0 1 2.": (
        partial(enlarge, border="repeat")
    ),
    "this mirror leaves the outer pixel out, 2 1 | 0 1 2; it must come twice: 1 0 | 0 1 2.": (
        partial(enlarge, border="reflect")
    ),
    "right but for the kernel: a = −0.75 is torch's bicubic, and a = −0.5 was asked for.": partial(enlarge, a=-0.75),
    "that is torch's own bicubic: a = −0.75, and the border's pixel repeated.": (
        partial(enlarge, a=-0.75, border="repeat")
    ),
}
_SCORE = {
    "that is the PSNR of red, green and blue: the papers compare the luma Y alone.": _scored(Protocol("rgb", None, 8)),
    "that is full-range luma: the papers' Y has black at 16/255 and white at 235/255.": (
        _scored(Protocol("y_full", None, 8))
    ),
    "the border is missing: cut `scale` pixels from each of the four sides.": _scored(Protocol("y", 0, 8)),
    "nothing is rounded: clamp, round to k/255, convert to Y, round again.": _scored(Protocol("y", None, None)),
    "clamped but not rounded: round to k/255 before and after the step to Y.": (
        _scored(Protocol("y", None, None), lambda image: image.clamp(0, 1))
    ),
    "the colours are rounded but Y is not: round Y as well.": _converted(lambda image: to_y(quantised(image))),
    "Y is rounded but the colours are not: a file holds them in 8 bits, so round them first.": (
        _converted(lambda image: quantised(to_y(image)))
    ),
    "you cut 4 pixels whatever the scale is: the border is `scale` pixels.": _scored(Protocol("y", 4, 8)),
    "48.13 dB too little: your Y runs from 16 to 235 and the peak is 1. Both need one unit.": (
        lambda *given: score(*given) - 20 * math.log10(255)
    ),
    "red and blue are exchanged: the channels are R, G, B.": _scored(PAPER, lambda image: image.flip(1)),
}

_SMALL = torch.tensor([[[0.1, 0.9, 0.4], [0.7, 0.2, 0.6], [0.3, 0.8, 0.5]]], dtype=torch.float64)
_LINE = torch.tensor([-2.2, -1.5, -0.5, 0.0, 0.25, 1.0, 1.75, 2.5], dtype=torch.float64)
_LEVELS = torch.tensor([[52, 200, 9], [131, 77, 240], [18, 96, 165]], dtype=torch.float64)
_HR = torch.stack([_LEVELS, _LEVELS.T, 255 - _LEVELS]) / 255
_SR = (_HR * 255 + torch.tensor([9.3, 8.2, -6.7], dtype=torch.float64).view(3, 1, 1)) / 255

ASSIGNMENT = Assignment(
    part="pixels",
    title="Pixels",
    questions=(
        FunctionQuestion("kernel", 3, _even, _kernel_probes, [(_LINE, 0.25, 0.6)], _worth(0.4, _KERNEL), 1e-6),
        FunctionQuestion("enlarge", 4, enlarge, _enlarge_probes, [(_SMALL, 2)], _worth(0.4, _ENLARGE)),
        FunctionQuestion("score", 4, score, _score_probes, [(_SR, _HR, 1)], _worth(0.5, _SCORE), 1e-3),
        ValueQuestion("pair", 4, ("sigma", "down", "right"), pair_data, pair_judge, (1.0, 1.0, 1.0)),
        MeasuredQuestion("restore", 5, restore_score, lambda y, kernel, noise: y, pictures=3),
    ),
)
