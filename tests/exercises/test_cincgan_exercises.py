"""The chapter on learning without pairs: right answers pass in any style, and each wrong one is told what it did."""

import math

import numpy as np
import torch

from srlib.exercises.cincgan import EXERCISES, line, share, twins
from srlib.losses.adversarial import LEAST_SQUARES
from tests.exercises.contract import Contract


def by_library(real, fake):
    return LEAST_SQUARES.d(real, fake), LEAST_SQUARES.g(real, fake)


def entry_by_entry(half=2, target=1.0, power=2, flat=False, other=None, swap=False):
    def answer(real, fake):
        rows = [each.numpy().astype(float) for each in (real, fake)]
        rows = [each.reshape(len(each), -1) for each in rows]
        rows = [each.mean(1, keepdims=True) if flat else each for each in rows]

        def off(values, wanted):
            return sum(abs(value - wanted) ** power for row in values for value in row) / values.size / half

        losses = off(rows[0], target) + off(rows[1], 1 - target), off(rows[1], target if other is None else other)
        return losses[::-1] if swap else losses

    return answer


def by_norm(real, fake):
    ones, zeros = torch.ones_like(real), torch.zeros_like(fake)
    mse = torch.nn.functional.mse_loss
    return (mse(real, ones) + mse(fake, zeros)) / 2, mse(fake, torch.ones_like(fake)) / 2


def by_lists(ddof=0, turn=False, power=1, shift=None, first=1):
    def answer(x, y):
        def described(numbers):
            mean = math.fsum(numbers) / len(numbers)
            return mean, math.sqrt(math.fsum((n - mean) ** 2 for n in numbers) / (len(numbers) - ddof))

        (mx, sx), (my, sy) = described(x.tolist()), described(y.tolist())
        slope = (sx / sy if turn else sy / sx) ** power
        lines = []
        for sign in (first, -first):
            lines += [sign * slope, my - (shift or sign) * slope * mx]
        return tuple(lines)

    return answer


def by_numpy(x, y):
    a = np.std(y.numpy()) / np.std(x.numpy())
    return a, y.numpy().mean() - a * x.numpy().mean(), -a, y.numpy().mean() + a * x.numpy().mean()


def by_quantiles(x, y):
    """Solve for the slope from the second moments."""
    root = math.sqrt((y.double().square().mean() - y.double().mean() ** 2) / (x.double().var(correction=0)))
    return tuple(v for s in (root, -root) for v in (s, float(y.double().mean() - s * x.double().mean())))


def by_sums(direct, method, oracle):
    return sum(m - d for m, d in zip(method, direct, strict=True)) / sum(
        o - d for o, d in zip(oracle, direct, strict=True)
    )


def by_arrays(direct, method, oracle):
    direct, method, oracle = map(np.array, (direct, method, oracle))
    return (method - direct).mean() / (oracle - direct).mean()


def by_descent(start=1.0, weights=(1.0, 1.0), kept_of="y", correction=0):
    def answer(x, y, weight):
        x, y = x.double(), y.double()
        slope = torch.tensor([start, 0.0], dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.LBFGS([slope], max_iter=500, tolerance_grad=1e-10, tolerance_change=1e-14)
        kept = y if kept_of == "y" else x

        def loss():
            optimizer.zero_grad()
            made = slope[0] * x + slope[1]
            value = (made.mean() - y.mean()) ** 2
            value = value + weights[1] * (made.std(correction=correction) - y.std(correction=correction)) ** 2
            value = value + weights[0] * weight * (slope[0] * kept + slope[1] - kept).square().mean()
            value.backward()
            return value

        for _ in range(5):
            optimizer.step(loss)
        return tuple(slope.tolist())

    return answer


def by_adam(x, y, weight):
    a, b = torch.ones((), requires_grad=True), torch.zeros((), requires_grad=True)
    optimizer = torch.optim.Adam([a, b], lr=0.05)
    for k in range(800):
        optimizer.param_groups[0]["lr"] = 0.05 * (1 - k / 800)
        made = a * x + b
        loss = (made.mean() - y.mean()).square() + (made.std(unbiased=False) - y.std(unbiased=False)).square()
        loss = loss + weight * torch.mean((a * y + b - y) ** 2)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return a, b


def by_grid(x, y, weight):
    """Ever finer squares of slopes and shifts."""
    x, y = x.numpy().astype(float), y.numpy().astype(float)
    a, b, reach = 1.5, 0.0, 1.4
    for _ in range(40):
        slopes, shifts = np.meshgrid(a + reach * np.linspace(-1, 1, 21), b + reach * np.linspace(-1, 1, 21))
        loss = (slopes * x.mean() + shifts - y.mean()) ** 2 + (np.abs(slopes) * x.std() - y.std()) ** 2
        loss = loss + weight * (((slopes[..., None] - 1) * y + shifts[..., None]) ** 2).mean(-1)
        at = loss.argmin()
        a, b, reach = slopes.flat[at], shifts.flat[at], 0.7 * reach
    return a, b


RIGHT = {
    "lsgan": [by_library, entry_by_entry(), by_norm],
    "twins": [by_lists(), by_numpy, by_quantiles],
    "share": [by_sums, by_arrays],
    "line": [by_descent(), by_adam, by_grid],
}

WRONG = {
    "lsgan": [
        ("½ is missing", entry_by_entry(half=1)),
        ("targets are exchanged", entry_by_entry(target=0.0)),
        ("not the square of a map's mean", entry_by_entry(flat=True)),
        ("absolute errors", entry_by_entry(power=1)),
        ("the generator's target is 1", entry_by_entry(other=0.0)),
        ("in the wrong order", entry_by_entry(swap=True)),
    ],
    "twins": [
        ("upside down", by_lists(turn=True)),
        ("ratio of variances", by_lists(power=2)),
        ("a shift of its own", by_lists(shift=1)),
        ("rising line comes first", by_lists(first=-1)),
        ("n − 1 in the denominator", by_lists(ddof=1)),
    ],
    "share": [
        ("mean of the ratios", lambda d, m, o: np.mean((np.array(m) - d) / (np.array(o) - d))),
        ("this divides scores", lambda d, m, o: sum(m) / sum(o)),
        ("what the method leaves", lambda d, m, o: (sum(o) - sum(m)) / (sum(o) - sum(d))),
        ("in percent", lambda d, m, o: 100 * by_sums(d, m, o)),
    ],
    "line": [
        ("identity term is missing", by_descent(weights=(0.0, 1.0))),
        ("half of its weight", by_descent(weights=(0.5, 1.0))),
        ("of y, not of x", by_descent(kept_of="x")),
        ("standard deviations are not compared", by_descent(weights=(1.0, 0.0))),
        ("these deviations have n − 1", by_descent(correction=1)),
    ],
}


class TestCinCGAN(Contract):
    chapter, exercises, right, wrong = "cincgan", EXERCISES, RIGHT, WRONG

    def test_both_lines_give_the_wanted_mean_and_deviation(self):
        for x, y in EXERCISES["twins"].probes:
            a, b, c, d = twins(x, y)
            for slope, shift in ((a, b), (c, d)):
                made = slope * x.double() + shift
                assert math.isclose(made.mean(), y.double().mean(), rel_tol=1e-6)
                assert math.isclose(made.std(correction=0), y.double().std(correction=0), rel_tol=1e-6)

    def test_an_oracle_has_all_of_its_own_gain(self):
        assert share([1.0, 2.0], [3.0, 5.0], [3.0, 5.0]) == 1 and share([1.0, 2.0], [1.0, 2.0], [3.0, 5.0]) == 0

    def test_the_minimum_has_no_slope(self):
        for x, y, weight in EXERCISES["line"].probes:
            a, b = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in line(x, y, weight))
            made = a * x.double() + b
            loss = (made.mean() - y.double().mean()) ** 2 + (made.std(correction=0) - y.double().std(correction=0)) ** 2
            (loss + weight * ((a - 1) * y.double() + b).square().mean()).backward()
            assert abs(a.grad) < 1e-7 and abs(b.grad) < 1e-7

    def test_other_mistakes_fail_with_the_difference(self):
        for task, answer in (
            ("lsgan", lambda real, fake: entry_by_entry()(fake, real)),
            ("lsgan", lambda real, fake: tuple(4 * each for each in by_library(real, fake))),
            ("twins", lambda x, y: (*by_numpy(x, y)[:3], 0.0)),
            ("twins", lambda x, y: by_numpy(y, x)),
            ("share", lambda d, m, o: by_sums(d, o, m)),
            ("line", by_descent(start=-1.0)),
            ("line", lambda x, y, weight: by_adam(x, y, weight + 0.05)),
        ):
            result = self.check(task, answer)
            assert not result and "the values differ" in result.hint
