"""Exercises of the chapter on measuring: right answers of any make pass, each wrong one hears its own mistake."""

import itertools
import math

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio
from torch.nn.functional import conv2d, pad

from srlib.exercises import check, find, names
from tests.conftest import every

TASKS = ("psnr", "paper", "mean", "shift", "structure")


def array(image):
    return image.double().numpy()


def decibels(difference):
    return -10 * np.log10((np.asarray(difference, dtype=np.float64) ** 2).mean())


def each(sr, hr, error):
    """One number for each picture of a batch."""
    return np.array([decibels(error(a, b)) for a, b in zip(array(sr), array(hr), strict=True)])


# The papers' protocol, in levels of 0 to 255 and with whole numbers, as MATLAB computes it.


def levels(image):
    return np.rint(255 * np.clip(array(image), 0, 1))


def studio(rgb):
    return 16 + np.tensordot(np.array([65.481, 128.553, 24.966]) / 255, rgb, (0, 1))


def full(rgb):
    return np.tensordot(np.array([0.299, 0.587, 0.114]), rgb, (0, 1))


def by_hand(sr, hr, scale, *, start=levels, luma=studio, end=np.rint, border=None, peak=255.0):
    cut = scale if border is None else border
    rows, columns = slice(cut, hr.shape[2] - cut), slice(cut, hr.shape[3] - cut)
    planes = [end(luma(start(image)))[..., rows, columns] for image in (sr, hr)]
    error = ((planes[0] - planes[1]) ** 2).reshape(-1, *planes[0].shape[-3:]).mean((0, 2, 3))
    return 10 * np.log10(peak**2 / error)


def unrounded(image):
    return 255 * array(image)


def clipped(image):
    return 255 * np.clip(array(image), 0, 1)


def colours(rgb):
    return rgb.transpose(1, 0, 2, 3)


# The shift, with loops and NumPy slices.


def at_shift(sr, hr, down, right):
    height, width = hr.shape[2:]
    total, count = 0.0, 0
    for y, x in itertools.product(range(height), range(width)):
        if 0 <= y - down < height and 0 <= x - right < width:
            total += ((sr[0, :, y - down, x - right] - hr[0, :, y, x]) ** 2).sum()
            count += sr.shape[1]
    return -10 * math.log10(total / count)


def by_shift(sr, hr, down=(-2, -1, 0, 1, 2), right=(-2, -1, 0, 1, 2)):
    return max(at_shift(array(sr), array(hr), y, x) for y in down for x in right)


def with_roll(sr, hr, border=0):
    best = -math.inf
    for y, x in itertools.product(range(-2, 3), repeat=2):
        error = np.roll(array(sr), (y, x), (2, 3)) - array(hr)
        best = max(best, decibels(error[:, :, border : error.shape[2] - border, border : error.shape[3] - border]))
    return best


def with_zeros(sr, hr):
    wide = pad(sr, (2, 2, 2, 2))
    height, width = hr.shape[2:]
    return max(decibels(array(wide[..., y : y + height, x : x + width] - hr)) for y in range(5) for x in range(5))


# The contrast-structure term, with every window cut out.


def structure(sr, hr, c2=0.0009, weights=None, means=None):
    line = np.exp(-0.5 * ((np.arange(11) - 5) / 1.5) ** 2) if weights is None else weights
    window = np.outer(line, line) / line.sum() ** 2
    x, y = (np.lib.stride_tricks.sliding_window_view(array(image), (11, 11), (2, 3)) for image in (sr, hr))
    mean_x, mean_y = (window * x).sum((-2, -1)), (window * y).sum((-2, -1))
    dx, dy = x - mean_x[..., None, None], y - mean_y[..., None, None]
    term = (2 * (window * dx * dy).sum((-2, -1)) + c2) / ((window * (dx**2 + dy**2)).sum((-2, -1)) + c2)
    if means is not None:
        term = term * (2 * mean_x * mean_y + means) / (mean_x**2 + mean_y**2 + means)
    return term.mean((1, 2, 3))


def padded_structure(sr, hr):
    line = torch.tensor([math.exp(-((i - 5) ** 2) / 4.5) for i in range(11)], dtype=torch.float64)
    window = (line[:, None] * line / line.sum() ** 2).expand(sr.shape[1], 1, 11, 11)

    def mean(image):
        return conv2d(image, window, padding="same", groups=sr.shape[1])

    x, y = sr.double(), hr.double()
    covariance = mean(x * y) - mean(x) * mean(y)
    spread = mean(x**2) - mean(x) ** 2 + mean(y**2) - mean(y) ** 2
    return ((2 * covariance + 0.0009) / (spread + 0.0009)).mean((1, 2, 3))


def test_the_chapter_has_these_exercises():
    assert [name for name in names() if name.startswith("measuring-")] == [f"measuring-{task}" for task in TASKS]


RIGHT = [
    ("psnr", lambda sr, hr: each(sr, hr, lambda a, b: a - b)),
    ("psnr", lambda sr, hr: 20 * torch.log10(1 / (sr - hr).pow(2).mean((1, 2, 3)).sqrt())),
    ("psnr", lambda sr, hr: each(sr, hr, lambda a, b: 255 * a - 255 * b) + 20 * math.log10(255)),
    (
        "psnr",
        lambda sr, hr: torch.tensor(
            [peak_signal_noise_ratio(b.numpy(), a.numpy(), data_range=1) for a, b in zip(sr, hr, strict=True)]
        ),
    ),
    ("paper", by_hand),
    ("paper", lambda sr, hr, scale: torch.from_numpy(by_hand(sr, hr, scale)).float()),
    ("mean", lambda pairs: sum(decibels(a - b) for a, b in pairs) / len(pairs)),
    ("mean", lambda pairs: torch.tensor([decibels(a - b) for a, b in pairs]).mean()),
    ("shift", by_shift),
    ("structure", structure),
    ("structure", lambda sr, hr: torch.from_numpy(structure(sr, hr)).float()),
]


def test_right_answers_pass_however_they_are_written():
    def passes(task, answer):
        result = check(f"measuring-{task}", answer)
        assert result, result.hint

    every(passes, RIGHT)


def all_pixels(pairs):
    return np.concatenate([array(a - b).ravel() for a, b in pairs])


WRONG = [
    ("psnr", "the peak is 255", lambda sr, hr: each(sr, hr, lambda a, b: (a - b) / 255)),
    ("psnr", "levels of 255", lambda sr, hr: each(sr, hr, lambda a, b: 255 * (a - b))),
    ("psnr", "half the value", lambda sr, hr: 10 * np.log10(1 / np.sqrt(((array(sr - hr)) ** 2).mean((1, 2, 3))))),
    ("psnr", "twice the value", lambda sr, hr: 20 * np.log10(1 / ((array(sr - hr)) ** 2).mean((1, 2, 3)))),
    ("psnr", "natural logarithm", lambda sr, hr: 10 * np.log(1 / ((array(sr - hr)) ** 2).mean((1, 2, 3)))),
    ("psnr", "summed", lambda sr, hr: 10 * np.log10(1 / ((array(sr - hr)) ** 2).sum((1, 2, 3)))),
    ("psnr", "whole batch", lambda sr, hr: decibels(array(sr - hr))),
    ("paper", "red, green and blue", lambda *x: by_hand(*x, luma=colours)),
    ("paper", "full-range", lambda *x: by_hand(*x, luma=full)),
    ("paper", "border is missing", lambda *x: by_hand(*x, border=0)),
    ("paper", "whatever the scale", lambda *x: by_hand(*x, border=4)),
    ("paper", "nothing is rounded", lambda *x: by_hand(*x, start=unrounded, end=np.asarray)),
    ("paper", "clamped but not rounded", lambda *x: by_hand(*x, start=clipped, end=np.asarray)),
    ("paper", "Y is rounded but", lambda sr, hr, scale: by_hand(sr, hr, scale, start=unrounded)),
    ("paper", "the colours are rounded but", lambda *x: by_hand(*x, end=np.asarray)),
    ("paper", "wrong range", lambda *x: by_hand(*x, peak=1)),
    ("paper", "swapped", lambda sr, hr, scale: by_hand(sr[:, [2, 1, 0]], hr[:, [2, 1, 0]], scale)),
    ("mean", "mean error", lambda pairs: -10 * np.log10(np.mean([(array(a - b) ** 2).mean() for a, b in pairs]))),
    ("mean", "pools the pixels", lambda pairs: decibels(all_pixels(pairs))),
    (
        "mean",
        "weights each",
        lambda pairs: np.average([decibels(a - b) for a, b in pairs], weights=[b.numel() for _, b in pairs]),
    ),
    ("mean", "shape is (1,)", lambda pairs: np.array([decibels(a - b) for a, b in pairs]).mean(keepdims=True)),
    ("shift", "without a shift", lambda sr, hr: decibels(array(sr - hr))),
    ("shift", "circular", with_roll),
    ("shift", "from outside is zero", with_zeros),
    ("shift", "2 pixels at every shift", lambda sr, hr: with_roll(sr, hr, 2)),
    ("shift", "down and to the right", lambda sr, hr: by_shift(sr, hr, (0, 1, 2), (0, 1, 2))),
    ("shift", "up to ±1", lambda sr, hr: by_shift(sr, hr, (-1, 0, 1), (-1, 0, 1))),
    ("shift", "stops at 1", lambda sr, hr: by_shift(sr, hr, range(-2, 2), range(-2, 2))),
    ("shift", "shape is (1,)", lambda sr, hr: [by_shift(sr, hr)]),
    ("structure", "whole SSIM", lambda sr, hr: structure(sr, hr, means=0.0001)),
    ("structure", "C2 is missing", lambda sr, hr: structure(sr, hr, c2=0)),
    ("structure", "square it", lambda sr, hr: structure(sr, hr, c2=0.03)),
    ("structure", "0 to 255", lambda sr, hr: structure(sr, hr, c2=7.65**2)),
    ("structure", "is flat", lambda sr, hr: structure(sr, hr, weights=np.ones(11))),
    ("structure", "sees zeros", padded_structure),
]


@pytest.mark.parametrize("task", TASKS)
def test_each_known_mistake_is_named(task):
    def named(_, words, answer):
        result = check(f"measuring-{task}", answer)
        assert not result and words in result.hint, result.hint

    every(named, [row for row in WRONG if row[0] == task])


def test_every_mistake_of_the_module_is_tried_here():
    for task in TASKS:
        hints = find(f"measuring-{task}").mistakes
        tried = [words for name, words, _ in WRONG if name == task]
        assert all(sum(words in hint for hint in hints) == 1 for words in tried)
        assert len(tried) == len(hints)


@pytest.mark.parametrize("task", TASKS)
def test_an_unknown_mistake_shows_both_numbers(task):
    result = check(f"measuring-{task}", lambda *x: torch.as_tensor(find(f"measuring-{task}").reference(*x)) + 0.5)
    assert "the values differ" in result.hint
