"""Answers to the assignment on closed loops: right in other styles, wrong in ways of their own, the named mistakes."""

STYLES: dict[str, dict[str, str]] = {
    "dual_loss": {
        "loops": """
def dual_loss(answers, targets, duals, weight):
    def distance(a, b):
        total, count = 0.0, 0
        for x, y in zip(a.flatten().tolist(), b.flatten().tolist()):
            total, count = total + abs(x - y), count + 1
        return total / count
    loss = distance(answers[0], targets[0])
    for k in range(1, len(answers)):
        loss += distance(answers[k], targets[k])
        loss += weight * distance(duals[k - 1](answers[k]), targets[k - 1])
    return loss
""",
        "numpy": """
import numpy as np

def dual_loss(answers, targets, duals, weight):
    down = [dual(answer).detach().numpy() for dual, answer in zip(duals, answers[1:])]
    first = sum(np.abs(a.numpy() - t.numpy()).mean() for a, t in zip(answers, targets))
    return first + weight * sum(np.mean(np.abs(a - t.numpy())) for a, t in zip(down, targets))
""",
        "lists": """
import torch.nn.functional as F

def dual_loss(answers, targets, duals, weight):
    parts = [F.l1_loss(a, t) for a, t in zip(answers, targets)]
    again = [weight * F.l1_loss(duals[k](answers[k + 1]), targets[k]) for k in range(len(duals))]
    return [sum(parts + again)][0]
""",
    },
    "adjoint": {
        "loops": """
import torch

def adjoint(y, kernel, scale, first):
    C, h, w = y.shape
    H, W = scale * h, scale * w
    a, b = kernel.shape
    result = torch.zeros(C, H, W, dtype=torch.float64)
    for i in range(h):
        for j in range(w):
            for p in range(a):
                for q in range(b):
                    row = (scale * i + first - p + a // 2) % H
                    column = (scale * j + first - q + b // 2) % W
                    result[:, row, column] += kernel[p, q] * y[:, i, j]
    return result
""",
        "numpy": """
import numpy as np

def adjoint(y, kernel, scale, first):
    y, k = y.numpy(), kernel.numpy()
    x = np.zeros((len(y), scale * y.shape[1], scale * y.shape[2]))
    x[:, first::scale, first::scale] = y
    padded = np.zeros(x.shape[1:])
    padded[:k.shape[0], :k.shape[1]] = k
    H = np.fft.fft2(np.roll(padded, (-(k.shape[0] // 2), -(k.shape[1] // 2)), (0, 1)))
    return np.fft.ifft2(np.fft.fft2(x) * H.conj()).real
""",
        "lists": """
import torch
from srlib.degradations import Blur, Decimate, Degradation

def adjoint(y, kernel, scale, first):
    degradation = Degradation(Blur(kernel, "periodic"), Decimate(scale, first))
    return degradation.adjoint(y[None], (scale * y.shape[1], scale * y.shape[2]))[0].tolist()
""",
    },
    "frequency_loss": {
        "loops": """
import math
import torch

def frequency_loss(sr, hr, power):
    N, C, H, W = sr.shape
    total = 0.0
    for n in range(N):
        for c in range(C):
            x, y = (torch.fft.fft2(image[n, c]).abs() / math.sqrt(H * W) for image in (sr, hr))
            for i in range(H):
                for j in range(W):
                    u = (i if 2 * i <= H else i - H) / H
                    v = (j if 2 * j <= W else j - W) / W
                    total += (2 * math.hypot(u, v)) ** power * abs(x[i, j] - y[i, j]).item()
    return total / (N * C * H * W)
""",
        "numpy": """
import numpy as np

def frequency_loss(sr, hr, power):
    height, width = sr.shape[-2:]
    x, y = (np.abs(np.fft.fft2(image.numpy(), norm="ortho")) for image in (sr, hr))
    u, v = np.meshgrid(np.fft.fftfreq(height), np.fft.fftfreq(width), indexing="ij")
    return np.mean(np.power(2 * np.sqrt(u**2 + v**2), power) * np.abs(x - y))
""",
        "lists": """
import torch

def frequency_loss(sr, hr, power):
    width = sr.shape[-1]
    x, y = [torch.fft.rfft2(image, norm="ortho").abs() for image in (sr, hr)]
    u = torch.fft.fftfreq(sr.shape[-2], dtype=torch.float64)[:, None]
    values = (x - y).abs() * (2 * (u**2 + torch.fft.rfftfreq(width, dtype=torch.float64) ** 2).sqrt()) ** power
    twice = [1 if j == 0 or 2 * j == width else 2 for j in range(width // 2 + 1)]
    return float((values * torch.tensor(twice)).sum() / sr.numel())
""",
    },
    "luck": {
        "loops": """
import math
from scipy import stats
means, half_widths, verdicts = [], [], []
seeds, pictures = given["control"].shape
band = given["band"].item()
for arm in range(3):
    gains = []
    for seed in range(seeds):
        total = 0.0
        for k in range(pictures):
            total += (given["treated"][arm, seed, k] - given["control"][seed, k]).item()
        gains.append(total / pictures)
    mean = sum(gains) / seeds
    s = math.sqrt(sum((g - mean) ** 2 for g in gains) / (seeds - 1))
    half = stats.t.ppf(0.975, seeds - 1) * s / math.sqrt(seeds)
    means.append(mean)
    half_widths.append(half)
    if abs(mean) + half <= band:
        verdicts.append("none")
    elif abs(mean) <= half:
        verdicts.append("open")
    else:
        verdicts.append("higher" if mean > 0 else "lower")
""",
        "numpy": """
import numpy as np
from scipy import stats
d = (given["treated"].numpy() - given["control"].numpy()).mean(-1)
means = d.mean(1)
half_widths = stats.t.ppf(0.975, d.shape[1] - 1) * d.std(1, ddof=1) / np.sqrt(d.shape[1])
low, high, band = means - half_widths, means + half_widths, float(given["band"])
verdicts = ["none" if -band < a and b < band else "open" if a < 0 < b else "lower" if b < 0 else "higher"
            for a, b in zip(low, high)]
""",
        "lists": """
from statistics import fmean, stdev
quantile = {5: 2.776445, 6: 2.570582, 7: 2.446912, 8: 2.364624}
control = given["control"].tolist()
rows = [[fmean(a) - fmean(b) for a, b in zip(arm, control)] for arm in given["treated"].tolist()]
means = [fmean(row) for row in rows]
half_widths = [quantile[len(row)] * stdev(row) / len(row) ** 0.5 for row in rows]
band = given["band"].item()
def verdict(mean, half):
    if -band <= mean - half and mean + half <= band:
        return "none"
    return "open" if mean - half <= 0 <= mean + half else "higher" if mean > 0 else "lower"
verdicts = tuple(map(verdict, means, half_widths))
""",
    },
}

_DUAL = """
def dual_loss(answers, targets, duals, weight):
    def distance(a, b):
        return {distance}
    first = [distance(a, t) for a, t in zip(answers, targets)]
    loop = [distance(d(a), t) for d, a, t in zip(duals, {seen}[1:], targets)]
    return {total}
"""


def _dual(distance="(a - b).abs().mean()", seen="answers", total="sum(first) + weight * sum(loop)") -> str:
    return _DUAL.format(distance=distance, seen=seen, total=total)


_ADJOINT = """
import numpy as np
def adjoint(y, kernel, scale, first):
    y, k = y.numpy(), kernel.numpy()
    {change}
    (C, h, w), (a, b) = y.shape, k.shape
    x = np.zeros((C, scale * h, scale * w))
    {fill}
    {after}
    result = np.zeros_like(x)
    for p in range(a):
        for q in range(b):
            result += k[p, q] * np.roll(x, ({down}, {right}), (1, 2))
    return result{end}
"""
_FILL = "x[:, first::scale, first::scale] = y"


def _adjoint(change="0", fill=_FILL, after="0", down="a // 2 - p", right="b // 2 - q", end="") -> str:
    return _ADJOINT.format(change=change, fill=fill, after=after, down=down, right=right, end=end)


_FREQUENCY = """
import numpy as np
def frequency_loss(sr, hr, power):
    H, W = sr.shape[-2:]
    x, y = (np.fft.fft2(image.numpy(), norm={norm}) for image in (sr, hr))
    u, v = {u}, {v}
    values = {weight} * {distance}
    return {mean}
"""


def _frequency(
    norm='"ortho"',
    u="np.fft.fftfreq(H)[:, None]",
    v="np.fft.fftfreq(W)",
    weight="(2 * np.sqrt(u**2 + v**2)) ** power",
    distance="abs(abs(x) - abs(y))",
    mean="values.mean()",
) -> str:
    return _FREQUENCY.format(norm=norm, u=u, v=v, weight=weight, distance=distance, mean=mean)


_LUCK = """
import numpy as np
from scipy import stats
band = given["band"].item()
treated, control = given["treated"].numpy(), given["control"].numpy()
d = {gains}
n = d.shape[1]
means = d.mean(1)
half_widths = {half}
verdicts = {verdicts}
"""
_VERDICTS = """["none" if abs(m) + h <= band else "open" if abs(m) <= h else "higher" if m > 0 else "lower"
    for m, h in zip(means, half_widths)]"""


def _luck(
    gains="(treated - control).mean(2)",
    half="stats.t.ppf(0.975, n - 1) * d.std(1, ddof=1) / n**0.5",
    verdicts=_VERDICTS,
) -> str:
    return _LUCK.format(gains=gains, half=half, verdicts=verdicts)


WRONG: dict[str, dict[str, str]] = {
    "dual_loss": {
        "the first answer left out": _dual(total="sum(first[1:]) + weight * sum(loop)"),
        "only the last answer in the first sum": _dual(total="first[-1] + weight * sum(loop)"),
        "only the last loop": _dual(total="sum(first) + weight * loop[-1]"),
        "only the first loop": _dual(total="sum(first) + weight * loop[0]"),
        "no loop": _dual(total="sum(first)"),
        "the loop alone": _dual(total="weight * sum(loop)"),
        "the weight on the first sum": _dual(total="weight * sum(first) + sum(loop)"),
        "one weight shared out": _dual(total="(1 - weight) * sum(first) + weight * sum(loop)"),
        "always a tenth": _dual(total="sum(first) + 0.1 * sum(loop)"),
        "sums over pixels": _dual(distance="(a - b).abs().sum()"),
        "signed": _dual(distance="(a - b).mean()"),
        "the first picture of the batch": _dual(distance="(a - b)[0].abs().mean()"),
        "three levels or an error": """
def dual_loss(answers, targets, duals, weight):
    a, b, c = answers
    return 0
""",
    },
    "adjoint": {
        "the blur and the decimation themselves": """
from srlib.degradations import Blur
def adjoint(y, kernel, scale, first):
    return Blur(kernel, "periodic")(y[None])[0][:, first::scale, first::scale]
""",
        "only zeros between": _adjoint(after="return x"),
        "zeros after the kernel": """
import torch
from srlib.degradations import Blur
def adjoint(y, kernel, scale, first):
    x = torch.zeros(len(y), scale * y.shape[1], scale * y.shape[2], dtype=torch.float64)
    x[:, first::scale, first::scale] = Blur(kernel.flip(0, 1), "periodic")(y[None])[0]
    return x
""",
        "bilinear between": """
from srlib.degradations import Blur
from srlib.resample import resize
def adjoint(y, kernel, scale, first):
    return Blur(kernel.flip(0, 1), "periodic")(resize(y, scale, kernel="bilinear")[None])[0]
""",
        "kernel divided by its sum": _adjoint(end=" / k.sum()"),
        "kernel transposed": _adjoint(change="k = k.T"),
        "kernel not centred": _adjoint(down="-p", right="-q"),
        "flipped in one direction": _adjoint(right="q - b // 2"),
        "one channel for all": _adjoint(change="y = y[:1].repeat(len(y), 0)"),
        "the middle pixel of each block": _adjoint(change="first = scale // 2"),
        "rows and columns of first and zero": _adjoint(fill="x[:, first::scale, ::scale] = y"),
        "scale two only": _adjoint(change="scale = 2; first = min(first, 1)"),
        "mirrored border": """
import torch
from srlib.degradations import Blur
def adjoint(y, kernel, scale, first):
    x = torch.zeros(len(y), scale * y.shape[1], scale * y.shape[2], dtype=torch.float64)
    x[:, first::scale, first::scale] = y
    return Blur(kernel.flip(0, 1))(x[None])[0]
""",
    },
    "frequency_loss": {
        "no weight": _frequency(weight="1"),
        "frequencies above one half": _frequency(u="np.arange(H)[:, None] / H", v="np.arange(W) / W"),
        "squared": _frequency(distance="abs(abs(x) - abs(y)) ** 2"),
        "the weight is not doubled": _frequency(weight="np.sqrt(u**2 + v**2) ** power"),
        "the sum of both frequencies": _frequency(weight="(2 * (abs(u) + abs(v))) ** power"),
        "power one for all": _frequency(weight="2 * np.sqrt(u**2 + v**2)"),
        "the sum": _frequency(mean="values.sum()"),
        "power spectra": _frequency(distance="abs(abs(x) ** 2 - abs(y) ** 2)"),
        "real parts": _frequency(distance="abs(abs(x.real) - abs(y.real))"),
        "the first channel": _frequency(mean="values[:, 0].mean()"),
        "square pictures": _frequency(u="np.fft.fftfreq(W)[:, None]"),
        "shifted weights": _frequency(
            u="np.fft.fftshift(np.fft.fftfreq(H))[:, None]", v="np.fft.fftshift(np.fft.fftfreq(W))"
        ),
    },
    "luck": {
        "pictures for the unit": _luck("(treated - control).reshape(3, -1)"),
        "one number for each picture": _luck("(treated - control).mean(1)"),
        "control minus treated": _luck("(control - treated).mean(2)"),
        "normal quantile": _luck(half="1.96 * d.std(1, ddof=1) / n**0.5"),
        "n in the denominator": _luck(half="stats.t.ppf(0.975, n - 1) * d.std(1) / n**0.5"),
        "n degrees of freedom": _luck(half="stats.t.ppf(0.975, n) * d.std(1, ddof=1) / n**0.5"),
        "one side": _luck(half="stats.t.ppf(0.95, n - 1) * d.std(1, ddof=1) / n**0.5"),
        "the spread of seeds": _luck(half="stats.t.ppf(0.975, n - 1) * d.std(1, ddof=1)"),
        "the pairs are lost": _luck(
            half="stats.t.ppf(0.975, n - 1)"
            " * np.sqrt((treated.mean(2).var(1, ddof=1) + control.mean(1).var(ddof=1)) / n)"
        ),
        "the mean against the band": _luck(
            verdicts='["none" if abs(m) < band else "higher" if m > 0 else "lower" for m in means]'
        ),
        "zero alone decides": _luck(
            verdicts='["none" if abs(m) < h else "higher" if m > 0 else "lower" for m, h in zip(means, half_widths)]'
        ),
        "one text": _luck(verdicts='"none"'),
        "always open": _luck(verdicts='["open"] * 3'),
        "typed": 'means, half_widths, verdicts = [0.01, 0.02, -0.03], [0.01, 0.02, 0.03], ["none", "open", "lower"]',
    },
}

MISTAKES: dict[str, dict[str, str]] = {
    "dual_loss": {
        "the weight was put on both sums. It belongs to the loop alone.": _dual(
            total="weight * (sum(first) + sum(loop))"
        ),
        "the weight is missing: it multiplies the sum of the loop.": _dual(total="sum(first) + sum(loop)"),
        "means over the levels: every level has a weight of its own, so add them up.": _dual(
            total="sum(first) / len(first) + weight * sum(loop) / len(loop)"
        ),
        "errors were squared: both sums are of absolute errors.": _dual(distance="((a - b) ** 2).mean()"),
        "the dual networks got the targets, and they are to shrink the answers.": _dual(seen="targets"),
    },
    "adjoint": {
        "the kernel was used the way it blurs. The transpose uses it turned by 180°.": _adjoint(
            down="p - a // 2", right="q - b // 2"
        ),
        "pixels repeated: the transpose of D puts zeros on the others.": _adjoint(
            fill="x = y.repeat(scale, 1).repeat(scale, 2)"
        ),
        "multiplied by scale²: an inverse keeps the brightness, a transpose does not.": _adjoint(end=" * scale**2"),
        "the values belong on pixel `first` of each block, the one that was kept.": _adjoint(change="first = 0"),
        "zeros around the picture: this blur wraps around at the border.": _adjoint(
            after="x = np.pad(x, ((0, 0), (a, a), (b, b)))", end="[:, a:-a, b:-b]"
        ),
    },
    "frequency_loss": {
        "no absolute value around the difference: errors cancel out.": _frequency(distance="(abs(x) - abs(y))"),
        "the norm: a plain sum grows with the picture. Divide by the root of H · W, norm='ortho'.": _frequency(
            norm="None"
        ),
        "the norm: divided by H · W, where the root of it belongs.": _frequency(norm='"forward"'),
        "|X̂ − X| also sees phases. Take the moduli first, then their difference.": _frequency(distance="abs(x - y)"),
        "the mean of half a spectrum: most of its columns stand for two.": _frequency(
            mean="values[..., : W // 2 + 1].mean()"
        ),
    },
}
