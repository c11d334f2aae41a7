"""Answers to the assignment on pixels: right in other styles, wrong in ways of their own, and the named mistakes."""

STYLES: dict[str, dict[str, str]] = {
    "kernel": {
        "loops": """
import torch

def one(t, b, c):
    r = abs(t)
    if r >= 2:
        return 0.0
    if r < 1:
        return ((12 - 9 * b - 6 * c) * r * r * r + (-18 + 12 * b + 6 * c) * r * r + 6 - 2 * b) / 6
    return ((-b - 6 * c) * r * r * r + (6 * b + 30 * c) * r * r - (12 * b + 48 * c) * r + 8 * b + 24 * c) / 6

def kernel(t, b, c):
    result = torch.zeros(t.shape, dtype=torch.float64)
    if t.ndim == 1:
        for i in range(len(t)):
            result[i] = one(t[i].item(), b, c)
    else:
        for i in range(t.shape[0]):
            for j in range(t.shape[1]):
                result[i, j] = one(t[i, j].item(), b, c)
    return result
""",
        "numpy": """
import numpy as np

def kernel(t, b, c):
    r = np.abs(t.numpy())
    near = np.polyval([12 - 9 * b - 6 * c, -18 + 12 * b + 6 * c, 0, 6 - 2 * b], r)
    far = np.polyval([-b - 6 * c, 6 * b + 30 * c, -12 * b - 48 * c, 8 * b + 24 * c], r)
    return np.select([r < 1, r < 2], [near, far], 0.0) / 6
""",
        "lists": """
def kernel(t, b, c):
    def value(x):
        if isinstance(x, list):
            return [value(y) for y in x]
        r = abs(x)
        if r < 1:
            return (12 - 9 * b - 6 * c) / 6 * r**3 + (-3 + 2 * b + c) * r**2 + 1 - b / 3
        return (-b / 6 - c) * r**3 + (b + 5 * c) * r**2 - (2 * b + 8 * c) * r + 4 / 3 * b + 4 * c if r < 2 else 0.0
    return value(t.tolist())
""",
    },
    "enlarge": {
        "loops": """
import math
import torch

def weight(t):
    t = abs(t)
    if t <= 1:
        return 1.5 * t**3 - 2.5 * t**2 + 1
    return -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2 if t < 2 else 0.0

def source(j, n):
    if j < 0:
        return -1 - j
    return j if j < n else 2 * n - 1 - j

def lower(image, s):
    C, H, W = image.shape
    result = torch.zeros(C, H * s, W, dtype=torch.float64)
    for i in range(H * s):
        u = (i + 0.5) / s - 0.5
        for j in range(math.floor(u) - 1, math.floor(u) + 3):
            result[:, i] += weight(u - j) * image[:, source(j, H)]
    return result

def enlarge(image, scale):
    return lower(lower(image, scale).transpose(1, 2), scale).transpose(1, 2)
""",
        "numpy": """
import numpy as np

def enlarge(image, scale):
    x = np.pad(image.numpy(), ((0, 0), (2, 2), (2, 2)), mode="symmetric")
    for axis in (1, 2):
        n = image.shape[axis]
        u = (np.arange(n * scale) + 0.5) / scale - 0.5
        i = np.floor(u).astype(int)
        p = u - i
        weights = [(-p**3 + 2 * p**2 - p) / 2, (3 * p**3 - 5 * p**2 + 2) / 2,
                   (-3 * p**3 + 4 * p**2 + p) / 2, (p**3 - p**2) / 2]
        shape = [1, 1, 1]
        shape[axis] = -1
        x = sum(w.reshape(shape) * np.take(x, i + 1 + m, axis) for m, w in enumerate(weights))
    return x
""",
        "lists": """
from srlib.resample import resize

def enlarge(image, scale):
    return resize(image, scale).tolist()
""",
    },
    "score": {
        "loops": """
import math

def score(sr, hr, scale):
    def level(v):
        return min(255, max(0, round(255 * v)))
    def y(image, i, j):
        c = [level(image[k, i, j].item()) for k in range(len(image))]
        return c[0] if len(c) == 1 else round((65.481 * c[0] + 128.553 * c[1] + 24.966 * c[2]) / 255 + 16)
    errors = []
    for i in range(scale, sr.shape[1] - scale):
        for j in range(scale, sr.shape[2] - scale):
            errors.append((y(sr, i, j) - y(hr, i, j)) ** 2)
    return 20 * math.log10(255) - 10 * math.log10(sum(errors) / len(errors))
""",
        "numpy": """
import numpy as np

def score(sr, hr, scale):
    levels = []
    for image in (sr.numpy(), hr.numpy()):
        image = np.rint(255 * np.clip(image, 0, 1))
        if image.shape[0] == 3:
            image = np.rint(np.tensordot([65.481, 128.553, 24.966], image / 255, 1) + 16)[None]
        levels.append(image[:, scale:-scale, scale:-scale])
    return 10 * np.log10(255**2 / np.mean((levels[0] - levels[1]) ** 2))
""",
        "lists": """
from srlib.metrics import PAPER

def score(sr, hr, scale):
    return PAPER.psnr(sr[None].float(), hr[None].float(), scale)[0]
""",
    },
    "pair": {
        "loops": """
import torch
X, Y = torch.fft.fft2(given["sharp"].double()), torch.fft.fft2(given["moved"].double())
f = torch.fft.fftfreq(64, dtype=torch.float64)
low = (f[:, None] ** 2 + f**2) < 0.25**2
best = None
surface = torch.fft.ifft2(Y * X.conj()).real
top = surface.argmax().item()
d, r = top // 64, top % 64
d, r = d - 64 * (d > 32), r - 64 * (r > 32)
sigma, down, right = 1.3, float(d), float(r)
square = f[:, None] ** 2 + f**2
for _ in range(40):
    model = X * torch.exp(-2 * torch.pi**2 * sigma**2 * square - 2j * torch.pi * (f[:, None] * down + f * right))
    turns = -2j * torch.pi * model
    slopes = [-4 * torch.pi**2 * sigma * square * model, f[:, None] * turns, f * turns]
    J = torch.stack([torch.view_as_real(s).flatten() for s in slopes], 1)
    step = torch.linalg.lstsq(J, torch.view_as_real(Y - model).flatten()[:, None]).solution.flatten()
    sigma, down, right = sigma + step[0].item(), down + step[1].item(), right + step[2].item()
""",
    },
}

WRONG: dict[str, dict[str, str]] = {
    "kernel": {
        "constant": "def kernel(t, b, c):\n    return 0 * t + 1",
        "not divided in the far piece": """
import torch
def kernel(t, b, c):
    r = t.abs()
    near = ((12 - 9 * b - 6 * c) * r**3 + (-18 + 12 * b + 6 * c) * r**2 + (6 - 2 * b)) / 6
    far = (-b - 6 * c) * r**3 + (6 * b + 30 * c) * r**2 + (-12 * b - 48 * c) * r + (8 * b + 24 * c)
    return torch.where(r < 1, near, torch.where(r < 2, far, 0 * r))
""",
        "Mitchell's own numbers whatever is asked for": """
import torch
def kernel(t, b, c):
    b = c = 1 / 3
    r = t.abs()
    near = (12 - 9 * b - 6 * c) * r**3 + (-18 + 12 * b + 6 * c) * r**2 + (6 - 2 * b)
    far = (-b - 6 * c) * r**3 + (6 * b + 30 * c) * r**2 + (-12 * b - 48 * c) * r + (8 * b + 24 * c)
    return torch.where(r < 1, near, torch.where(r < 2, far, 0 * r)) / 6
""",
        "a sign in the near piece": """
import torch
def kernel(t, b, c):
    r = t.abs()
    near = (12 - 9 * b - 6 * c) * r**3 + (-18 + 12 * b - 6 * c) * r**2 + (6 - 2 * b)
    far = (-b - 6 * c) * r**3 + (6 * b + 30 * c) * r**2 + (-12 * b - 48 * c) * r + (8 * b + 24 * c)
    return torch.where(r < 1, near, torch.where(r < 2, far, 0 * r)) / 6
""",
        "takes the absolute value in place": """
import torch
def kernel(t, b, c):
    r = t.abs_()
    near = (12 - 9 * b - 6 * c) * r**3 + (-18 + 12 * b + 6 * c) * r**2 + (6 - 2 * b)
    far = (-b - 6 * c) * r**3 + (6 * b + 30 * c) * r**2 + (-12 * b - 48 * c) * r + (8 * b + 24 * c)
    return torch.where(r < 1, near, torch.where(r < 2, far, 0 * r)) / 6
""",
        "a row only": """
def kernel(t, b, c):
    result = []
    for r in t.flatten().abs().tolist():
        near = (12 - 9 * b - 6 * c) * r**3 + (-18 + 12 * b + 6 * c) * r**2 + (6 - 2 * b)
        far = (-b - 6 * c) * r**3 + (6 * b + 30 * c) * r**2 + (-12 * b - 48 * c) * r + (8 * b + 24 * c)
        result.append((near if r < 1 else far if r < 2 else 0) / 6)
    return result
""",
    },
    "enlarge": {
        "corners aligned": """
import torch.nn.functional as F
def enlarge(image, scale):
    size = [scale * n for n in image.shape[1:]]
    return F.interpolate(image[None], size, mode="bicubic", align_corners=True)[0]
""",
        "bilinear": """
from srlib.resample import resize
def enlarge(image, scale):
    return resize(image, scale, kernel="bilinear")
""",
        "nearest": """
def enlarge(image, scale):
    return image.repeat_interleave(scale, 1).repeat_interleave(scale, 2)
""",
        "transposed": """
from srlib.resample import resize
def enlarge(image, scale):
    return resize(image, scale).transpose(1, 2)
""",
        "rows only": """
from srlib.resample import resize
def enlarge(image, scale):
    return resize(image, (scale, 1)).repeat_interleave(scale, 2)
""",
        "always twice": """
from srlib.resample import resize
def enlarge(image, scale):
    return resize(image, 2)
""",
        "clamped in eight bits": """
from srlib.resample import resize
def enlarge(image, scale):
    return (resize(image, scale).clamp(0, 1) * 255).round() / 255
""",
        "one channel for all": """
from srlib.resample import resize
def enlarge(image, scale):
    return resize(image.mean(0, keepdim=True), scale).expand(len(image), -1, -1)
""",
        "half a pixel the other way": """
from srlib.resample import resize
def enlarge(image, scale):
    return resize(image, scale, offset=(0.5 / scale, 0.5 / scale))
""",
        "square pictures only": """
from srlib.resample import weights
def enlarge(image, scale):
    m = weights(image.shape[1], image.shape[1] * scale, scale)
    return m @ image @ m.T
""",
    },
    "score": {
        "border of scale on two sides": """
from srlib.metrics import Protocol, psnr
def score(sr, hr, scale):
    a, b = (Protocol("y", 0, 8).convert(x[None])[..., scale:, scale:] for x in (sr, hr))
    return psnr(a, b).item()
""",
        "one pixel more of border": """
from srlib.metrics import PAPER
def score(sr, hr, scale):
    return PAPER.psnr(sr[None], hr[None], scale + 1).item()
""",
        "root of the mean square": """
from srlib.metrics import PAPER
def score(sr, hr, scale):
    return PAPER.psnr(sr[None], hr[None], scale).item() / 2
""",
        "peak of 219": """
import math
from srlib.metrics import PAPER
def score(sr, hr, scale):
    return PAPER.psnr(sr[None], hr[None], scale).item() + 20 * math.log10(219 / 255)
""",
        "cut to whole levels": """
from srlib.metrics import Protocol, psnr
def score(sr, hr, scale):
    cut = [(x.clamp(0, 1) * 255).floor()[None] / 255 for x in (sr, hr)]
    a, b = (Protocol("y", scale, 8).prepare(x, scale) for x in cut)
    return psnr(a, b).item()
""",
        "only sr is rounded": """
from srlib.images import quantised, to_y
from srlib.metrics import Protocol, psnr
def score(sr, hr, scale):
    b = to_y(hr[None])[..., scale:-scale, scale:-scale]
    return psnr(Protocol("y", scale, 8).prepare(sr[None], scale), b).item()
""",
        "the mean of three channels": """
from srlib.metrics import PAPER
def score(sr, hr, scale):
    a, b = (x.mean(0, keepdim=True)[None] for x in (sr, hr))
    return PAPER.psnr(a, b, scale).item()
""",
        "the mean absolute error": """
from srlib.metrics import PAPER
def score(sr, hr, scale):
    a, b = (PAPER.prepare(x[None], scale) for x in (sr, hr))
    return -20 * (a - b).abs().mean().log10().item()
""",
        "constant": "def score(sr, hr, scale):\n    return 30.0",
    },
    "pair": {
        "whole shifts and a usual sigma": """
import torch
X, Y = torch.fft.fft2(given["sharp"]), torch.fft.fft2(given["moved"])
top = torch.fft.ifft2(Y * X.conj()).real.argmax().item()
down, right = ((n + 32) % 64 - 32 for n in divmod(top, 64))
sigma = 5.0
""",
        "all zero": "sigma = down = right = 0.0",
        "typed from another student": "sigma, down, right = 1.2345, 3.4567, -2.3456",
        "texts": 'sigma, down, right = "1.2", "3.4", "two"',
        "a variance, and no shift": """
import torch
X, Y = torch.fft.fft2(given["sharp"].double()), torch.fft.fft2(given["moved"].double())
f = torch.fft.fftfreq(64, dtype=torch.float64)
square = f[:, None] ** 2 + f**2
use = (square < 0.04) & (square > 0)
sigma = (-(Y.abs() / X.abs()).log()[use] / square[use] / 2).median()
down = right = 0
""",
    },
    "restore": {
        "nothing": "def restore(y, kernel, noise):\n    return y",
        "divided": """
from srlib.deconvolution.fourier import naive_inverse
def restore(y, kernel, noise):
    return naive_inverse(y, kernel)
""",
        "blurred once more": """
from srlib.degradations import Blur
def restore(y, kernel, noise):
    return Blur(kernel)(y[None])[0]
""",
        "grey": "def restore(y, kernel, noise):\n    return y.mean(0, keepdim=True).expand(3, -1, -1)",
    },
}

_KERNEL = """
import torch
def kernel(t, b, c):
    r = {r}
    {change}
    near = (12 - 9 * b - 6 * c) * r**3 + (-18 + 12 * b + 6 * c) * r**2 + (6 - 2 * b)
    far = (-b - 6 * c) * r**3 + (6 * b + 30 * c) * r**2 + (-12 * b - 48 * c) * r + (8 * b + 24 * c)
    return torch.where(r < 1, near, {far}) / {six}{end}
"""


def _kernel(r="t.abs()", change="pass", far="torch.where(r < 2, far, 0 * r)", six="6", end="") -> str:
    return _KERNEL.format(r=r, change=change, far=far, six=six, end=end)


_ENLARGE = """
import numpy as np
def enlarge(image, scale):
    def matrix(n):
        m = np.zeros((n * scale, n))
        for i in range(n * scale):
            u = {u}
            for j in range(int(np.floor(u)) - 1, int(np.floor(u)) + 3):
                t, a = abs(u - j), {a}
                near = (a + 2) * t**3 - (a + 3) * t**2 + 1
                k = near if t <= 1 else a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a if t < 2 else 0
                inside = 0 <= j < n
                {border}
        {after}
        return m
    return np.einsum("ih,chw,jw->cij", matrix(image.shape[1]), image.numpy(), matrix(image.shape[2]))
"""
_MIRROR = "m[i, -1 - j if j < 0 else j if inside else 2 * n - 1 - j] += k"
_REPEAT = "m[i, min(max(j, 0), n - 1)] += k"
_CUT = "m[i, j if inside else 0] += k * inside"


def _enlarge(u="(i + 0.5) / scale - 0.5", a="-0.5", border=_MIRROR, after="pass") -> str:
    return _ENLARGE.format(u=u, a=a, border=border, after=after)


_SCORE = """
import numpy as np
def score(sr, hr, scale):
    def prepared(x):
        x = x.numpy(){flip}
        x = {first}
        if len(x) == 3:
            x = {luma}
        x = {second}
        n = {border}
        return x[:, n:x.shape[1] - n, n:x.shape[2] - n]
    return -10 * np.log10(np.mean((prepared(sr) - prepared(hr)) ** 2)){end}
"""
_ROUNDED = "np.rint(255 * np.clip(x, 0, 1)) / 255"
_LUMA = "np.tensordot([65.481, 128.553, 24.966], x, 1)[None] / 255 + 16 / 255"


def _score(flip="", first=_ROUNDED, luma=_LUMA, second=_ROUNDED, border="scale", end="") -> str:
    return _SCORE.format(flip=flip, first=first, luma=luma, second=second, border=border, end=end)


_EVEN = "the kernel is even, but yours {} for negative distances: take |t| first."
MISTAKES: dict[str, dict[str, str]] = {
    "kernel": {
        "b is ignored: with c alone this is the cubic with slope −c. The terms with b make it softer.": _kernel(
            change="b = 0"
        ),
        _EVEN.format("goes on along the near piece"): _kernel(r="t"),
        _EVEN.format("is 0"): _kernel(end=" * (t >= 0)"),
        "b and c are exchanged: b comes first.": _kernel(change="b, c = c, b"),
        "six times too large: divide both pieces by 6, or a flat picture gets brighter.": _kernel(six="1"),
        "your far piece continues beyond 2: a kernel must end, so return 0 for |t| ≥ 2.": _kernel(far="far"),
    },
    "enlarge": {
        "half-pixel shift: you read at u = i/s, but a sample lies in the middle of its pixel: u = (i + ½)/s − ½.": (
            _enlarge(u="i / scale")
        ),
        "the kernel was cut off at the border, and the rest made to sum to one; mirror the picture there.": (
            _enlarge(border=_CUT, after="m = m / m.sum(1, keepdims=True)")
        ),
        "the border is dark, since zeros stand beyond it; mirror the picture there.": _enlarge(border=_CUT),
        "beyond the border the outer pixel is repeated. A mirror shows its neighbour too: 1 0 | 0 1 2.": (
            _enlarge(border=_REPEAT)
        ),
        "this mirror leaves the outer pixel out, 2 1 | 0 1 2; it must come twice: 1 0 | 0 1 2.": (
            _enlarge(border="m[i, -j if j < 0 else j if inside else 2 * n - 2 - j] += k")
        ),
        "right but for the kernel: a = −0.75 is torch's bicubic, and a = −0.5 was asked for.": _enlarge(a="-0.75"),
        "that is torch's own bicubic: a = −0.75, and the border's pixel repeated.": """
import torch.nn.functional as F
def enlarge(image, scale):
    return F.interpolate(image[None], scale_factor=scale, mode="bicubic")[0]
""",
    },
    "score": {
        "that is the PSNR of red, green and blue: the papers compare the luma Y alone.": _score(luma="x"),
        "that is full-range luma: the papers' Y has black at 16/255 and white at 235/255.": (
            _score(luma="np.tensordot([0.299, 0.587, 0.114], x, 1)[None]")
        ),
        "the border is missing: cut `scale` pixels from each of the four sides.": _score(border="0"),
        "nothing is rounded: clamp, round to k/255, convert to Y, round again.": _score(first="x", second="x"),
        "clamped but not rounded: round to k/255 before and after the step to Y.": (
            _score(first="np.clip(x, 0, 1)", second="x")
        ),
        "the colours are rounded but Y is not: round Y as well.": _score(second="x"),
        "Y is rounded but the colours are not: a file holds them in 8 bits, so round them first.": _score(first="x"),
        "you cut 4 pixels whatever the scale is: the border is `scale` pixels.": _score(border="4"),
        "48.13 dB too little: your Y runs from 16 to 235 and the peak is 1. Both need one unit.": (
            _score(end=" - 20 * np.log10(255)")
        ),
        "red and blue are exchanged: the channels are R, G, B.": _score(flip="[::-1]"),
    },
}
