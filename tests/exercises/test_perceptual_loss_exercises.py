"""The chapter on perceptual losses: right answers pass in any style, and each wrong one is told what it did."""

import numpy as np
import scipy.ndimage
import torch

from srlib.exercises.perceptual_loss import EXERCISES
from tests.exercises.contract import Contract


def by_search(answers, odds, power=2.0):
    """For each pixel the grey value, among a fine list, of the least expected error."""
    levels = torch.cat([answers.flatten(), (answers * odds.view(-1, 1, 1)).sum(0).flatten()]).unique()
    costs = (odds.view(-1, 1, 1, 1) * (levels.view(1, -1, 1, 1) - answers[:, None]).abs() ** power).sum(0)
    return levels[costs.argmin(0)]


def searched(answers, odds):
    return by_search(answers, odds), by_search(answers, odds, 1.0)


def even(answers):
    return torch.full((len(answers),), 1 / len(answers), dtype=torch.float64)


def one_colour_at_a_time(image, mean, std):
    planes = [(image[:, c].numpy() - float(mean[c])) / float(std[c]) for c in range(3)]
    return np.stack(planes, 1)


def sums(features, channels=True, over=None, centre=False):
    """Gram matrices of one picture after the other, written as sums of outer products over the places."""
    result = []
    for picture in features.numpy():
        picture = picture - picture.mean((1, 2), keepdims=True) if centre else picture
        flat = picture.reshape(len(picture), -1)
        vectors = flat.T if channels else flat
        result.append(sum(np.outer(v, v) for v in vectors) / (over or picture.size))
    return np.stack(result)


def cosine(a, b):
    """|u − v|² = 2 − 2 cos for unit vectors."""
    return (2 - 2 * torch.nn.functional.cosine_similarity(a, b, dim=1)).mean((-2, -1))


def loops(unit=0, root=False, channels=sum, places=np.mean):
    """Place by place; unit: 0 over channels, 1 over places, None."""

    def answer(a, b):
        found = []
        for x, y in zip(a.numpy(), b.numpy(), strict=True):
            x, y = x.reshape(len(x), -1), y.reshape(len(y), -1)
            if unit is not None:
                x, y = (z / np.sqrt((z**2).sum(unit, keepdims=True)) for z in (x, y))
            each = [channels((x[:, i] - y[:, i]) ** 2) for i in range(x.shape[1])]
            found.append(places(np.sqrt(each) if root else each))
        return np.array(found)

    return answer


def by_norms(wanted, first, second, power=2):
    far = [np.linalg.norm((x - wanted).numpy().ravel(), 2) for x in (first, second)]
    return (far[0] / far[1]) ** power


def by_cuts(moves=None, end=None):
    """The moved picture is cut out, never rolled; end(list of difference pictures)."""

    def answer(a, b, reach):
        steps = range(-reach, reach + 1) if moves is None else moves(reach)
        height, width = a.shape
        inner = a[reach : height - reach, reach : width - reach].numpy()
        squares = []
        for i in steps:
            for j in steps:
                part = b[reach - i : height - reach - i, reach - j : width - reach - j].numpy()
                squares.append((part - inner) ** 2)
        return min(s.mean() for s in squares) if end is None else end(np.stack(squares))

    return answer


def wrapped(a, b, reach):
    steps = range(-reach, reach + 1)
    moved = [scipy.ndimage.shift(b.numpy(), (i, j), order=0, mode="grid-wrap") for i in steps for j in steps]
    return min(((m - a.numpy()) ** 2).mean() for m in moved)


RIGHT = {
    "best": [searched],
    "normalise": [one_colour_at_a_time],
    "gram": [sums, lambda x: torch.einsum("nchw,ndhw->ncd", x, x) / x[0].numel()],
    "unit-distance": [cosine, loops()],
    "ratio": [by_norms],
    "tolerant": [by_cuts()],
}

WRONG = {
    "best": [
        ("swapped", lambda answers, odds: (by_search(answers, odds, 1.0), by_search(answers, odds))),
        ("odds are missing:", lambda answers, odds: searched(answers, even(answers))),
        ("median alone", lambda answers, odds: (by_search(answers, odds), by_search(answers, even(answers), 1.0))),
        ("most likely", lambda answers, odds: (by_search(answers, odds), answers[int(np.argmax(odds.numpy()))])),
        ("one number", lambda answers, odds: tuple(np.full(p.shape, p.mean()) for p in searched(answers, odds))),
    ],
    "normalise": [
        ("nothing is divided", lambda image, mean, std: one_colour_at_a_time(image, mean, torch.ones(3))),
        ("other order", lambda image, mean, std: one_colour_at_a_time(image, mean * std, std)),
        ("red and blue", lambda image, mean, std: one_colour_at_a_time(image, mean.flip(0), std.flip(0))),
        ("255", lambda image, mean, std: one_colour_at_a_time(255 * image, mean, std)),
        ("variance", lambda image, mean, std: one_colour_at_a_time(image, mean, std**2)),
    ],
    "gram": [
        ("division is missing", lambda x: sums(x, over=1)),
        ("places only", lambda x: sums(x, over=x[0, 0].numel())),
        ("mixed", lambda x: np.stack([sums(x).mean(0)] * len(x))),
        ("covariance", lambda x: sums(x, centre=True)),
        ("places with places", lambda x: sums(x, channels=False)),
    ],
    "unit-distance": [
        ("not made unit", loops(unit=None)),
        ("norm over dimension", loops(unit=1)),
        ("where the sum belongs", loops(channels=np.mean)),
        ("sum over places", loops(places=np.sum)),
        ("no root", loops(root=True)),
        ("whole batch", lambda a, b: cosine(a, b).mean()),
    ],
    "ratio": [
        ("upside down", lambda wanted, first, second: by_norms(wanted, second, first)),
        ("roots", lambda wanted, first, second: by_norms(wanted, first, second, 1)),
        (
            "absolute",
            lambda w, first, second: np.abs((first - w).numpy()).sum() / np.abs((second - w).numpy()).sum(),
        ),
        (
            "place by place",
            lambda w, first, second: np.mean(((first - w).numpy() / (second - w).numpy()) ** 2),
        ),
    ],
    "tolerant": [
        ("came in on the other", wrapped),
        ("mean over all", by_cuts(end=np.mean)),
        ("chose its own", by_cuts(end=lambda squares: squares.min(0).mean())),
        ("only down", by_cuts(moves=lambda reach: range(reach + 1))),
        ("nothing was moved", by_cuts(moves=lambda reach: [0])),
    ],
}


class TestPerceptualLoss(Contract):
    chapter, exercises, right, wrong = "perceptual_loss", EXERCISES, RIGHT, WRONG
