"""The chapter on ESRGAN: right answers pass in any style, and each wrong one is told what it did."""

import math

import numpy as np
import scipy.ndimage
import torch
from torch import nn

from srlib.exercises.esrgan import EXERCISES, price
from srlib.models.esrgan import DenseBlock
from tests.exercises.contract import Contract


def by_library(x, layers):
    """The library's block with these weights."""
    block = DenseBlock(width=x.shape[1], growth=layers[0][0].shape[0]).double()
    if len(layers) != len(block.convs):
        block.convs = nn.ModuleList(nn.Conv2d(w.shape[1], w.shape[0], 3, padding=1).double() for w, _ in layers)
    with torch.no_grad():
        for conv, (weight, bias) in zip(block.convs, layers, strict=True):
            conv.weight.copy_(weight)
            conv.bias.copy_(bias)
        return block(x)


def by_scipy(scale=0.2, slope=0.2, newest_first=False, activate_last=False, join=None):
    """Plane by plane, with correlations."""

    def conv(planes, weight, bias):
        return np.stack(
            [
                b + sum(scipy.ndimage.correlate(p, k, mode="constant") for p, k in zip(planes, kernels, strict=True))
                for kernels, b in zip(weight, bias, strict=True)
            ]
        )

    def answer(x, layers):
        result = []
        for picture in x.numpy():
            groups = [picture]
            for number, (weight, bias) in enumerate(layers, 1):
                y = conv(np.concatenate(groups[::-1] if newest_first else groups), weight.numpy(), bias.numpy())
                if number < len(layers) or activate_last:
                    y = np.where(y > 0, y, slope * y)
                groups.append(y)
            result.append((join or (lambda a, b: a + scale * b))(picture, groups[-1]))
        return np.stack(result)

    return answer


def log_sigmoid(x):
    return -np.log1p(np.exp(-x))


def by_numpy(real_against, fake_against, factor=0.5, squash=False):
    """−log σ(real − …) − log(1 − σ(fake − …)), with what each is compared with."""

    def answer(real, fake):
        r, f = (1 / (1 + np.exp(-x.numpy())) if squash else x.numpy() for x in (real, fake))
        first = log_sigmoid(r - real_against(r, f)).mean()
        return -factor * (first + log_sigmoid(fake_against(r, f) - f).mean())

    return answer


def mean_of_reals(r, f):
    return r.mean()


def mean_of_fakes(r, f):
    return f.mean()


def lists(floats, integers=lambda p, q, alpha: p if alpha <= 0.5 else q):
    def answer(a, b, alpha):
        mixed = []
        for p, q in zip(a, b, strict=True):
            mixed.append(floats(p, q, alpha) if p.dtype.is_floating_point else integers(p, q, alpha))
        return tuple(mixed)

    return answer


def blend(p, q, alpha):
    return torch.lerp(p.double(), q.double(), alpha)


def table(alphas, psnr, distance):
    return sorted(zip(alphas, psnr, distance, strict=True))


def walk(alphas, psnr, distance, most):
    best, start = None, dict(zip(alphas, psnr, strict=True))[0]
    for alpha, p, d in table(alphas, psnr, distance):
        if p >= start - most and (best is None or d < best[0]):
            best = d, alpha
    return best[1]


def masked(alphas, psnr, distance, most):
    alphas, psnr, distance = map(np.array, (alphas, psnr, distance))
    distance = np.where(psnr >= psnr[alphas == 0] - most, distance, np.inf)
    return alphas[distance.argmin()]


def allowed(alphas, psnr, distance, most, start=None):
    rows = table(alphas, psnr, distance)
    start = rows[0][1] if start is None else start
    return [row for row in rows if row[1] >= start - most]


def by_sum_of_precisions(y, sigma, z):
    """A prior of precision 1 and a measurement of precision 1/σ²."""
    precision = 1 + 1 / sigma**2
    return y / sigma**2 / precision + z / precision**0.5


def by_numbers(k):
    """From the two mean squared errors, in decibels."""
    if k == 1:
        return 0.0
    stretched, mean = 2 - 2 * k**0.5, 1 - k
    return 10 * (math.log10(stretched) - math.log10(mean))


RIGHT = {
    "dense": [by_library, by_scipy()],
    "relativistic": [by_numpy(mean_of_fakes, mean_of_reals)],
    "interpolate": [lists(blend), lists(lambda p, q, alpha: p + alpha * (q - p))],
    "choose": [walk, masked],
    "sample": [by_sum_of_precisions],
    "price": [by_numbers],
}

WRONG = {
    "dense": [
        ("0.2 is missing", by_scipy(scale=1)),
        ("scaled as well", by_scipy(join=lambda a, b: 0.2 * (a + b))),
        ("not added", by_scipy(join=lambda a, b: 0.2 * b)),
        ("has an activation too", by_scipy(activate_last=True)),
        ("this is ReLU", by_scipy(slope=0)),
        ("default 0.01", by_scipy(slope=0.01)),
        ("newest", by_scipy(newest_first=True)),
    ],
    "relativistic": [
        ("this is the standard", by_numpy(lambda r, f: 0, lambda r, f: 0, 1)),
        ("half of the standard", by_numpy(lambda r, f: 0, lambda r, f: 0)),
        ("½ is missing", by_numpy(mean_of_fakes, mean_of_reals, 1)),
        ("roles", lambda real, fake: by_numpy(mean_of_fakes, mean_of_reals)(fake, real)),
        ("its own kind", by_numpy(mean_of_reals, mean_of_fakes)),
        ("with a single fake", by_numpy(lambda r, f: f, lambda r, f: r)),
        ("sigmoid", by_numpy(mean_of_fakes, mean_of_reals, squash=True)),
    ],
    "interpolate": [
        ("other way round", lambda a, b, alpha: lists(blend)(b, a, alpha)),
        ("not integers any more", lists(blend, blend)),
        ("rounded", lists(blend, lambda p, q, alpha: blend(p, q, alpha).round())),
        ("always come from the first", lists(blend, lambda p, q, alpha: p)),
        ("sum to one", lists(lambda p, q, alpha: torch.add(p, q, alpha=alpha))),
    ],
    "choose": [
        ("bound on the PSNR is missing", lambda a, p, d, most: walk(a, p, d, 99)),
        ("largest α", lambda a, p, d, most: allowed(a, p, d, most)[-1][0]),
        (
            "best PSNR. Here",
            lambda a, p, d, most: min(allowed(a, p, d, most, max(p)), key=lambda row: row[2])[0],
        ),
        ("largest distance", lambda a, p, d, most: max(allowed(a, p, d, most), key=lambda row: row[2])[0]),
        ("It was only a bound", lambda a, p, d, most: max(table(a, p, d), key=lambda row: row[1])[0]),
    ],
    "sample": [
        ("nothing was drawn", lambda y, sigma, z: by_sum_of_precisions(y, sigma, 0 * z)),
        ("no estimate of the mean", lambda y, sigma, z: y + z * (sigma**2 / (1 + sigma**2)) ** 0.5),
        ("y's noise", lambda y, sigma, z: by_sum_of_precisions(y, sigma, 0 * z) + sigma * z),
        ("its root", lambda y, sigma, z: (y + sigma**2 * z) / (1 + sigma**2)),
        ("what the mean explains", lambda y, sigma, z: y / (1 + sigma**2) + z * (1 + sigma**2) ** -0.5),
        ("stretched", lambda y, sigma, z: y * (1 + sigma**2) ** -0.5),
    ],
    "price": [
        ("not decibels", lambda k: 10 ** (by_numbers(k) / 10)),
        ("factor 2 for every", lambda k: by_numbers(0)),
        ("amplitudes", lambda k: 2 * by_numbers(k)),
        ("upside down", lambda k: -by_numbers(k)),
        ("root is missing", lambda k: by_numbers(k**2)),
    ],
}


class TestEsrgan(Contract):
    chapter, exercises, right, wrong = "esrgan", EXERCISES, RIGHT, WRONG

    def test_a_price_is_paid_by_experiment(self):
        """σ = 1, k = ½: both estimates on many draws."""
        rng = np.random.default_rng(0)
        x = rng.standard_normal(400_000)
        y = x + rng.standard_normal(len(x))
        mean, stretched = (((g * y - x) ** 2).mean() for g in (0.5, math.sqrt(0.5)))
        assert abs(10 * math.log10(stretched / mean) - price(0.5)) < 0.02
