"""The chapter on closed loops: right answers pass in any style, and each wrong one is told what it did."""

import math
import statistics

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from srlib.consistency import invisible, shrink
from srlib.evaluation.statistics import paired_effect
from srlib.exercises import check
from srlib.exercises.drn import EXERCISES, doubled
from srlib.models.lapsrn import Doubling, LapSRN
from srlib.resample import cubic, resize, taps
from tests.exercises.contract import Contract


def by_basis(x, A):
    """The null space as the last right singular vectors, by NumPy."""
    _, sizes, basis = np.linalg.svd(A.numpy())
    rank = int((sizes > 1e-10 * sizes[0]).sum())
    free = basis[rank:]
    return free.T @ (free @ x.numpy())


def by_least_squares(x, A):
    seen, *_ = np.linalg.lstsq(A.numpy().T, x.numpy(), rcond=None)
    return x.numpy() - A.numpy().T @ seen


def by_orthonormal_rows(x, A):
    """Gram and Schmidt in a loop over the rows."""
    basis = []
    for row in A:
        for other in basis:
            row = row - (row @ other) * other
        if row.norm() > 1e-8:
            basis.append(row / row.norm())
    for row in basis:
        x = x - (x @ row) * row
    return x


def seen_by(factor):
    def answer(x, A):
        _, _, basis = np.linalg.svd(A.numpy(), full_matrices=False)
        sizes = np.linalg.svd(A.numpy(), compute_uv=False)
        basis = basis[sizes > 1e-10]
        return factor[0] * x.numpy() + factor[1] * (basis.T @ (basis @ x.numpy()))

    return answer


def outer_products(x, A):
    total = sum(torch.outer(row, row) / row.norm() ** 2 for row in A)
    return x - total @ x


def matrix_of_each_row(x, A):
    for row in A:
        x = (torch.eye(len(x)).double() - torch.outer(row, row) / row.dot(row)) @ x
    return x


def at_places(ratio, shift, edge=True):
    """Linear interpolation by NumPy at (i + shift) · ratio(n) − ½."""

    def answer(row):
        values, n = row.numpy(), len(row)
        places = (np.arange(2 * n) + shift) * ratio(n) - 0.5
        if edge:
            return np.interp(places, np.arange(n), values)
        return np.interp(places, np.arange(-1, n + 1), np.concatenate([[0], values, [0]]))

    return answer


def by_list(row):
    values = row.tolist()
    found = []
    for i, value in enumerate(values):
        before, after = values[max(i - 1, 0)], values[min(i + 1, len(values) - 1)]
        found += [(3 * value + before) / 4, (3 * value + after) / 4]
    return torch.tensor(found)


def by_layer(row):
    with torch.no_grad():
        return Doubling(channels=1, kernel=4)(row.view(1, 1, 1, -1))[0, 0, 0]


def corners(row):
    return np.interp(np.linspace(0, len(row) - 1, 2 * len(row)), np.arange(len(row)), row.numpy())


def mixed(pairs="paired", over="paired", loop="all", on="loop", power=1):
    """The loss by loops over samples, with one thing changed."""

    def answer(answers, lr, hr, paired, shrinks, weight):
        first, second = [], []
        for k in range(len(answers)):
            if pairs == "all" or paired[k]:
                first.append(float(((answers[k] - hr[k]).abs() ** power).mean()))
            if loop == "all" or not paired[k]:
                second.append(float(((shrinks(answers[k : k + 1]) - lr[k : k + 1]).abs() ** power).mean()))
        number = len(answers) if over == "all" else len(first)
        primal = sum(first) / number if number else (0.0 if over == "paired" else math.nan)
        again = statistics.fmean(second)
        return {"loop": primal + weight * again, "both": weight * (primal + again), "none": primal + again}[on]

    return answer


def masked(answers, lr, hr, paired, shrinks, weight):
    chosen = paired.to(answers.dtype).view(-1, 1, 1, 1).expand_as(answers)
    primal = ((answers - hr).abs() * chosen).sum() / chosen.sum().clamp_min(1)
    return primal + weight * F.l1_loss(shrinks(answers), lr)


def by_numpy(answers, lr, hr, paired, shrinks, weight):
    keep = paired.numpy()
    first = np.abs(answers.numpy()[keep] - hr.numpy()[keep])
    return (first.mean() if keep.sum() else 0) + weight * np.abs(shrinks(answers).numpy() - lr.numpy()).mean()


def counting(far, start=0, always=False):
    """Back-projection in a loop that can be left in its middle."""

    def answer(sr, lr, shrinks, enlarges, limit):
        for k in range(1000):
            error = lr - shrinks(sr)
            if far(error.numpy()) <= limit and not (always and k == 0):
                return k + start
            sr = sr + enlarges(error)

    return answer


def recursive(sr, lr, shrinks, enlarges, limit):
    error = lr - shrinks(sr)
    if float(error.abs().sum()) / error.numel() <= limit:
        return 0
    return 1 + recursive(sr + enlarges(error), lr, shrinks, enlarges, limit)


def before_the_step(sr, lr, shrinks, enlarges, limit):
    """All answers in a list."""
    answers = [sr]
    while float((shrinks(answers[-1]) - lr).abs().mean()) > limit:
        answers.append(answers[-1] - enlarges(shrinks(answers[-1]) - lr))
    return len(answers) - 1


def interval(axis=1, root=2, correction=1, sign=1):
    def answer(treated, control, quantile):
        gains = sign * (treated.double().numpy() - control.double().numpy())
        gains = gains.ravel() if axis is None else gains.mean(axis)
        spread = np.std(gains, ddof=correction)
        return gains.mean(), quantile * spread / (len(gains) ** (1 / root) if root else 1)

    return answer


def by_library(treated, control, quantile):
    found = paired_effect(
        dict(enumerate(treated.double().mean(1).tolist())), dict(enumerate(control.double().mean(1).tolist()))
    )
    return found.mean, found.half_width


def by_lists(treated, control, quantile):
    gains = [statistics.fmean(a) - statistics.fmean(b) for a, b in zip(treated.tolist(), control.tolist(), strict=True)]
    return statistics.fmean(gains), quantile * statistics.stdev(gains) / math.sqrt(len(gains))


def by_variances(treated, control, quantile):
    a, b = treated.double().mean(1).numpy(), control.double().mean(1).numpy()
    return a.mean() - b.mean(), quantile * np.sqrt(np.var(a, ddof=1) / len(a) + np.var(b, ddof=1) / len(b))


class Judged:
    """What a reader hands in, around something that enlarges."""

    def __init__(self, enlarge):
        self.enlarge = enlarge

    def __call__(self, judge):
        return judge(self.enlarge)


def sharpened(lr):
    """No network at all: bicubic interpolation and a step of back-projection."""
    large = resize(lr, 4)
    return large + resize(lr - shrink(large, 4), 4)


def untrained(lr):
    torch.manual_seed(5)
    return LapSRN(scale=4, channels=3, width=8, depth=1)(lr)


def moved(lr):
    """Bicubic interpolation whose grid lies half an lr pixel off, as two doublings that are not centred leave it."""
    matrices = []
    for n in lr.shape[-2:]:
        index, weight = taps(n, 4 * n, 4, cubic(), offset=0.5)
        matrices.append(torch.zeros(4 * n, n, dtype=weight.dtype).scatter_add_(1, index, weight).to(lr))
    return matrices[0] @ lr @ matrices[1].mT


RIGHT = {
    "invisible": [by_basis, by_least_squares, by_orthonormal_rows],
    "double": [by_list, by_layer, at_places(lambda n: 0.5, 0.5)],
    "unpaired": [mixed(), masked, by_numpy],
    "steps": [counting(lambda error: abs(error).mean()), recursive, before_the_step],
    "effect": [interval(), by_lists],
    "train": [Judged(sharpened), lambda judge: torch.tensor(judge(sharpened))],
}

WRONG = {
    "invisible": [
        ("this is the part that A sees", seen_by((0, 1))),
        ("transpose", lambda x, A: x - sum(float(row @ x) * row for row in A)),
        ("was added", seen_by((1, 1))),
        ("subtracted twice", outer_products),
        ("one after the other", matrix_of_each_row),
    ],
    "double": [
        ("too dark", at_places(lambda n: 0.5, 0.5, edge=False)),
        ("half a pixel off", at_places(lambda n: 0.5, 1.0)),
        ("corner pixels", corners),
        ("nearest neighbour", lambda row: np.repeat(row.numpy(), 2)),
    ],
    "unpaired": [
        ("no target", mixed(pairs="all", over="all")),
        ("divided by all samples", mixed(over="all")),
        ("mean of nothing", mixed(over="found")),
        ("unpaired samples alone", mixed(loop="unpaired")),
        ("both terms. It belongs", mixed(on="both")),
        ("weight is missing", mixed(on="none")),
        ("squared", mixed(power=2)),
    ],
    "steps": [
        ("one too many", counting(lambda error: abs(error).mean(), start=1)),
        ("before the first look", counting(lambda error: abs(error).mean(), always=True)),
        ("largest error", counting(lambda error: abs(error).max())),
        ("root of the mean square", counting(lambda error: np.sqrt((error**2).mean()))),
    ],
    "effect": [
        ("pictures were taken for the unit", interval(axis=None)),
        ("other way round", interval(axis=0)),
        ("pairs are lost", by_variances),
        ("divided by n, and not", interval(root=1)),
        ("spread of single seeds", interval(root=None)),
        ("n in its denominator", interval(correction=0)),
        ("wrong sign", interval(sign=-1)),
    ],
    "train": [
        ("as it was before training", Judged(untrained)),
        ("bicubic interpolation itself", Judged(lambda lr: resize(lr, 4, kernel="bicubic"))),
        ("repeated", Judged(lambda lr: F.interpolate(lr, scale_factor=4, mode="nearest"))),
        ("half an lr pixel", Judged(moved)),
    ],
}

# written from the exercises' text alone, after the probes were chosen: none of these may pass
OTHERS = {
    "invisible": [
        lambda x, A: A.T @ torch.linalg.pinv(A.T) @ x,
        lambda x, A: x - (A.T @ A @ x) / A.norm() ** 2,
        lambda x, A: torch.zeros_like(x),
        lambda x, A: x - torch.linalg.pinv(A.T @ A) @ (A.T @ A @ (A.T @ A @ x)),
        lambda x, A: np.linalg.qr(A.numpy().T)[0][:, -1],
    ],
    "double": [
        lambda row: F.interpolate(row.view(1, 1, -1), scale_factor=2, mode="linear", align_corners=True).flatten(),
        lambda row: F.conv_transpose1d(row.view(1, 1, -1), torch.tensor([[[1.0, 3, 3, 1]]]) / 8, stride=2, padding=1)[
            0, 0
        ],
        lambda row: torch.stack([row, row.roll(-1)], 1).flatten(),
        lambda row: resize(row.expand(1, 1, 4, -1), (1, 2))[0, 0, 0],
        lambda row: torch.stack([(row + row.roll(1)) / 2, (row + row.roll(-1)) / 2], 1).flatten(),
    ],
    "unpaired": [
        lambda a, y, x, p, d, w: F.l1_loss(a[p], x[p]).nan_to_num() + w * F.l1_loss(d(x), y),
        lambda a, y, x, p, d, w: F.l1_loss(d(a), y),
        lambda a, y, x, p, d, w: F.l1_loss(a[p], x[p], reduction="sum") + w * F.l1_loss(d(a), y, reduction="sum"),
        lambda a, y, x, p, d, w: F.l1_loss(a[~p], x[~p]) + w * F.l1_loss(d(a), y),
        lambda a, y, x, p, d, w: w * F.l1_loss(d(a), y) if not p.all() else F.l1_loss(a, x),
        lambda a, y, x, p, d, w: F.l1_loss(a[p], x[p]).nan_to_num() + F.l1_loss(d(a), w * y),
    ],
    "steps": [
        lambda sr, lr, a, u, t: int((lr - a(sr)).abs().mean() > t),
        lambda sr, lr, a, u, t: int((lr - a(sr)).abs().mean() / t),
        lambda sr, lr, a, u, t: 10,
        counting(lambda error: abs(error).sum()),
        counting(lambda error: abs(error.mean())),
    ],
    "effect": [
        lambda a, b, t: ((a - b).mean(), 2 * t * (a - b).mean(1).std() / len(a) ** 0.5),
        lambda a, b, t: ((a - b).mean(), t * (a - b).std()),
        lambda a, b, t: ((a - b).mean(1)[0], t * (a - b).mean(1).std() / len(a) ** 0.5),
        lambda a, b, t: ((a - b).median(), t * (a - b).mean(1).std() / len(a) ** 0.5),
        lambda a, b, t: ((a - b).mean(), 1.96 * (a - b).mean(1).std() / len(a) ** 0.5),
        lambda a, b, t: ((a - b).mean(), t * (a - b).mean(1).var() / len(a)),
    ],
    "train": [
        Judged(lambda lr: resize(lr, 4, kernel="lanczos3") * 0.9),
        Judged(lambda lr: lr),
        Judged(lambda lr: resize(lr, 4).flip(-1)),
        Judged(lambda lr: resize(lr, 4, kernel="bilinear")),
        lambda judge: judge,
    ],
}


class TestDrn(Contract):
    chapter, exercises, right, wrong = "drn", EXERCISES, RIGHT, WRONG


@pytest.mark.parametrize("task", OTHERS)
def test_other_wrong_answers_fail(task):
    for number, answer in enumerate(OTHERS[task]):
        assert not check(f"drn-{task}", answer), number


def test_the_interval_is_that_of_the_library():
    """With Student's quantile for four seeds."""
    (treated, control, _), _ = EXERCISES["effect"].probes
    quantile = 3.182446305284263
    mine, theirs = EXERCISES["effect"].reference(treated, control, quantile), by_library(treated, control, quantile)
    assert [float(each) for each in mine] == pytest.approx(theirs, abs=1e-6)


def test_the_null_space_is_that_of_the_shrinking():
    units = torch.eye(64).double().view(-1, 1, 8, 8)
    A = shrink(units, 2).flatten(1).T
    x = torch.rand(1, 1, 8, 8).double()
    mine = EXERCISES["invisible"].reference(x.flatten(), A).view_as(x)
    torch.testing.assert_close(mine, invisible(x, 2))


def test_doubling_is_centred():
    """A slope stays where it is: its value at a place that is twice as far is the same."""
    slope = torch.arange(9.0)
    torch.testing.assert_close(doubled(slope)[1:-1], (torch.arange(18.0) / 2 - 0.25)[1:-1])
