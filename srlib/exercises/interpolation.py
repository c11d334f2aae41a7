"""Exercises on interpolation: the cubic kernel, a row, shrinking, which library, linear light."""

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from srlib.exercises import Exercise
from srlib.resample import cubic, resize


def _cubic(t: Tensor, a: float) -> Tensor:
    return cubic(a).function(t)


def _endless(t: Tensor, a: float) -> Tensor:
    """Both pieces of the cubic, but the far one does not end at 2."""
    near, far = (a + 2) * t**3 - (a + 3) * t**2 + 1, a * (t - 1) * (t - 2) ** 2
    return torch.where(t <= 1, near, far)


def _centres(n: int, s: int, centre: float = 0.5) -> Tensor:
    """Positions of the s·n new pixels, in old pixels, if a sample lies at `centre` of its pixel."""
    return (torch.arange(n * s, dtype=torch.float64) + centre) / s - centre


def _linear(y: Tensor, u: Tensor, ends: str = "keep") -> Tensor:
    """Linear interpolation of a row at positions u; `ends` is the treatment beyond its ends."""
    last = len(y) - 1
    left = (u.trunc() if ends == "truncate" else u.floor()).long()
    left = left.clamp(0, last - 1) if ends == "extend" else left
    part = (u - left).to(y.dtype)
    near, far = y[left.clamp(0, last)], y[(left + 1).clamp(0, last)]
    if ends == "black":
        near, far = near * (left >= 0), far * (left < last)
    return (1 - part) * near + part * far


def _row(y: Tensor, s: int, ends: str = "keep", centre: float = 0.5) -> Tensor:
    return _linear(y, _centres(len(y), s, centre), ends)


def _row_corners(y: Tensor, s: int) -> Tensor:
    return _linear(y, torch.linspace(0, len(y) - 1, len(y) * s, dtype=torch.float64))


def _row_exchanged(y: Tensor, s: int) -> Tensor:
    u = _centres(len(y), s)
    return _linear(y, 2 * u.floor() + 1 - u)


def _shrink(image: Tensor, factor: int, shift: float = 0.0, **options: object) -> Tensor:
    return resize(image, 1 / factor, offset=(shift * (factor - 1), shift * (factor - 1)), **options)


def _shrink_torch(image: Tensor, factor: int, antialias: bool = False) -> Tensor:
    size = image.shape[-2] // factor, image.shape[-1] // factor
    return F.interpolate(image, size=size, mode="bicubic", antialias=antialias)


class _BlackBox:
    """Enlarge a row four times by a cubic and clamp it, as in an 8-bit file."""

    def __init__(self, a: float):
        self.kernel = cubic(a)

    def __call__(self, row: Tensor) -> Tensor:
        row = torch.as_tensor(row, dtype=torch.float64)
        return resize(row.view(1, 1, 1, -1), (1.0, 4.0), kernel=self.kernel).flatten().clamp(0, 1)


def _detective(enlarge: _BlackBox, ground: float = 0.5, height: float = 0.25, centre: float = 0.5) -> Tensor:
    """The a that best explains the result for one bright pixel: k = k₀ + a·k₁, by least squares."""
    row = torch.full((9,), ground, dtype=torch.float64)
    row[4] = ground + height
    answer, distance = (enlarge(row) - ground) / height, _centres(9, 4, centre) - 4
    base, full = _cubic(distance, 0.0), _cubic(distance, 1.0)
    return ((answer - base) * (full - base)).sum() / (full - base).square().sum()


def _decode(number: Tensor) -> Tensor:
    return torch.where(number <= 0.04045, number / 12.92, ((number + 0.055) / 1.055) ** 2.4)


def _encode(light: Tensor) -> Tensor:
    return torch.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def _unchanged(image: Tensor) -> Tensor:
    return image


def _light(image: Tensor, factor: int, decode: Callable = _decode, encode: Callable = _encode) -> Tensor:
    return encode(resize(decode(image), 1 / factor).clamp(0, 1))


def _picture(height: int, width: int, channels: int = 1) -> Tensor:
    return torch.rand(1, channels, height, width, generator=torch.Generator().manual_seed(height))


_T = torch.linspace(-2.6, 2.6, 53, dtype=torch.float64)

_CUBIC = Exercise(
    _cubic,
    [(_T, -0.5), (_T, -0.75), (_T.view(1, 53), -1.1), (_T.abs(), 0.4)],
    {
        "the kernel is even, but yours takes negative distances as they come: take |t| first.": lambda t, a: (
            _endless(t, a) * (t < 2)
        ),
        "the kernel is even, but yours is 0 for negative distances: take |t| first.": lambda t, a: (
            _cubic(t, a) * (t >= 0)
        ),
        "your far piece continues beyond 2: a kernel must end, so return 0 for |t| ≥ 2.": lambda t, a: _endless(
            t.abs(), a
        ),
        "you left out the far piece: from 1 to 2 the kernel is not 0.": lambda t, a: _cubic(t, a) * (t.abs() <= 1),
        "the sign of a is turned: a itself is the slope at distance 1, not −a.": lambda t, a: _cubic(t, -a),
        "you use a = −0.5 whatever is asked for: let the argument a decide.": lambda t, a: _cubic(t, -0.5),
    },
    tolerance=1e-6,
)

_ROW = Exercise(
    _row,
    [
        (torch.tensor([0.2, 0.9, 0.4, 0.7, 0.1], dtype=torch.float64), 2),
        (torch.tensor([0.5, 0.3, 0.8, 0.6], dtype=torch.float64), 3),
        (torch.tensor([0.9, 0.1, 0.7], dtype=torch.float64), 4),
    ],
    {
        "half-pixel shift: you read at u = i/s, but a sample lies in the middle of its pixel, which makes "
        "u = (i + ½)/s − ½.": partial(_row, centre=0.0),
        "your first and last value are those of the row: that is align_corners, which stretches the picture. Let the "
        "borders agree: u = (i + ½)/s − ½.": _row_corners,
        "each value is only repeated: that is nearest. Linear mixes the two neighbours of u.": torch.repeat_interleave,
        "the ends are too dark: you read zeros beyond the row. Clamp both indices to 0 … n − 1.": partial(
            _row, ends="black"
        ),
        "beyond the ends you extrapolate the last straight line: clamp each index to 0 … n − 1.": partial(
            _row, ends="extend"
        ),
        "only the first values are off: int() and trunc() turn −0.25 into 0, but its left neighbour is −1. Use floor, "
        "then clamp.": partial(_row, ends="truncate"),
        "the two weights are exchanged: the nearer neighbour gets the larger one.": _row_exchanged,
    },
)

_SHRINK = Exercise(
    _shrink,
    [(_picture(24, 32), 2), (_picture(36, 27), 3), (_picture(48, 40), 4)],
    {
        "you took every factor-th pixel: plain decimation never reads the others, and folds fine detail into false "
        "patterns.": lambda image, factor: image[..., ::factor, ::factor],
        "no antialias: a = −0.5 is right, but to shrink, the kernel must be stretched.": partial(
            _shrink, antialias=False
        ),
        "that is F.interpolate without antialias: its a is −0.75 and its kernel not stretched; MATLAB has −0.5 and "
        "stretches.": _shrink_torch,
        "stretched, but with a = −0.75: MATLAB has a = −0.5.": partial(_shrink, kernel=cubic(-0.75)),
        "right inside, wrong near the border: torch and Pillow cut the kernel off there, MATLAB mirrors the picture.": (
            partial(_shrink_torch, antialias=True)
        ),
        "that is the mean of each block, a box; a bicubic is wider and has negative weights.": F.avg_pool2d,
        "that is the triangle, stretched; bicubic was asked for.": partial(_shrink, kernel="bilinear"),
        "half-pixel shift: you centred the kernel at i · factor, but new pixel i has its middle at (i + ½) · factor − "
        "½.": partial(_shrink, shift=-0.5),
    },
    tolerance=1e-5,
)

_LIBRARIES = Exercise(
    _detective,
    [(_BlackBox(a),) for a in (-0.5, -0.75, -1.0, -0.62)],
    {
        "the sign is turned: the kernel is negative between 1 and 2, and so is a.": lambda enlarge: (
            -_detective(enlarge)
        ),
        "you found 0, because clamping removed all that lies below black: put a small bright pixel on a grey "
        "ground.": lambda enlarge: torch.zeros(()),
        "part of the answer was clamped at black before you measured it: put a small bright pixel on a grey "
        "ground.": partial(_detective, ground=0.0, height=1.0),
        "half-pixel shift: new pixel i is at u = (i + ½)/4 − ½, not at i/4.": partial(_detective, centre=0.0),
    },
    tolerance=1e-3,
)

_LINEAR_LIGHT = Exercise(
    _light,
    [((_picture(18, 24, 3) > 0.5).float(), 2), (_picture(27, 21), 3)],
    {
        "you averaged the numbers of the file, not the light: decode, shrink, encode.": (
            partial(_light, decode=_unchanged, encode=_unchanged)
        ),
        "you return light: encode it as numbers again at the end.": partial(_light, encode=_unchanged),
        "the two curves are exchanged: numbers become light by the power 2.4, light becomes numbers by 1/2.4.": (
            partial(_light, decode=_encode, encode=_decode)
        ),
        "a plain power of 2.2 is near, but not sRGB: use both pieces of the formula.": (
            partial(_light, decode=lambda number: number**2.2, encode=lambda light: light ** (1 / 2.2))
        ),
    },
    tolerance=1e-3,
)

EXERCISES: dict[str, Exercise] = {
    "cubic": _CUBIC,
    "row": _ROW,
    "shrink": _SHRINK,
    "libraries": _LIBRARIES,
    "linear-light": _LINEAR_LIGHT,
}
