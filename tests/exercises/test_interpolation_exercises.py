"""Exercises on interpolation: right answers in other words pass, and what people get wrong is called by its name."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from srlib.exercises import check
from srlib.resample import cubic, resize, weights


def keys(t, a):
    """One number at a time, the polynomials multiplied out."""
    t = abs(t)
    if t <= 1:
        return (a + 2) * t**3 - (a + 3) * t**2 + 1
    return a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a if t < 2 else 0.0


def pointwise(kernel):
    """A kernel of numbers as a function of arrays of any shape."""
    return lambda t, a: np.vectorize(lambda place: kernel(float(place), a))(t.numpy())


def piece_beyond_two(t, a):
    return keys(t, a) if abs(t) <= 1 else a * abs(t) ** 3 - 5 * a * t**2 + 8 * a * abs(t) - 4 * a


@pytest.mark.parametrize(
    "answer, words",
    [
        (lambda t, a: (a + 2) * t**3 - (a + 3) * t**2 + 1 if t <= 1 else keys(t, a), "as they come"),
        (lambda t, a: keys(t, a) if t >= 0 else 0.0, "0 for negative"),
        (piece_beyond_two, "beyond 2"),
        (lambda t, a: keys(t, a) if abs(t) < 1 else 0.0, "far piece"),
        (lambda t, a: keys(t, -a), "sign of a"),
        (lambda t, a: keys(t, -0.5), "whatever is asked"),
    ],
)
def test_mistakes_with_the_cubic(answer, words):
    result = check("interpolation-cubic", pointwise(answer))
    assert not result and words in result.hint


@pytest.mark.parametrize("answer", [pointwise(keys), lambda t, a: cubic(a).function(t.float())])
def test_right_cubics(answer):
    assert check("interpolation-cubic", answer)


def row_by_loop(y, s, place):
    """Linear interpolation with the fraction at hand: place(i, n) -> (left, right, part of right)."""
    n = len(y)
    result = []
    for i in range(n * s):
        left, right, part = place(i, n)
        values = [float(y[j]) if 0 <= j < n else 0.0 for j in (left, right)]
        result.append(values[0] * (1 - part) + values[1] * part)
    return torch.tensor(result)


def at(position):
    """Neighbours of position(i, n), kept inside the row."""

    def place(i, n):
        u = min(max(position(i, n), 0), n - 1)
        left = min(int(u), n - 2)
        return left, left + 1, u - left

    return place


def row_extended(y, s):
    n = len(y)
    u = (np.arange(n * s) + 0.5) / s - 0.5
    left = np.clip(np.floor(u).astype(int), 0, n - 2)
    y = y.numpy()
    return y[left] + (u - left) * (y[left + 1] - y[left])


def row_truncated(y, s):
    def place(i, n):
        u = (i + 0.5) / s - 0.5
        left = int(u)
        return left, min(left + 1, n - 1), u - left

    return row_by_loop(y, s, place)


def row_over_zeros(y, s):
    padded = torch.cat([torch.zeros(1), y, torch.zeros(1)]).view(1, 1, -1)
    return F.interpolate(padded, scale_factor=s, mode="linear").flatten()[s:-s]


def row_exchanged(y, s):
    padded = torch.cat([y[:1], y, y[-1:]])
    u = (torch.arange(len(y) * s) + 0.5) / s + 0.5
    left = u.long()
    return padded[left] * (u - left) + padded[left + 1] * (1 - u + left)


@pytest.mark.parametrize(
    "answer, words",
    [
        (lambda y, s: row_by_loop(y, s, at(lambda i, n: i / s)), "i/s"),
        (
            lambda y, s: F.interpolate(y.view(1, 1, -1), scale_factor=s, mode="linear", align_corners=True).flatten(),
            "align_corners",
        ),
        (lambda y, s: F.interpolate(y.view(1, 1, -1), scale_factor=s).flatten(), "nearest"),
        (row_over_zeros, "too dark"),
        (row_extended, "extrapolate"),
        (row_truncated, "floor"),
        (row_exchanged, "exchanged"),
    ],
)
def test_mistakes_with_a_row(answer, words):
    result = check("interpolation-row", answer)
    assert not result and words in result.hint


@pytest.mark.parametrize(
    "answer",
    [
        lambda y, s: row_by_loop(y, s, at(lambda i, n: (i + 0.5) / s - 0.5)),
        lambda y, s: F.interpolate(y.float().view(1, 1, -1), scale_factor=s, mode="linear").flatten(),
        lambda y, s: np.interp((np.arange(len(y) * s) + 0.5) / s - 0.5, np.arange(len(y)), y.numpy()),
    ],
)
def test_right_rows(answer):
    assert check("interpolation-row", answer)


def both_axes(matrix):
    """An answer that multiplies by matrix(n_in, factor) on each side."""

    def answer(image, factor):
        rows, columns = (matrix(n, factor).to(image) for n in image.shape[-2:])
        return rows @ image @ columns.T

    return answer


def shrinking_matrix(a=-0.5, stretched=True, late=0.5, mirrored=True, width=2.0, shape=None):
    """Weights of a shrink, written down as sums over a picture mirrored (or continued by nothing) at its ends."""
    kernel = shape or keys

    def matrix(n, factor):
        result = np.zeros((n // factor, n))
        wide = factor if stretched else 1
        for i in range(n // factor):
            u = (i + late) * factor - late
            for j in range(int(u - width * wide) - 2, int(u + width * wide) + 3):
                inside = -1 - j if j < 0 else 2 * n - 1 - j if j >= n else j
                if mirrored or inside == j:
                    result[i, inside] += kernel((u - j) / wide, a)
        return torch.from_numpy(result / result.sum(1, keepdims=True))

    return both_axes(matrix)


def pillow(image, factor):
    height, width = (side // factor for side in image.shape[-2:])
    picture = Image.fromarray(image[0, 0].numpy()).resize((width, height), Image.Resampling.BICUBIC)
    return np.array(picture)[None, None]


@pytest.mark.parametrize(
    "answer, words",
    [
        (lambda image, factor: F.interpolate(image, scale_factor=1 / factor, mode="nearest"), "every factor-th"),
        (shrinking_matrix(stretched=False), "no antialias: a = −0.5"),
        (shrinking_matrix(a=-0.75, stretched=False), "F.interpolate without"),
        (shrinking_matrix(a=-0.75), "stretched, but with a = −0.75"),
        (shrinking_matrix(mirrored=False), "near the border"),
        (pillow, "near the border"),
        (lambda image, factor: F.interpolate(image, scale_factor=1 / factor, mode="area"), "mean of each block"),
        (shrinking_matrix(width=1.0, shape=lambda t, a: max(0.0, 1 - abs(t))), "triangle"),
        (shrinking_matrix(late=0.0), "half-pixel shift: you centred"),
        (shrinking_matrix(late=0.0, stretched=False), "every factor-th"),
    ],
)
def test_mistakes_with_shrinking(answer, words):
    result = check("interpolation-shrink", answer)
    assert not result and words in result.hint


@pytest.mark.parametrize(
    "answer",
    [
        shrinking_matrix(),
        both_axes(lambda n, factor: weights(n, n // factor, 1 / factor)),
        lambda image, factor: resize(image.double(), 1 / factor).numpy(),
        lambda image, factor: resize(resize(image, (1.0, 1 / factor)), (1 / factor, 1.0)),
    ],
)
def test_right_shrinks(answer):
    assert check("interpolation-shrink", answer)


def one_value(ground, height, index, distance):
    """Read the kernel at one place between 1 and 2 and solve for a."""

    def answer(enlarge):
        row = torch.full((15,), ground)
        row[7] += height
        value = float(enlarge(row)[4 * 7 + index] - ground) / height
        return value / ((distance - 1) * (distance - 2) ** 2)

    return answer


def all_values(ground, height, late):
    """A straight line through all answers between 1 and 2 and their known part, and the near piece too."""

    def answer(enlarge):
        row = np.full(11, ground)
        row[5] += height
        values = (np.asarray(enlarge(torch.from_numpy(row))) - ground) / height
        distance = (np.arange(44) + late) / 4 - late - 5
        base = np.array([keys(place, 0.0) for place in distance])
        tilt = np.array([keys(place, 1.0) for place in distance]) - base
        return np.linalg.lstsq(tilt[:, None], values - base, rcond=None)[0][0]

    return answer


@pytest.mark.parametrize(
    "answer, words",
    [
        (lambda enlarge: -one_value(0.5, 0.2, 7, 1.375)(enlarge), "sign"),
        (one_value(0.0, 1.0, 7, 1.375), "found 0"),
        (all_values(0.0, 1.0, 0.5), "clamped at black"),
        (all_values(0.5, 0.25, 0.0), "half-pixel"),
    ],
)
def test_mistakes_with_the_black_box(answer, words):
    result = check("interpolation-libraries", answer)
    assert not result and words in result.hint


@pytest.mark.parametrize(
    "answer", [one_value(0.5, 0.2, 7, 1.375), one_value(0.4, 0.3, 9, 1.875), all_values(0.4, 0.1, 0.5)]
)
def test_right_detectives(answer):
    assert check("interpolation-libraries", answer)


def srgb_to_light(v):
    return np.where(v <= 0.04045, v / 12.92, np.power((v + 0.055) / 1.055, 2.4))


def light_to_srgb(v):
    return np.where(v <= 0.0031308, v * 12.92, 1.055 * np.power(v, 1 / 2.4) - 0.055)


def light_between(decode, encode):
    def answer(image, factor):
        small = resize(torch.from_numpy(np.asarray(decode(image.double().numpy()))), 1 / factor).numpy()
        return encode(np.clip(small, 0, 1))

    return answer


@pytest.mark.parametrize(
    "answer, words",
    [
        (light_between(lambda v: v, lambda v: v), "not the light"),
        (light_between(srgb_to_light, lambda v: v), "encode it"),
        (light_between(light_to_srgb, srgb_to_light), "exchanged"),
        (light_between(lambda v: v**2.2, lambda v: v ** (1 / 2.2)), "2.2"),
    ],
)
def test_mistakes_with_light(answer, words):
    result = check("interpolation-linear-light", answer)
    assert not result and words in result.hint


def test_right_light():
    assert check("interpolation-linear-light", light_between(srgb_to_light, light_to_srgb))
