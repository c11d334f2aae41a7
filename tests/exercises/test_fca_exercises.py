"""The chapter on an unknown blur: right answers pass in any style, and each wrong one is told what it did."""

import math

import numpy as np
import torch
import torch.nn.functional as F

from srlib.exercises.fca import EXERCISES, fit, targets, trained, widths
from tests.exercises.contract import Contract


def by_numpy(uu, uv, vv, scale):
    values, axes = np.linalg.eigh(np.array([[uu, uv], [uv, vv]]) * (1 - scale**-2))
    angle = np.degrees(np.arctan2(axes[1, 1], axes[0, 1]))
    return math.sqrt(values[1]), math.sqrt(values[0]), angle + 180 if angle < 0 else angle


def by_quadratic(left=lambda s: 1 - 1 / s**2, power=0.5, of=lambda share: share**0.5, angle=lambda a: a % 180):
    """Eigenvalues from trace and determinant; the angle from the larger one's equation."""

    def answer(uu, uv, vv, scale):
        trace, determinant = uu + vv, uu * vv - uv * uv
        root = math.sqrt(trace**2 / 4 - determinant)
        large, little = trace / 2 + root, trace / 2 - root
        share = of(left(scale))
        return [large**power * share, little**power * share, angle(math.degrees(math.atan2(large - uu, uv)))]

    return lambda *arguments: tuple(answer(*arguments))


def by_search(uu, uv, vv, scale):
    """Variance along every direction, finely; the longest and the one across."""
    turns = np.radians(np.arange(0, 180, 1e-4))
    along = uu * np.cos(turns) ** 2 + 2 * uv * np.sin(turns) * np.cos(turns) + vv * np.sin(turns) ** 2
    best = along.argmax()
    share = math.sqrt((scale**2 - 1) / scale**2)
    return torch.tensor(along.max() ** 0.5 * share), torch.tensor(along.min() ** 0.5 * share), math.degrees(turns[best])


def normal(columns=lambda r, u: (r * r, 2 * r * u, u * u), factor=-4 * np.pi**2, centred=True, then=lambda x: x):
    """Normal equations; the constant by subtracting means."""

    def answer(right, up, log_ratio):
        terms = factor * np.stack(columns(right.numpy(), up.numpy()), 1)
        values = log_ratio.numpy()
        if centred:
            terms, values = terms - terms.mean(0), values - values.mean()
        return tuple(then(np.linalg.solve(terms.T @ terms, terms.T @ values)))

    return answer


def by_descent(right, up, log_ratio):
    """A thousand Newton-like steps by an optimizer."""
    weights = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=200, tolerance_grad=1e-12, tolerance_change=1e-14)

    def loss():
        optimizer.zero_grad()
        form = weights[0] * right**2 + weights[1] * right * up + weights[2] * up**2
        error = (weights[3] - 40 * form - log_ratio).square().mean()
        error.backward()
        return error

    for _ in range(5):
        optimizer.step(loss)
    found = weights.detach() * 40 / (4 * math.pi**2)
    return found[0].item(), found[1].item() / 2, found[2].item()


def listed(signs=(1, 0, -1), power=1, late=False, beside=1):
    """Patch by patch, in plain numbers."""

    def answer(*codes):
        total = 0.0
        for kind, sign in ((2, signs[0]), (1 - beside, signs[1]), (3, signs[2])):
            errors = []
            for mine, plain in zip(codes[kind].double(), codes[beside].double(), strict=True):
                parts = (mine - plain - sign).flatten().tolist()
                parts = parts if late else [sum(parts) / len(parts)]
                errors.append(sum(abs(part) ** power for part in parts) / len(parts))
            total += sum(errors) / len(errors)
        return total

    return answer


def by_l1(other, plain, shrunk, enlarged):
    means = [code.flatten(1).mean(1) for code in (other, plain, shrunk, enlarged)]
    ones = torch.ones_like(means[1])
    return F.l1_loss(means[2], means[1] + ones) + F.l1_loss(means[0], means[1]) + F.l1_loss(means[3], means[1] - ones)


def by_norm(other, plain, shrunk, enlarged):
    o, p, s, e = (np.asarray(code).mean(axis=(1, 2, 3)) for code in (other, plain, shrunk, enlarged))
    return (np.abs(s - p - 1) + np.abs(o - p) + np.abs(e - p + 1)).sum() / len(p)


def of_the_mean(*codes):
    o, p, s, e = (code.mean() for code in codes)
    return abs(s - p - 1) + abs(o - p) + abs(e - p + 1)


def softened(small, sigma):
    offsets = torch.arange(-12, 13)
    taps = torch.exp(-(offsets**2) / (2 * sigma**2))
    taps = (taps / taps.sum())[None, None, None]
    return F.conv2d(F.conv2d(F.pad(small, (12, 12, 12, 12), mode="replicate"), taps), taps.mT)


def by_gradient(judge, small, source):
    log_sigma = torch.zeros((), requires_grad=True)
    optimizer = torch.optim.Adam([log_sigma], lr=0.1)
    for k in range(100):
        optimizer.param_groups[0]["lr"] = 0.1 * (1 - k / 100)
        loss = judge(softened(small, log_sigma.exp()), source) ** 2
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return log_sigma.exp()


def by_grid(judge, small, source):
    sigmas = np.arange(0.4, 3.0, 0.02)
    return sigmas[np.argmin([abs(judge(softened(small, s), source).item()) for s in sigmas])]


def by_secant(judge, small, source):
    a, b = 0.5, 2.5
    for _ in range(30):
        left, right = judge(softened(small, a), source).item(), judge(softened(small, b), source).item()
        middle = (a + b) / 2
        if judge(softened(small, middle), source).item() * left > 0:
            a = middle
        else:
            b = middle
        assert left >= right
    return torch.tensor([a]).squeeze()


RIGHT = {
    "widths": [by_numpy, by_quadratic(), by_search],
    "fit": [normal(), by_descent, normal(lambda r, u: (r**2, 2 * u * r, u**2))],
    "targets": [listed(), by_l1, by_norm],
    "blur": [by_gradient, by_grid, by_secant],
}

WRONG = {
    "widths": [
        ("is missing: these are the widths of the camera", by_quadratic(left=lambda s: 1)),
        ("1 − 1/scale: σ shrinks", by_quadratic(left=lambda s: (s - 1) / s)),
        ("these are variances", by_quadratic(power=1, of=lambda share: share)),
        ("Here σ itself", by_quadratic(of=lambda share: share)),
        ("of the shorter axis", by_quadratic(angle=lambda a: (a - 90) % 180)),
        ("counted clockwise", by_quadratic(angle=lambda a: (180 - a) % 180)),
        ("add 180", by_quadratic(angle=lambda a: a if a <= 90 else a - 180)),
    ],
    "fit": [
        ("column of ones", normal(centred=False)),
        ("uv is twice too large", normal(lambda r, u: (r * r, r * u, u * u))),
        ("twice too large: a density", normal(factor=-2 * np.pi**2)),
        ("the signs are turned", normal(factor=4 * np.pi**2)),
        ("uv has the wrong sign", normal(lambda r, u: (r * r, -2 * r * u, u * u))),
        ("camera's covariance", normal(then=lambda x: x / 0.75)),
    ],
    "targets": [
        ("all three targets", listed((1, 1, 1))),
        ("each other's targets", listed((-1, 0, 1))),
        ("are squared", listed(power=2)),
        ("not after it", listed(late=True)),
        ("the other crop", listed(beside=0)),
        ("errors of the batch's mean", of_the_mean),
    ],
    "blur": [
        ("this is the variance", lambda judge, small, source: by_grid(judge, small, source) ** 2),
        ("this is the camera's σ", lambda judge, small, source: by_grid(judge, small, source) * 2 / math.sqrt(3)),
    ],
}


class TestFCA(Contract):
    chapter, exercises, right, wrong = "fca", EXERCISES, RIGHT, WRONG

    def test_widths_of_a_camera_that_blurs_along_thirty_degrees(self):
        turn = math.radians(30)
        along, across = (math.cos(turn), math.sin(turn)), (-math.sin(turn), math.cos(turn))
        uu, uv, vv = (2.4**2 * a[0] * a[1] + b[0] * b[1] for a, b in self.products(along, across))
        found = widths(uu, uv, vv, 2)
        np.testing.assert_allclose(found, (2.4 * 0.75**0.5, 0.75**0.5, 30), rtol=1e-9)

    @staticmethod
    def products(along, across):
        pairs = ((0, 0), (0, 1), (1, 1))
        return [((along[i], along[j]), (across[i], across[j])) for i, j in pairs]

    def test_the_fit_is_exact_without_noise(self):
        right, up = torch.rand(2, 40, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        form = 1.5 * right**2 + 2 * 0.3 * right * up + 0.7 * up**2
        np.testing.assert_allclose(fit(right, up, 2 - 4 * math.pi**2 * form), (1.5, 0.3, 0.7), rtol=1e-9)

    def test_an_encoder_that_meets_its_targets_has_no_loss(self):
        plain = torch.randn(3, 1, 2, 2, generator=torch.Generator().manual_seed(0))
        assert targets(plain.flip(-1), plain, plain + 1, plain - 1).item() < 1e-6

    def test_the_judges_cross_zero_once(self):
        for judge, small, source in EXERCISES["blur"].probes:
            answers = [judge(softened(small, sigma), source).item() for sigma in np.arange(0.3, 3.2, 0.2)]
            assert answers == sorted(answers, reverse=True) and answers[0] > 0 > answers[-1]
            assert 0.5 < trained(judge, small, source) < 2.5

    def test_other_mistakes_fail_with_the_difference(self):
        for task, answer in (
            ("widths", lambda uu, uv, vv, scale: by_numpy(vv, uv, uu, scale)),
            ("widths", lambda uu, uv, vv, scale: by_numpy(uu, 0, vv, scale)),
            ("fit", lambda right, up, ratio: normal()(right, up, -ratio)[::-1]),
            ("fit", lambda right, up, ratio: tuple(math.sqrt(abs(x)) for x in normal()(right, up, ratio))),
            ("targets", lambda *codes: listed()(*codes) / 3),
            ("targets", lambda other, plain, shrunk, enlarged: listed()(other, plain, shrunk, shrunk)),
            ("blur", lambda judge, small, source: 1.3),
            ("blur", lambda judge, small, source: by_grid(judge, small, source) + 0.1),
        ):
            result = self.check(task, answer)
            assert not result and "the values differ" in result.hint
