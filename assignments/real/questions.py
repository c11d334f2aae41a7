"""Assignment on real cameras: a radial profile, a kernel, cycle and identity, eight degradations, a blind upscaler."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from srlib.burst.forward_model import ForwardModel
from srlib.data.datasets import photo
from srlib.data.dead_leaves import dead_leaves
from srlib.degradations import JPEG, Blur, Decimate, GaussianNoise, PoissonNoise, gaussian_kernel, motion_kernel
from srlib.grading.questions import AnswerError, Assignment, FunctionQuestion, MeasuredQuestion, Mistake, ValueQuestion
from srlib.images import quantised
from srlib.metrics import Protocol
from srlib.resample import resize

SCALE = 2
NOISE = 2 / 255  # of the camera of `upscale`
SOFTEST, SHARPEST = 2.0, 0.8  # its blur, in hr pixels
PROTOCOL = Protocol("y", 8, 8)
KERNEL, CHART = 7, 64  # of `kernel`: side of the kernel and of hr, in pixels
NAMES = ("bicubic", "dark", "decimated", "gaussian", "jpeg", "motion", "noise", "photons")


def _profile(mean: bool = True, distance: str = "wrapped") -> Callable:
    """Mean power in rings around frequency zero; or the sum, or in rings around another place.

    Shapes: image (h, w) -> (rings,).
    """

    def answer(image: Tensor, rings: int) -> Tensor:
        height, width = image.shape
        power = torch.fft.fft2(image.double()).abs().square() / (height * width)
        if distance == "wrapped":
            down, across = (torch.fft.fftfreq(n, dtype=torch.float64) for n in (height, width))
        else:
            zero = (height // 2, width // 2) if distance == "middle" else (0, 0)
            down, across = ((torch.arange(n).double() - z) / n for n, z in zip((height, width), zero, strict=True))
        radius = torch.hypot(down[:, None], across)
        ring = (2 * rings * radius).long().clamp_max(rings - 1)
        total = []
        for k in range(rings):
            inside = power[(ring == k) & (radius > 0) & (radius <= 0.5)]
            total.append(inside.mean() if mean else inside.sum())
        return torch.stack(total)

    return answer


def _losses(start: str = "x", order: str = "g1 first", identity: str = "y") -> Callable:
    """(cycle, identity) of the inner cycle, mean absolute differences; or in another direction.

    Shapes: x (N, C, h, w), y (M, C, h', w') -> two scalars.
    """

    def answer(g1: nn.Module, g2: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            first, second = (g1, g2) if order == "g1 first" else (g2, g1)
            begin = x if start == "x" else y
            cycle = (second(first(begin)) - begin).abs().mean()
            keeper, kept = {"y": (g1, y), "x": (g1, x), "g2": (g2, y)}[identity]
            return cycle, (keeper(kept) - kept).abs().mean()

    return answer


# (h, w, rings): no frequency but 0 and 0.5 lies on the border of a ring, and no ring is empty
_SIZES = ((11, 13, 4), (7, 17, 3), (14, 10, 3), (22, 14, 4), (13, 13, 5))


def _profiles(generator: Generator) -> list[tuple]:
    return [(torch.rand(h, w, generator=generator) + 0.1, rings) for h, w, rings in _SIZES]


def _network(generator: Generator, channels: int, width: int, side: int = 3) -> nn.Sequential:
    blank = nn.utils.skip_init  # the layers' own numbers would come from the global generator
    net = nn.Sequential(
        blank(nn.Conv2d, channels, width, side, padding=side // 2),
        nn.LeakyReLU(0.1),
        blank(nn.Conv2d, width, channels, 1),
    )
    for value in net.parameters():
        value.data = 0.6 * torch.randn(value.shape, generator=generator)
    return net.requires_grad_(False)


def _translations(generator: Generator) -> list[tuple]:
    probes = []
    for channels, x, y in ((3, (2, 6, 9), (3, 5, 4)), (1, (1, 7, 5), (2, 8, 8)), (3, (3, 4, 7), (1, 10, 6))):
        g1, g2 = (_network(generator, channels, width) for width in (4, 3))
        probes.append(
            (g1, g2, *(torch.rand(n, channels, h, w, generator=generator) + shift
                       for (n, h, w), shift in ((x, 0), (y, 0.5))))
        )  # fmt: skip
    return probes


def _camera(generator: Generator) -> tuple[dict[str, Tensor], Tensor]:
    """A chart, and what a camera with a shaking hand made of it."""
    chart = dead_leaves(CHART, generator, photo("coffee").mean(1, keepdim=True), radius_min=0.7)
    place = 1.5 + 3 * torch.rand(2, generator=generator)
    turn = 6.2832 * torch.rand((), generator=generator)
    bend = 1.6 * torch.rand((), generator=generator) - 0.8
    at = torch.arange(KERNEL)
    kernel = torch.zeros(KERNEL, KERNEL)
    for _ in range(24):  # a path of about 4 pixels, drawn with a soft pen
        away = (at[:, None] - place[0]) ** 2 + (at - place[1]) ** 2
        kernel += torch.exp(-away / (2 * 0.5**2))
        place = (place + 0.17 * torch.stack([turn.sin(), turn.cos()])).clamp(0.5, KERNEL - 1.5)
        turn = turn + 0.1 * bend
    kernel /= kernel.sum()
    lr = Decimate(SCALE)(Blur(kernel)(chart))
    lr = lr + 2 / 255 * torch.randn(lr.shape, generator=generator)
    return {"hr": chart[0, 0], "lr": lr[0, 0]}, kernel


def _judge_kernel(truth: Tensor, values: dict[str, Any]) -> tuple[float, str]:
    try:
        found = torch.as_tensor(values.get("kernel"), dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        return 0.0, f"`kernel` must be a tensor ({KERNEL}, {KERNEL})."
    if found.shape != truth.shape:
        return 0.0, f"`kernel` must be ({KERNEL}, {KERNEL}), and is {tuple(found.shape)}."
    if not found.isfinite().all() or not found.abs().max() > 0 or found.abs().max() > 1e6:
        return 0.0, "`kernel` has values that are not finite, far too large, or all 0."

    def cosine(kernel: Tensor) -> float:
        return F.cosine_similarity(kernel.flatten(), truth.double().flatten(), dim=0).item()

    near = cosine(found)
    if near >= 0.97:
        return 1.0, f"right: its cosine with the camera's kernel is {near:.3f}."
    if near >= 0.90:
        return 0.5, f"close: its cosine with the camera's kernel is {near:.3f}; all points from 0.97."
    if max(cosine(found.flip(0, 1)), cosine(found.T)) >= 0.90:
        return 0.0, "this kernel is flipped or transposed: it is that of a convolution, rows first."
    return 0.0, f"its cosine with the camera's kernel is {near:.3f}; half of the points from 0.90, all from 0.97."


def _zoo(generator: Generator) -> tuple[dict[str, Tensor], list[str]]:
    """One picture, shrunk in eight ways, in random order."""
    hr = dead_leaves(96, generator, photo("coffee").mean(1, keepdim=True))
    sigma, length, angle, noise, peak, quality, gamma = torch.rand(7, generator=generator).tolist()
    small = resize(hr, 1 / SCALE).clamp(0, 1)
    made = {
        "bicubic": small,
        "dark": small ** (1.5 + 0.7 * gamma),
        "decimated": Decimate(SCALE)(hr),
        "gaussian": resize(Blur(gaussian_kernel(1.6 + sigma))(hr), 1 / SCALE),
        "jpeg": JPEG(15 + int(15 * quality))(small),
        "motion": resize(Blur(motion_kernel(8 + 4 * length, 180 * angle))(hr), 1 / SCALE),
        "noise": GaussianNoise((10 + 6 * noise) / 255)(small, generator),
        "photons": PoissonNoise(60 + 60 * peak)(small, generator),
    }
    order = [NAMES[k] for k in torch.randperm(len(NAMES), generator=generator).tolist()]
    lr = torch.cat([made[name].float() for name in order])[:, 0]
    return {"hr": _levels(hr[0, 0]), "lr": _levels(lr)}, order


def _levels(picture: Tensor) -> Tensor:
    return (255 * picture.clamp(0, 1)).round().to(torch.uint8)


def _judge_names(truth: list[str], values: dict[str, Any]) -> tuple[float, str]:
    found = values.get("named")
    if not isinstance(found, list | tuple) or len(found) != len(truth):
        return 0.0, f"`named` must be a list of {len(truth)} names."
    if not all(isinstance(name, str) and name in NAMES for name in found):
        return 0.0, f"`named` may only have these names: {', '.join(NAMES)}."
    if len(set(found)) < len(found):
        return 0.0, "a name occurs twice; each degradation was used exactly once."
    right = sum(a == b for a, b in zip(found, truth, strict=True))
    if right == len(truth):
        return 1.0, "right."
    return max(right - 1, 0) / (len(truth) - 1), f"{right} of {len(truth)} names are right; one may be luck."


def _bicubic(lr: Tensor) -> Tensor:
    return resize(lr[None], SCALE)[0]


def _measure(apply: Callable, pictures: Sequence[Tensor], generator: Generator) -> tuple[float, str]:
    """Mean PSNR at twice the size, by `PROTOCOL`, of a camera whose blur is drawn anew for every picture."""
    scores = []
    part = torch.randperm(len(pictures), generator=generator)  # of the range, so that no guess fits all pictures
    for k, hr in zip(part.tolist(), pictures, strict=True):
        share = (k + torch.rand((), generator=generator).item()) / len(pictures)
        sigma = SHARPEST + (SOFTEST - SHARPEST) * share
        lr = ForwardModel(torch.zeros(1, 2), scale=SCALE, sigma=sigma)(hr[None])
        lr = quantised((lr + NOISE * torch.randn(lr.shape, generator=generator)).clamp(0, 1))[0].to(hr)
        sr = apply(lr)
        if sr.shape != hr.shape:
            raise AnswerError(f"your result has the shape {tuple(sr.shape)}, expected {tuple(hr.shape)}.")
        scores.append(PROTOCOL.psnr(sr[None].clamp(0, 1).to(hr), hr[None], SCALE).item())
    return sum(scores) / len(scores), "PSNR of each picture: " + ", ".join(f"{value:.2f}" for value in scores) + " dB."


_EXAMPLES = torch.Generator().manual_seed(0)

ASSIGNMENT = Assignment(
    part="real",
    title="Cameras that nobody described",
    questions=(
        FunctionQuestion(
            "profile", 3, _profile(), _profiles, [(torch.rand(5, 7, generator=_EXAMPLES), 2)],
            {
                "this is the sum of each ring; the mean is asked for, since outer rings have more entries.": Mistake(
                    _profile(mean=False), 0.4
                ),
                "the rings lie around the middle, but the spectrum was not shifted: zero is at entry (0, 0).": (
                    Mistake(_profile(distance="middle"), 0.4)
                ),
                "from half a cycle on frequencies are negative: without a shift, distances must wrap around.": (
                    Mistake(_profile(distance="corner"), 0.4)
                ),
            },
        ),
        ValueQuestion("kernel", 5, ("kernel",), _camera, _judge_kernel, (torch.zeros(KERNEL, KERNEL),)),
        FunctionQuestion(
            "losses", 4, _losses(), _translations,
            [(_network(_EXAMPLES, 1, 1, 1), _network(_EXAMPLES, 1, 1, 1),
              *(torch.rand(1, 1, 3, n, generator=_EXAMPLES) for n in (4, 5)))],
            {
                "the cycle goes from y to y; it is x that is cleaned and made dirty again.": Mistake(
                    _losses(start="y", order="g2 first"), 0.4
                ),
                "the cycle's networks are in the wrong order: g1 cleans first, then comes g2.": Mistake(
                    _losses(order="g2 first"), 0.4
                ),
                "the identity term is of x; it is the clean y that g1 shall leave as it is.": Mistake(
                    _losses(identity="x"), 0.4
                ),
                "the identity term is of g2; it is g1 that shall leave y as it is.": Mistake(
                    _losses(identity="g2"), 0.4
                ),
            },
        ),
        ValueQuestion("named", 3, ("named",), _zoo, _judge_names, (list(NAMES),)),
        MeasuredQuestion("upscale", 5, _measure, _bicubic, picture_size=96, pictures=3),
    ),
)  # fmt: skip
