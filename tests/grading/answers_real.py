"""Answers to the assignment on real cameras, as sources of a cell: right in other styles, wrong, named mistakes."""

_PROFILE = """import torch


def profile(image, rings):
    height, width = image.shape
    power = torch.fft.fft2(image.double()).abs() ** 2 / (height * width)
    down = torch.fft.fftfreq(height, dtype=torch.float64)[:, None]
    across = torch.fft.fftfreq(width, dtype=torch.float64)
    radius = torch.sqrt(down**2 + across**2)
    inside = (radius > 0) & (radius <= 0.5)
    ring = (radius / 0.5 * rings).long().clamp_max(rings - 1)
    return torch.stack([power[inside & (ring == k)].mean() for k in range(rings)])
"""
_DOWN = "torch.fft.fftfreq(height, dtype=torch.float64)[:, None]"
_ACROSS = "torch.fft.fftfreq(width, dtype=torch.float64)"

_LOSSES = """import torch
import torch.nn.functional as F


def losses(g1, g2, x, y):
    return F.l1_loss(g2(g1(x)), x), F.l1_loss(g1(y), y)
"""

_KERNEL = """import torch
import torch.nn.functional as F

given = data("kernel")
hr, lr = given["hr"].double(), given["lr"].double()
windows = F.unfold(hr[None, None], 7)[0].view(49, 58, 58)[:, 1::2, 1::2].flatten(1)
kernel = torch.linalg.lstsq(windows.T, lr[2:31, 2:31].reshape(-1, 1)).solution.view(7, 7).flip(0, 1)
"""

_NAMED = '''import torch
from srlib.degradations import Blur, gaussian_kernel
from srlib.resample import resize

given = data("named")
hr, lr = given["hr"].double() / 255, given["lr"].double() / 255
small = resize(hr[None, None], 0.5)[0, 0]
named = [None] * 8


def free():
    return [k for k in range(8) if named[k] is None]


error = [(each - small).abs().mean().item() for each in lr]
named[min(free(), key=lambda k: error[k])] = "bicubic"
named[min(free(), key=lambda k: (lr[k] - hr[::2, ::2]).abs().mean().item())] = "decimated"
named[min(free(), key=lambda k: lr[k].mean().item())] = "dark"


def rough(picture):
    """Power beyond 0.35 cycles per pixel."""
    f = torch.fft.fftfreq(48).abs()
    corner = torch.minimum(f[:, None], f) > 0.35
    return torch.fft.fft2(picture).abs().square()[corner].mean().item()


noisy = sorted(free(), key=lambda k: rough(lr[k]))[-2:]
bright = small > small.median()
growth = {k: ((lr[k] - small)[bright].std() / (lr[k] - small)[~bright].std()).item() for k in noisy}
named[max(noisy, key=growth.get)] = "photons"
named[min(noisy, key=growth.get)] = "noise"
named[max(free(), key=lambda k: lr[k].diff(dim=0).square().mean().item())] = "jpeg"


def best(kernels, picture):
    """How badly the best of some blurs explains a picture."""
    tries = [resize(Blur(kernel)(hr[None, None]), 0.5)[0, 0] for kernel in kernels]
    return min((each - picture).abs().mean().item() for each in tries)


gaussians = [gaussian_kernel(1.6 + 0.2 * k) for k in range(6)]
named[min(free(), key=lambda k: best(gaussians, lr[k]))] = "gaussian"
named[free()[0]] = "motion"
'''

_NAMED_NUMPY = """import numpy as np
import torch
from srlib.degradations import JPEG, Blur, gaussian_kernel, motion_kernel
from srlib.resample import resize

given = data("named")
hr, lr = given["hr"][None, None] / 255, given["lr"].numpy() / 255


def shrunk(kernel):
    return resize(Blur(kernel)(hr), 0.5)


small = resize(hr, 0.5).clamp(0, 1)
tries = {
    "bicubic": [small],
    "dark": [small**gamma for gamma in np.linspace(1.5, 2.2, 8)],
    "decimated": [hr[..., ::2, ::2]],
    "gaussian": [shrunk(gaussian_kernel(sigma)) for sigma in np.linspace(1.6, 2.6, 6)],
    "jpeg": [JPEG(quality)(small) for quality in range(15, 30)],
    "motion": [shrunk(motion_kernel(length, angle)) for length in (8.5, 10, 11.5) for angle in range(0, 180, 10)],
}
tries = {name: np.stack([each[0, 0].numpy() for each in pictures]) for name, pictures in tries.items()}
error = {name: [np.abs(pictures - each).mean((1, 2)).min() for each in lr] for name, pictures in tries.items()}
noisy = np.argsort([min(error[name][k] for name in error) for k in range(8)])[-2:]
named = [min(error, key=lambda name: error[name][k]) for k in range(8)]
flat = tries["bicubic"][0]
growth = [np.std((each - flat)[flat > np.median(flat)]) / np.std((each - flat)[flat <= np.median(flat)]) for each in lr]
named[max(noisy, key=lambda k: growth[k])] = "photons"
named[min(noisy, key=lambda k: growth[k])] = "noise"
"""

STYLES: dict[str, dict[str, str]] = {
    "profile": {
        "loops": """import torch


def profile(image, rings):
    h, w = image.shape
    power = torch.fft.fft2(image).abs() ** 2 / (h * w)
    total, count = torch.zeros(rings), torch.zeros(rings)
    for u in range(h):
        for v in range(w):
            down = u / h if u / h < 0.5 else u / h - 1
            across = v / w if v / w < 0.5 else v / w - 1
            r = (down**2 + across**2) ** 0.5
            if 0 < r <= 0.5:
                k = min(int(r * 2 * rings), rings - 1)
                total[k] += power[u, v]
                count[k] += 1
    return total / count
""",
        "numpy": """import numpy as np


def profile(image, rings):
    h, w = image.shape
    power = np.fft.fftshift(np.abs(np.fft.fft2(image.numpy())) ** 2 / (h * w))
    y, x = np.indices((h, w))
    r = np.hypot((y - h // 2) / h, (x - w // 2) / w)
    edges = np.linspace(0, 0.5, rings + 1)
    edges[-1] += 1e-9
    return np.array([power[(r > 0) & (r >= a) & (r < b)].mean() for a, b in zip(edges, edges[1:])])
""",
        "lists": """import cmath
import math


def profile(image, rings):
    h, w = image.shape
    image = image.tolist()
    found = [[] for _ in range(rings)]
    turns = [[cmath.exp(-2j * cmath.pi * v * x / w) for x in range(w)] for v in range(w)]
    across = [[sum(a * b for a, b in zip(row, turn)) for turn in turns] for row in image]
    for u in range(h):
        for v in range(w):
            value = sum(across[y][v] * cmath.exp(-2j * cmath.pi * u * y / h) for y in range(h))
            r = math.hypot(min(u, h - u) / h, min(v, w - v) / w)
            if 0 < r <= 0.5:
                found[min(math.floor(2 * rings * r), rings - 1)].append(abs(value) ** 2 / (h * w))
    return [sum(ring) / len(ring) for ring in found]
""",
    },
    "losses": {
        "loops": """import torch


def losses(g1, g2, x, y):
    def away(picture, other):
        total = 0.0
        for n in range(picture.shape[0]):
            for c in range(picture.shape[1]):
                total += (picture[n, c] - other[n, c]).abs().sum().item()
        return total / picture.numel()

    with torch.no_grad():
        return away(g2(g1(x)), x), away(g1(y), y)
""",
        "numpy": """import numpy as np


def losses(g1, g2, x, y):
    back, kept = g2(g1(x)).detach().numpy(), g1(y).detach().numpy()
    return np.abs(back - x.numpy()).mean(), np.abs(kept - y.numpy()).mean()
""",
        "lists": """def losses(g1, g2, x, y):
    def mean(a, b):
        a, b = a.flatten().tolist(), b.flatten().tolist()
        return sum(abs(one - other) for one, other in zip(a, b)) / len(a)

    return mean(g2(g1(x)), x), mean(g1(y), y)
""",
    },
    "kernel": {
        "loops": """import torch

given = data("kernel")
hr, lr = given["hr"].double(), given["lr"].double()
left, right = [], []
for y in range(2, 30):
    for x in range(2, 30):
        left.append(torch.stack([hr[2 * y - (i - 3), 2 * x - (j - 3)] for i in range(7) for j in range(7)]))
        right.append(lr[y, x])
left, right = torch.stack(left), torch.stack(right)
kernel = torch.linalg.solve(left.T @ left, left.T @ right).view(7, 7)
""",
        "numpy": """import numpy as np

given = data("kernel")
hr, lr = given["hr"].numpy().astype(np.float64), given["lr"].numpy().astype(np.float64)
padded = np.pad(hr, 3, mode="symmetric")
columns = [padded[6 - i : 70 - i : 2, 6 - j : 70 - j : 2].ravel() for i in range(7) for j in range(7)]
kernel = np.linalg.lstsq(np.stack(columns, 1), lr.ravel(), rcond=None)[0].reshape(7, 7)
""",
        "lists": _KERNEL + "kernel = [[max(tap, 0.0) for tap in row] for row in kernel.tolist()]\n",
    },
    "named": {"loops": _NAMED, "numpy": _NAMED_NUMPY, "lists": _NAMED + "named = tuple(named)\n"},
}

WRONG: dict[str, dict[str, str]] = {
    "profile": {
        "amplitude": _PROFILE.replace("abs() ** 2", "abs()"),
        "not divided by the size": _PROFILE.replace(" / (height * width)", ""),
        "the mean was subtracted, and the middle counts": _PROFILE.replace("(radius > 0)", "(radius >= 0)").replace(
            "image.double()", "(image - image.mean()).double()"
        ),
        "the middle counts": _PROFILE.replace("(radius > 0)", "(radius >= 0)"),
        "half a cycle is left out": _PROFILE.replace("<= 0.5)", "< 0.5)"),
        "the corners count": _PROFILE.replace("(radius <= 0.5)", "(radius < 1)"),
        "right for square pictures only": _PROFILE.replace("fftfreq(width, ", "fftfreq(width, width / height, "),
        "rings around whole numbers": _PROFILE.replace("rings).long()", "rings).round().long()"),
        "in decibels": _PROFILE.replace("return torch.stack", "return 10 * torch.log10(torch.stack")[:-1] + ")\n",
        "a window": _PROFILE.replace(
            "image.double()", "image.double() * torch.hann_window(height)[:, None] * torch.hann_window(width)"
        ),
    },
    "losses": {
        "squares": _LOSSES.replace("l1_loss", "mse_loss"),
        "sums": _LOSSES.replace("x), F", 'x, reduction="sum"), F').replace("(y), y)", '(y), y, reduction="sum")'),
        "identity first": _LOSSES.replace(
            "F.l1_loss(g2(g1(x)), x), F.l1_loss(g1(y), y)", "F.l1_loss(g1(y), y), F.l1_loss(g2(g1(x)), x)"
        ),
        "no absolute values": _LOSSES.replace(
            "F.l1_loss(g2(g1(x)), x), F.l1_loss(g1(y), y)", "(g2(g1(x)) - x).mean(), (g1(y) - y).mean()"
        ),
        "cycles in both directions": _LOSSES.replace("x), F", "x) + F.l1_loss(g1(g2(y)), y), F"),
        "the paper's weights": _LOSSES.replace("return F", "return 10 * F").replace("x), F", "x), 5 * F"),
        "the first picture only": _LOSSES.replace("    return", "    x, y = x[:1], y[:1]\n    return"),
        "the first channel only": _LOSSES.replace(
            "F.l1_loss(g2(g1(x)), x), F.l1_loss(g1(y), y)",
            "F.l1_loss(g2(g1(x))[:, :1], x[:, :1]), F.l1_loss(g1(y)[:, :1], y[:, :1])",
        ),
        "clamped": _LOSSES.replace("g2(g1(x))", "g2(g1(x)).clamp(0, 1)").replace("g1(y)", "g1(y).clamp(0, 1)"),
        "the cycle is not closed": _LOSSES.replace("g2(g1(x))", "g1(x)"),
    },
    "kernel": {
        "not flipped": _KERNEL.replace(".flip(0, 1)", ""),
        "transposed": _KERNEL.replace(".flip(0, 1)", ".flip(0, 1).T.contiguous()"),
        "begins with the second pixel": _KERNEL.replace("[:, 1::2, 1::2]", "[:, 2::2, 2::2]").replace("2:31", "2:30"),
        "a Gaussian": "from srlib.degradations import gaussian_kernel\n\nkernel = gaussian_kernel(1.2, 7)\n",
        "no blur": "import torch\n\nkernel = torch.zeros(7, 7)\nkernel[3, 3] = 1\n",
        "flat": "import torch\n\nkernel = torch.ones(7, 7) / 49\n",
        "too small": _KERNEL + "kernel = kernel[1:-1, 1:-1]\n",
        "one row instead of a square": _KERNEL + "kernel = kernel.flatten()\n",
        "not finite": "import torch\n\nkernel = torch.full((7, 7), float('nan'))\n",
    },
    "named": {
        "in the table's order": (
            'named = ["bicubic", "dark", "decimated", "gaussian", "jpeg", "motion", "noise", "photons"]\n'
        ),
        "all bicubic": 'named = ["bicubic"] * 8\n',
        "numbers": "named = list(range(8))\n",
        "seven names": _NAMED + "named = named[:7]\n",
        "the two noises exchanged": _NAMED
        + 'named = [{"noise": "photons", "photons": "noise"}.get(name, name) for name in named]\n',
        "one text": _NAMED + 'named = " ".join(named)\n',
    },
}

_RINGS = "the rings lie around the middle, but the spectrum was not shifted: zero is at entry (0, 0)."
_WRAPPED = "from half a cycle on frequencies are negative: without a shift, distances must wrap around."

MISTAKES: dict[str, dict[str, str]] = {
    "profile": {
        "this is the sum of each ring; the mean is asked for, since outer rings have more entries.": _PROFILE.replace(
            ".mean()", ".sum()"
        ),
        _RINGS: _PROFILE.replace(_DOWN, "((torch.arange(height) - height // 2) / height).double()[:, None]").replace(
            _ACROSS, "((torch.arange(width) - width // 2) / width).double()"
        ),
        _WRAPPED: _PROFILE.replace(_DOWN, "torch.arange(height).double()[:, None] / height").replace(
            _ACROSS, "torch.arange(width).double() / width"
        ),
    },
    "losses": {
        "the cycle goes from y to y; it is x that is cleaned and made dirty again.": _LOSSES.replace(
            "g2(g1(x)), x", "g1(g2(y)), y"
        ),
        "the cycle's networks are in the wrong order: g1 cleans first, then comes g2.": _LOSSES.replace(
            "g2(g1(x))", "g1(g2(x))"
        ),
        "the identity term is of x; it is the clean y that g1 shall leave as it is.": _LOSSES.replace(
            "g1(y), y", "g1(x), x"
        ),
        "the identity term is of g2; it is g1 that shall leave y as it is.": _LOSSES.replace("g1(y), y", "g2(y), y"),
    },
}
