"""Exercises on an unknown blur: from camera to kernel, the fit of a ratio, a comparator's targets, a trained blur."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from srlib.degradations import Blur, gaussian_kernel
from srlib.exercises import Exercise

Judge = Callable[[Tensor, Tensor], Tensor]


def widths(uu: float, uv: float, vv: float, scale: float) -> tuple[float, float, float]:
    """σ along, σ across and the angle of the kernel for pictures shrunk by `scale`, from the camera's covariance."""
    return _widths()(uu, uv, vv, scale)


def _widths(
    share: Callable[[float], float] = lambda scale: 1 - 1 / scale**2,
    width: Callable[[float, float], float] = lambda variance, share: math.sqrt(variance * share),
    turned: Callable[[float], float] = lambda angle: angle % 180,
) -> Callable:
    """With another share of the variance left, another measure of width, or the angle counted otherwise."""

    def wrong(uu: float, uv: float, vv: float, scale: float) -> tuple[float, float, float]:
        middle, half = (uu + vv) / 2, math.hypot((uu - vv) / 2, uv)
        left = share(scale)
        angle = math.degrees(math.atan2(2 * uv, uu - vv)) / 2
        return width(middle + half, left), width(middle - half, left), turned(angle)

    return wrong


def fit(right: Tensor, up: Tensor, log_ratio: Tensor) -> tuple[float, float, float]:
    """(uu, uv, vv) of the kernel, by least squares of the logarithm of a ratio of spectra.

    Shapes: three of (n,).
    """
    return _fit()(right, up, log_ratio)


def _fit(
    constant: bool = True, mixed: float = 2.0, waves: float = -4 * math.pi**2, upwards: int = 1, divisor: float = 1.0
) -> Callable:
    """Without the constant, or with other factors in the columns."""

    def wrong(right: Tensor, up: Tensor, log_ratio: Tensor) -> tuple[float, float, float]:
        up = upwards * up
        columns = [waves * right**2, waves * mixed * right * up, waves * up**2]
        terms = torch.stack([*columns, torch.ones_like(right)][: 3 + constant], 1).double()
        found = torch.linalg.lstsq(terms, log_ratio.double()[:, None]).solution[:3, 0] / divisor
        return tuple(found.tolist())

    return wrong


def targets(other: Tensor, plain: Tensor, shrunk: Tensor, enlarged: Tensor) -> Tensor:
    """The comparator's loss of three comparisons with the plain patch.

    Shapes: four of (N, 1, h, w) -> scalar.
    """
    return _targets()(other, plain, shrunk, enlarged)


def _targets(
    wanted: tuple[float, float, float] = (1.0, 0.0, -1.0),
    size: Callable[[Tensor], Tensor] = torch.abs,
    early: bool = False,
    late: bool = False,
    beside: int = 1,
) -> Callable:
    """With other targets, another measure of error, means taken later, or compared with another patch."""

    def wrong(*codes: Tensor) -> Tensor:
        if not early:
            codes = tuple(code.mean((1, 2, 3)) for code in codes)
        pairs = zip((codes[2], codes[1 - beside], codes[3]), wanted, strict=True)
        errors = [code - codes[beside] - target for code, target in pairs]
        return sum(size(error.mean() if late else error).mean() for error in errors)

    return wrong


def trained(judge: Judge, small: Tensor, source: Tensor) -> float:
    """σ of the Gaussian blur of `small` that the judge finds as dense as `source`; it falls as σ grows.

    Shapes: small, source (1, 1, H, W).
    """
    low, high = 0.3, 4.0
    for _ in range(20):
        middle = (low + high) / 2
        denser = judge(Blur(gaussian_kernel(middle))(small), source) > 0
        low, high = (middle, high) if denser else (low, middle)
    return (low + high) / 2


def _differences(picture: Tensor) -> Tensor:
    return picture.diff(dim=-1).square().mean() + picture.diff(dim=-2).square().mean()


def _curvature(picture: Tensor) -> Tensor:
    inner = picture[..., 1:-1, 1:-1]
    around = picture[..., 2:, 1:-1] + picture[..., :-2, 1:-1] + picture[..., 1:-1, 2:] + picture[..., 1:-1, :-2]
    return (around - 4 * inner).square().mean()


def _judge(energy: Callable[[Tensor], Tensor], strength: float = 1.0, bias: float = 0.0) -> Judge:
    return lambda a, b: strength * ((energy(a) / energy(b)).log() + bias)


def _texture(seed: int, height: int, width: int, sigma: float) -> Tensor:
    noise = torch.randn(1, 1, height, width, generator=torch.Generator().manual_seed(seed))
    return 0.5 + 0.15 * Blur(gaussian_kernel(sigma))(noise)


def _codes(seed: int, count: int, height: int, width: int) -> tuple[Tensor, ...]:
    rng = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(count, 1, height, width, generator=rng) + shift for shift in (0.1, 0.0, 0.6, -0.3))


def _spectrum(seed: int, uu: float, uv: float, vv: float, constant: float) -> tuple[Tensor, ...]:
    """Frequencies of the half plane, and a log ratio with some noise."""
    rng = torch.Generator().manual_seed(seed)
    right, up = torch.rand(60, generator=rng).double() * 0.3, torch.rand(60, generator=rng).double() * 0.6 - 0.3
    form = uu * right**2 + 2 * uv * right * up + vv * up**2
    return right, up, constant - 4 * math.pi**2 * form + 0.2 * torch.randn(60, generator=rng).double()


EXERCISES: dict[str, Exercise] = {
    "widths": Exercise(
        widths,
        [(3.0, 1.2, 1.5, 2), (1.0, -0.6, 2.0, 4), (5.0, 2.0, 2.0, 3), (0.8, 0.1, 2.4, 1.5), (1.0, 0.0, 2.5, 2)],
        {
            "the factor 1 − 1/scale² is missing: these are the widths of the camera, and the kernel adds only what the "
            "shrunk picture lacks.": _widths(share=lambda scale: 1.0),
            "1 − 1/scale: σ shrinks by the scale, and its variance by the square of the scale.": _widths(
                share=lambda scale: 1 - 1 / scale
            ),
            "these are variances; σ is their square root.": _widths(width=lambda variance, share: variance * share),
            "1 − 1/scale² belongs to the variance. Here σ itself was multiplied by it.": _widths(
                width=lambda variance, share: math.sqrt(variance) * share
            ),
            "this is the angle of the shorter axis; that of the longer one is asked for.": _widths(
                turned=lambda angle: (angle + 90) % 180
            ),
            "the angle is counted clockwise: vv is upwards, not downwards.": _widths(turned=lambda angle: -angle % 180),
            "an angle can be 0 up to 180: add 180 to a negative one.": _widths(turned=lambda angle: angle),
        },
    ),
    "fit": Exercise(
        fit,
        [_spectrum(0, 1.5, 0.4, 0.8, 0.7), _spectrum(1, 2.0, -0.9, 1.1, -0.5), _spectrum(2, 0.5, 0.2, 3.0, 1.2)],
        {
            "the column of ones is missing: the constant was taken for blur.": _fit(constant=False),
            "uv is twice too large: its column is 2 · right · up.": _fit(mixed=1.0),
            "all three are twice too large: a density is a power, and has 4π² where an amplitude has 2π².": _fit(
                waves=-2 * math.pi**2
            ),
            "the signs are turned: a blur makes the ratio fall with the frequency.": _fit(waves=4 * math.pi**2),
            "uv has the wrong sign: up counts upwards.": _fit(upwards=-1),
            "this is the camera's covariance at ×2. The kernel's was asked for.": _fit(divisor=0.75),
        },
        tolerance=1e-3,
    ),
    "targets": Exercise(
        targets,
        [_codes(0, 3, 2, 3), _codes(1, 4, 1, 1), _codes(2, 2, 3, 2)],
        {
            "all three targets are +1: this teaches that scaling makes no difference.": _targets((1.0, 1.0, 1.0)),
            "shrunk and enlarged have each other's targets: shrinking makes denser.": _targets((-1.0, 0.0, 1.0)),
            "the errors are squared; absolute errors are asked for.": _targets(size=torch.square),
            "take the mean over the parts of a patch before the difference to the target, not after it.": _targets(
                early=True
            ),
            "everything is compared with the other crop; compare with the plain one.": _targets(beside=0),
            "these are errors of the batch's mean: take absolute values first, then the mean over the batch.": (
                _targets(late=True)
            ),
        },
    ),
    "blur": Exercise(
        trained,
        [
            (_judge(_differences), _texture(0, 96, 110, 0.6), _texture(1, 120, 90, 1.5)),
            (_judge(_curvature, 0.2), _texture(2, 90, 100, 0.8), _texture(3, 110, 96, 2.0)),
            (_judge(_differences, 5.0), _texture(4, 128, 80, 0.5), _texture(5, 80, 128, 0.9)),
            (_judge(_differences, bias=0.5), _texture(6, 100, 100, 0.6), _texture(7, 110, 90, 1.2)),
        ],
        {
            "this is the variance; σ is its square root.": lambda judge, small, source: (
                trained(judge, small, source) ** 2
            ),
            "this is the camera's σ at ×2. Asked for is the blur of the small picture, 0.87 times as wide.": (
                lambda judge, small, source: trained(judge, small, source) / math.sqrt(0.75)
            ),
        },
        tolerance=0.05,
    ),
}
